package capture

import "net/netip"

// Flags of TCP (RFC 9293 section 3.1).
const (
	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
)

// segment is one TCP segment.
type segment struct {
	from, to netip.AddrPort
	seq, ack uint32
	flags    byte
	payload  []byte
	missing  int // bytes behind the payload that were not captured
}

func (s *segment) has(flag byte) bool { return s.flags&flag != 0 }

const brokenTCP = "a TCP head that is wrong or cut"

// parseTCP reads RFC 9293 section 3.1. Options are passed over.
func parseTCP(d *datagram) (segment, string) {
	b := d.payload
	if len(b) < 20 {
		return segment{}, brokenTCP
	}
	head := int(b[12]>>4) * 4
	if head < 20 || head > len(b) {
		return segment{}, brokenTCP
	}
	return segment{
		from: netip.AddrPortFrom(d.from, big.Uint16(b)), to: netip.AddrPortFrom(d.to, big.Uint16(b[2:])),
		seq: big.Uint32(b[4:]), ack: big.Uint32(b[8:]), flags: b[13], payload: b[head:], missing: d.missing,
	}, ""
}

const brokenUDP = "a UDP head that is wrong or cut"

// parseUDP reads RFC 768. Size is that of the payload as it was sent.
func parseUDP(d *datagram) (from, to netip.AddrPort, payload []byte, size int, why string) {
	b := d.payload
	if len(b) < 8 {
		return from, to, nil, 0, brokenUDP
	}
	size = int(big.Uint16(b[4:])) - 8
	if size == -8 { // a jumbogram, or left to the network card
		size = len(b) + d.missing - 8
	}
	if size < 0 || size > len(b)-8+d.missing {
		return from, to, nil, 0, brokenUDP
	}
	payload = b[8:]
	return netip.AddrPortFrom(d.from, big.Uint16(b)), netip.AddrPortFrom(d.to, big.Uint16(b[2:])), payload[:min(size, len(payload))], size, ""
}
