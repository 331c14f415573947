package handshake

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
)

// GUID is what a server appends to the key before it hashes
// (RFC 6455 4.2.2 item 5.4).
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

const (
	keySize    = 24 // of a key: 16 bytes in base64
	acceptSize = 28 // of an accept value: 20 bytes in base64
)

// NewKey returns a fresh Sec-WebSocket-Key: 16 bytes of crypto/rand in base64
// (RFC 6455 4.1 item 7).
func NewKey() string {
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// AcceptKey returns the Sec-WebSocket-Accept that answers a key: base64 of the
// SHA-1 of the key, as it stands in the header, and [GUID]. The key is not
// decoded. Whitespace around it counts as none (RFC 6455 4.1 item 4).
func AcceptKey(key string) string {
	return string(AppendAcceptKey(nil, []byte(key)))
}

// AppendAcceptKey appends the accept value of key to dst. It allocates nothing
// where dst has room for 28 bytes and the key is of the usual size.
func AppendAcceptKey(dst, key []byte) []byte {
	var room [keySize + len(GUID)]byte
	sum := sha1.Sum(append(append(room[:0], trim(key)...), GUID...))
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}

// Step is one step on the way from a key to its accept value.
type Step struct {
	What  string `json:"what"`  // what is done
	Value string `json:"value"` // what comes of it
	Note  string `json:"note,omitempty"`
}

// ExplainKey shows how the accept value follows from a key, step by step.
func ExplainKey(key string) []Step {
	trimmed := string(trim([]byte(key)))
	joined := trimmed + GUID
	sum := sha1.Sum([]byte(joined))
	steps := []Step{
		{"Take the value of Sec-WebSocket-Key as the text that it is.", trimmed, keyNote(trimmed)},
		{"Append this text. It is the same for every connection (RFC 6455 section 1.3).", GUID, "36 characters, letters in upper case, no braces."},
		{"That makes one string, with nothing in between.", joined, count(len(joined), "byte", "bytes") + ", no line end."},
		{"Take its SHA-1. That is 20 bytes, here in hex.", hex.EncodeToString(sum[:]), "It is the bytes that go on to the next step, not this hex text."},
		{"Write the 20 bytes in base64, with padding.", base64.StdEncoding.EncodeToString(sum[:]), "28 characters, the last one \"=\"."},
	}
	return append(steps, Step{"Send it.", "Sec-WebSocket-Accept: " + AcceptKey(key), "The client makes the same calculation and compares. It proves that the server knows WebSocket; it is no secret and no authentication."})
}

// keyNote says whether a key is a good one.
func keyNote(key string) string {
	switch problem := checkKey([]byte(key)); problem {
	case keyGood:
		raw, _ := base64.StdEncoding.DecodeString(key)
		return "It is base64 of 16 random bytes (" + hex.EncodeToString(raw) + "). They matter to nobody: do not decode it."
	case keyPadding:
		return "It is base64 of 16 bytes, though with odd padding bits. Do not decode it."
	case keyLength:
		return "It does not decode to 16 bytes, so a server must refuse it (RFC 6455 4.2.1 item 5)."
	default:
		return "It is not base64, so a server must refuse it (RFC 6455 4.2.1 item 5)."
	}
}

// keyProblem is what is wrong with a key.
type keyProblem uint8

const (
	keyGood    keyProblem = iota
	keyBase64             // not base64 (RFC 4648 4)
	keyLength             // not 16 bytes
	keyPadding            // the bits behind the last byte are not zero (RFC 4648 3.5)
)

// checkKey judges a key and allocates nothing. 16 bytes are 22 characters and
// "==". The RFC's own example, AQIDBAUGBwgJCgsMDQ4PEC==, has odd padding bits.
func checkKey(key []byte) keyProblem {
	body := bytes.TrimRight(key, "=")
	for _, c := range body {
		if base64Value(c) < 0 {
			return keyBase64
		}
	}
	pad := len(key) - len(body)
	switch {
	case len(key)%4 != 0 || pad > 2:
		return keyBase64
	case len(body) != 22:
		return keyLength
	case base64Value(body[21])&0x0f != 0:
		return keyPadding
	}
	return keyGood
}

// base64Value is the value of a character of base64, or -1.
func base64Value(c byte) int {
	switch {
	case 'A' <= c && c <= 'Z':
		return int(c - 'A')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 26
	case '0' <= c && c <= '9':
		return int(c-'0') + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return -1
}
