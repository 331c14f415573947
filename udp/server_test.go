package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

func TestManyPeers(t *testing.T) {
	const peers = 500
	for _, host := range loopbacks {
		t.Run(host, func(t *testing.T) {
			var met atomic.Int64
			socket := listenBy(t, &ListenConfig{ReadBuffer: 1 << 20}, "udp", on(host))
			s := &Server{
				OnPeer: func(p *Peer) { p.SetValue(met.Add(1)) },
				OnDatagram: func(p *Peer, b []byte, _ Info) {
					_, _ = p.Write(fmt.Appendf(nil, "%s to %d from %v", b, p.Value(), p))
				},
			}
			serve(t, s, socket)
			conns := make([]*Conn, peers)
			for i := range conns {
				conns[i] = dialTo(t, socket.LocalAddr())
				send(t, conns[i], fmt.Sprint(i))
				receive(t, conns[i], fmt.Sprintf("%d to %d from %v", i, i+1, conns[i].LocalAddr()))
			}
			for i := range conns { // everybody is still who they were
				send(t, conns[i], "again")
				receive(t, conns[i], fmt.Sprintf("again to %d from %v", i+1, conns[i].LocalAddr()))
			}
			st := s.Stats()
			if st.Peers != peers || st.PeersTotal != peers || st.DatagramsIn != 2*peers || st.DatagramsOut != 2*peers {
				t.Errorf("stats %+v", st)
			}
			if n := len(collect(s)); n != peers {
				t.Errorf("%d peers", n)
			}
		})
	}
}

func collect(s *Server) (all []*Peer) {
	for p := range s.Peers() {
		all = append(all, p)
	}
	return all
}

func TestSeveralSockets(t *testing.T) {
	sockets := must[[]*Socket](t)((&ListenConfig{}).ListenAll(soon(t), "udp", ":0"))
	s := &Server{OnDatagram: echo}
	serve(t, s, sockets...)
	for _, socket := range sockets {
		c := dialTo(t, socket.LocalAddr())
		send(t, c, "hi")
		receive(t, c, "hi")
	}
	if st := s.Stats(); st.Peers != 2 || len(collect(s)) != 2 || st.BytesIn != 4 || st.BytesOut != 4 {
		t.Errorf("stats %+v", st)
	}
}

// TestAnswersFromTheAddressAsked holds that a socket of every address answers
// from the one that the peer wrote to, without which a connected peer would
// not hear it.
func TestAnswersFromTheAddressAsked(t *testing.T) {
	if !linux() {
		t.Skip("elsewhere the system chooses")
	}
	for _, at := range []string{"*:0", "0.0.0.0:0"} {
		tracer, records := recorder(trace.Message)
		socket := listen(t, "udp", at)
		serve(t, &Server{OnDatagram: echo, Tracer: tracer}, socket)
		asked := net.JoinHostPort("127.0.0.2", portOf(t, socket))
		c := dialBy(t, &Dialer{}, "udp", asked)
		send(t, c, "hi")
		receive(t, c, "hi")
		for _, d := range recorded[trace.Datagram](t, records, 2) {
			if d.Local != asked {
				t.Errorf("%s: %v datagram's local address is %s, want %s", at, d.Dir, d.Local, asked)
			}
		}
		other := dialBy(t, &Dialer{LocalAddr: c.LocalAddr().String()}, "udp", net.JoinHostPort("127.0.0.3", portOf(t, socket)))
		send(t, other, "the same peer, to another address")
		receive(t, other, "the same peer, to another address")
	}
}

func TestMaxPeers(t *testing.T) {
	tracer, records := recorder(trace.Connection)
	socket := listen(t, "udp", "127.0.0.1:0")
	s := &Server{OnDatagram: echo, MaxPeers: 2, Tracer: tracer}
	serve(t, s, socket)
	a, b, c := dialTo(t, socket.LocalAddr()), dialTo(t, socket.LocalAddr()), dialTo(t, socket.LocalAddr())
	for _, in := range []*Conn{a, b} {
		send(t, in, "hi")
		receive(t, in, "hi")
	}
	send(t, c, "and me?")
	away := recorded[trace.TurnedAway](t, records, 1)
	if away[0].Rule != "max-conns" || away[0].Remote != c.LocalAddr().String() || !strings.Contains(away[0].Reason, "2 peers") {
		t.Errorf("turned away: %+v", away)
	}
	for _, in := range []*Conn{a, b} { // nobody has noticed
		send(t, in, "still")
		receive(t, in, "still")
	}
	if st := s.Stats(); st.Peers != 2 || st.Dropped.MaxPeers != 1 || st.DatagramsIn != 4 {
		t.Errorf("stats %+v", st)
	}
	for p := range s.Peers() { // when one goes there is room
		if p.String() == a.LocalAddr().String() {
			check(t, p.Close())
		}
	}
	recorded[trace.Close](t, records, 1)
	send(t, c, "now?")
	receive(t, c, "now?")
}

