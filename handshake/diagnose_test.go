package handshake

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

const rfcKey, rfcAccept = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

func b64(text string) string {
	d := sha1.Sum([]byte(text))
	return base64.StdEncoding.EncodeToString(d[:])
}

func TestDiagnoseAccept(t *testing.T) {
	decoded, _ := base64.StdEncoding.DecodeString(rfcKey)
	digest := sha1.Sum([]byte(rfcKey + GUID))
	sha2, m5 := sha256.Sum256([]byte(rfcKey+GUID)), md5.Sum([]byte(rfcKey+GUID))
	sha2alone := sha256.Sum256([]byte(rfcKey))
	for _, test := range []struct{ got, id string }{
		{rfcAccept, "accept-right"},
		{" " + rfcAccept + "\t", "accept-right"}, // RFC 6455 4.1 item 4
		{"", "accept-empty"},
		{rfcKey, "key-echoed"},
		{GUID, "guid-sent"},
		{`"` + rfcAccept + `"`, "accept-quoted"},
		{strings.ToLower(rfcAccept), "accept-case"},
		{rfcAccept[:20], "accept-cut"},
		{rfcAccept + ", " + rfcAccept, "accept-longer"},
		{b64(string(decoded) + GUID), "key-decoded"},
		{b64(string(decoded)), "key-decoded+guid-missing"},
		{b64(rfcKey), "guid-missing"},
		{b64(GUID), "key-missing"},
		{b64(rfcKey + strings.ToLower(GUID)), "guid-lower-case"},
		{b64(GUID + rfcKey), "guid-first"},
		{b64(rfcKey + "{" + GUID + "}"), "guid-braces"},
		{b64(strings.ToLower(rfcKey) + GUID), "key-lower-case"},
		{b64(strings.ToUpper(rfcKey) + GUID), "key-upper-case"},
		{b64(" " + rfcKey + GUID), "key-not-trimmed"},
		{b64(rfcKey + " " + GUID), "key-not-trimmed"},
		{b64(rfcKey + "\r" + GUID), "key-not-trimmed"},
		{b64(rfcKey + "\r\n" + GUID), "key-not-trimmed"},
		{b64(rfcKey + GUID + "\n"), "text-newline"},
		{b64(rfcKey + GUID + "\x00"), "text-nul"},
		{b64(rfcKey + ":" + GUID), "separator"},
		{b64(strings.TrimRight(rfcKey, "=") + GUID), "key-unpadded"},
		{b64("Sec-WebSocket-Key: " + rfcKey + GUID), "header-line"},
		{b64(utf16LE(rfcKey + GUID)), "utf-16"},
		{base64.StdEncoding.EncodeToString(sha2[:]), "sha-256"},
		{base64.StdEncoding.EncodeToString(m5[:]), "md5"},
		{base64.StdEncoding.EncodeToString(keyedSum(GUID, rfcKey)), "hmac"},
		{base64.StdEncoding.EncodeToString([]byte(rfcKey + GUID)), "no-hash"},
		{hex.EncodeToString(digest[:]), "hex"},
		{strings.ToUpper(hex.EncodeToString(digest[:])), "hex"},
		{base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(digest[:]))), "hex-in-base64"},
		{base64.StdEncoding.EncodeToString([]byte(rfcAccept)), "base64-twice"},
		{strings.TrimRight(rfcAccept, "="), "padding-missing"},
		{base64.URLEncoding.EncodeToString(digest[:]), "base64url"},
		{string(digest[:]), "digest-raw"},
		{percentEncoded(digest[:]), "percent-encoded"},
		{b64(rfcKey + "258EAFA5-E914-47DA-95CA-5AB0DC85B11"), "guid-typo"}, // a digit lost
		{b64(rfcKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B1l"), "guid-typo"},
		{b64(rfcKey + "258EAFA5-E914-47DA-95AC-C5AB0DC85B11"), "guid-typo"},
		{b64(rfcKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B111"), "guid-typo"},
		{b64(rfcKey + "258EAFA5E91447DA95CAC5AB0DC85B11"), "guid-typo"},
		{hex.EncodeToString(sha2alone[:]), "guid-missing+sha-256+hex"}, // three at once
		{AcceptKey("AQIDBAUGBwgJCgsMDQ4PEC=="), "other-key"},
		{b64("something else"), "accept-unknown"},
		{"b3RoZXI=", "accept-unknown"},
		{"not base64 at all", "accept-unknown"},
	} {
		m := DiagnoseAccept(rfcKey, test.got, "AQIDBAUGBwgJCgsMDQ4PEC==")
		if m.ID != test.id || m.What == "" || (m.Mend == "") != m.Right() {
			t.Errorf("%q: got %+v, want %s", test.got, m, test.id)
		}
	}
}

func TestDiagnoseConstant(t *testing.T) {
	if m := DiagnoseAccept("AQIDBAUGBwgJCgsMDQ4PEC==", rfcAccept); m.ID != "constant" {
		t.Errorf("%+v", m)
	}
}

// Where a digest holds a "+" or a zero byte, what becomes of that is seen too.
func TestDiagnoseByDigest(t *testing.T) {
	plus, zero := false, false
	for i := 0; !plus || !zero; i++ {
		raw := md5.Sum(fmt.Appendf(nil, "nonce %d", i))
		key := base64.StdEncoding.EncodeToString(raw[:])
		want := AcceptKey(key)
		digest, _ := base64.StdEncoding.DecodeString(want)
		if !plus && strings.Contains(want, "+") {
			plus = true
			if m := DiagnoseAccept(key, strings.ReplaceAll(want, "+", " ")); m.ID != "plus-as-space" {
				t.Errorf("%+v", m)
			}
		}
		if before, _, ok := strings.Cut(string(digest), "\x00"); ok && len(before) > 8 && !zero {
			zero = true
			if m := DiagnoseAccept(key, base64.StdEncoding.EncodeToString([]byte(before))); m.ID != "digest-cut" {
				t.Errorf("%+v", m)
			}
		}
	}
}

// The worst value costs a bounded time, also where a peer chose the key.
func BenchmarkDiagnoseUnknown(b *testing.B) {
	for _, key := range []string{rfcKey, strings.Repeat("k", maxDiagnosed)} {
		b.Run(fmt.Sprint(len(key)), func(b *testing.B) {
			for b.Loop() {
				DiagnoseAccept(key, b64("unknown"))
			}
		})
	}
}

func FuzzDiagnoseAccept(f *testing.F) {
	f.Add(rfcKey, rfcAccept)
	f.Add("", "")
	f.Fuzz(func(t *testing.T, key, got string) {
		m := DiagnoseAccept(key, got)
		right := strings.Trim(got, " \t") == AcceptKey(key)
		if m.ID == "" || m.What == "" || m.Right() != right {
			t.Errorf("%q %q: %+v", key, got, m)
		}
	})
}

func ExampleDiagnoseAccept() {
	m := DiagnoseAccept("dGhlIHNhbXBsZSBub25jZQ==", "hHLtf2V1k8aDQZfNjw3Ia1hCwt0=")
	fmt.Println(m.What)
	fmt.Println(m.Mend)
	// Output:
	// The GUID is missing: the server hashed the key alone.
	// Append 258EAFA5-E914-47DA-95CA-C5AB0DC85B11 to the key, exactly so, before hashing.
}

func ExampleExplainKey() {
	for i, step := range ExplainKey("dGhlIHNhbXBsZSBub25jZQ==") {
		fmt.Printf("%d. %s\n   %s\n", i+1, step.What, step.Value)
	}
	// Output:
	// 1. Take the value of Sec-WebSocket-Key as the text that it is.
	//    dGhlIHNhbXBsZSBub25jZQ==
	// 2. Append this text. It is the same for every connection (RFC 6455 section 1.3).
	//    258EAFA5-E914-47DA-95CA-C5AB0DC85B11
	// 3. That makes one string, with nothing in between.
	//    dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11
	// 4. Take its SHA-1. That is 20 bytes, here in hex.
	//    b37a4f2cc0624f1690f64606cf385945b2bec4ea
	// 5. Write the 20 bytes in base64, with padding.
	//    s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
	// 6. Send it.
	//    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
}
