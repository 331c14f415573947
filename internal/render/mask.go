package render

import (
	"bytes"
	"strings"

	"github.com/sockkit/sockkit/trace"
)

// secretFields are the header fields whose values are masked in views
// (RFC 9110 sections 11.6.2 and 11.7.2, RFC 6265).
var secretFields = [...]string{"authorization:", "proxy-authorization:", "cookie:", "set-cookie:"}

// Mask returns p with the values of header fields that are credentials
// replaced by stars; p itself where there are none.
func Mask(p []byte) []byte {
	masked, own := p, false
	for at := 0; at < len(p); {
		end := len(p)
		if i := bytes.IndexByte(p[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if value := secretValue(p[at:end]); value > 0 {
			if !own {
				masked, own = bytes.Clone(p), true
			}
			stars(masked[at+value : end])
		}
		at = end
	}
	return masked
}

// secretValue returns where the value of a secret field begins in line, or 0.
func secretValue(line []byte) int {
	for _, field := range secretFields {
		if len(line) > len(field) && bytes.EqualFold(line[:len(field)], []byte(field)) {
			return len(field)
		}
	}
	return 0
}

// stars hides all but the space around a value and the name of its scheme.
func stars(value []byte) {
	text := bytes.TrimSpace(value)
	if scheme := bytes.IndexByte(text, ' '); scheme > 0 && bytes.IndexByte(text[:scheme], '=') < 0 {
		text = text[scheme+1:]
	}
	for i := range text {
		text[i] = '*'
	}
}

// MaskText hides credentials in words that quote a header: all behind the name
// of a field that is one.
func MaskText(s string) string {
	for _, field := range secretFields {
		for i := 0; i+len(field) <= len(s); i++ {
			if strings.EqualFold(s[i:i+len(field)], field) && (i == 0 || !isNameByte(s[i-1])) {
				value := []byte(s[i+len(field):])
				stars(value)
				return s[:i+len(field)] + string(value)
			}
		}
	}
	return s
}

// isNameByte reports whether c may stand in the name of a field, so that
// x-cookie: is not taken for cookie:.
func isNameByte(c byte) bool {
	return c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// Masked is a sink that hides credentials from the sink behind it.
type Masked struct{ Sink trace.Sink }

// Record implements [trace.Sink].
func (m Masked) Record(r trace.Record) {
	r.Event = maskEvent(r.Event)
	m.Sink.Record(r)
}

func maskEvent(e trace.Event) trace.Event {
	switch e := e.(type) {
	case trace.Data:
		e.Payload = Mask(e.Payload)
		return e
	case trace.Bytes:
		e.Payload = Mask(e.Payload)
		return e
	case trace.HTTPHead:
		e.Payload = Mask(e.Payload)
		return e
	case trace.WSMessage:
		e.Payload = maskConnectAt(e.Payload, "4")
		return e
	case trace.EIOPacket:
		e.Payload = maskConnectAt(e.Payload, "")
		return e
	case trace.SIOPacket:
		if e.Type == "CONNECT" {
			e.Payload = maskConnect(e.Payload)
		}
		return e
	case trace.Finding:
		e.Came = MaskText(e.Came)
		return e
	}
	return e
}