func TestMaxPeersPerIP(t *testing.T) {
	if !linux() {
		t.Skip("127.0.0.2 is an address on Linux only")
	}
	tracer, records := recorder(trace.Connection)
	socket := listen(t, "udp", "*:0")
	s := &Server{OnDatagram: echo, MaxPeersPerIP: 1, Tracer: tracer}
	serve(t, s, socket)
	from := func(host string) *Conn {
		return dialBy(t, &Dialer{LocalAddr: host}, "udp", net.JoinHostPort("127.0.0.1", portOf(t, socket)))
	}
	a, b, c := from("127.0.0.1"), from("127.0.0.1"), from("127.0.0.2")
	send(t, a, "hi")
	receive(t, a, "hi")
	send(t, b, "hi")
	away := recorded[trace.TurnedAway](t, records, 1)
	if away[0].Rule != "max-conns-per-ip" || away[0].Remote != b.LocalAddr().String() {
		t.Errorf("turned away: %+v", away)
	}
	send(t, c, "hi")
	receive(t, c, "hi")
	if st := s.Stats(); st.Peers != 2 || st.Dropped.MaxPeersPerIP != 1 {
		t.Errorf("stats %+v", st)
	}
	for _, p := range collect(s) {
		check(t, p.Close())
	}
	recorded[trace.Close](t, records, 2)
	send(t, b, "now?") // the place was given back
	receive(t, b, "now?")
}

