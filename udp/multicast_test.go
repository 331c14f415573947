package udp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Groups for tests that never leave the machine: one of the site (RFC 2365) by
// the loopback interface, and one of the interface (RFC 4291 section 2.7), which
// is not transmitted by any.
const (
	group4 = "239.195.255.77"
	group6 = "ff11::5:77"
)

// eachGroup runs a test for both groups, by an interface that carries them.
func eachGroup(t *testing.T, test func(t *testing.T, group, by string)) {
	t.Run("IPv4", func(t *testing.T) { test(t, group4, loopbackName(t)) })
	t.Run("IPv6", func(t *testing.T) {
		by := carrier6(t)
		if by == "" {
			t.Skip("no interface of this machine carries IPv6 multicast")
		}
		test(t, group6, by)
	})
}

// carrier6 is an interface that carries IPv6 multicast, which Linux's loopback
// interface does not.
func carrier6(t testing.TB) string {
	for _, ifi := range must[[]net.Interface](t)(net.Interfaces()) {
		if ifi.Flags&net.FlagMulticast == 0 || ifi.Flags&net.FlagUp == 0 {
			continue
		}
		if from, err := interfaceAddr(&ifi, netip.MustParseAddr(group6)); err == nil && from.IsValid() {
			return ifi.Name
		}
	}
	return ""
}

// member listens to a group by an interface. Port 0 is a free one.
func member(t testing.TB, group, by, port string) *Socket {
	t.Helper()
	return listenBy(t, &ListenConfig{Interface: by}, "udp", net.JoinHostPort(group, port))
}

func portOf(t testing.TB, s *Socket) string {
	t.Helper()
	_, port, err := net.SplitHostPort(s.LocalAddr().String())
	check(t, err)
	return port
}

func TestMulticast(t *testing.T) {
	eachGroup(t, func(t *testing.T, group, by string) {
		first := member(t, group, by, "0")
		port := portOf(t, first)
		second := member(t, group, by, port) // the port is shared
		tracer, records := recorder(trace.Message)
		c := dialBy(t, &Dialer{Interface: by, Tracer: tracer}, "udp", net.JoinHostPort(group, port))
		send(t, c, "everybody?")
		for _, m := range []*Socket{first, second} {
			info := receiveFrom(t, m, "everybody?")
			if info.Remote.String() != c.LocalAddr().String() {
				t.Errorf("from %v, want %v", info.Remote, c.LocalAddr())
			}
			if info.TTL != 1 || m.InterfaceName(info.Interface) != by {
				t.Errorf("TTL %d by %q, want 1 by %s", info.TTL, m.InterfaceName(info.Interface), by)
			}
			if info.Local.Addr().WithZone("").String() != group {
				t.Errorf("sent to %v, want the group", info.Local)
			}
		}
		answers(t, c)
		ins := recorded[trace.Datagram](t, records, 3)[1:]
		for _, in := range ins {
			if in.Dir != trace.In || in.Local != c.LocalAddr().String() || in.Remote == "" || in.Remote == c.RemoteAddr().String() {
				t.Errorf("record %+v", in)
			}
		}
	})
}

// answers has two sockets that are no members, as members would from their own
// addresses, answer c.
func answers(t *testing.T, c *Conn) {
	t.Helper()
	to := unmapped(c.LocalAddr().(*net.UDPAddr).AddrPort())
	for _, text := range []string{"here", "me too"} {
		s := listen(t, "udp", net.JoinHostPort(to.Addr().String(), "0"))
		must[int](t)(s.WriteToAddrPort([]byte(text), to))
		buf := make([]byte, 100)
		n, info, err := c.ReadDatagram(soon(t), buf)
		if err != nil || string(buf[:n]) != text || info.Remote.String() != s.LocalAddr().String() {
			t.Errorf("answer %q from %v, %v, want %q from %v", buf[:n], info.Remote, err, text, s.LocalAddr())
		}
	}
}

