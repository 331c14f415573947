package handshake

import (
	"crypto/sha1"
	"encoding/base64"
	"strconv"
	"strings"
)

// Mistake names what a server did instead of the right calculation.
type Mistake struct {
	ID   string `json:"id"`   // accept-right, key-decoded, guid-missing, ...; accept-unknown where no known one fits
	What string `json:"what"` // what it did
	Mend string `json:"mend"` // what to change
}

// Right reports whether there was no mistake.
func (m Mistake) Right() bool { return m.ID == "accept-right" }

const (
	unknownMistake = "accept-unknown"
	formula        = "Send base64(SHA-1(key + \"" + GUID + "\")), with the key as it stands in the header."
)

// maxDiagnosed bounds the key and the value of which thousands of variants are
// tried.
const maxDiagnosed = 128

// DiagnoseAccept names the mistake behind the accept value got, which came as
// the answer to key. It tries what servers are known to do wrong, alone and
// two or three at once, and each typing error in the GUID. Others are keys of
// other connections, whose accept value may have been mixed up with this one's.
func DiagnoseAccept(key, got string, others ...string) Mistake {
	key = string(trim([]byte(key)))
	got = string(trim([]byte(got)))
	if m, ok := atFirstSight(key, got); ok {
		return m
	}
	if len(key) > maxDiagnosed || len(got) > maxDiagnosed {
		return byShape(got)
	}
	for _, look := range []func() (Mistake, bool){
		func() (Mistake, bool) { return combined(key, got) },
		func() (Mistake, bool) { return mistypedGUID(key, got) },
		func() (Mistake, bool) { return anotherKey(got, others) },
	} {
		if m, ok := look(); ok {
			return m
		}
	}
	return byShape(got)
}

// atFirstSight knows the mistakes that need no calculation but the right one.
func atFirstSight(key, got string) (Mistake, bool) {
	want := AcceptKey(key)
	switch {
	case got == want:
		return Mistake{"accept-right", "The value is right.", ""}, true
	case got == "":
		return Mistake{"accept-empty", "The value is empty.", formula}, true
	case got == key:
		return Mistake{"key-echoed", "The server sent the key back as it came, without any calculation.", formula}, true
	case got == GUID:
		return Mistake{"guid-sent", "The server sent the GUID itself.", formula}, true
	case strings.Trim(got, `"'`) == want:
		return Mistake{"accept-quoted", "The value is right, but it stands between quotation marks.", "Send the value without quotation marks."}, true
	case strings.EqualFold(got, want):
		return Mistake{"accept-case", "The value is right but for upper and lower case.", "Base64 is case-sensitive: send it unchanged. Look for code or a proxy that lower-cases header values."}, true
	case len(got) > len(want) && strings.HasPrefix(got, want):
		return Mistake{"accept-longer", "The right value comes first, and then something that does not belong there: " + quote([]byte(got[len(want):])) + ".", "End the header's value behind the \"=\"; each header has a line of its own."}, true
	case len(got) >= 8 && got != strings.TrimRight(want, "=") && strings.HasPrefix(want, got):
		return Mistake{"accept-cut", "The value is right but cut short.", "Make room for all 28 characters; in C, do not forget the terminating NUL."}, true
	}
	return Mistake{}, false
}

// combined tries every way to join, hash and encode, and takes the one with the
// fewest mistakes. The first of each list is the right one.
func combined(key, got string) (m Mistake, found bool) {
	fewest := 4
	digests, encodings := hashings(), encodings()
	for i, in := range joinings(key) {
		for j, digest := range digests {
			if isWrong(i)+isWrong(j) >= fewest {
				continue
			}
			sum := digest.sum(key, in.text)
			for k, enc := range encodings {
				if wrong := isWrong(i) + isWrong(j) + isWrong(k); wrong < fewest && enc.fits(len(sum), len(got)) && enc.encode(sum) == got {
					m, found, fewest = together(in.Mistake, digest.Mistake, enc.Mistake), true, wrong
				}
			}
		}
	}
	return m, found
}

func isWrong(index int) int { return min(index, 1) }

// together makes one mistake of several; those without an ID are none.
func together(parts ...Mistake) (m Mistake) {
	for _, p := range parts {
		switch {
		case p.ID == "":
		case m.ID == "":
			m = p
		default:
			m = Mistake{m.ID + "+" + p.ID, m.What + " Also: " + p.What, m.Mend + " " + p.Mend}
		}
	}
	return m
}

// mistypedGUID tries every GUID that is one typing error away.
func mistypedGUID(key, got string) (m Mistake, found bool) {
	want, err := base64.StdEncoding.DecodeString(got)
	if err != nil || len(want) != sha1.Size {
		return m, false
	}
	try := func(guid, what string) bool {
		if sum := sha1.Sum([]byte(key + guid)); string(sum[:]) != string(want) {
			return false
		}
		m = Mistake{"guid-typo", "The GUID has a typing error: " + what + ". The server used " + guid + ".", "Copy the GUID from RFC 6455 section 1.3: " + GUID + "."}
		return true
	}
	for i := range len(GUID) {
		if tryAt(i, try) {
			return m, true
		}
	}
	if try(strings.ReplaceAll(GUID, "-", ""), "its hyphens are missing") {
		return m, true
	}
	return m, false
}

// tryAt tries the typing errors at one place.
func tryAt(i int, try func(guid, what string) bool) bool {
	before, c, after := GUID[:i], GUID[i:i+1], GUID[i+1:]
	where := " at character " + strconv.Itoa(i+1)
	if try(before+after, `"`+c+`" is missing`+where) || i > 0 && try(before, "it ends after character "+strconv.Itoa(i)) {
		return true
	}
	if after != "" && try(before+after[:1]+c+after[1:], "two characters are swapped"+where) {
		return true
	}
	for _, typed := range strings.Split("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_ ", "") {
		if try(before+typed+after, `"`+typed+`" stands for "`+c+`"`+where) ||
			try(before+typed+c+after, `"`+typed+`" is too many`+where) {
			return true
		}
	}
	return false
}

// sampleAccept is RFC 6455's own example, which examples and stubs answer with.
const sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

func anotherKey(got string, others []string) (Mistake, bool) {
	for _, other := range others {
		if got == AcceptKey(other) {
			return Mistake{"other-key", "The value answers another key, " + quote([]byte(other)) + ".",
				"Calculate it anew for each connection, from this request's own key. Look for a cache, a variable that connections share, or a proxy that mixes up connections."}, true
		}
	}
	if got == sampleAccept {
		return Mistake{"constant", "The value is the example of RFC 6455: the server answers every key with it.", formula}, true
	}
	return Mistake{}, false
}

// byShape says what can be said of a value that no known mistake explains.
func byShape(got string) Mistake {
	raw, err := base64.StdEncoding.DecodeString(got)
	switch {
	case err == nil && len(raw) == sha1.Size:
		return Mistake{unknownMistake, "The value has the right form (20 bytes in base64), but it follows from another key or another text.",
			"Compare with `sockkit handshake key`. " + formula + " If the server does that, look for a cache or a proxy that changes Sec-WebSocket-Key on its way."}
	case err == nil:
		return Mistake{unknownMistake, "The value is base64 of " + count(len(raw), "byte", "bytes") + "; a SHA-1 has 20.", formula}
	}
	return Mistake{unknownMistake, "The value is not base64.", formula}
}
