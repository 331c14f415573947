package trace

import (
	"encoding/binary"
	"net/netip"
)

// Of IP (RFC 791, RFC 8200), TCP (RFC 9293) and UDP (RFC 768).
const (
	headIPv4 = 20
	headIPv6 = 40
	headTCP  = 20
	headUDP  = 8
	maxIP    = 65535 // bytes: a whole IPv4 packet, or what follows the head of IPv6

	protocolTCP = 6
	protocolUDP = 17
	defaultHops = 64

	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagPSH = 0x08
	flagACK = 0x10

	window      = 65535
	windowScale = 8 // the window is 16 MiB (RFC 7323 section 2)
)

// order is the network's byte order.
var order = binary.BigEndian

// maxPayload returns how many bytes may follow the IP head.
func maxPayload(f flow) int {
	if f.here.Addr().Is4() {
		return maxIP - headIPv4
	}
	return maxIP
}

// maxSegment returns how many bytes fit in one TCP segment without options.
func maxSegment(f flow) int { return maxPayload(f) - headTCP }

// appendIP appends an IP head for size bytes that follow.
func appendIP(b []byte, f flow, protocol, hops byte, size int) []byte {
	if !f.here.Addr().Is4() {
		return appendIPv6(b, f, protocol, hops, size)
	}
	from, to := f.here.Addr().As4(), f.there.Addr().As4()
	start := len(b)
	b = append(b, 0x45, 0)
	b = order.AppendUint16(b, uint16(headIPv4+size))
	b = append(b, 0, 0, 0x40, 0, hops, protocol, 0, 0) // don't fragment
	b = append(append(b, from[:]...), to[:]...)
	order.PutUint16(b[start+10:], ^fold(sum(0, b[start:])))
	return b
}

// appendIPv6 appends an IPv6 head for size bytes that follow.
func appendIPv6(b []byte, f flow, protocol, hops byte, size int) []byte {
	from, to := f.here.Addr().As16(), f.there.Addr().As16()
	b = append(b, 0x60, 0, 0, 0)
	b = order.AppendUint16(b, uint16(size))
	b = append(b, protocol, hops)
	return append(append(b, from[:]...), to[:]...)
}

// tcpSegment is a TCP segment on its way.
type tcpSegment struct {
	flow     flow // from here to there
	seq, ack uint32
	flags    byte
	payload  []byte
}

// appendTCP appends the IP packet of a segment.
func appendTCP(b []byte, t tcpSegment) []byte {
	options := t.options()
	size := headTCP + len(options) + len(t.payload)
	b = appendIP(b, t.flow, protocolTCP, defaultHops, size)
	start := len(b)
	b = order.AppendUint16(b, t.flow.here.Port())
	b = order.AppendUint16(b, t.flow.there.Port())
	b = order.AppendUint32(b, t.seq)
	b = order.AppendUint32(b, t.ack)
	b = append(b, byte((headTCP+len(options))/4)<<4, t.flags)
	b = order.AppendUint16(b, window)
	b = append(b, 0, 0, 0, 0) // checksum, urgent pointer
	b = append(append(b, options...), t.payload...)
	total := sum(pseudo(t.flow, protocolTCP, size), b[start:])
	order.PutUint16(b[start+16:], ^fold(total))
	return b
}

// options returns the options that a SYN carries: maximum segment size and
// window scale.
func (t tcpSegment) options() []byte {
	if t.flags&flagSYN == 0 {
		return nil
	}
	most := maxSegment(t.flow)
	return []byte{2, 4, byte(most >> 8), byte(most), 1, 3, 3, windowScale}
}

// udpDatagram is a UDP datagram on its way.
type udpDatagram struct {
	flow    flow // from here to there
	hops    byte
	size    int    // of the payload as it was sent
	payload []byte // as much of it as is known
}

// most returns how long a payload may be.
func (d udpDatagram) most() int { return maxPayload(d.flow) - headUDP }

// captured returns how many bytes of the payload the packet holds.
func (d udpDatagram) captured() int { return min(len(d.payload), d.most()) }

// appendUDP appends the IP packet of a datagram. Where bytes of it are missing
// the lengths are those of the whole, and nobody can check the checksum.
func appendUDP(b []byte, d udpDatagram) []byte {
	size := headUDP + min(d.size, d.most())
	b = appendIP(b, d.flow, protocolUDP, d.hops, size)
	start := len(b)
	b = order.AppendUint16(b, d.flow.here.Port())
	b = order.AppendUint16(b, d.flow.there.Port())
	b = order.AppendUint16(b, uint16(size))
	b = append(b, 0, 0)
	b = append(b, d.payload[:d.captured()]...)
	check := ^fold(sum(pseudo(d.flow, protocolUDP, size), b[start:]))
	if check == 0 { // which would say that there is none
		check = 0xffff
	}
	order.PutUint16(b[start+6:], check)
	return b
}

// pseudo returns the sum over the pseudo-header of a packet.
func pseudo(f flow, protocol byte, size int) uint64 {
	return uint64(protocol) + uint64(size) + sumAddr(f.here.Addr()) + sumAddr(f.there.Addr())
}

// sumAddr returns the sum over an address.
func sumAddr(a netip.Addr) uint64 {
	if a.Is4() {
		b := a.As4()
		return sum(0, b[:])
	}
	b := a.As16()
	return sum(0, b[:])
}

// sum adds b to an Internet checksum (RFC 1071) that is not folded yet.
func sum(total uint64, b []byte) uint64 {
	for len(b) >= 4 {
		total += uint64(order.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		total += uint64(order.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		total += uint64(b[0]) << 8
	}
	return total
}

// fold brings a sum down to 16 bits.
func fold(total uint64) uint16 {
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}