// TestMemberAnswers holds that a server of a group answers who asked, and that
// its records name an address of its own.
func TestMemberAnswers(t *testing.T) {
	eachGroup(t, func(t *testing.T, group, by string) {
		tracer, records := recorder(trace.Message)
		socket := member(t, group, by, "0")
		serve(t, &Server{OnDatagram: echo, Tracer: tracer}, socket)
		c := dialBy(t, &Dialer{Interface: by}, "udp", net.JoinHostPort(group, portOf(t, socket)))
		send(t, c, "echo")
		receive(t, c, "echo")
		datagrams := recorded[trace.Datagram](t, records, 2)
		in := netip.MustParseAddrPort(datagrams[0].Local)
		out := netip.MustParseAddrPort(datagrams[1].Local)
		if linux() && in.Addr().WithZone("").String() != group {
			t.Errorf("in: local %v, want the group", in)
		}
		if !out.Addr().IsValid() || out.Addr().IsMulticast() || out.Addr().IsUnspecified() || out.Port() != in.Port() {
			t.Errorf("out: local %v, want an address of the interface", out)
		}
	})
}

// TestAcceptOnAGroup holds that the first sender to a group can be talked to,
// and goes on being heard.
func TestAcceptOnAGroup(t *testing.T) {
	eachGroup(t, func(t *testing.T, group, by string) {
		socket := member(t, group, by, "0")
		c := dialBy(t, &Dialer{Interface: by}, "udp", net.JoinHostPort(group, portOf(t, socket)))
		send(t, c, "first")
		a := must[*Conn](t)(Accept(soon(t), nil, socket))
		receive(t, a, "first")
		send(t, a, "welcome")
		receive(t, c, "welcome")
		send(t, c, "second")
		receive(t, a, "second")
	})
}

func TestMulticastTTL(t *testing.T) {
	eachGroup(t, func(t *testing.T, group, by string) {
		s := member(t, group, by, "0")
		c := dialBy(t, &Dialer{Interface: by, TTL: 5}, "udp", net.JoinHostPort(group, portOf(t, s)))
		send(t, c, "far")
		if info := receiveFrom(t, s, "far"); info.TTL != 5 {
			t.Errorf("TTL %d, want 5", info.TTL)
		}
	})
}

// TestMemberHearsItsGroupOnly holds that what is sent to the port but not to
// the group does not come.
func TestMemberHearsItsGroupOnly(t *testing.T) {
	if !linux() {
		t.Skip("only Linux binds a group")
	}
	s := member(t, group4, loopbackName(t), "0")
	port := portOf(t, s)
	other := member(t, "239.195.255.78", loopbackName(t), port)
	for _, to := range []string{"127.0.0.1", "239.195.255.78"} {
		c := dialBy(t, &Dialer{Interface: loopbackName(t)}, "udp", net.JoinHostPort(to, port))
		send(t, c, "to "+to)
	}
	receiveFrom(t, other, "to 239.195.255.78")
	c := dialBy(t, &Dialer{Interface: loopbackName(t)}, "udp", net.JoinHostPort(group4, port))
	send(t, c, "to the group")
	receiveFrom(t, s, "to the group") // nothing else came before
}

// TestAddressIsNotShared holds that only groups are.
func TestAddressIsNotShared(t *testing.T) {
	for _, host := range loopbacks {
		s := listen(t, "udp", on(host))
		_, err := Listen(soon(t), "udp", s.LocalAddr().String())
		wantError(t, err, errInUse, "listen udp://"+s.LocalAddr().String())
	}
}

func TestJoinErrors(t *testing.T) {
	_, err := (&ListenConfig{Interface: "nosuch0"}).Listen(soon(t), "udp", net.JoinHostPort(group4, "0"))
	wantError(t, err, errNoInterface, "nosuch0", group4)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := member(t, group4, loopbackName(t), "0")
	_, _, err = s.ReadDatagram(ctx, nil)
	wantError(t, err, context.Canceled)
	check(t, s.SetReadDeadline(time.Now().Add(-time.Second)))
	_, _, err = s.ReadDatagram(soon(t), nil)
	wantError(t, err, os.ErrDeadlineExceeded)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v is no timeout", err)
	}
}
