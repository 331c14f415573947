package udp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

var _ net.PacketConn = (*Socket)(nil)

func TestSecondSenderIsSeen(t *testing.T) {
	for _, host := range loopbacks {
		s := listen(t, "udp", on(host))
		a, b := dialTo(t, s.LocalAddr()), dialTo(t, s.LocalAddr())
		send(t, a, "a")
		send(t, b, "b")
		send(t, a, "a again")
		for _, want := range []struct {
			text string
			from *Conn
		}{{"a", a}, {"b", b}, {"a again", a}} {
			if info := receiveFrom(t, s, want.text); info.From() != want.from.LocalAddr().String() {
				t.Errorf("%q from %s, want %v", want.text, info.From(), want.from.LocalAddr())
			}
		}
	}
}

func TestBatches(t *testing.T) {
	for _, host := range loopbacks {
		a := listenBy(t, &ListenConfig{ReadBuffer: 1 << 20}, "udp", on(host))
		b := listenBy(t, &ListenConfig{ReadBuffer: 1 << 20}, "udp", on(host))
		to := unmapped(b.LocalAddr().(*net.UDPAddr).AddrPort())
		var out []Message
		for i := range 300 { // more than one system call takes
			out = append(out, Message{Payload: []byte(strings.Repeat(fmt.Sprint(i%10), i)), Info: Info{Remote: to}})
		}
		if n := must[int](t)(a.WriteBatch(out)); n != len(out) {
			t.Fatalf("%d sent", n)
		}
		in := make([]Message, 64)
		for got := 0; got < len(out); {
			for i := range in {
				in[i].Payload = make([]byte, 0, 400)
			}
			n := must[int](t)(b.ReadBatch(in))
			if n == 0 {
				t.Fatal("an empty batch")
			}
			for _, m := range in[:n] {
				if string(m.Payload) != string(out[got].Payload) || m.Info.From() != a.LocalAddr().String() {
					t.Fatalf("datagram %d is %q from %s", got, m.Payload, m.Info.From())
				}
				got++
			}
			must[int](t)(b.WriteBatch(in[:1])) // what was read is sent back as it is
		}
		receiveFrom(t, a, "")
		n, err := b.ReadBatch(nil)
		if n != 0 || err != nil {
			t.Errorf("no room: %d, %v", n, err)
		}
	}
}

func TestWriteBatchStopsAtTheFirstError(t *testing.T) {
	a, b := listen(t, "udp", "127.0.0.1:0"), listen(t, "udp", "127.0.0.1:0")
	to := Info{Remote: netip.MustParseAddrPort(b.LocalAddr().String())}
	n, err := a.WriteBatch([]Message{
		{Payload: []byte("one"), Info: to}, {Payload: make([]byte, MaxPayload+1), Info: to}, {Payload: []byte("three"), Info: to},
	})
	wantError(t, err, ErrTooLarge)
	if n != 1 {
		t.Errorf("%d sent, want 1", n)
	}
	receiveFrom(t, b, "one")
	_, err = a.WriteToAddrPort([]byte("x"), netip.MustParseAddrPort("[::1]:9"))
	if err == nil || !strings.Contains(err.Error(), "[::1]:9") {
		t.Errorf("IPv6 from an IPv4 socket: %v", err)
	}
	_, err = a.WriteToAddrPort([]byte("x"), netip.AddrPort{})
	if err == nil {
		t.Error("nowhere is a place to send to")
	}
}

func TestPacketConn(t *testing.T) {
	for _, host := range loopbacks {
		var a, b net.PacketConn = listen(t, "udp", on(host)), listen(t, "udp", on(host))
		must[int](t)(a.WriteTo([]byte("packet"), b.LocalAddr()))
		buf := make([]byte, 100)
		n, from, err := b.ReadFrom(buf)
		if err != nil || string(buf[:n]) != "packet" || from.String() != a.LocalAddr().String() {
			t.Errorf("%q from %v, %v", buf[:n], from, err)
		}
		_, err = a.WriteTo([]byte("packet"), &net.TCPAddr{})
		if err == nil {
			t.Error("a TCP address was taken")
		}
	}
}

