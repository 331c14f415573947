package udp

import (
	"math"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

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
	if fast := new(rate); !fast.take(now, math.MaxInt32) || !fast.take(now, math.MaxInt32) {
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
	settled(t, s, func(Stats) bool { return len(collect(s)) == 1 })
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
