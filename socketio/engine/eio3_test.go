package engine

import (
	"context"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/ws"
)

const polls3 = "/engine.io/?EIO=3&transport=polling"
const sockets3 = "/engine.io/?EIO=3&transport=websocket"

func three() *Server { return &Server{AllowEIO3: true} }

// Protocol 3 by polling: lengths in JavaScript's characters, and two forms of
// payloads.
func TestPollingOfEIO3(t *testing.T) {
	tests := []struct{ clause, kind, body, answer, answerKind, end string }{
		{"text", "text/plain", "6:4hello", "6:4hello", "text/plain; charset=UTF-8", ""},
		{"several", "text/plain", "2:4a3:4😀2:4b", "2:4a3:4😀2:4b", "text/plain; charset=UTF-8", ""},
		{"no packet", "text/plain", "0:2:4a", "2:4a", "text/plain; charset=UTF-8", ""},
		{"base64", "text/plain", "10:b4AQIDBA==", "\x01\x05\xff\x04\x01\x02\x03\x04", "application/octet-stream", ""},
		{"binary payload", "application/octet-stream", "\x00\x03\xff4é\x01\x03\xff\x04\xff\x00", "\x00\x03\xff4é\x01\x03\xff\x04\xff\x00", "application/octet-stream", ""},
		{"a long length", "application/octet-stream", "\x00\x01\x02\xff4" + strings.Repeat("x", 11), "12:4" + strings.Repeat("x", 11), "text/plain; charset=UTF-8", ""},
		{"ping", "text/plain", "1:26:2probe", "1:31:3", "text/plain; charset=UTF-8", ""},
		{"no length", "text/plain", "abc", "", "", "parse error"},
		{"an empty payload", "text/plain", "", "", "", "parse error"},
		{"a length that is too long", "text/plain", "9:4a", "", "", "parse error"},
		{"a length with a sign", "text/plain", "+2:4a", "", "", "parse error"},
		{"half a character", "text/plain", "2:4😀", "", "", "parse error"},
		{"a binary length that is too long", "application/octet-stream", "\x00\x09\xff4a", "", "", "parse error"},
		{"no end of a binary length", "application/octet-stream", "\x00\x09\x09", "", "", "parse error"},
		{"a pong", "text/plain", "1:3", "", "", "transport error: invalid heartbeat direction"},
		{"close", "text/plain", "1:1", "", "", "transport close"},
	}
	each(t, three, func(r *rig) {
		for _, test := range tests {
			_, base := r.begin(polls3)
			r.want(r.post(base, test.body, "Content-Type", test.kind), 200, "ok")
			if test.end != "" {
				r.wantClosed(test.end)
				continue
			}
			a := r.get(base)
			if a.body != test.answer || a.header.Get("Content-Type") != test.answerKind {
				t.Errorf("%s: %s %q", test.clause, a.header.Get("Content-Type"), a.body)
			}
		}
		_, base := r.begin(polls3 + "&b64=1")
		r.post(base, "10:b4AQIDBA==")
		r.want(r.get(base), 200, "10:b4AQIDBA==")
		s, base := r.begin(polls3)
		poll := r.pending(s, base)
		r.post(base, "1:1")
		r.want(take(t, poll, "the poll"), 200, "1:6")
		if s.Protocol() != 3 || !idForm.MatchString(s.ID()) {
			t.Errorf("protocol %d, id %q", s.Protocol(), s.ID())
		}
	})
}

func TestHandshakeOfEIO3(t *testing.T) {
	each(t, three, func(r *rig) {
		for _, target := range []string{polls3, "/engine.io/?transport=polling", "/engine.io/?EIO=abc&transport=polling"} {
			a := r.get(target)
			size, packet, _ := strings.Cut(a.body, ":")
			if len(packet) < 90 || size != itoa(len(packet)) {
				t.Errorf("%s: %q", target, a.body)
			}
			checkOpen(t, packet, `["websocket"]`)
		}
	})
}

// Protocol 3 by WebSocket: a byte of type before binary data, or base64.
func TestSocketOfEIO3(t *testing.T) {
	each(t, three, func(r *rig) {
		_, l := r.beginSocket(sockets3)
		l.send("4hello", "b4AQID")
		l.want("4hello", `binary "\x04\x01\x02\x03"`)
		_ = l.conn.Write(context.Background(), ws.Binary, []byte{4, 9})
		l.want(`binary "\x04\t"`)
		_ = l.conn.Write(context.Background(), ws.Binary, nil)
		l.want("closed 1005")
		r.wantClosed("parse error")

		_, l = r.beginSocket(sockets3 + "&b64=1")
		l.send("b4AQID")
		l.want("b4AQID")
		_, l = r.beginSocket(sockets + "&b64=1")
		l.send("bAQID")
		l.want("bAQID")

		_, base := r.begin(polls3)
		l = r.dial(wsOf(base))
		l.send("2probe")
		l.want("3probe")
		r.want(r.get(base), 200, "1:6")
		l.send("5", "4moved")
		l.want("4moved")
	})
}
