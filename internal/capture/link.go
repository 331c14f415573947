package capture

import (
	"encoding/binary"
	"fmt"
)

// The link layers that are taken off (www.tcpdump.org/linktypes.html).
const (
	linkNull     = 0
	linkEthernet = 1
	linkRawBSD   = 12
	linkRawOpen  = 14
	linkRaw      = 101
	linkLoop     = 108
	linkSLL      = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276
	linkPPP      = 9
)

const (
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherPPPoE = 0x8864
)

var big = binary.BigEndian

// network takes the link layer off. It returns the IP packet, or why there is
// none.
func network(link uint32, b []byte) ([]byte, string) {
	switch link {
	case linkEthernet:
		return ethernet(b)
	case linkRaw, linkRawBSD, linkRawOpen, linkIPv4, linkIPv6:
		return b, ""
	case linkNull, linkLoop:
		return loopback(b)
	case linkSLL:
		return typed(b, 14, 16)
	case linkSLL2:
		return typed(b, 0, 20)
	case linkPPP:
		return ppp(b)
	}
	return nil, fmt.Sprintf("link type %d, which is not known here", link)
}

const tooShort = "too short for its link layer"

// typed reads a head of a size that holds an Ethernet type.
func typed(b []byte, at, size int) ([]byte, string) {
	if len(b) < size {
		return nil, tooShort
	}
	return byType(big.Uint16(b[at:]), b[size:])
}

func ethernet(b []byte) ([]byte, string) { return typed(b, 12, 14) }

// byType goes through tags to what is IP.
func byType(kind uint16, b []byte) ([]byte, string) {
	for kind == 0x8100 || kind == 0x88a8 || kind == 0x9100 { // VLAN tags (IEEE 802.1Q)
		if len(b) < 4 {
			return nil, tooShort
		}
		kind, b = big.Uint16(b[2:]), b[4:]
	}
	switch kind {
	case etherIPv4, etherIPv6:
		return b, ""
	case etherPPPoE:
		if len(b) < 6 {
			return nil, tooShort
		}
		return ppp(b[6:])
	}
	return nil, "not IP"
}

// loopback reads an address family in four bytes, in the order of whoever
// captured it, or of the network. Families that IPv6 has differ by system.
func loopback(b []byte) ([]byte, string) {
	if len(b) < 4 {
		return nil, tooShort
	}
	family := binary.LittleEndian.Uint32(b)
	if family > 0xffff {
		family = big.Uint32(b)
	}
	switch family {
	case 2, 10, 24, 28, 30:
		return b[4:], ""
	}
	return nil, "not IP"
}

func ppp(b []byte) ([]byte, string) {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	if len(b) < 2 {
		return nil, tooShort
	}
	if kind := big.Uint16(b); kind != 0x0021 && kind != 0x0057 {
		return nil, "not IP"
	}
	return b[2:], ""
}
