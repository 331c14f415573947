package trace

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// The ports of ends that have none: one for the end that accepted, by network,
// and a range for the end that dialled. Wireshark knows no protocol by them.
const (
	portUnix     = 60011
	portUnixgram = 60012
	portExec     = 60013
	portStdio    = 60014
	portOther    = 60015
	portDialled  = 50000 // plus the connection's number modulo dialledPorts
	dialledPorts = 4000
)

// Bounds of the comments that wait for a connection's next packet.
const (
	maxComments = 8
	maxComment  = 1024 // bytes of one
)

// The ends of a connection, as indices.
const (
	here = iota
	there
)

// flow is a pair of addresses, as one end of a connection sees it.
type flow struct {
	here, there netip.AddrPort
}

// reverse returns f as the other end sees it.
func (f flow) reverse() flow { return flow{f.there, f.here} }

// from returns f in the direction that bytes from one end go.
func (f flow) from(end int) flow {
	if end == there {
		return f.reverse()
	}
	return f
}

// pcapConn is what has to be remembered of a connection.
type pcapConn struct {
	id     ID
	opened Open
	flow   flow
	names  string // that flow stands for, where they are not IP addresses
	stream bool
	shadow bool // the other end is in this capture; packets stand there

	seq     [2]uint32 // the next sequence number, by end
	ended   [2]bool   // a FIN was sent
	unacked [2]int    // data segments

	tls      bool
	holding  bool // packets wait for TLS secrets
	deadline time.Time
	comments []string
}

// comment keeps text for the connection's next packet.
func (c *pcapConn) comment(text string) {
	if len(c.comments) >= maxComments || text == "" {
		return
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) > maxComment {
		text = strings.ToValidUTF8(text[:maxComment], "") + "…"
	}
	c.comments = append(c.comments, text)
}

// locate sets the addresses that a connection's next packets appear under, and
// comments on those that only stand for others.
func (c *pcapConn) locate(network, local, remote string) {
	if isIP(network) {
		if f, ok := ipFlow(local, remote); ok {
			c.flow, c.names = f, ""
			return
		}
	}
	names := fmt.Sprintf("%s %q %q", network, local, remote)
	if names == c.names {
		return
	}
	c.flow, c.names = standIn(c.id, network, c.opened.Side), names
	c.comment(fmt.Sprintf("%s: %v stands for %q, %v for %q",
		network, c.flow.here, local, c.flow.there, remote))
}

// isIP reports whether the addresses of a network are IP addresses.
func isIP(network string) bool {
	return strings.HasPrefix(network, "tcp") || strings.HasPrefix(network, "udp")
}

// isDatagram reports whether the connections of a network carry datagrams.
func isDatagram(network string) bool {
	return network == "unixgram" || strings.HasPrefix(network, "udp")
}

// ipFlow parses two addresses and makes them of one family.
func ipFlow(local, remote string) (flow, bool) {
	a, err := netip.ParseAddrPort(local)
	if err != nil {
		return flow{}, false
	}
	b, err := netip.ParseAddrPort(remote)
	if err != nil {
		return flow{}, false
	}
	x, y := plain(a.Addr()), plain(b.Addr())
	if x.Is4() != y.Is4() {
		x, y = alike(x, y), alike(y, x)
	}
	return flow{netip.AddrPortFrom(x, a.Port()), netip.AddrPortFrom(y, b.Port())}, true
}

// plain returns an address without its zone, and as IPv4 where it is that.
func plain(a netip.Addr) netip.Addr { return a.WithZone("").Unmap() }

// alike returns a in a form that can stand beside b, of the other family: a
// wildcard takes b's, otherwise both become IPv6.
func alike(a, b netip.Addr) netip.Addr {
	switch {
	case a.IsUnspecified() && b.Is4() && !b.IsUnspecified():
		return netip.IPv4Unspecified()
	case a.IsUnspecified():
		return netip.IPv6Unspecified()
	case b.IsUnspecified():
		return a
	}
	return netip.AddrFrom16(a.As16())
}

// standIn returns the loopback addresses of a connection that has none: 127.0.0.1
// for this process, and for the peer one that holds the connection's number.
func standIn(id ID, network, side string) flow {
	peer := netip.AddrFrom4([4]byte{127, 128 | byte(id>>16), byte(id >> 8), byte(id)})
	dialled := portDialled + uint16(id%dialledPorts)
	accepted := acceptedPort(network)
	if side == Server {
		dialled, accepted = accepted, dialled
	}
	return flow{
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dialled),
		netip.AddrPortFrom(peer, accepted),
	}
}

// acceptedPort returns the port that stands for the end that accepted.
func acceptedPort(network string) uint16 {
	switch network {
	case "unix":
		return portUnix
	case "unixgram":
		return portUnixgram
	case "exec":
		return portExec
	case "stdio":
		return portStdio
	}
	return portOther
}

// endOf returns the end that bytes of a direction come from.
func endOf(d Dir) (int, bool) {
	switch d {
	case Out:
		return here, true
	case In:
		return there, true
	}
	return 0, false
}

// open begins the state of a connection and shows a stream's handshake.
func (p *PCAPNG) open(r Record, e Open) {
	p.forget(r.Conn)
	c := &pcapConn{id: r.Conn, opened: e, stream: !isDatagram(e.Network)}
	p.conns[r.Conn] = c
	if !c.stream {
		return // each datagram brings its addresses
	}
	if e.Network == "http2" { // its bytes are in the connection that carries it
		c.shadow = true
		return
	}
	c.locate(e.Network, e.Local, e.Remote)
	if _, both := p.streams[c.flow.reverse()]; both {
		c.shadow = true
		return
	}
	p.streams[c.flow] = r.Conn
	p.greet(c, r.Time)
}

// forget drops the state of a connection.
func (p *PCAPNG) forget(id ID) {
	c := p.conns[id]
	if c == nil {
		return
	}
	if p.streams[c.flow] == id {
		delete(p.streams, c.flow)
	}
	delete(p.conns, id)
	c.holding = false
	p.release()
}

// datagram shows one datagram.
func (p *PCAPNG) datagram(r Record, e Datagram) {
	c := p.conns[r.Conn]
	if c == nil || c.stream {
		c = &pcapConn{id: r.Conn}
	}
	end, ok := endOf(e.Dir)
	if !ok {
		p.left++
		return
	}
	c.locate(cmp.Or(e.Network, c.opened.Network),
		cmp.Or(e.Local, c.opened.Local), cmp.Or(e.Remote, c.opened.Remote))
	d := udpDatagram{flow: c.flow.from(end), hops: hops(e.TTL), payload: e.Payload}
	d.size = max(e.Size, len(e.Payload))
	if most := d.most(); d.size > most {
		c.comment(fmt.Sprintf("a datagram of %d bytes, of which IP has room for %d", d.size, most))
	}
	start := len(p.out)
	p.out = appendUDP(beginPacket(p.out, r.Time), d)
	p.finish(c, start, packetInfo{dir: e.Dir, missing: d.size - d.captured()})
}

// hops returns the hop limit to show for a TTL, where it is known.
func hops(ttl int) byte {
	if ttl > 0 && ttl < 256 {
		return byte(ttl)
	}
	return defaultHops
}

// finish ends the packet block that begins at start and places it.
func (p *PCAPNG) finish(c *pcapConn, start int, info packetInfo) {
	info.comments, c.comments = c.comments, nil
	p.out = endPacket(p.out, start, info)
	p.place(c, start)
}
