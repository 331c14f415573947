package udp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/sockkit/sockkit/trace"
)

func TestDatagramsStayWhole(t *testing.T) {
	for _, host := range loopbacks {
		t.Run(host, func(t *testing.T) {
			_, addr := echoServer(t, host)
			c := dialTo(t, addr)
			for _, size := range []int{0, 1, 2, 512, 1472, 1473, 9000, 65000, MaxPayload - 1, MaxPayload} {
				want := pattern(size)
				send(t, c, want)
				receive(t, c, want)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	for _, host := range loopbacks {
		s := listen(t, "udp", on(host))
		c := dialTo(t, s.LocalAddr())
		n, err := c.Write(make([]byte, MaxPayload+1))
		wantError(t, err, ErrTooLarge, "65,508", "65,507")
		if n != 0 {
			t.Errorf("%d bytes written", n)
		}
		_, err = s.WriteTo(make([]byte, MaxPayload+1), c.LocalAddr())
		wantError(t, err, ErrTooLarge, "65,508", "65,507")
		send(t, c, "next") // nothing of it came
		receiveFrom(t, s, "next")
	}
}

func TestTruncationIsReported(t *testing.T) {
	for _, host := range loopbacks {
		s := listen(t, "udp", on(host))
		c := dialTo(t, s.LocalAddr())
		send(t, c, "first")
		from := receiveFrom(t, s, "first").Remote
		size := 100
		if !linux() {
			size = 10 // only what came is known
		}
		reply := func() {
			t.Helper()
			must[int](t)(s.WriteToAddrPort([]byte(pattern(100)), from))
		}
		buf := make([]byte, 10)

		reply()
		n, err := c.Read(buf)
		wantError(t, err, ErrTruncated, "10")
		var cut *TruncatedError
		if !errors.As(err, &cut) || n != 10 || cut.Kept != 10 || cut.Size != size || string(buf) != pattern(100)[:10] {
			t.Errorf("Read: %d, %#v", n, cut)
		}
		reply()
		n, info, err := c.ReadDatagram(soon(t), buf)
		if n != 10 || err != nil || !info.Truncated || info.Size != size {
			t.Errorf("ReadDatagram: %d, %+v, %v", n, info, err)
		}

		send(t, c, pattern(100))
		n, who, err := s.ReadFrom(buf)
		wantError(t, err, ErrTruncated)
		if n != 10 || who.String() != from.String() {
			t.Errorf("ReadFrom: %d, %v", n, who)
		}
		send(t, c, pattern(100))
		ms := []Message{{Payload: make([]byte, 10)}}
		n = must[int](t)(s.ReadBatch(ms))
		if n != 1 || len(ms[0].Payload) != 10 || !ms[0].Info.Truncated || ms[0].Info.Size != size {
			t.Errorf("ReadBatch: %d, %+v", n, ms[0].Info)
		}
		reply()
		receive(t, c, pattern(100)) // the rest of one is not the beginning of the next
	}
}

func TestInfo(t *testing.T) {
	for _, host := range loopbacks {
		s := listen(t, "udp", on(host))
		c := dialBy(t, &Dialer{TTL: 7}, "udp", s.LocalAddr().String())
		send(t, c, "hi")
		info := receiveFrom(t, s, "hi")
		if info.Remote.String() != c.LocalAddr().String() || info.Local.String() != s.LocalAddr().String() {
			t.Errorf("from %v to %v, want from %v to %v", info.Remote, info.Local, c.LocalAddr(), s.LocalAddr())
		}
		if runtime.GOOS == "windows" {
			continue // it does not tell the rest
		}
		if info.TTL != 7 || s.InterfaceName(info.Interface) != loopbackName(t) {
			t.Errorf("TTL %d by %q, want 7 by %q", info.TTL, s.InterfaceName(info.Interface), loopbackName(t))
		}
	}
}

func loopbackName(t testing.TB) string {
	for _, ifi := range must[[]net.Interface](t)(net.Interfaces()) {
		if ifi.Flags&net.FlagLoopback != 0 && ifi.Flags&net.FlagUp != 0 {
			return ifi.Name
		}
	}
	t.Fatal("there is no loopback interface")
	return ""
}

// closedPort returns an address that nobody is bound to.
func closedPort(t testing.TB, host string) string {
	t.Helper()
	s := listen(t, "udp", on(host))
	check(t, s.Close())
	return s.LocalAddr().String()
}

func TestRefusedOnceAndUsable(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("package net has Windows not tell")
	}
	for _, host := range loopbacks {
		tracer, records := recorder(trace.Message)
		to := closedPort(t, host)
		c := dialBy(t, &Dialer{Tracer: tracer}, "udp", to)
		send(t, c, "anybody?")
		_, err := c.Read(make([]byte, 10))
		wantError(t, err, syscall.ECONNREFUSED)
		if notes := trace.Events[trace.Note](records.Records()); len(notes) != 1 || !strings.Contains(notes[0].Text, to) {
			t.Errorf("notes %+v", notes)
		}
		s := listen(t, "udp", to)
		send(t, c, "hello")
		from := receiveFrom(t, s, "hello").Remote
		must[int](t)(s.WriteToAddrPort([]byte("welcome"), from))
		receive(t, c, "welcome")
		check(t, c.Close())
		if ends := trace.Events[trace.Close](records.Records()); len(ends) != 1 || ends[0].Error != "connection refused" || ends[0].In != 7 || ends[0].Out != 13 {
			t.Errorf("ends %+v", ends)
		}
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	_, addr := echoServer(t, "127.0.0.1")
	c := dialTo(t, addr)
	buf := make([]byte, 100)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	for range 2 { // one that reads, one that waits for its turn
		go func() {
			_, _, err := c.ReadDatagram(ctx, make([]byte, 100))
			ended <- err
		}()
	}
	cancel()
	for range 2 {
		wantError(t, eventually(t, "the end of the read", ended), context.Canceled)
	}
	_, _, err := c.ReadDatagram(ctx, buf)
	wantError(t, err, context.Canceled)

	send(t, c, "still here")
	n, _, err := c.ReadDatagram(soon(t), buf)
	if err != nil || string(buf[:n]) != "still here" {
		t.Fatalf("after the cancelled read: %q, %v", buf[:n], err)
	}
	check(t, c.SetReadDeadline(time.Now()))
	_, _, err = c.ReadDatagram(soon(t), buf)
	wantError(t, err, os.ErrDeadlineExceeded)
	check(t, c.SetReadDeadline(time.Now().Add(patience)))
	send(t, c, "again")
	receive(t, c, "again")
}

// TestCancelKeepsTheDeadline holds that a cancelled read puts the user's
// deadline back.
func TestCancelKeepsTheDeadline(t *testing.T) {
	_, addr := echoServer(t, "127.0.0.1")
	c := dialTo(t, addr)
	past := time.Now().Add(-time.Second)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, _, err := c.ReadDatagram(ctx, make([]byte, 100))
		ended <- err
	}()
	cancel()
	wantError(t, eventually(t, "the end of the read", ended), context.Canceled)
	check(t, c.SetDeadline(past))
	_, err := c.Read(make([]byte, 100))
	wantError(t, err, os.ErrDeadlineExceeded)
}

func TestReadEndsWithClose(t *testing.T) {
	_, addr := echoServer(t, "127.0.0.1")
	c := dialTo(t, addr)
	ended := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 100))
		ended <- err
	}()
	check(t, c.Close())
	wantError(t, eventually(t, "the end of the read", ended), net.ErrClosed)
	_, err := c.Write([]byte("late"))
	wantError(t, err, net.ErrClosed)
	check(t, c.Close())
}

