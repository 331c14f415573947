package ws

import (
	"fmt"
	"time"
	"unicode/utf8"

	gobwas "github.com/gobwas/ws"

	"github.com/sockkit/sockkit/handshake"
)

// Decoder makes events of the bytes that one end of a connection sends. It does
// no I/O and holds no goroutine. It checks every rule that concerns the receiver
// as the bytes arrive, and never allocates because of a length that a peer
// declared. The zero value reads what a server sends, without compression.
type Decoder struct {
	// From is who sends. Clients have to mask, servers must not.
	From Role
	// Limits bound messages.
	Limits Limits
	// Frames asks for an [EventFrame] for each header.
	Frames bool
	// Observe goes on behind what an endpoint would end the connection for: a
	// broken rule is an [EventFinding], and only where the borders of frames are
	// lost does it end. It leaves the bytes that it is given unchanged.
	Observe bool

	inflate *inflater // nil where compression was not agreed on

	head    [maxHeaderSize]byte // of a header that is not complete
	headLen uint8
	inFrame bool
	skip    bool // the payload of this frame is of no use
	drop    bool // that of the whole message is not
	dead    bool // the borders of frames are lost, or the connection has failed
	closed  bool // a close frame came
	told    bool // of what came behind it
	packed  bool // the message is compressed
	inPlace bool // buf is not ours: the message stands in what the caller gave
	hdr     Header
	left    int64 // bytes of the frame's payload that are still to come

	kind   Opcode // of the message that is under way; 0 is none
	frames int
	wire   int64 // payload bytes of its frames
	buf    []byte
	text   utf8Check
	fault  *Violation // of the message, where an observer goes on
	ctl    []byte     // of a control frame whose payload is not complete
	late   Event      // what is wrong with what was read to room

	controls int
	since    time.Time // when counting controls began
}

// EventKind says what an [Event] is.
type EventKind uint8

// The kinds of events.
const (
	EventNone    EventKind = iota // more bytes are needed
	EventFrame                    // the header of a frame; its payload is still to come
	EventMessage                  // a whole message
	EventPing
	EventPong
	EventClose
	EventFinding // a rule was broken; the connection can go on
	EventBroken  // a rule was broken, and the connection has to end
)

// Event is what some bytes came to. What it points to is valid until the next
// call of Next.
type Event struct {
	Kind    EventKind
	Type    MessageType // of a message
	Payload []byte      // of a message, a ping or a pong
	Header  *Header     // of a frame

	Frames     int   // of a message
	Wire       int64 // bytes of their payloads, compressed where they were
	Compressed bool

	Code   StatusCode // of a close: 1005 where the frame has none
	Reason string

	// Violation is the rule that was broken. To an observer messages and close
	// frames come with one, too.
	Violation *Violation
}

// NewDecoder returns a decoder of what one end sends, as the opening handshake
// agreed.
func NewDecoder(from Role, agreed handshake.Agreement, limits Limits) *Decoder {
	d := &Decoder{}
	d.init(from, agreed, limits)
	return d
}

func (d *Decoder) init(from Role, agreed handshake.Agreement, limits Limits) {
	d.From, d.Limits = from, limits
	if agreed.Compressed {
		d.inflate = newInflater(from, agreed.Deflate)
	}
}

// Next takes bytes from the beginning of b, and returns how many and what they
// came to. Call it until it returns [EventNone], with what is left of b. It
// unmasks in place: b is changed, and a message may stand in it.
func (d *Decoder) Next(b []byte) (n int, ev Event) {
	d.Release()
	if d.late.Kind != EventNone {
		ev, d.late = d.late, Event{}
		return 0, ev
	}
	for again := true; again && ev.Kind == EventNone; {
		var m int
		m, ev, again = d.step(b[n:])
		n += m
	}
	return n, ev
}

// step takes a header, or payload, or both. It asks to be called again behind a
// frame that came to no event.
func (d *Decoder) step(b []byte) (n int, ev Event, again bool) {
	if d.dead || d.closed {
		n, ev = d.discard(b)
		return n, ev, false
	}
	if !d.inFrame {
		var begun bool
		if n, begun = d.readHeader(b); !begun {
			return n, Event{}, false
		}
		if ev = d.begin(); ev.Kind != EventNone {
			return n, ev, false
		}
		if d.Frames {
			return n, Event{Kind: EventFrame, Header: &d.hdr}, false
		}
	}
	m, ev := d.payload(b[n:])
	return n + m, ev, !d.inFrame
}

// Idle reports whether no frame and no message is under way.
func (d *Decoder) Idle() bool { return !d.inFrame && d.headLen == 0 && d.kind == 0 }

