package capture

import (
	"net/netip"
)

const (
	protoTCP      = 6
	protoUDP      = 17
	protoFragment = 44 // of IPv6
)

// datagram is an IP packet without its head.
type datagram struct {
	from, to netip.Addr
	protocol byte
	hops     byte
	payload  []byte
	missing  int // bytes that it had and the capture does not have

	id       uint32 // of a fragment
	fragment bool
	at       int // where in the whole it stands
	more     bool
}

// parseIP reads the head of an IPv4 or IPv6 packet of which missing bytes were
// not captured. It returns why it is none, or "".
func parseIP(b []byte, missing int) (datagram, string) {
	switch {
	case len(b) == 0:
		return datagram{}, "an empty packet"
	case b[0]>>4 == 4:
		return parseIPv4(b, missing)
	case b[0]>>4 == 6:
		return parseIPv6(b, missing)
	}
	return datagram{}, "not IP"
}

const brokenIP = "an IP head that is wrong or cut"

// parseIPv4 reads RFC 791 section 3.1.
func parseIPv4(b []byte, missing int) (datagram, string) {
	if len(b) < 20 {
		return datagram{}, brokenIP
	}
	head, total := int(b[0]&0x0f)*4, int(big.Uint16(b[2:]))
	if total == 0 { // left to the network card to fill in
		total = len(b) + missing
	}
	if head < 20 || head > len(b) || total < head {
		return datagram{}, brokenIP
	}
	d := datagram{from: netip.AddrFrom4([4]byte(b[12:16])), to: netip.AddrFrom4([4]byte(b[16:20])), protocol: b[9], hops: b[8]}
	flags := big.Uint16(b[6:])
	d.id, d.at, d.more = uint32(big.Uint16(b[4:])), int(flags&0x1fff)*8, flags&0x2000 != 0
	d.fragment = d.more || d.at > 0
	d.take(b[head:], total-head)
	return d, ""
}

// take sets the payload, which may be longer than what the packet says (the
// padding of a frame) or shorter (a capture that was cut).
func (d *datagram) take(b []byte, size int) {
	d.payload = b[:min(len(b), size)]
	d.missing = size - len(d.payload)
}

// parseIPv6 reads RFC 8200 section 3, and the extension headers of section 4.
func parseIPv6(b []byte, missing int) (datagram, string) {
	if len(b) < 40 {
		return datagram{}, brokenIP
	}
	d := datagram{from: netip.AddrFrom16([16]byte(b[8:24])), to: netip.AddrFrom16([16]byte(b[24:40])), protocol: b[6], hops: b[7]}
	size := int(big.Uint16(b[4:]))
	if size == 0 { // a jumbogram, or left to the network card
		size = len(b) + missing - 40
	}
	d.take(b[40:], size)
	for !d.fragment {
		head := 8
		switch d.protocol {
		case 0, 43, 60: // hop-by-hop, routing, destination: each has a byte at least, so this ends
			if len(d.payload) >= 2 {
				head = 8 + int(d.payload[1])*8
			}
		case 51: // authentication (RFC 4302 section 2.2)
			if len(d.payload) >= 2 {
				head = 8 + int(d.payload[1])*4
			}
		case protoFragment:
		default:
			return d, ""
		}
		if len(d.payload) < head {
			return datagram{}, brokenIP
		}
		d.extension(head)
	}
	return d, ""
}

// extension goes past one extension header.
func (d *datagram) extension(head int) {
	if d.protocol == protoFragment { // RFC 8200 section 4.5
		offset := big.Uint16(d.payload[2:])
		d.id, d.at, d.more = big.Uint32(d.payload[4:]), int(offset&0xfff8), offset&1 != 0
		d.fragment = d.more || d.at > 0
	}
	d.protocol, d.payload = d.payload[0], d.payload[head:]
}
