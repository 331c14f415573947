//go:build !linux || sockkit_plain

package udp

import (
	"net/netip"
	"testing"
)

// peerOf makes a peer of a loop that is not running.
func peerOf(_ testing.TB, l *loop, at netip.AddrPort) *Peer {
	return &Peer{loop: l, origin: origin{addr: at}, uncut: noLimit, target: target{addr: at}}
}
