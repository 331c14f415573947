package handshake

import "bytes"

// Sniff names the protocol that bytes look like where a head of HTTP/1.1 was
// due: "TLS", "HTTP/2", "SSH", "SMTP or FTP", "Redis", "HTML without a head", "JSON without a head",
// "WebSocket frames without a head", "PROXY protocol"; "" where it cannot tell.
func Sniff(b []byte) string {
	switch {
	case isTLS(b):
		return "TLS"
	case isHTTP2(b):
		return "HTTP/2"
	case isFrame(b):
		return "WebSocket frames without a head"
	}
	for _, s := range signatures {
		if len(b) >= len(s.prefix) && bytes.EqualFold(b[:len(s.prefix)], []byte(s.prefix)) {
			return s.name
		}
	}
	if follows(b) {
		return LateResponse
	}
	return ""
}

// LateResponse is what Sniff calls a response that other bytes stand before.
const LateResponse = "a response behind something else"

// follows reports whether a response begins in b, behind other bytes.
func follows(b []byte) bool {
	for i := 1; ; i++ {
		at := bytes.Index(b[min(i, len(b)):], []byte("HTTP/1."))
		if at < 0 {
			return false
		}
		if i += at; len(b) >= i+12 && b[i+8] == ' ' && len(bytes.Trim(b[i+9:i+12], "0123456789")) == 0 {
			return true
		}
	}
}

var signatures = [...]struct{ prefix, name string }{
	{"SSH-", "SSH"},
	{"PROXY ", "PROXY protocol"},
	{"\r\n\r\n\x00\r\nQUIT\n", "PROXY protocol"},
	{"220 ", "SMTP or FTP"},
	{"220-", "SMTP or FTP"},
	{"-ERR", "Redis"},
	{"+OK", "Redis or POP3"},
	{"+PONG", "Redis"},
	{"<!doctype", "HTML without a head"},
	{"<html", "HTML without a head"},
	{"{\"", "JSON without a head"},
}

// isTLS: a record's type, the major version 3 and a minor one (RFC 8446 5.1).
func isTLS(b []byte) bool {
	return len(b) > 0 && b[0] >= 0x14 && b[0] <= 0x17 && (len(b) < 2 || b[1] == 3) && (len(b) < 3 || b[2] <= 4)
}

// isHTTP2: the client's preface (RFC 9113 3.4), or a frame that a server may
// begin with: SETTINGS or GOAWAY on stream 0, its length within a few kilobytes.
func isHTTP2(b []byte) bool {
	if bytes.HasPrefix(b, []byte("PRI * HTTP/2.0\r\n")) {
		return true
	}
	return len(b) >= 9 && b[0] == 0 && b[1] < 0x40 && (b[3] == 4 || b[3] == 7) && bytes.Equal(b[5:9], []byte{0, 0, 0, 0})
}

// isFrame: FIN and a text, binary, close or ping opcode, no reserved bits
// (RFC 6455 5.2).
func isFrame(b []byte) bool {
	if len(b) < 2 || b[0]&0xf0 != 0x80 {
		return false
	}
	op := b[0] & 0x0f
	return op == 1 || op == 2 || op == 8 || op == 9
}