// TestEveryAddress holds that a socket of every address tells the concrete one.
func TestEveryAddress(t *testing.T) {
	s := listen(t, "udp", "*:0")
	port := portOf(t, s)
	for _, host := range loopbacks {
		c := dialBy(t, &Dialer{}, "udp", net.JoinHostPort(host, port))
		send(t, c, "hi")
		info := receiveFrom(t, s, "hi")
		if info.Local.String() != net.JoinHostPort(host, port) || info.Remote.String() != c.LocalAddr().String() {
			t.Errorf("from %v to %v, want from %v to %s", info.Remote, info.Local, c.LocalAddr(), host)
		}
		if info.TTL == 0 || info.Interface == 0 {
			t.Errorf("TTL %d, interface %d", info.TTL, info.Interface)
		}
		must[int](t)(s.WriteToAddrPort([]byte("back"), info.Remote))
		receive(t, c, "back")
	}
	v4 := listen(t, "udp", "0.0.0.0:0")
	if got := v4.LocalAddr().String(); !strings.HasPrefix(got, "0.0.0.0:") {
		t.Errorf("0.0.0.0 is bound as %s", got)
	}
	c := dialBy(t, &Dialer{}, "udp", net.JoinHostPort("127.0.0.1", portOf(t, v4)))
	send(t, c, "hi")
	if info := receiveFrom(t, v4, "hi"); info.Local.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("sent to %v", info.Local)
	}
}

func TestListenAll(t *testing.T) {
	for _, host := range []string{"", "localhost"} {
		sockets := must[[]*Socket](t)((&ListenConfig{}).ListenAll(soon(t), "udp", host+":0"))
		if len(sockets) != 2 || portOf(t, sockets[0]) != portOf(t, sockets[1]) {
			t.Fatalf("%q: %d sockets", host, len(sockets))
		}
		for i, s := range sockets {
			want := net.JoinHostPort(loopbacks[i], portOf(t, s))
			if s.LocalAddr().String() != want {
				t.Errorf("%q is bound to %v, want %s", host, s.LocalAddr(), want)
			}
			check(t, s.Close())
		}
	}
	one := must[[]*Socket](t)((&ListenConfig{}).ListenAll(soon(t), "udp", "127.0.0.1:0"))
	if len(one) != 1 {
		t.Errorf("%d sockets", len(one))
	}
	check(t, one[0].Close())
	taken := listen(t, "udp", "[::1]:0") // then neither is kept
	_, err := (&ListenConfig{}).ListenAll(soon(t), "udp", ":"+portOf(t, taken))
	if err == nil {
		t.Fatal("both were bound")
	}
	listen(t, "udp", "127.0.0.1:"+portOf(t, taken))
}

