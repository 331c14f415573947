package handshake

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestAcceptKey(t *testing.T) {
	for _, test := range []struct{ name, key, want string }{
		{"RFC 6455 1.3", "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
		{"RFC 6455 4.1 item 4: whitespace around it", " dGhlIHNhbXBsZSBub25jZQ==\t", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
		{"the key that many drafts show", "x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="},
	} {
		if got := AcceptKey(test.key); got != test.want {
			t.Errorf("%s: AcceptKey(%q) = %q, want %q", test.name, test.key, got, test.want)
		}
	}
}

func TestAppendAcceptKeyDoesNotAllocate(t *testing.T) {
	key, dst := []byte("dGhlIHNhbXBsZSBub25jZQ=="), make([]byte, 0, acceptSize)
	if n := testing.AllocsPerRun(100, func() { dst = AppendAcceptKey(dst[:0], key) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNewKey(t *testing.T) {
	a, b := NewKey(), NewKey()
	for _, key := range []string{a, b} {
		if raw, err := base64.StdEncoding.DecodeString(key); err != nil || len(raw) != 16 || checkKey([]byte(key)) != keyGood {
			t.Errorf("NewKey() = %q: %d bytes, %v", key, len(raw), err)
		}
	}
	if a == b {
		t.Errorf("two keys are both %q", a)
	}
}

// checkKey agrees with the standard library on what decodes to 16 bytes.
func TestCheckKey(t *testing.T) {
	for _, test := range []struct {
		key  string
		want keyProblem
	}{
		{"dGhlIHNhbXBsZSBub25jZQ==", keyGood},
		{"AQIDBAUGBwgJCgsMDQ4PEC==", keyPadding}, // RFC 6455 4.1 item 7, its own example
		{"AQIDBAUGBwgJCgsMDQ4P", keyLength},
		{"AQIDBAUGBwgJCgsMDQ4PEBE=", keyLength},
		{"AQIDBAUGBwgJCgsMDQ4PEA", keyBase64},
		{"AQIDBAUGBwgJCgsMDQ4PEA=", keyBase64},
		{"AQIDBAUGBwgJCgsMDQ4PE===", keyBase64},
		{"dGhlIHNhbXBsZSBub25jZQ=-", keyBase64},
		{"dGhlIHNhb_BsZSBub25jZQ==", keyBase64},
		{"dGhlIHNhb BsZSBub25jZQ==", keyBase64},
		{"", keyLength},
	} {
		if got := checkKey([]byte(test.key)); got != test.want {
			t.Errorf("checkKey(%q) = %d, want %d", test.key, got, test.want)
		}
		raw, err := base64.StdEncoding.DecodeString(test.key)
		if decodes := err == nil && len(raw) == 16; decodes != (test.want == keyGood || test.want == keyPadding) {
			t.Errorf("%q: base64 says %d bytes, %v", test.key, len(raw), err)
		}
	}
}

func TestExplainKey(t *testing.T) {
	steps := ExplainKey("dGhlIHNhbXBsZSBub25jZQ==")
	want := []string{
		"dGhlIHNhbXBsZSBub25jZQ==", GUID,
		"dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
		"b37a4f2cc0624f1690f64606cf385945b2bec4ea", // RFC 6455 4.2.2
		"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
	}
	for i, step := range steps {
		if step.Value != want[i] {
			t.Errorf("step %d: %q, want %q", i+1, step.Value, want[i])
		}
	}
	for key, word := range map[string]string{"c2hvcnQ=": "16 bytes", "no base64!": "not base64", "AQIDBAUGBwgJCgsMDQ4PEC==": "padding bits"} {
		if note := ExplainKey(key)[0].Note; !strings.Contains(note, word) {
			t.Errorf("%q: %q", key, note)
		}
	}
}