func TestAllow(t *testing.T) {
	tracer, records := recorder(trace.Connection)
	socket := listen(t, "udp", "127.0.0.1:0")
	var refuse atomic.Pointer[error]
	s := &Server{OnDatagram: echo, Tracer: tracer, Allow: func(a netip.Addr) error {
		if a.String() != "127.0.0.1" {
			t.Errorf("asked about %v", a)
		}
		return *refuse.Load()
	}}
	no := error(&Refusal{Rule: "deny", Reason: "not today"})
	refuse.Store(&no)
	serve(t, s, socket)
	c := dialTo(t, socket.LocalAddr())
	send(t, c, "hi")
	away := recorded[trace.TurnedAway](t, records, 1)
	if away[0] != (trace.TurnedAway{Remote: c.LocalAddr().String(), Rule: "deny", Reason: "not today"}) {
		t.Errorf("turned away: %+v", away)
	}
	var yes error
	refuse.Store(&yes)
	send(t, c, "hi")
	receive(t, c, "hi")
	if st := s.Stats(); st.Dropped.Denied != 1 || st.DatagramsIn != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestTurnedAwayRecordsAreBounded(t *testing.T) {
	tracer, records := recorder(trace.Connection)
	s := &Server{Tracer: tracer}
	r := &received{Info: Info{Remote: netip.MustParseAddrPort("192.0.2.1:9")}}
	for range 10_000 {
		s.turnAway(r, &s.count.maxPeers, 1, "max-conns", ErrIdle)
	}
	if n := len(records.Records()); n < turnedAwayRate || n > 20*turnedAwayRate || s.count.maxPeers.Load() != 10_000 {
		t.Errorf("%d records of %d peers", n, s.count.maxPeers.Load())
	}
}

func TestMaxRate(t *testing.T) {
	const sent, rate = 200, 10
	tracer, records := recorder(trace.Connection)
	socket := listenBy(t, &ListenConfig{ReadBuffer: 1 << 20}, "udp", "127.0.0.1:0")
	s := &Server{OnDatagram: echo, MaxRate: rate, Tracer: tracer}
	serve(t, s, socket)
	loud, calm := dialTo(t, socket.LocalAddr()), dialTo(t, socket.LocalAddr())
	for range sent {
		send(t, loud, "me me me")
	}
	send(t, calm, "hi")
	receive(t, calm, "hi")
	for range rate {
		receive(t, loud, "me me me")
	}
	limits := recorded[trace.Limit](t, records, 1)
	if limits[0].Rule != "max-rate" || !strings.Contains(limits[0].Reason, "10 datagrams a second") {
		t.Errorf("limits %+v", limits)
	}
	st := s.Stats()
	if st.Dropped.MaxRate == 0 || st.DatagramsIn+st.Dropped.MaxRate != sent+1 || st.DatagramsIn < rate+1 {
		t.Errorf("stats %+v", st)
	}
}

// TestRate holds the limit against a clock of the test's own.
func TestRate(t *testing.T) {
	var r rate
	second := int64(time.Second)
	now := 5 * second
	pass := func(n int) (passed int) {
		for range n {
			if r.take(now, 10) {
				passed++
			}
		}
		return passed
	}
	for i, step := range []struct {
		later int64
		want  int
	}{{0, 10}, {0, 0}, {second / 10, 1}, {second / 20, 0}, {second / 20, 1}, {second / 2, 5}, {second * 100, 10}, {second, 10}} {
		now += step.later
		if got := pass(100); got != step.want {
			t.Errorf("step %d: %d passed, want %d", i, got, step.want)
		}
	}
	if fast := new(rate); !fast.take(now, 1<<40) || !fast.take(now, 1<<40) {
		t.Error("more than one a nanosecond is no limit")
	}
}

func TestPeerIdle(t *testing.T) {
	tracer, records := recorder(trace.Connection)
	socket := listen(t, "udp", "127.0.0.1:0")
	gone := make(chan error, 1)
	var left atomic.Pointer[Peer]
	s := &Server{
		OnDatagram: echo, PeerIdle: 10 * time.Millisecond, Tracer: tracer,
		OnGone: func(p *Peer, why error) { left.Store(p); gone <- why },
	}
	serve(t, s, socket)
	c := dialTo(t, socket.LocalAddr())
	for turn := range 2 { // the second time it is a new peer
		send(t, c, "hi")
		receive(t, c, "hi")
		wantError(t, eventually(t, "the end of an idle peer", gone), ErrIdle)
		_, err := left.Load().Write([]byte("late"))
		wantError(t, err, net.ErrClosed)
		recorded[trace.Close](t, records, turn+1)
	}
	st := s.Stats()
	if st.Peers != 0 || st.PeersTotal != 2 {
		t.Errorf("stats %+v", st)
	}
	if limits := trace.Events[trace.Limit](records.Records()); len(limits) != 2 || limits[0].Rule != "idle-timeout" {
		t.Errorf("limits %+v", limits)
	}
}

// TestTable holds the order of peers against a clock of the test's own.
func TestTable(t *testing.T) {
	var tab table
	at := func(port uint16, now int64) *Peer {
		p := &Peer{origin: origin{addr: netip.AddrPortFrom(netip.IPv6Loopback(), port)}, seen: now}
		tab.add(p)
		return p
	}
	a, b, c := at(1, 10), at(2, 11), at(3, 12)
	tab.touch(a, 13) // b c a
	if got := tab.expired(20, 10); got != nil {
		t.Errorf("%v expired too early", got)
	}
	b.stay.Store(19) // it was kept
	if got := tab.expired(22, 10); got != c {
		t.Errorf("%v expired, want the third", got)
	}
	tab.remove(c)
	for _, want := range []*Peer{a, b} {
		got := tab.expired(40, 10)
		if got != want {
			t.Fatalf("%v expired, want %v", got, want)
		}
		tab.remove(got)
	}
	if tab.oldest != nil || tab.newest != nil || len(tab.peers()) != 0 || tab.find(&a.origin) != nil {
		t.Error("the table is not empty")
	}
}

func TestKeep(t *testing.T) {
	socket := listen(t, "udp", "127.0.0.1:0")
	gone := make(chan error, 1)
	s := &Server{PeerIdle: time.Hour, OnGone: func(_ *Peer, why error) { gone <- why }}
	serve(t, s, socket)
	c := dialTo(t, socket.LocalAddr())
	send(t, c, "hi")
	for len(collect(s)) == 0 {
		check(t, soon(t).Err())
	}
	p := collect(s)[0]
	p.Keep()
	if p.stay.Load() == 0 {
		t.Error("nothing was kept")
	}
	if p.Addr().String() != c.LocalAddr().String() || p.RemoteAddr().String() != c.LocalAddr().String() || p.LocalAddr().String() != socket.LocalAddr().String() {
		t.Errorf("peer %v at %v", p.RemoteAddr(), p.LocalAddr())
	}
	check(t, p.Close())
	wantError(t, eventually(t, "the end of a closed peer", gone), net.ErrClosed)
	check(t, p.Close())
}

func TestBroadcast(t *testing.T) {
	socket := listen(t, "udp", "127.0.0.1:0")
	s := &Server{}
	s.OnDatagram = func(from *Peer, b []byte, _ Info) {
		for p := range s.Peers() {
			if p != from {
				_, _ = p.Write(b)
			}
		}
		if string(b) == "join" {
			_, _ = from.Write([]byte("joined"))
		}
	}
	serve(t, s, socket)
	var all []*Conn
	for range 20 {
		c := dialTo(t, socket.LocalAddr())
		send(t, c, "join")
		receive(t, c, "joined")
		for _, other := range all {
			receive(t, other, "join")
		}
		all = append(all, c)
	}
	send(t, all[0], "hello")
	for _, c := range all[1:] {
		receive(t, c, "hello")
	}
}

// TestPeersAreSafeToWriteTo has others write and look while datagrams come; the
// race detector watches.
func TestPeersAreSafeToWriteTo(t *testing.T) {
	s, addr := echoServer(t, "127.0.0.1")
	c := dialTo(t, addr)
	send(t, c, "first")
	receive(t, c, "first")
	done := make(chan int)
	go func() {
		n := 0
		for range 100 {
			for p := range s.Peers() {
				if _, err := p.Write([]byte("beside")); err == nil {
					n++
				}
				_, _, _ = p.LocalAddr(), p.Value(), s.Stats()
			}
		}
		done <- n
	}()
	var want, beside int
	buf := make([]byte, 100)
	read := func() {
		if n := must[int](t)(c.Read(buf)); string(buf[:n]) == "beside" {
			beside++
		} else {
			want++
		}
	}
	for range 100 {
		send(t, c, "echo")
		read()
	}
	for n := eventually(t, "the writes", done); beside < n || want < 100; {
		read()
	}
}

// TestPeersThatLeftDisturbNobody has the server answer ports that are closed.
func TestPeersThatLeftDisturbNobody(t *testing.T) {
	for _, host := range loopbacks {
		s, addr := echoServer(t, host)
		c := dialTo(t, addr)
		for range 20 {
			leaver := dialTo(t, addr)
			send(t, leaver, "bye")
			check(t, leaver.Close())
			send(t, c, "hi")
			receive(t, c, "hi")
		}
		if st := s.Stats(); st.DatagramsIn != 40 || st.Peers != 21 {
			t.Errorf("stats %+v", st)
		}
	}
}

// TestFailuresAreOnesOwn puts peers that cannot be sent to among one that can.
func TestFailuresAreOnesOwn(t *testing.T) {
	socket := listen(t, "udp", "127.0.0.1:0")
	s := &Server{}
	l := must[*loop](t)(newLoop(s, socket))
	defer l.out.close()
	c := dialTo(t, socket.LocalAddr())
	send(t, c, "x")
	good := peerOf(t, l, receiveFrom(t, socket, "x").Remote)
	bad := peerOf(t, l, netip.MustParseAddrPort("127.0.0.1:0")) // no port to send to
	far := peerOf(t, l, netip.MustParseAddrPort("255.255.255.255:9"))
	far.origin.addr = netip.MustParseAddrPort("255.255.255.255:9")
	l.out.hold()
	for i := range 5 {
		must[int](t)(good.Write(fmt.Append(nil, i)))
		must[int](t)(bad.Write([]byte("nobody")))
		must[int](t)(bad.Write([]byte("nobody")))
	}
	l.out.release()
	for i := range 5 {
		receive(t, c, fmt.Sprint(i))
	}
	if st := s.Stats(); st.Dropped.SendErrors != 10 || st.DatagramsOut != 5 {
		t.Errorf("stats %+v", st)
	}
	_, err := bad.Write([]byte("nobody")) // outside of a batch it is told
	var op *net.OpError
	if !errors.As(err, &op) {
		t.Errorf("write to port 0: %v", err)
	}
	_, err = good.Write(make([]byte, MaxPayload+1))
	wantError(t, err, ErrTooLarge, "65,508", "65,507")
}

func TestHeldWritesDoNotWaitForABlockedCallback(t *testing.T) {
	socket := listen(t, "udp", "127.0.0.1:0")
	unblock := make(chan struct{})
	met := make(chan *Peer, 1)
	s := &Server{OnDatagram: func(p *Peer, b []byte, _ Info) {
		_, _ = p.Write(b)
		met <- p
		<-unblock
	}}
	serve(t, s, socket)
	defer close(unblock)
	c := dialTo(t, socket.LocalAddr())
	send(t, c, "written before it blocks")
	receive(t, c, "written before it blocks")
	must[int](t)((<-met).Write([]byte("written beside it")))
	receive(t, c, "written beside it")
}

func TestPanicEndsOnePeer(t *testing.T) {
	socket := listen(t, "udp", "127.0.0.1:0")
	told, gone := make(chan *PanicError, 1), make(chan error, 1)
	tracer, records := recorder(trace.Connection)
	s := &Server{
		OnDatagram: func(p *Peer, b []byte, _ Info) {
			if string(b) == "boom" {
				panic("boom")
			}
			_, _ = p.Write(b)
		},
		OnPanic: func(_ *Peer, err *PanicError) { told <- err },
		OnGone: func(_ *Peer, why error) {
			gone <- why
			panic("and once more")
		},
		Tracer: tracer,
	}
	serve(t, s, socket)
	a, b := dialTo(t, socket.LocalAddr()), dialTo(t, socket.LocalAddr())
	send(t, a, "hi")
	receive(t, a, "hi")
	send(t, b, "boom")
	if err := eventually(t, "the panic", told); err.Value != "boom" || !strings.Contains(string(err.Stack), "TestPanicEndsOnePeer") {
		t.Errorf("panic %v", err)
	}
	var why *PanicError
	if err := eventually(t, "the end", gone); !errors.As(err, &why) {
		t.Errorf("gone by %v", err)
	}
	eventually(t, "the second panic", told)
	if end := recorded[trace.Close](t, records, 1); !strings.Contains(end[0].Error, "boom") {
		t.Errorf("close %+v", end)
	}
	send(t, a, "still")
	receive(t, a, "still")
	check(t, b.SetReadDeadline(time.Now().Add(patience)))
	send(t, b, "back")
	receive(t, b, "back")
	if st := s.Stats(); st.Panics != 2 || st.Peers != 2 || st.PeersTotal != 3 {
		t.Errorf("stats %+v", st)
	}
	s.OnGone, s.OnPanic = nil, nil
}

func TestServerTrace(t *testing.T) {
	for _, host := range loopbacks {
		tracer, records := recorder(trace.Message)
		socket := listen(t, "udp", on(host))
		s := &Server{OnDatagram: echo, Tracer: tracer}
		served := serve(t, s, socket)
		c := dialTo(t, socket.LocalAddr())
		send(t, c, "ping")
		receive(t, c, "ping")
		check(t, s.Shutdown(soon(t)))
		wantError(t, <-served, ErrServerClosed)
		var names []string
		id := trace.ID(0)
		for _, r := range records.Records() {
			names = append(names, r.Event.Name())
			if id = r.Conn; id == 0 {
				t.Errorf("%s has no number", r.Event.Name())
			}
		}
		if got := strings.Join(names, " "); got != "open datagram datagram close" {
			t.Fatalf("records: %s", got)
		}
		open := trace.Events[trace.Open](records.Records())[0]
		local, remote := socket.LocalAddr().String(), c.LocalAddr().String()
		if open != (trace.Open{Side: trace.Server, Network: "udp", Local: local, Remote: remote}) {
			t.Errorf("open %+v", open)
		}
		for i, d := range trace.Events[trace.Datagram](records.Records()) {
			if d.Dir != []trace.Dir{trace.In, trace.Out}[i] || d.Local != local || d.Remote != remote || d.Size != 4 || string(d.Payload) != "ping" {
				t.Errorf("datagram %+v", d)
			}
		}
		if end := trace.Events[trace.Close](records.Records())[0]; end.In != 4 || end.Out != 4 || end.Error != "" {
			t.Errorf("close %+v", end)
		}
	}
}

func TestShutdownHandlesWhatHasCome(t *testing.T) {
	socket := listenBy(t, &ListenConfig{ReadBuffer: 1 << 20}, "udp", "127.0.0.1:0")
	block, blocked := make(chan struct{}), make(chan struct{}, 200)
	var handled atomic.Int64
	gone := make(chan error, 1)
	s := &Server{
		OnDatagram: func(p *Peer, b []byte, _ Info) {
			handled.Add(1)
			blocked <- struct{}{}
			<-block
			_, _ = p.Write(b)
		},
		OnGone: func(_ *Peer, why error) { gone <- why },
	}
	served := serve(t, s, socket)
	c := dialTo(t, socket.LocalAddr())
	for range 100 {
		send(t, c, "hi")
	}
	<-blocked
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	for !s.isClosed() {
		check(t, soon(t).Err())
	}
	close(block)
	check(t, eventually(t, "the shutdown", down))
	wantError(t, eventually(t, "the end of Serve", served), ErrServerClosed)
	wantError(t, eventually(t, "the end of the peer", gone), ErrServerClosed)
	for range 100 {
		receive(t, c, "hi")
	}
	if handled.Load() != 100 || s.Stats().Peers != 0 {
		t.Errorf("%d handled, %+v", handled.Load(), s.Stats())
	}
	if left := leftovers(); left != "" {
		t.Errorf("goroutines left behind:\n%s", left)
	}
	again := listen(t, "udp", socket.LocalAddr().String()) // the port is free
	wantError(t, s.Serve(soon(t), again), ErrServerClosed)
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func TestShutdownGivesUp(t *testing.T) {
	socket := listen(t, "udp", "127.0.0.1:0")
	block, blocked := make(chan struct{}), make(chan struct{})
	s := &Server{OnDatagram: func(*Peer, []byte, Info) { close(blocked); <-block }}
	served := serve(t, s, socket)
	send(t, dialTo(t, socket.LocalAddr()), "hi")
	<-blocked
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	wantError(t, s.Shutdown(ctx), context.Canceled)
	listen(t, "udp", socket.LocalAddr().String()) // it is closed all the same
	close(block)
	wantError(t, eventually(t, "the end of Serve", served), ErrServerClosed)
}

func TestCloseFromACallback(t *testing.T) {
	socket := listen(t, "udp", "127.0.0.1:0")
	s := &Server{}
	s.OnDatagram = func(*Peer, []byte, Info) { _ = s.Close() }
	served := serve(t, s, socket)
	send(t, dialTo(t, socket.LocalAddr()), "hi")
	wantError(t, eventually(t, "the end of Serve", served), ErrServerClosed)
}

func TestServeEndsWithItsContext(t *testing.T) {
	sockets := must[[]*Socket](t)((&ListenConfig{}).ListenAll(soon(t), "udp", ":0"))
	ctx, cancel := context.WithCancelCause(context.Background())
	served := make(chan error, 1)
	go func() { served <- (&Server{}).Serve(ctx, sockets...) }()
	why := errors.New("enough")
	cancel(why)
	wantError(t, eventually(t, "the end of Serve", served), why)
	for _, s := range sockets {
		listen(t, "udp", s.LocalAddr().String())
	}
}

// TestServeEndsWithItsSocket holds that a socket that fails ends the others.
func TestServeEndsWithItsSocket(t *testing.T) {
	sockets := must[[]*Socket](t)((&ListenConfig{}).ListenAll(soon(t), "udp", ":0"))
	served := serve(t, &Server{}, sockets...)
	check(t, sockets[0].Close())
	wantError(t, eventually(t, "the end of Serve", served), net.ErrClosed)
	listen(t, "udp", sockets[1].LocalAddr().String())
	if err := (&Server{}).Serve(soon(t)); err == nil {
		t.Error("nothing was served")
	}
}

// TestNoTracerNoCost holds that an echo costs no memory, also at a tracer of a
// level below.
func TestNoTracerNoCost(t *testing.T) {
	if !linux() {
		t.Skip("package net allocates")
	}
	tracer, _ := recorder(trace.Connection)
	for _, level := range []*trace.Tracer{nil, tracer} {
		socket := listen(t, "udp", "127.0.0.1:0")
		serve(t, &Server{OnDatagram: echo, Tracer: level, MaxRate: 1 << 30}, socket)
		client := listen(t, "udp", "127.0.0.1:0")
		to := Info{Remote: socket.local}
		var ms, back [32]Message
		for i := range ms {
			ms[i] = Message{Payload: []byte(pattern(64)), Info: to}
			back[i].Payload = make([]byte, 64)
		}
		if got := testing.AllocsPerRun(200, func() {
			if n, err := client.WriteBatch(ms[:]); n != len(ms) || err != nil {
				t.Fatal(n, err)
			}
			for n := 0; n < len(ms); {
				k, err := client.ReadBatch(back[:])
				if err != nil {
					t.Fatal(err)
				}
				n += k
			}
		}); got != 0 {
			t.Errorf("%v allocations for %d datagrams there and back", got, len(ms))
		}
	}
}
