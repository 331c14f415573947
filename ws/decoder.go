package ws

import (
	"fmt"

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
	// toldLost says that an observer has told of a context that was lost.
	toldLost bool
	packed   bool // the message is compressed
	inPlace  bool // buf is not ours: the message stands in what the caller gave
	hdr      Header
	left     int64 // bytes of the frame's payload that are still to come

	kind   Opcode // of the message that is under way; 0 is none
	frames int
	wire   int64 // payload bytes of its frames
	buf    []byte
	text   utf8Check
	fault  *Violation // of the message, where an observer goes on
	ctl    []byte     // of a control frame whose payload is not complete
	late   *Violation // what is wrong with what was read to room

	controls controlCount
}

// controlCount counts control frames: all that is left of a decoder between
// messages.
type controlCount struct {
	n     uint32
	since uint32 // when it began, in milliseconds since the process did; 0 is not yet
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
	Header  *Header     // of a frame, and of one that broke a rule

	Frames     int   // of a message
	Wire       int64 // bytes of their payloads, compressed where they were
	Compressed bool
	// Opaque says that an observer could not inflate the message, which has no
	// payload then: its context went with an earlier one that was not inflated.
	Opaque bool

	Code   StatusCode // of a close: 1005 where the frame has none
	Reason string

	// Violation is the rule that was broken. To an observer messages and close
	// frames come with one, too, that was not told of before them.
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

// rests reports whether nothing of what was read has to be known for what comes:
// a new decoder with the same controls would go on as well.
func (d *Decoder) rests() bool {
	return d.Idle() && !d.dead && !d.closed && d.buf == nil && d.late == nil && (d.inflate == nil || !d.inflate.takeover)
}

// Next takes bytes from the beginning of b, and returns how many and what they
// came to. Call it until it returns [EventNone], with what is left of b. It
// unmasks in place: b is changed, and a message may stand in it.
func (d *Decoder) Next(b []byte) (n int, ev Event) {
	d.Release()
	if d.late != nil {
		ev, d.late = Event{Kind: EventBroken, Violation: d.late}, nil
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

// forget gives back all memory: nothing comes any more.
func (d *Decoder) forget() {
	d.Release()
	if d.buf != nil {
		putBuffer(d.buf)
		d.buf = nil
	}
	d.dead = true
}

// discard drops what comes behind the end, and says so once.
func (d *Decoder) discard(b []byte) (int, Event) {
	if len(b) == 0 || d.dead || d.told {
		return len(b), Event{}
	}
	d.told = true
	return len(b), Event{Kind: EventFinding, Violation: afterClose(d.From, b)}
}

// afterClose is the violation of bytes behind a close frame.
func afterClose(by Role, b []byte) *Violation {
	return &Violation{Rule: ruleOf(ruleAfterClose), Came: fmt.Sprintf("more bytes, of which the first is 0x%02x", b[0]), By: by}
}
