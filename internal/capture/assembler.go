package capture

import (
	"container/list"
	"fmt"
	"net/netip"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// assembler makes connections of packets.
type assembler struct {
	*reader
	fragments fragments
	tcp       map[pair]*conn
	udp       map[pair]*flow
	recent    list.List         // of connections, the one that was silent for longest first
	senders   list.List         // of flows, likewise
	gone      map[pair]struct{} // that have ended
	held      int               // bytes that wait, of all connections
}

// pair is two ends, in an order that does not depend on who sends.
type pair struct{ a, b netip.AddrPort }

func pairOf(x, y netip.AddrPort) pair {
	if x.Compare(y) > 0 {
		x, y = y, x
	}
	return pair{x, y}
}

func newAssembler(r *reader) *assembler {
	return &assembler{reader: r, tcp: map[pair]*conn{}, udp: map[pair]*flow{}, gone: map[pair]struct{}{}}
}

// packet takes one packet.
func (a *assembler) packet(p *packet) {
	a.report.Packets++
	if !p.at.IsZero() {
		a.now = p.at
		if a.report.First.IsZero() || p.at.Before(a.report.First) {
			a.report.First = p.at
		}
		if p.at.After(a.report.Last) {
			a.report.Last = p.at
		}
	}
	b, why := network(p.link, p.data)
	if why != "" {
		a.left(why)
		return
	}
	d, why := parseIP(b, max(p.size-len(p.data), 0))
	switch {
	case why != "":
		a.left(why)
	case d.fragment:
		if d, ok := a.fragments.add(d); ok {
			a.datagram(&d, p)
		}
	default:
		a.datagram(&d, p)
	}
}

// mostReasons bounds the reasons that are counted apart.
const mostReasons = 100

// left counts a packet that is not decoded.
func (a *assembler) left(why string) {
	if a.report.Left == nil {
		a.report.Left = map[string]int{}
	}
	if _, known := a.report.Left[why]; !known && len(a.report.Left) >= mostReasons {
		why = "other"
	}
	a.report.Left[why]++
}

func (a *assembler) datagram(d *datagram, p *packet) {
	switch d.protocol {
	case protoTCP:
		s, why := parseTCP(d)
		if why != "" {
			a.left(why)
			return
		}
		a.segment(&s, p.comments)
	case protoUDP:
		from, to, payload, size, why := parseUDP(d)
		if why != "" {
			a.left(why)
			return
		}
		a.sent(from, to, payload, size, d.hops, p.comments)
	default:
		a.left(fmt.Sprintf("IP protocol %d", d.protocol))
	}
}

// segment finds the connection of a segment, or begins it.
func (a *assembler) segment(s *segment, comments []string) {
	key := pairOf(s.from, s.to)
	c := a.tcp[key]
	if opens := s.has(flagSYN) && !s.has(flagACK); c != nil && opens && c.another(s) {
		c.abandon("another connection begins between the same ports")
		c = nil
	}
	if c == nil {
		if c = a.begin(key, s); c == nil {
			return
		}
	}
	for _, text := range comments {
		a.note(c.id, "comment in the capture: "+text)
	}
	a.recent.MoveToBack(c.place)
	c.segment(s)
	a.bound(c)
}

// begin begins a connection with its first segment. Segments that carry nothing
// begin none, nor do late ones of a connection that has ended.
func (a *assembler) begin(key pair, s *segment) *conn {
	if !s.has(flagSYN) {
		if _, late := a.gone[key]; late {
			return nil
		}
		if len(s.payload) == 0 && s.missing == 0 {
			a.left("TCP that carries nothing, of a connection whose beginning is not in the capture")
			return nil
		}
	}
	delete(a.gone, key)
	if len(a.tcp) >= mostOpen {
		a.recent.Front().Value.(*conn).abandon(fmt.Sprintf("more than %d connections at once: this one was silent for longest, and is not followed any more", mostOpen))
	}
	c := newConn(a, key, s)
	a.tcp[key] = c
	c.place = a.recent.PushBack(c)
	return c
}

// bound keeps what all connections wait with below a limit: where it is
// reached, the connection that adds to it has to go on without.
func (a *assembler) bound(c *conn) {
	held := c.held()
	a.held += held - c.counted
	c.counted = held
	if a.held <= mostHeld {
		return
	}
	for role := range c.sides {
		c.sides[role].flush()
	}
	c.giveUp(fmt.Sprintf("more than %d MiB wait in all connections", mostHeld>>20))
	a.held += c.held() - c.counted
	c.counted = c.held()
}

// forget drops a connection that has ended.
func (a *assembler) forget(c *conn) {
	if a.tcp[c.key] != c {
		return
	}
	delete(a.tcp, c.key)
	a.recent.Remove(c.place)
	a.held -= c.counted
	if len(a.gone) >= mostOpen {
		clear(a.gone)
	}
	a.gone[c.key] = struct{}{}
}

// finish ends what goes on at the end of the capture.
func (a *assembler) finish() {
	for a.recent.Len() > 0 {
		a.recent.Front().Value.(*conn).abandon("")
	}
	for a.senders.Len() > 0 {
		a.senders.Front().Value.(*flow).end()
	}
	if n := a.fragments.lost + len(a.fragments.open); n > 0 {
		a.report.note(fmt.Sprintf("%d datagrams came in fragments that are not all there", n))
	}
}

// role is whose segment it is.
func (c *conn) role(from netip.AddrPort) ws.Role {
	if from == c.client {
		return ws.ClientRole
	}
	return ws.ServerRole
}

func dirOf(from ws.Role) trace.Dir {
	if from == ws.ClientRole {
		return trace.Out
	}
	return trace.In
}
