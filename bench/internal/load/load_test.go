//go:build linux

package load

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// tcpServer serves connections with each, and returns where.
func tcpServer(t *testing.T, each func(net.Conn)) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); each(conn) }()
		}
	}()
	return netip.MustParseAddrPort(listener.Addr().String())
}

// udpServer answers each datagram with what answer makes of it.
func udpServer(t *testing.T, answer func([]byte) [][]byte) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, one := range answer(buf[:n]) {
				conn.WriteTo(one, from)
			}
		}
	}()
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}

func run(t *testing.T, d Dialer, size, trips int) (*Pool, error) {
	t.Helper()
	p, err := d.Dial()
	if err != nil {
		return nil, err
	}
	t.Cleanup(p.Close)
	return p, p.Run(size, trips)
}

func echo(conn net.Conn) { io.Copy(conn, conn) }

func TestTCP(t *testing.T) {
	at := tcpServer(t, echo)
	for _, size := range []int{8, 64, 1024, 60000} {
		p, err := run(t, Dialer{Network: "tcp", Server: at, Conns: 20, Sources: 7, Greet: 64}, size, 10)
		if err != nil {
			t.Errorf("%d bytes: %v", size, err)
			continue
		}
		for _, f := range p.flows {
			if f.number != 11 || f.left != 0 {
				t.Errorf("socket %d: %d messages, %d left", f.index, f.number, f.left)
			}
		}
	}
}

// An echo that comes in pieces is put together.
func TestTCPInPieces(t *testing.T) {
	at := tcpServer(t, func(conn net.Conn) {
		buf := make([]byte, 1)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
			conn.Write(buf)
		}
	})
	if _, err := run(t, Dialer{Network: "tcp", Server: at, Conns: 2}, 100, 5); err != nil {
		t.Error(err)
	}
}

func TestTCPWrongEcho(t *testing.T) {
	at := tcpServer(t, func(conn net.Conn) {
		buf := make([]byte, 64)
		for n := 0; ; n++ {
			if _, err := io.ReadFull(conn, buf); err != nil {
				return
			}
			if n == 3 {
				buf[63] ^= 1
			}
			conn.Write(buf)
		}
	})
	if _, err := run(t, Dialer{Network: "tcp", Server: at, Conns: 2}, 64, 5); !errors.Is(err, ErrWrong) {
		t.Errorf("one bit was turned: %v", err)
	}
}

func TestTCPServerLeaves(t *testing.T) {
	at := tcpServer(t, func(conn net.Conn) { io.CopyN(conn, conn, 64) })
	_, err := run(t, Dialer{Network: "tcp", Server: at, Conns: 2}, 64, 5)
	if err == nil || errors.Is(err, ErrSilent) {
		t.Errorf("the server closed after one message: %v", err)
	}
}

func TestUDP(t *testing.T) {
	at := udpServer(t, func(b []byte) [][]byte { return [][]byte{b} })
	if _, err := run(t, Dialer{Network: "udp", Server: at, Conns: 20, Greet: 64}, 64, 10); err != nil {
		t.Error(err)
	}
}

// A datagram that was lost is sent again, and an echo that comes twice is no fault.
func TestUDPLostAndDoubled(t *testing.T) {
	n := 0
	at := udpServer(t, func(b []byte) [][]byte {
		if n++; n == 3 {
			return nil
		}
		return [][]byte{b, b}
	})
	p, err := run(t, Dialer{Network: "udp", Server: at, Conns: 1}, 64, 10)
	if err != nil || p.Resent != 1 {
		t.Errorf("%v, resent %d times", err, p.Resent)
	}
}

func TestUDPWrongEcho(t *testing.T) {
	at := udpServer(t, func(b []byte) [][]byte { return [][]byte{b[:len(b)-1]} })
	if _, err := run(t, Dialer{Network: "udp", Server: at, Conns: 1}, 64, 1); !errors.Is(err, ErrWrong) {
		t.Errorf("a byte was cut off: %v", err)
	}
}

func bursts(t *testing.T, at netip.AddrPort, count int) (*Bursts, error) {
	t.Helper()
	b, err := DialBursts(at, 64, 32)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b, b.Run(count)
}

func TestBursts(t *testing.T) {
	received := 0
	at := udpServer(t, func(b []byte) [][]byte {
		if received++; len(b) != 64 {
			t.Errorf("a datagram of %d bytes", len(b))
		}
		return [][]byte{b}
	})
	if b, err := bursts(t, at, 10); err != nil || b.Lost != 0 {
		t.Errorf("%v, %d lost", err, b.Lost)
	}
}

func TestBurstsLost(t *testing.T) {
	n := 0
	at := udpServer(t, func(b []byte) [][]byte {
		if n++; n == 40 {
			return nil
		}
		return [][]byte{b}
	})
	if b, err := bursts(t, at, 3); err != nil || b.Lost != 1 {
		t.Errorf("%v, %d lost; want 1", err, b.Lost)
	}
}

func TestBurstsJoined(t *testing.T) {
	var last []byte
	at := udpServer(t, func(b []byte) [][]byte {
		if last == nil {
			last = append(last, b...)
			return nil
		}
		return [][]byte{append(last, b...)}
	})
	if _, err := bursts(t, at, 1); !errors.Is(err, ErrWrong) {
		t.Errorf("two datagrams came as one: %v", err)
	}
}

func TestBurstsDoubled(t *testing.T) {
	at := udpServer(t, func(b []byte) [][]byte { return [][]byte{b, b} })
	if _, err := bursts(t, at, 1); !errors.Is(err, ErrWrong) {
		t.Errorf("each datagram came twice: %v", err)
	}
}

func through(t *testing.T, size int64, spoil func([]byte)) error {
	t.Helper()
	target, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	relay := tcpServer(t, func(from net.Conn) {
		to, err := net.Dial("tcp", target.Addr().String())
		if err != nil {
			return
		}
		defer to.Close()
		buf := make([]byte, 70001)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			spoil(buf[:n])
			to.Write(buf[:n])
		}
	})
	s, err := Through(relay, target, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.Send(size, true)
}

func TestThroughRelay(t *testing.T) {
	if err := through(t, 3<<20+5, func([]byte) {}); err != nil {
		t.Error(err)
	}
}

func TestThroughRelayThatSpoils(t *testing.T) {
	n := 0
	err := through(t, 3<<20, func(b []byte) {
		if n += len(b); n > 1<<20 {
			b[0] ^= 1
		}
	})
	if !errors.Is(err, ErrWrong) {
		t.Errorf("one bit was turned: %v", err)
	}
}

func TestSegmentSizes(t *testing.T) {
	if got := cut(nil, 64); got != 64 {
		t.Errorf("without UDP_GRO the datagram is whole: %d", got)
	}
	if _, err := (Dialer{Network: "tcp", Server: netip.MustParseAddrPort("127.0.0.1:1"), Conns: 1}).Dial(); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("a refused connection names the address: %v", err)
	}
}
