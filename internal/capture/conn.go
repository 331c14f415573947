package capture

import (
	"bytes"
	"container/list"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// conn is a TCP connection of a capture.
type conn struct {
	a      *assembler
	id     trace.ID
	key    pair
	place  *list.Element
	client netip.AddrPort
	server netip.AddrPort
	syn    [2]uint32
	sides  [2]stream
	talk   *talk
	report *Connection
	opened time.Time // its first segment
	isOpen bool
	reset  bool
	done   bool

	delayed [2][]segment // that answer what is not there yet, by role
	waits   int          // bytes in them
	last    time.Time    // its latest segment
	counted int          // bytes of it in assembler.held
}

// newConn begins a connection with its first segment.
func newConn(a *assembler, key pair, s *segment) *conn {
	c := &conn{a: a, id: a.tracer.NewID(), key: key, opened: a.now, client: s.from, server: s.to}
	if !fromClient(s) {
		c.client, c.server = s.to, s.from
	}
	c.report = &Connection{ID: c.id, Network: "tcp", Client: c.client.String(), Server: c.server.String(), Opened: a.now, End: EndOpen, Whole: s.has(flagSYN)}
	a.report.add(c.report)
	if !s.has(flagSYN) {
		c.open()
		a.note(c.id, "the beginning of this connection is not in the capture")
	}
	c.talk = newTalk(a.reader, c.id, c.report)
	if !c.report.Whole {
		c.talk.plain.Partial()
	}
	for role := range c.sides {
		c.sides[role].to = side{c, ws.Role(role)}
	}
	return c
}

// open says that the connection is there: its client has an answer, or the
// capture begins behind that.
func (c *conn) open() {
	if !c.isOpen {
		c.isOpen = true
		c.a.emit(c.id, trace.Open{Side: trace.Client, Network: "tcp", Local: c.report.Client, Remote: c.report.Server, Duration: max(c.a.now.Sub(c.opened), 0)})
	}
}

// unanswered says that the connection never came to be.
func (c *conn) unanswered(why string) {
	c.a.emit(c.id, trace.AttemptFailed{Network: "tcp", Address: c.report.Server, Duration: max(c.a.now.Sub(c.opened), 0), Error: why})
}

// fromClient reports whether a first segment is the client's: of one that is no
// SYN, by what it says, and else by the ports.
func fromClient(s *segment) bool {
	switch {
	case s.has(flagSYN):
		return !s.has(flagACK)
	case strings.HasPrefix(string(s.payload[:min(len(s.payload), 5)]), "HTTP/"):
		return false
	case beginsRequest(s.payload):
		return true
	}
	return s.from.Port() >= s.to.Port()
}

func beginsRequest(b []byte) bool {
	var scan handshake.Scanner
	first, _, _ := strings.Cut(string(b[:min(len(b), 16)]), " ")
	_, err := scan.Scan(b, nil)
	return (err == nil || err == handshake.ErrNeedMore) && len(first) >= 3 && len(first) < 10 && strings.ToUpper(first) == first
}

// another reports whether a SYN begins another connection, and is not that of
// this one again.
func (c *conn) another(s *segment) bool {
	role := c.role(s.from)
	return c.done || c.sides[role].begun && c.syn[role] != s.seq
}

// segment takes one segment.
func (c *conn) segment(s *segment) {
	c.last = c.a.now
	role := c.role(s.from)
	if s.has(flagSYN) {
		c.syncs(role, s)
	}
	if s.has(flagRST) {
		c.end(true)
		return
	}
	if !s.has(flagSYN) || s.has(flagACK) {
		c.open()
	}
	if s.has(flagACK) {
		c.sides[1-role].acknowledged(s.ack)
	}
	if c.early(role, s) {
		c.delay(role, s)
	} else {
		c.take(role, s)
	}
	c.release()
	c.settleEnds()
}

// syncs takes the number that a SYN begins with.
func (c *conn) syncs(role ws.Role, s *segment) {
	if from := &c.sides[role]; !from.begun {
		c.syn[role] = s.seq
		from.begin(s.seq + 1)
	}
	s.seq++ // what follows the SYN
}

// take hands on what a segment carries.
func (c *conn) take(role ws.Role, s *segment) {
	from := &c.sides[role]
	if len(s.payload) > 0 || s.missing > 0 {
		from.add(s.seq, s.payload, s.missing)
	}
	if s.has(flagFIN) {
		if !from.begun {
			from.begin(s.seq)
		}
		from.fin(s.seq + uint32(len(s.payload)+s.missing))
	}
}

// early reports whether a segment answers what has not been handed on: it
// acknowledges bytes that the capture has later, or not at all. It has to wait for
// them, so that no answer comes before its question.
func (c *conn) early(role ws.Role, s *segment) bool {
	other := &c.sides[1-role]
	return s.has(flagACK) && other.begun && !other.ended && less(other.next, s.ack) && int32(s.ack-other.next) < 1<<30
}

// mostDelayed bounds the segments of one direction that wait for the other.
const mostDelayed = 256

func (c *conn) delay(role ws.Role, s *segment) {
	if len(s.payload) == 0 && s.missing == 0 && !s.has(flagFIN) {
		return
	}
	kept := *s
	kept.payload = bytes.Clone(s.payload)
	c.delayed[role] = append(c.delayed[role], kept)
	c.waits += len(kept.payload)
	if len(c.delayed[role]) > mostDelayed {
		c.sides[1-role].reach(kept.ack)
	}
}

// release takes the segments that wait no longer, in whatever order.
func (c *conn) release() {
	for moved := true; moved; {
		moved = false
		for role := range c.delayed {
			for i := 0; i < len(c.delayed[role]); i++ {
				if !c.early(ws.Role(role), &c.delayed[role][i]) {
					c.takeDelayed(ws.Role(role), i)
					moved = true
					i--
				}
			}
		}
	}
}

func (c *conn) takeDelayed(role ws.Role, i int) {
	s := c.delayed[role][i]
	c.delayed[role] = slices.Delete(c.delayed[role], i, i+1)
	c.waits -= len(s.payload)
	c.take(role, &s)
}

// settleEnds ends the connection once both ends have ended theirs.
func (c *conn) settleEnds() {
	if c.sides[0].ended && c.sides[1].ended {
		c.end(false)
	}
}

// side is one direction of a connection.
type side struct {
	c    *conn
	role ws.Role
}

func (s side) bytes(b []byte) {
	if s.c.a.tracer.On(trace.Byte) {
		s.c.a.emit(s.c.id, trace.Bytes{Dir: dirOf(s.role), Size: len(b), Payload: b})
	}
	s.c.talk.feed(s.role, b)
}

func (s side) gap(n int64) {
	s.c.a.note(s.c.id, fmt.Sprintf("gap: %d bytes that the %s sent are not in the capture", n, s.role))
	s.c.talk.gap(s.role, n)
}

func (s side) conflict() {
	s.c.a.note(s.c.id, fmt.Sprintf("bytes of the %s came again, and others than before: the first count", s.role))
}

func (s side) finish() {
	s.c.a.emit(s.c.id, trace.HalfClose{Dir: dirOf(s.role)})
	s.c.talk.end(s.role, true)
}

func (c *conn) held() int {
	return c.sides[0].waits + c.sides[1].waits + c.waits + c.talk.held()
}

func (c *conn) giveUp(why string) { c.talk.giveUp(why) }

// abandon ends a connection that goes on, for a reason that is said.
func (c *conn) abandon(why string) {
	if why != "" {
		c.a.note(c.id, why)
	}
	c.finish()
	switch {
	case c.done:
	case !c.isOpen:
		c.unanswered("no answer is in the capture")
		c.settle(EndUnanswered)
	case c.sides[0].ended && c.sides[1].ended:
		c.close(EndClosed)
	default:
		c.settle(EndOpen)
	}
	c.done = true
	c.a.forget(c)
}

// finish hands on what waits, and ends what has not ended.
func (c *conn) finish() {
	for role := range c.sides {
		c.sides[role].flush()
	}
	for c.release(); len(c.delayed[0])+len(c.delayed[1]) > 0; c.release() {
		for role := range c.delayed {
			if len(c.delayed[role]) > 0 {
				c.takeDelayed(ws.Role(role), 0)
			}
		}
	}
	for role := range c.sides {
		c.sides[role].flush()
	}
	for role := range c.sides {
		c.talk.end(ws.Role(role), c.reset)
	}
}

// end is the end of the connection.
func (c *conn) end(reset bool) {
	if c.done {
		return
	}
	c.reset = reset
	c.finish()
	c.done = true
	how := EndClosed
	if reset {
		how = EndReset
	}
	if !c.isOpen {
		c.unanswered("connection refused")
		c.settle(EndRefused)
		c.a.forget(c)
		return
	}
	c.close(how)
	c.a.forget(c)
}

// close says that the connection has ended.
func (c *conn) close(how string) {
	c.settle(how)
	c.a.emit(c.id, trace.Close{Out: c.report.Out, In: c.report.In, Duration: c.report.Duration, Reset: how == EndReset})
}

// settle writes into the report what only the end tells.
func (c *conn) settle(how string) {
	r := c.report
	r.End, r.Duration = how, max(c.last.Sub(c.opened), 0)
	r.Out, r.In = c.sides[ws.ClientRole].size, c.sides[ws.ServerRole].size
	for role := range c.sides {
		s := &c.sides[role]
		r.Gaps, r.Missing, r.Repeated, r.Conflicts = r.Gaps+s.gaps, r.Missing+s.missing, r.Repeated+s.repeated, r.Conflicts+s.conflicts
	}
	delete(c.a.report.byID, c.id)
}
