package capture

import (
	"bytes"
	"errors"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/tap"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// isRaw knows bytes as they passed: a head whose lines end with CRLF, or frames.
func isRaw(b []byte) bool {
	return headRole(b) >= 0 || handshake.Sniff(b) == "TLS" || bareFrames(b)
}

// headRole is whose head bytes begin with: that of a request, of a response, or
// -1.
func headRole(b []byte) int {
	for role, response := range []bool{ws.ClientRole: false, ws.ServerRole: true} {
		s := handshake.Scanner{Response: response}
		n, err := s.Scan(b, nil)
		if err == nil && bytes.Contains(b[:n], []byte("\r\n")) {
			return role
		}
	}
	return -1
}

// bareFrames reports whether bytes are one frame after the other, without a head
// before them; the last may be cut.
func bareFrames(b []byte) bool {
	if len(b) < 2 || handshake.Sniff(b) != "WebSocket frames without a head" {
		return false
	}
	for len(b) > 0 {
		size, ok := tap.FrameSize(b)
		if !ok || b[0]&0x0f > 10 || b[0]&0x0f > 2 && b[0]&0x0f < 8 {
			return false
		}
		b = b[min(size, len(b)):]
	}
	return true
}

// speaker is a connection of which nothing is known but its bytes.
func (r *reader) speaker() *talk {
	id := r.tracer.NewID()
	c := &Connection{ID: id, Network: "tcp", Client: "client", Server: "server", Whole: true}
	r.report.add(c)
	return newTalk(r, id, c)
}

// say feeds bytes as they passed, and shows them.
func (t *talk) say(from ws.Role, b []byte) {
	if len(b) == 0 {
		return
	}
	if t.r.tracer.On(trace.Byte) {
		t.r.emit(t.id, trace.Bytes{Dir: dirOf(from), Size: len(b), Payload: b})
	}
	if from == ws.ClientRole {
		t.report.Out += int64(len(b))
	} else {
		t.report.In += int64(len(b))
	}
	t.feed(from, b)
}

// raw reads bytes whose directions are to be found: heads say whose they are,
// and frames do by their masks (RFC 6455 section 5.1).
func (r *reader) raw(b []byte) {
	t := r.speaker()
	switch {
	case bareFrames(b):
		t.frames(b)
	case headRole(b) < 0:
		t.say(ws.ClientRole, b)
	default:
		t.mixed(b)
	}
	t.end(ws.ClientRole, false)
	t.end(ws.ServerRole, false)
}

// mixed reads heads, their bodies, and frames behind a 101.
func (t *talk) mixed(b []byte) {
	asked := false
	for len(b) > 0 {
		role := headRole(b)
		if role < 0 {
			t.say(ws.ServerRole, b)
			return
		}
		s := handshake.Scanner{Response: ws.Role(role) == ws.ServerRole}
		n, err := s.Scan(b, nil)
		if errors.Is(err, handshake.ErrNeedMore) {
			n = len(b)
		}
		head := &handshake.Head{}
		if asked = asked || ws.Role(role) == ws.ClientRole; ws.Role(role) == ws.ServerRole {
			_, _ = head.ParseResponse(b[:n], nil)
		}
		rest := b[n:]
		next := len(rest)
		if head.Status != 101 {
			next = nextHead(rest)
		}
		switch {
		case head.Status == 101 && asked, head.Status == 101 && bareFrames(rest):
			t.say(ws.ServerRole, b[:n])
			t.directedFrames(rest, asked)
			return
		case ws.Role(role) == ws.ClientRole && bareFrames(rest):
			t.say(ws.ClientRole, b[:n])
			t.r.note(t.id, "the response is not there: what it agreed on is not known")
			t.frames(rest)
			return
		}
		t.say(ws.Role(role), b[:n+next])
		b = rest[next:]
	}
}

// nextHead is where the next head begins, or the end.
func nextHead(b []byte) int {
	for at := 0; at < len(b); {
		if headRole(b[at:]) >= 0 {
			return at
		}
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
	}
	return len(b)
}

// directedFrames hands each frame to the side that its mask tells. Behind a
// response without its request, nobody else decodes them.
func (t *talk) directedFrames(b []byte, asked bool) {
	if !asked {
		t.frames(b)
		return
	}
	for len(b) > 0 {
		from, size := maskedBy(b)
		t.say(from, b[:size])
		b = b[size:]
	}
}

// maskedBy is who sent the frame that bytes begin with, and its size or the end.
func maskedBy(b []byte) (ws.Role, int) {
	size, ok := tap.FrameSize(b)
	if !ok {
		size = len(b)
	}
	if len(b) > 1 && b[1]&0x80 != 0 {
		return ws.ClientRole, min(size, len(b))
	}
	return ws.ServerRole, min(size, len(b))
}

// frames reads frames without an opening handshake: where one has RSV1 set,
// compression was agreed on.
func (t *talk) frames(b []byte) {
	t.r.note(t.id, "frames without an opening handshake: what was agreed on is taken from the frames")
	var agreed handshake.Agreement
	for rest := b; len(rest) > 0; {
		_, size := maskedBy(rest)
		agreed.Compressed = agreed.Compressed || rest[0]&0x40 != 0
		rest = rest[size:]
	}
	frames := ws.NewObserver(t.r.tracer, t.id, agreed, t.r.limits())
	for len(b) > 0 {
		from, size := maskedBy(b)
		frames.Feed(from, b[:size])
		b = b[size:]
	}
}