// Release gives back the memory of the last event.
func (d *Decoder) Release() {
	if d.inPlace || d.kind == 0 && d.buf != nil {
		if !d.inPlace {
			putBuffer(d.buf)
		}
		d.buf, d.inPlace = nil, false
	}
}

// discard drops what comes behind the end, and says so once.
func (d *Decoder) discard(b []byte) (int, Event) {
	if len(b) == 0 || d.dead || d.told {
		return len(b), Event{}
	}
	d.told = true
	return len(b), Event{Kind: EventFinding, Violation: d.violation(ruleAfterClose, "%s", count(int64(len(b)), "byte"))}
}

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
	rule, bad := d.check()
	if bad {
		if ev = d.broke(rule, "%s", d.hdr.describe()); ev.Kind == EventBroken {
			return ev
		}
	} else {
		rule = -1
	}
	d.enter(rule)
	return ev
}

// enter begins the payload of a frame. An observer skips what has no meaning.
func (d *Decoder) enter(broken int) {
	h := &d.hdr
	d.inFrame, d.left = true, h.Length
	switch broken {
	case ruleOpcode, ruleControlLong, ruleContinuation:
		d.skip = true
		return
	}
	if h.Opcode.Control() {
		return
	}
	if h.Opcode != OpContinuation {
		d.abandon()
		d.kind, d.frames, d.wire, d.text = h.Opcode, 0, 0, utf8Check{}
		d.packed = h.RSV&rsv1 != 0 && d.inflate != nil
		d.fault, d.drop = nil, false
	}
	d.drop = d.drop || broken == ruleTooBig || broken == ruleFragments
	d.frames++
	d.wire += h.Length
}

// abandon drops a message that another one has cut off.
func (d *Decoder) abandon() {
	if d.buf != nil && !d.inPlace {
		putBuffer(d.buf)
	}
	d.buf, d.inPlace = nil, false
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
	if d.since.IsZero() {
		d.since = time.Now()
	}
	if d.controls++; d.controls <= most {
		return false
	}
	now := time.Now()
	fast := now.Sub(d.since) < time.Second
	d.since, d.controls = now, 0
	return fast
}

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

// trust is by how much a buffer may exceed what has come: a declared length is
// not to be believed.
const (
	trustFactor = 8
	trustBytes  = 64 << 10
)

// makeRoom sizes the buffer for the frame, as far as its sender has earned it.
func (d *Decoder) makeRoom(n int) {
	if cap(d.buf)-len(d.buf) >= n {
		return
	}
	come := len(d.buf) + n
	want := int64(len(d.buf)) + d.left
	if d.packed {
		want += int64(len(deflateTail))
	}
	d.buf = grown(d.buf, int(min(want, int64(max(trustBytes, trustFactor*come))))-len(d.buf))
}

// message gives the message whose last frame is complete.
func (d *Decoder) message(unchecked bool) Event {
	ev := Event{Kind: EventMessage, Type: d.kind, Payload: d.buf, Frames: d.frames, Wire: d.wire, Compressed: d.packed}
	d.kind = 0
	if d.packed {
		plain, rule, err := d.inflate.inflate(d.buf, d.Limits.message())
		putBuffer(d.buf)
		if d.buf = plain; err != nil {
			return d.broke(rule, "%s in %s: %v", count(ev.Wire, "byte"), count(int64(ev.Frames), "frame"), err)
		}
		ev.Payload, unchecked = plain, true
	}
	if bad := d.checkText(ev.Type, unchecked); bad.Kind == EventBroken {
		return bad
	}
	ev.Violation = d.fault
	return ev
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

// badText is the event of a text that is none. To an observer it is a part of
// the message's.
func (d *Decoder) badText(at int64) Event {
	came := "the message ends within a character, after " + count(at, "byte")
	if at < int64(len(d.buf)) {
		came = fmt.Sprintf("byte %d of the message is 0x%02x", at, d.buf[at])
	}
	ev := d.broke(ruleTextUTF8, "%s", came)
	if ev.Kind == EventBroken {
		return ev
	}
	d.fault = ev.Violation
	return Event{}
}

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

// room is where payload of the message under way can be read to, without going
// through Next; empty where that does not pay.
func (d *Decoder) room() []byte {
	if !d.inFrame || d.skip || d.drop || d.hdr.Opcode.Control() || d.left < trustBytes || d.Observe {
		return nil
	}
	d.makeRoom(int(min(d.left, trustBytes)))
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
	if ev := d.took(start, at); ev.Kind != EventNone {
		d.late = ev
	}
}

// keepOutput leaves the memory of the last event to whoever has it.
func (d *Decoder) keepOutput() {
	if d.inPlace || d.kind == 0 {
		d.buf, d.inPlace = nil, false
	}
}
