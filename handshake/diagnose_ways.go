package handshake

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode/utf16"
)

// joining is a way to make the text that is hashed.
type joining struct {
	Mistake
	text string
}

const (
	asText  = "Hash the text of the header. Do not decode it first."
	asItIs  = "Join the key and the GUID with nothing before, between or behind them."
	trimKey = "Cut whitespace and the line's end off the header's value before using it, and nothing else."
	useGUID = "Append " + GUID + " to the key, exactly so, before hashing."
)

// joinings are the known ways to make the text. The first is the right one.
func joinings(key string) []joining {
	list := []joining{
		{Mistake{}, key + GUID},
		{Mistake{"guid-missing", "The GUID is missing: the server hashed the key alone.", useGUID}, key},
		{Mistake{"guid-lower-case", "The GUID is in lower case.", useGUID}, key + strings.ToLower(GUID)},
		{Mistake{"guid-first", "The GUID stands before the key.", "Put the key first and the GUID behind it."}, GUID + key},
		{Mistake{"key-missing", "The key is missing: the server hashed the GUID alone.", "Read Sec-WebSocket-Key (header names have no case) and put it before the GUID."}, GUID},
		{Mistake{"guid-braces", "The GUID stands in braces.", useGUID}, key + "{" + GUID + "}"},
		{Mistake{"guid-twice", "The GUID is appended twice.", useGUID}, key + GUID + GUID},
		{Mistake{"key-lower-case", "The key was turned into lower case.", "Leave the key as it came: only header names have no case. Look for code that lower-cases whole header lines."}, strings.ToLower(key) + GUID},
		{Mistake{"key-upper-case", "The key was turned into upper case.", "Leave the key as it came."}, strings.ToUpper(key) + GUID},
		{Mistake{"key-unpadded", "The \"==\" at the end of the key was cut off.", "Leave the key as it came, with its \"==\". Look for code that splits the line at \"=\"."}, strings.TrimRight(key, "=") + GUID},
		{Mistake{"header-line", "The whole header line was hashed, with its name.", "Take the value only."}, "Sec-WebSocket-Key: " + key + GUID},
		{Mistake{"key-quoted", "The key was put between quotation marks.", "Leave the key as it came."}, `"` + key + `"` + GUID},
		{Mistake{"utf-16", "The text was hashed as UTF-16.", "Turn the text into bytes as ASCII or UTF-8 (in .NET Encoding.ASCII, not Encoding.Unicode)."}, utf16LE(key + GUID)},
		{Mistake{"text-nul", "A NUL byte was hashed at the end of the text.", "Give the hash strlen(text) bytes and not sizeof(text)."}, key + GUID + "\x00"},
	}
	if raw, err := base64.StdEncoding.DecodeString(key); err == nil {
		list = append(list,
			joining{Mistake{"key-decoded", "The key was base64-decoded before it was hashed.", asText}, string(raw) + GUID},
			joining{Mistake{"key-as-hex", "The key was base64-decoded and written in hex before it was hashed.", asText}, hex.EncodeToString(raw) + GUID},
			joining{Mistake{"key-decoded+guid-missing", "The key was base64-decoded, and the GUID is missing.", asText + " " + useGUID}, string(raw)})
	}
	list = append(list, joining{Mistake{"key-encoded", "The key was base64-encoded once more before it was hashed.", asText}, base64.StdEncoding.EncodeToString([]byte(key)) + GUID})
	return append(list, spacings(key)...)
}

// spacings are the ways to let something slip in that is not seen.
func spacings(key string) (list []joining) {
	for _, s := range []struct{ text, name string }{
		{" ", "a space"}, {"\t", "a tab"}, {"\r", "a carriage return"}, {"\n", "a line feed"}, {"\r\n", "the line's end (CRLF)"},
	} {
		list = append(list,
			joining{Mistake{"key-not-trimmed", "The key was not trimmed: " + s.name + " stands before it.", trimKey}, s.text + key + GUID},
			joining{Mistake{"key-not-trimmed", "The key was not trimmed: " + s.name + " stands between it and the GUID.", trimKey}, key + s.text + GUID},
			joining{Mistake{"text-newline", "Something stands behind the text: " + s.name + ".", asItIs + " (echo appends a line feed; use printf or echo -n.)"}, key + GUID + s.text},
			joining{Mistake{"key-not-trimmed", "The key was not trimmed: " + s.name + " stands on both sides of it.", trimKey}, s.text + key + s.text + GUID})
	}
	for _, s := range []string{":", "-", ",", "+", ";", "|", ".", "&"} {
		list = append(list, joining{Mistake{"separator", "A " + quote([]byte(s)) + " stands between the key and the GUID.", asItIs}, key + s + GUID})
	}
	return list
}