// TestNoAllocation holds that datagrams cost no memory, with a context that
// can be cancelled either.
func TestNoAllocation(t *testing.T) {
	if !linux() {
		t.Skip("package net allocates")
	}
	for _, host := range loopbacks {
		_, addr := echoServer(t, host)
		c := dialTo(t, addr)
		ctx := soon(t)
		payload, buf := []byte(pattern(64)), make([]byte, receiveSize)
		if got := testing.AllocsPerRun(500, func() {
			if _, err := c.Write(payload); err != nil {
				t.Fatal(err)
			}
			if n, info, err := c.ReadDatagram(ctx, buf); n != len(payload) || info.Truncated || err != nil {
				t.Fatal(n, info, err)
			}
		}); got != 0 {
			t.Errorf("%s: %v allocations for a datagram there and back", host, got)
		}
	}
}

func TestConnTrace(t *testing.T) {
	for _, host := range loopbacks {
		tracer, records := recorder(trace.Message)
		_, addr := echoServer(t, host)
		c := dialBy(t, &Dialer{Tracer: tracer}, "udp", addr.String())
		send(t, c, "ping")
		receive(t, c, "ping")
		check(t, c.Close())
		rs := records.Records()
		var names []string
		for _, r := range rs {
			names = append(names, r.Event.Name())
		}
		if got := strings.Join(names, " "); got != "attempt open datagram datagram close" {
			t.Fatalf("records: %s", got)
		}
		open, out := rs[1].Event.(trace.Open), rs[2].Event.(trace.Datagram)
		in, end := rs[3].Event.(trace.Datagram), rs[4].Event.(trace.Close)
		local := c.LocalAddr().String()
		if open.Side != trace.Client || open.Network != "udp" || open.Local != local || open.Remote != addr.String() {
			t.Errorf("open %+v", open)
		}
		for _, d := range []trace.Datagram{out, in} {
			if d.Network != "udp" || d.Local != local || d.Remote != addr.String() || d.Size != 4 || string(d.Payload) != "ping" {
				t.Errorf("datagram %+v", d)
			}
		}
		if out.Dir != trace.Out || in.Dir != trace.In || end.In != 4 || end.Out != 4 || end.Error != "" {
			t.Errorf("out %+v in %+v end %+v", out, in, end)
		}
		if runtime.GOOS != "windows" && (in.TTL == 0 || in.Interface != loopbackName(t)) {
			t.Errorf("TTL %d by %q", in.TTL, in.Interface)
		}
		for _, r := range rs[1:] {
			if r.Conn != c.TraceID() || r.Conn == 0 {
				t.Errorf("%s has number %d, want %d", r.Event.Name(), r.Conn, c.TraceID())
			}
		}
	}
}

