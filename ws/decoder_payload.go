package ws

import (
	"fmt"
	"unicode/utf8"
)

// payload takes the payload of the frame that was begun.
func (d *Decoder) payload(b []byte) (int, Event) {
	n := int(min(d.left, int64(len(b))))
	whole := int64(n) == d.left
	switch {
	case d.skip, d.drop && !d.hdr.Opcode.Control():
		d.pass(n, whole)
		return n, Event{}
	case d.hdr.Opcode.Control():
		return n, d.control(b[:n], whole)
	}
	return n, d.data(b[:n], whole)
}

// pass takes payload that is of no use.
func (d *Decoder) pass(n int, whole bool) {
	d.left -= int64(n)
	if !whole {
		return
	}
	if d.drop && d.hdr.Fin && !d.skip {
		d.kind, d.drop = 0, false
	}
	d.inFrame, d.skip = false, false
}

// offset is how far the frame's payload has come.
func (d *Decoder) offset() int { return int(d.hdr.Length - d.left) }

// control takes the payload of a control frame.
func (d *Decoder) control(b []byte, whole bool) Event {
	at := d.offset()
	d.left -= int64(len(b))
	if !whole || at > 0 || d.Observe {
		d.ctl = append(d.ctl[:at], b...)
		b = d.ctl[at:]
	}
	if d.hdr.Masked {
		cipher(b, d.hdr.Key, at)
	}
	if !whole {
		return Event{}
	}
	if at > 0 || d.Observe {
		b = d.ctl
	}
	d.inFrame = false
	switch d.hdr.Opcode {
	case OpPing:
		return Event{Kind: EventPing, Payload: b}
	case OpPong:
		return Event{Kind: EventPong, Payload: b}
	}
	return d.closeFrame(b)
}

// closeFrame reads the body of a close frame (RFC 6455 section 5.5.1).
func (d *Decoder) closeFrame(b []byte) Event {
	d.closed = true
	ev := Event{Kind: EventClose, Code: StatusNoStatus}
	if len(b) >= 2 {
		ev.Code, ev.Reason = StatusCode(b[0])<<8|StatusCode(b[1]), string(b[2:])
	}
	var bad Event
	switch {
	case len(b) == 1:
		bad = d.broke(ruleCloseShort, "the byte 0x%02x", b[0])
	case len(b) > 1 && !ev.Code.Sendable():
		bad = d.broke(ruleCloseCode, "the code %s", ev.Code)
	case !utf8.ValidString(ev.Reason):
		bad = d.broke(ruleCloseReason, "a reason of %s, invalid from byte %d", count(int64(len(b)-2), "byte"), firstInvalid(b[2:]))
	}
	if bad.Kind == EventBroken {
		return bad
	}
	ev.Violation = bad.Violation
	return ev
}

// data takes payload of a message.
func (d *Decoder) data(b []byte, whole bool) Event {
	if whole && d.hdr.Fin && d.frames == 1 && d.buf == nil && !d.packed && !d.Observe {
		if d.hdr.Masked {
			cipher(b, d.hdr.Key, 0)
		}
		d.left, d.inFrame, d.buf, d.inPlace = 0, false, b, true
		return d.message(true)
	}
	if ev := d.keep(b); ev.Kind != EventNone || !whole {
		return ev
	}
	d.inFrame = false
	if !d.hdr.Fin {
		return Event{}
	}
	return d.message(false)
}

// keep appends payload to the message, unmasked and checked.
func (d *Decoder) keep(b []byte) Event {
	at := d.offset()
	if len(b) > 0 {
		d.makeRoom(len(b))
		start := len(d.buf)
		d.buf = append(d.buf, b...)
		return d.took(start, at)
	}
	return Event{}
}

// took follows the arrival of payload in buf, from start on.
func (d *Decoder) took(start, at int) Event {
	part := d.buf[start:]
	d.left -= int64(len(part))
	if d.hdr.Masked {
		cipher(part, d.hdr.Key, at)
	}
	if d.kind == Text && !d.packed && d.fault == nil {
		if bad, ok := d.text.add(part); !ok {
			return d.badText(int64(start + bad))
		}
	}
	return Event{}
}