func utf16LE(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

// hashing is a way to make a digest of the text.
type hashing struct {
	Mistake
	sum func(key, text string) []byte
}

// hashings are the known ones. The first is the right one.
func hashings() []hashing {
	wrong := func(id, name string) Mistake {
		return Mistake{id, "The hash is " + name + " and not SHA-1.", "Use SHA-1. It is not there for security, so nothing is gained by a stronger one."}
	}
	keyed := Mistake{"hmac", "The hash is an HMAC and not plain SHA-1.", "Use plain SHA-1 of key and GUID joined."}
	return []hashing{
		{Mistake{}, func(_, text string) []byte { return sum(sha1.Sum([]byte(text))) }},
		{wrong("sha-256", "SHA-256"), func(_, text string) []byte { d := sha256.Sum256([]byte(text)); return d[:] }},
		{wrong("md5", "MD5"), func(_, text string) []byte { d := md5.Sum([]byte(text)); return d[:] }},
		{wrong("sha-512", "SHA-512"), func(_, text string) []byte { d := sha512.Sum512([]byte(text)); return d[:] }},
		{wrong("sha-384", "SHA-384"), func(_, text string) []byte { d := sha512.Sum384([]byte(text)); return d[:] }},
		{wrong("sha-224", "SHA-224"), func(_, text string) []byte { d := sha256.Sum224([]byte(text)); return d[:] }},
		{Mistake{"no-hash", "Nothing was hashed: the text itself was encoded.", formula}, func(_, text string) []byte { return []byte(text) }},
		{Mistake{"hashed-twice", "SHA-1 was taken twice.", "Take it once."}, func(_, text string) []byte { d := sha1.Sum([]byte(text)); return sum(sha1.Sum(d[:])) }},
		{keyed, func(key, _ string) []byte { return keyedSum(GUID, key) }},
		{keyed, func(key, _ string) []byte { return keyedSum(key, GUID) }},
	}
}

func sum(d [sha1.Size]byte) []byte { return d[:] }

func keyedSum(secret, text string) []byte {
	m := hmac.New(sha1.New, []byte(secret))
	m.Write([]byte(text))
	return m.Sum(nil)
}

// encoding is a way to write a digest.
type encoding struct {
	Mistake
	encode func(sum []byte) string
}

// fits reports whether a digest of size bytes can become a text of length
// characters: no encoding more than sextuples it.
func (e encoding) fits(size, length int) bool {
	return length <= 6*size+8 && (e.ID == "digest-cut" || length >= size)
}

// encodings are the known ones. The first is the right one.
func encodings() []encoding {
	std, url := base64.StdEncoding.EncodeToString, base64.URLEncoding.EncodeToString
	digest := "Encode the 20 bytes of the digest: in Node .digest('base64'), in Python b64encode(sha1(…).digest()), in PHP base64_encode(sha1($text, true))."
	return []encoding{
		{Mistake{}, std},
		{Mistake{"hex", "The digest is written in hex and not in base64.", digest}, hex.EncodeToString},
		{Mistake{"hex", "The digest is written in hex, in upper case, and not in base64.", digest}, func(d []byte) string { return strings.ToUpper(hex.EncodeToString(d)) }},
		{Mistake{"hex-in-base64", "The digest was written in hex first, and that text in base64.", digest}, func(d []byte) string { return std([]byte(hex.EncodeToString(d))) }},
		{Mistake{"hex-in-base64", "The digest was written in hex first, in upper case, and that text in base64.", digest}, func(d []byte) string { return std([]byte(strings.ToUpper(hex.EncodeToString(d)))) }},
		{Mistake{"base64-twice", "The digest was base64-encoded twice.", "Encode it once."}, func(d []byte) string { return std([]byte(std(d))) }},
		{Mistake{"padding-missing", "The \"=\" at the end is missing.", "Use base64 with padding: 28 characters."}, base64.RawStdEncoding.EncodeToString},
		{Mistake{"base64url", "The digest is in base64url (\"-\" and \"_\") and not in base64 (\"+\" and \"/\").", "Use the standard alphabet of base64."}, url},
		{Mistake{"base64url", "The digest is in base64url without padding, and not in base64.", "Use the standard alphabet of base64, with padding."}, base64.RawURLEncoding.EncodeToString},
		{Mistake{"digest-cut", "The digest was cut at its first zero byte.", "Encode all 20 bytes: a digest is no C string, so take its length from sizeof and not from strlen."}, func(d []byte) string { b, _, _ := bytes.Cut(d, []byte{0}); return std(b) }},
		{Mistake{"base64-lower-case", "The base64 text was turned into lower case.", "Base64 is case-sensitive: send it unchanged."}, func(d []byte) string { return strings.ToLower(std(d)) }},
		{Mistake{"plus-as-space", "Each \"+\" became a space, as in a form or a URL.", "Do not decode the value as a URL."}, func(d []byte) string { return strings.ReplaceAll(std(d), "+", " ") }},
		{Mistake{"percent-encoded", "The value is percent-encoded.", "Header values are not percent-encoded: send it as it is."}, percentEncoded},
		{Mistake{"digest-raw", "The raw bytes of the digest were sent.", "Write the 20 bytes in base64."}, func(d []byte) string { return string(d) }},
	}
}

func percentEncoded(d []byte) string {
	return strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(base64.StdEncoding.EncodeToString(d))
}