func TestDialErrors(t *testing.T) {
	for _, test := range []struct {
		d                      Dialer
		network, address, want string
	}{
		{Dialer{}, "tcp", "127.0.0.1:1", `network "tcp" is none of udp`},
		{Dialer{}, "udp", "127.0.0.1:0", "port 0 is not within 1 to 65535"},
		{Dialer{}, "udp", "127.0.0.1:65536", "port 65536 is not within 1 to 65535"},
		{Dialer{}, "udp", "127.0.0.1", "missing port"},
		{Dialer{}, "udp6", "127.0.0.1:1", "no address for udp6"},
		{Dialer{NoLookup: true}, "udp", "localhost:1", "not looked up with -n"},
		{Dialer{LocalAddr: "somewhere"}, "udp", "127.0.0.1:1", "source address"},
		{Dialer{LocalAddr: "::1"}, "udp", "127.0.0.1:1", "another family"},
		{Dialer{Interface: "nosuch0"}, "udp", "239.255.1.2:9", "no such network interface"},
	} {
		tracer, records := recorder(trace.Connection)
		test.d.Tracer = tracer
		_, err := test.d.DialContext(soon(t), test.network, test.address)
		var ours *Error
		if !errors.As(err, &ours) || ours.Op != "dial" || !strings.Contains(err.Error(), test.want) ||
			!strings.HasPrefix(err.Error(), "dial udp://"+test.address+": ") {
			t.Errorf("%s %s: %v, want %q", test.network, test.address, err, test.want)
		}
		if opens := trace.Events[trace.Open](records.Records()); len(opens) != 0 {
			t.Errorf("%s: %+v", test.address, opens)
		}
	}
	_, err := (&Dialer{NoLookup: true}).DialContext(soon(t), "udp", "localhost:1")
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		t.Errorf("a name that is not looked up is %v, want a *net.DNSError", err)
	}
}