// A declared length is not to be believed: a buffer exceeds what has come by
// this factor at most.
const (
	trustFactor = 8
	trustBytes  = smallRead // whatever has come
	firstGuess  = 64 << 10  // the most that is taken before anything is inflated or deflated
)

// earned is how large the buffer may be once n more bytes have come.
func (d *Decoder) earned(n int) int {
	want := int64(len(d.buf)) + d.left
	if d.packed {
		want += int64(len(deflateTail))
	}
	return int(min(want, int64(max(trustBytes, trustFactor*(len(d.buf)+n)))))
}

// makeRoom sizes the buffer for n bytes of the frame, and for what is to come,
// as far as its sender has earned it.
func (d *Decoder) makeRoom(n int) {
	if cap(d.buf)-len(d.buf) < n {
		d.buf = grown(d.buf, d.earned(n)-len(d.buf))
	}
}

// message gives the message whose last frame is complete.
func (d *Decoder) message(unchecked bool) Event {
	ev := Event{Kind: EventMessage, Type: d.kind, Payload: d.buf, Frames: d.frames, Wire: d.wire, Compressed: d.packed}
	d.kind = 0
	if d.packed {
		if bad := d.unpack(&ev); bad.Kind != EventNone {
			return bad
		}
		unchecked = true
	}
	told := d.fault != nil
	if bad := d.checkText(ev.Type, unchecked); bad.Kind == EventBroken {
		return bad
	}
	if !told {
		ev.Violation = d.fault
	}
	return ev
}

// unpack inflates the message.
func (d *Decoder) unpack(ev *Event) Event {
	if d.inflate.lost {
		putBuffer(d.buf)
		d.buf, ev.Payload, ev.Opaque = nil, nil, true
		return Event{}
	}
	plain, rule, err := d.inflate.inflate(d.buf, d.Limits.message())
	putBuffer(d.buf)
	if d.buf, ev.Payload = plain, plain; err != nil {
		return d.broke(rule, "%s in %s: %v", count(ev.Wire, "byte"), count(int64(ev.Frames), "frame"), err)
	}
	return Event{}
}

// checkText holds a text that is complete against UTF-8.
func (d *Decoder) checkText(t MessageType, unchecked bool) Event {
	switch {
	case t != Text || d.fault != nil:
	case unchecked && !utf8.Valid(d.buf):
		return d.badText(int64(firstInvalid(d.buf)))
	case !unchecked && !d.text.whole():
		return d.badText(int64(len(d.buf)))
	}
	return Event{}
}

// badText is the event of a text that is none.
func (d *Decoder) badText(at int64) Event {
	came := "the message ends within a character, after " + count(at, "byte")
	if at < int64(len(d.buf)) {
		came = fmt.Sprintf("byte %d of the message is 0x%02x", at, d.buf[at])
	}
	ev := d.broke(ruleTextUTF8, "%s", came)
	d.fault = ev.Violation
	return ev
}

// room is where payload of the message under way can be read to, without going
// through Next; empty where that does not pay.
func (d *Decoder) room() []byte {
	if !d.inFrame || d.skip || d.drop || d.hdr.Opcode.Control() || d.left < largeRead || d.Observe {
		return nil
	}
	if size := d.earned(0); cap(d.buf)-len(d.buf) < largeRead && size > cap(d.buf) {
		d.buf = grown(d.buf, size-len(d.buf))
	}
	return d.buf[len(d.buf):min(int64(cap(d.buf)), int64(len(d.buf))+d.left-1)]
}

// filled says that n bytes were read to room. The last byte of a frame always
// comes by Next, and what is wrong with these shows there.
func (d *Decoder) filled(n int) {
	if n <= 0 {
		return
	}
	start, at := len(d.buf), d.offset()
	d.buf = d.buf[:start+n]
	d.late = d.took(start, at).Violation
}

// keepOutput leaves the memory of the last event to whoever has it.
func (d *Decoder) keepOutput() {
	if d.inPlace || d.kind == 0 {
		d.buf, d.inPlace = nil, false
	}
}