func TestListenErrors(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:65536": "port 65536 is not within 0 to 65535", "127.0.0.1": "missing port",
		"*:70000": "port 70000 is not within 0 to 65535", "192.0.2.201:0": "",
	} {
		s, err := Listen(soon(t), "udp", address)
		if err == nil {
			t.Errorf("%s is bound to %v", address, s.LocalAddr())
			s.Close()
		} else if !strings.HasPrefix(err.Error(), "listen udp://"+address+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	if _, err := (&ListenConfig{NoLookup: true}).Listen(soon(t), "udp", "localhost:0"); err == nil {
		t.Error("a name was looked up")
	}
	if _, err := Listen(soon(t), "tcp", "127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "none of udp") {
		t.Errorf("network tcp: %v", err)
	}
}

func TestAcceptKeepsTheFirstPeer(t *testing.T) {
	sockets := must[[]*Socket](t)((&ListenConfig{}).ListenAll(soon(t), "udp", ":0"))
	port := portOf(t, sockets[0])
	first := dialBy(t, &Dialer{}, "udp", net.JoinHostPort("::1", port))
	stranger := dialBy(t, &Dialer{}, "udp", net.JoinHostPort("::1", port))
	send(t, first, "me")
	send(t, stranger, "me too")
	send(t, first, "and again")
	tracer, records := recorder(trace.Message)
	c := must[*Conn](t)(Accept(soon(t), tracer, sockets...))
	defer c.Close()
	if c.RemoteAddr().String() != first.LocalAddr().String() {
		t.Errorf("the peer is %v, want %v", c.RemoteAddr(), first.LocalAddr())
	}
	receive(t, c, "me")
	receive(t, c, "and again")
	send(t, c, "welcome")
	receive(t, first, "welcome")
	away := trace.Events[trace.TurnedAway](records.Records())
	if len(away) != 1 || away[0].Remote != stranger.LocalAddr().String() || away[0].Rule != "keep-open" {
		t.Errorf("turned away: %+v", away)
	}
	check(t, c.Close())
	open := trace.Events[trace.Open](records.Records())
	if len(open) != 1 || open[0].Side != trace.Server || open[0].Local != net.JoinHostPort("::1", port) {
		t.Errorf("open: %+v", open)
	}
	if end := trace.Events[trace.Close](records.Records()); len(end) != 1 || end[0].In != 11 || end[0].Out != 7 {
		t.Errorf("close: %+v", end)
	}
	listen(t, "udp", net.JoinHostPort("127.0.0.1", port)) // the other socket is closed
}

func TestAcceptOnEveryAddress(t *testing.T) {
	hosts := []string{"127.0.0.1", "::1"}
	if linux() {
		hosts = append(hosts, "127.0.0.2") // the kernel would answer from 127.0.0.1
	}
	for _, host := range hosts {
		tracer, records := recorder(trace.Message)
		s := listen(t, "udp", "*:0")
		at := net.JoinHostPort(host, portOf(t, s))
		c, stranger := dialBy(t, &Dialer{}, "udp", at), dialBy(t, &Dialer{}, "udp", at)
		send(t, c, "me")
		send(t, stranger, "me too")
		a := must[*Conn](t)(Accept(soon(t), tracer, s))
		send(t, c, "again")
		receive(t, a, "me")
		receive(t, a, "again")
		send(t, a, "welcome")
		receive(t, c, "welcome")
		if a.LocalAddr().String() != at {
			t.Errorf("local address %v, want %s", a.LocalAddr(), at)
		}
		for _, d := range trace.Events[trace.Datagram](records.Records()) {
			if d.Local != at || d.Remote != c.LocalAddr().String() {
				t.Errorf("record %+v", d)
			}
		}
	}
}

// TestBatchAnswersFromTheAddressAsked holds that what was read goes back from
// where it was sent to.
func TestBatchAnswersFromTheAddressAsked(t *testing.T) {
	if !linux() {
		t.Skip("elsewhere the system chooses")
	}
	s := listen(t, "udp", "*:0")
	c := dialBy(t, &Dialer{}, "udp", net.JoinHostPort("127.0.0.2", portOf(t, s)))
	send(t, c, "hi")
	ms := []Message{{Payload: make([]byte, 100)}}
	must[int](t)(s.ReadBatch(ms))
	must[int](t)(s.WriteBatch(ms))
	receive(t, c, "hi")
}

func TestAcceptEndsWithItsContext(t *testing.T) {
	sockets := must[[]*Socket](t)((&ListenConfig{}).ListenAll(soon(t), "udp", ":0"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Accept(ctx, nil, sockets...)
	wantError(t, err, context.Canceled, "accept udp://127.0.0.1:")
	for _, s := range sockets { // all are as they were
		c := dialTo(t, s.LocalAddr())
		send(t, c, "late")
		receiveFrom(t, s, "late")
		check(t, s.Close())
	}
	if _, err := Accept(soon(t), nil); err == nil {
		t.Error("nothing was accepted from")
	}
}

// TestAcceptSmallBuffer holds that what opened the connection is cut with a
// word too.
func TestAcceptSmallBuffer(t *testing.T) {
	s := listen(t, "udp", "127.0.0.1:0")
	send(t, dialTo(t, s.LocalAddr()), pattern(100))
	c := must[*Conn](t)(Accept(soon(t), nil, s))
	defer c.Close()
	_, err := c.Read(make([]byte, 10))
	wantError(t, err, ErrTruncated, "100", "10")
}
