package ws

import (
	"fmt"
	"time"

	gobwas "github.com/gobwas/ws"
)

// readHeader completes a header.
func (d *Decoder) readHeader(b []byte) (int, bool) {
	if d.headLen == 0 {
		if n := parseHeader(b, &d.hdr); n > 0 {
			return n, true
		}
		d.headLen = uint8(copy(d.head[:], b))
		return len(b), false
	}
	had := int(d.headLen)
	d.headLen += uint8(copy(d.head[had:], b))
	if n := parseHeader(d.head[:d.headLen], &d.hdr); n > 0 {
		d.headLen = 0
		return n - had, true
	}
	return int(d.headLen) - had, false
}

// begin checks a header and takes it.
func (d *Decoder) begin() (ev Event) {
	if rule, bad := d.check(); bad {
		ev = d.broke(rule, "%s", d.hdr.describe())
		ev.Header = &d.hdr
		if ev.Kind == EventBroken {
			return ev
		}
	}
	d.enter()
	return ev
}

// enter begins the payload of a frame. An observer skips what has no meaning:
// a frame can break more rules than the one that was found first.
func (d *Decoder) enter() {
	h := &d.hdr
	d.inFrame, d.left = true, h.Length
	switch {
	case h.Opcode.Reserved(), h.Opcode.Control() && h.Length > maxControl, h.Opcode == OpContinuation && d.kind == 0:
		d.skip = true
		return
	case h.Opcode.Control():
		return
	case h.Opcode != OpContinuation:
		if d.kind != 0 {
			d.abandon()
		}
		d.kind, d.frames, d.wire, d.text = h.Opcode, 0, 0, utf8Check{}
		d.packed = h.RSV&rsv1 != 0 && d.inflate != nil
		d.fault, d.drop = nil, false
	}
	if _, beyond := d.checkSize(); beyond {
		d.drop = true
		d.abandon()
	}
	d.frames++
	d.wire += h.Length
}

// abandon drops the message under way, and with it the context of those that
// are compressed.
func (d *Decoder) abandon() {
	if d.buf != nil && !d.inPlace {
		putBuffer(d.buf)
	}
	d.buf, d.inPlace = nil, false
	if d.packed && d.inflate != nil {
		d.inflate.lose()
	}
}

// check holds a header against the rules, and the message that it belongs to
// against the limits.
func (d *Decoder) check() (rule int, bad bool) {
	h := &d.hdr
	if h.Length < 0 {
		return ruleLengthTop, true
	}
	if err := gobwas.CheckHeader(h.toGobwas(), d.state()); err != nil {
		return d.ruleFor(err), true
	}
	switch {
	case h.RSV != 0 && h.RSV != rsv1:
		return ruleRSV, true
	case h.RSV == rsv1 && (h.Opcode.Control() || h.Opcode == OpContinuation):
		return ruleRSV1, true
	case h.Long:
		return ruleLengthLong, true
	case h.Opcode.Control():
		return ruleControlRate, d.tooFast()
	}
	return d.checkSize()
}

// state is what gobwas/ws has to know to check a header.
func (d *Decoder) state() (s gobwas.State) {
	if d.From == ClientRole {
		s = s.Set(gobwas.StateServerSide)
	} else {
		s = s.Set(gobwas.StateClientSide)
	}
	if d.inflate != nil {
		s = s.Set(gobwas.StateExtended)
	}
	if d.kind != 0 {
		s = s.Set(gobwas.StateFragmented)
	}
	return s
}

func (d *Decoder) ruleFor(err error) int {
	switch err {
	case gobwas.ErrProtocolOpCodeReserved:
		return ruleOpcode
	case gobwas.ErrProtocolControlPayloadOverflow:
		return ruleControlLong
	case gobwas.ErrProtocolControlNotFinal:
		return ruleControlFragmented
	case gobwas.ErrProtocolMaskRequired:
		return ruleUnmasked
	case gobwas.ErrProtocolMaskUnexpected:
		return ruleMasked
	case gobwas.ErrProtocolContinuationExpected:
		return ruleInterleaved
	case gobwas.ErrProtocolContinuationUnexpected:
		return ruleContinuation
	}
	return ruleRSV
}

func (d *Decoder) checkSize() (rule int, bad bool) {
	wire, frames := int64(0), 0
	if d.hdr.Opcode == OpContinuation {
		wire, frames = d.wire, d.frames
	}
	switch {
	case d.hdr.Length > d.Limits.message()-wire:
		return ruleTooBig, true
	case frames >= d.Limits.fragments():
		return ruleFragments, true
	}
	return 0, false
}

// tooFast counts a control frame. The clock is read once in so many.
func (d *Decoder) tooFast() bool {
	most := d.Limits.controls()
	if most == 0 {
		return false
	}
	c := &d.controls
	if c.since == 0 {
		c.since = clock()
	}
	if c.n++; int64(c.n) <= int64(most) {
		return false
	}
	now := clock()
	fast := now-c.since < 1000
	*c = controlCount{since: now}
	return fast
}

var started = time.Now()

// clock is the time in milliseconds, more than 0. It begins anew after 49 days.
func clock() uint32 { return uint32(time.Since(started)/time.Millisecond) | 1 }

// broke is the event of a broken rule.
func (d *Decoder) broke(rule int, format string, args ...any) Event {
	ev := Event{Kind: EventBroken, Violation: d.violation(rule, format, args...)}
	if d.Observe && rule != ruleLengthTop {
		ev.Kind = EventFinding
		return ev
	}
	d.dead = true
	return ev
}

func (d *Decoder) violation(rule int, format string, args ...any) *Violation {
	return &Violation{Rule: ruleOf(rule), Came: fmt.Sprintf(format, args...), By: d.From}
}

// describe says what a header holds.
func (h *Header) describe() string {
	s := h.Opcode.String() + " frame"
	if !h.Fin {
		s += " without FIN"
	}
	if h.RSV != 0 {
		s += fmt.Sprintf(", RSV bits %03b", h.RSV)
	}
	if h.Masked {
		s += ", masked"
	} else {
		s += ", not masked"
	}
	if h.Length < 0 {
		return s + fmt.Sprintf(", length 0x%016x", uint64(h.Length))
	}
	return s + ", " + count(h.Length, "byte")
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
