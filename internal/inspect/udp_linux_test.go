package inspect

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// Linux tells of an ICMP port unreachable; not every system does.
func TestUDPRefused(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := portOf(pc.LocalAddr())
	pc.Close()
	r, err := Run(within(t), Options{Address: udpAt("127.0.0.1", port), BannerWait: long})
	if !errors.Is(err, syscall.ECONNREFUSED) || r.Attempts[0].Result != Refused || r.Connection != nil || len(r.Findings) != 0 {
		t.Fatalf("%v, %+v", err, r)
	}
}
