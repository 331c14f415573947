package trace

import (
	"fmt"
	"time"
)

// ackEvery is how many data segments may pass before the other end
// acknowledges them; their bytes stay well below the window.
const ackEvery = 16

// greet shows the TCP handshake of a stream (RFC 9293 section 3.5).
func (p *PCAPNG) greet(c *pcapConn, at time.Time) {
	// Numbers that differ between connections: a port that is used again must
	// not look like a retransmission.
	c.seq[here] = uint32(c.id)*2654435761 | 1
	c.seq[there] = c.seq[here] + 1<<30
	dialled, accepted := here, there
	if c.opened.Side == Server {
		dialled, accepted = there, here
	}
	p.send(c, at, segment{end: dialled, flags: flagSYN})
	p.send(c, at, segment{end: accepted, flags: flagSYN | flagACK})
	p.send(c, at, segment{end: dialled, flags: flagACK})
}

// bytes shows a piece of a stream.
func (p *PCAPNG) bytes(r Record, e Bytes) {
	c := p.conns[r.Conn]
	end, ok := endOf(e.Dir)
	switch {
	case c == nil || !ok:
		p.left++
		return
	case c.shadow || !c.stream: // its packets come from other records
		return
	case c.ended[end]:
		p.left++
		c.comment(fmt.Sprintf("%d bytes %s after the end of that direction are left out", len(e.Payload), e.Dir))
		return
	}
	for most := maxSegment(c.flow); len(e.Payload) > 0; {
		n := min(len(e.Payload), most)
		p.send(c, r.Time, segment{end, flagPSH | flagACK, e.Payload[:n]})
		e.Payload = e.Payload[n:]
		if c.unacked[end] >= ackEvery {
			p.send(c, r.Time, segment{end: 1 - end, flags: flagACK})
		}
	}
}

// halfClose shows the end of one direction. Under TLS it is a close_notify,
// which the bytes show: the FIN comes with the close.
func (p *PCAPNG) halfClose(r Record, e HalfClose) {
	c := p.conns[r.Conn]
	if end, ok := endOf(e.Dir); ok && c != nil && !c.tls {
		p.end(c, r.Time, end)
	}
}

// close shows the end of a connection and drops its state.
func (p *PCAPNG) close(r Record, e Close) {
	c := p.conns[r.Conn]
	if c == nil {
		return
	}
	if e.Error != "" {
		c.comment("closed: " + e.Error)
	}
	switch {
	case e.Reset && c.stream && !c.shadow:
		p.send(c, r.Time, segment{end: there, flags: flagRST | flagACK})
	case !e.Reset:
		p.end(c, r.Time, here)
		p.end(c, r.Time, there)
	}
	p.forget(r.Conn)
}

// end shows the FIN of one end and the other's acknowledgement, once.
func (p *PCAPNG) end(c *pcapConn, at time.Time, end int) {
	if c.ended[end] || !c.stream || c.shadow {
		return
	}
	c.ended[end] = true
	p.send(c, at, segment{end: end, flags: flagFIN | flagACK})
	p.send(c, at, segment{end: 1 - end, flags: flagACK})
}

// segment is a TCP segment before it has numbers.
type segment struct {
	end     int // that sends it
	flags   byte
	payload []byte
}

// send writes one TCP segment and counts it.
func (p *PCAPNG) send(c *pcapConn, at time.Time, s segment) {
	t := tcpSegment{
		flow: c.flow.from(s.end), flags: s.flags,
		seq: c.seq[s.end], payload: s.payload,
	}
	if s.flags&flagACK != 0 {
		t.ack = c.seq[1-s.end]
		c.unacked[1-s.end] = 0
	}
	c.seq[s.end] += uint32(len(s.payload))
	if s.flags&(flagSYN|flagFIN) != 0 {
		c.seq[s.end]++
	}
	if len(s.payload) > 0 {
		c.unacked[s.end]++
	}
	start := len(p.out)
	p.out = appendTCP(beginPacket(p.out, at), t)
	p.finish(c, start, packetInfo{dir: [...]Dir{here: Out, there: In}[s.end]})
}
