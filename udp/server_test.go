package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

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
			settled(t, s, func(st Stats) bool {
				return st.Peers == peers && st.PeersTotal == peers && st.DatagramsIn == 2*peers && st.DatagramsOut == 2*peers
			})
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
	settled(t, s, func(st Stats) bool {
		return st.Peers == 2 && len(collect(s)) == 2 && st.BytesIn == 4 && st.BytesOut == 4
	})
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
		one := listen(t, "udp", "127.0.0.1:0") // one peer that writes to several addresses
		for _, host := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.2"} {
			to := netip.MustParseAddrPort(net.JoinHostPort(host, portOf(t, socket)))
			must[int](t)(one.WriteToAddrPort([]byte(host), to))
			if from := receiveFrom(t, one, host).Remote; from != to {
				t.Errorf("the answer of %v comes from %v", to, from)
			}
		}
	}
}

// TestRate holds the limit against a clock of the test's own.

// TestTable holds the order of peers against a clock of the test's own.

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
		if st := s.Stats(); st.DatagramsIn != 40 || st.Peers < 2 { // ports may come twice
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

// TestServeEndsWithItsSocket holds that a socket that fails ends the others.

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