// TestErrorOfSeveralAddresses holds that each is named, in one line.
func TestErrorOfSeveralAddresses(t *testing.T) {
	_, err := (&Dialer{LocalAddr: "192.0.2.201"}).DialContext(soon(t), "udp", "localhost:9")
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Fatalf("error %q", err)
	}
	var all attemptErrors
	if errors.As(err, &all) && !(strings.Contains(err.Error(), "127.0.0.1:9: ") && strings.Contains(err.Error(), "[::1]:9: ")) {
		t.Errorf("error %q", err)
	}
	both := &Error{Op: "dial", Address: "udp://localhost:9", Err: attemptErrors{{"[::1]:9", syscall.ENETUNREACH}, {"127.0.0.1:9", ErrIdle}}}
	wantError(t, both, syscall.ENETUNREACH, "[::1]:9: network is unreachable; 127.0.0.1:9: nothing came")
	wantError(t, both, ErrIdle)
	wantError(t, and(ErrIdle, nil, ErrNoName), ErrNoName, "; then ")
	if and(nil, nil) != nil || and(nil, ErrIdle) != ErrIdle {
		t.Error("nothing is something")
	}
}

func TestDialByName(t *testing.T) {
	tracer, records := recorder(trace.Connection)
	c := dialBy(t, &Dialer{Tracer: tracer}, "udp4", "localhost:9")
	if got := c.RemoteAddr().String(); got != "127.0.0.1:9" {
		t.Errorf("localhost is %s", got)
	}
	found := trace.Events[trace.Resolve](records.Records())
	if len(found) != 1 || found[0].Host != "localhost" || len(found[0].Addresses) == 0 {
		t.Errorf("resolve %+v", found)
	}
}

func TestDialFrom(t *testing.T) {
	s := listen(t, "udp", "127.0.0.1:0")
	for _, from := range []string{"127.0.0.1", "127.0.0.1:0", ":0"} {
		c := dialBy(t, &Dialer{LocalAddr: from, ReadBuffer: 1 << 16, WriteBuffer: 1 << 16}, "udp", s.LocalAddr().String())
		send(t, c, from)
		if got := receiveFrom(t, s, from).Remote.Addr().String(); got != "127.0.0.1" {
			t.Errorf("from %s it comes from %s", from, got)
		}
	}
	port := closedPort(t, "127.0.0.1")
	c := dialBy(t, &Dialer{LocalAddr: port}, "udp", s.LocalAddr().String())
	if c.LocalAddr().String() != port {
		t.Errorf("from %v, want %s", c.LocalAddr(), port)
	}
}

func TestDialByInterface(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		_, err := (&Dialer{Interface: "1"}).DialContext(soon(t), "udp", "127.0.0.1:9")
		wantError(t, err, errors.ErrUnsupported)
		return
	}
	for _, host := range loopbacks {
		s := listen(t, "udp", on(host))
		c := dialBy(t, &Dialer{Interface: loopbackName(t)}, "udp", s.LocalAddr().String())
		send(t, c, "by lo")
		receiveFrom(t, s, "by lo")
	}
	_, err := (&Dialer{Interface: "nosuch0"}).DialContext(soon(t), "udp", "127.0.0.1:9")
	wantError(t, err, errNoInterface, "nosuch0")
}

// ending makes a stream's end of an empty datagram, which is what
// nettest.TestConn needs and datagrams do not have.
type ending struct{ *Conn }

func (c ending) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 && err == nil && len(p) > 0 {
		return 0, io.EOF
	}
	return n, err
}

func (c ending) Close() error {
	_ = c.SetWriteDeadline(time.Now().Add(time.Second)) // nobody may be reading
	_, _ = c.Conn.Write(nil)
	return c.Conn.Close()
}

// TestNetConn runs the standard suite on Unix datagrams, which lose nothing.
func TestNetConn(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no Unix datagrams on Windows")
	}
	pairs := 0
	dir := t.TempDir()
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		pairs++
		a, b, err := unixPair(filepath.Join(dir, fmt.Sprint(pairs)))
		if err != nil {
			return nil, nil, nil, err
		}
		return ending{a}, ending{b}, func() { a.Close(); b.Close() }, nil
	})
}

// unixPair connects a dialled connection and an accepted one.
func unixPair(path string) (*Conn, *Conn, error) {
	ctx := context.Background()
	s, err := Listen(ctx, "unixgram", path)
	if err != nil {
		return nil, nil, err
	}
	a, err := (&Dialer{}).DialContext(ctx, "unixgram", path)
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	if _, err := a.Write([]byte("hello")); err != nil {
		return nil, nil, errors.Join(err, s.Close(), a.Close())
	}
	b, err := Accept(ctx, nil, s)
	if err == nil {
		_, err = b.Read(make([]byte, 10))
	}
	return a, b, err
}
