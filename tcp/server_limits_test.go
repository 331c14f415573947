package tcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// refused collects what the hook is told.
type refused chan Refusal

func (c refused) hook(_ net.Addr, rule, reason string) { c <- Refusal{rule, reason} }

// A peer that never reads costs what its queue may hold; the others are served.
func TestServerSlowPeer(t *testing.T) {
	const mark = 256 << 10
	message := bytes.Repeat([]byte("m"), 10000)
	flood := func(r *rig, p *Peer) error {
		for range 1 << 20 {
			if _, err := p.Write(message); err != nil {
				return err
			}
			if n := p.Queued(); n > mark+2*len(message) { // with what TLS adds
				r.Errorf("%d bytes are queued, and the mark is %d", n, mark)
				return nil
			}
		}
		return errors.New("the queue never filled")
	}
	everywhere(t, func(r *rig) {
		peers, closes := make(chan *Peer, 2), make(chan error, 2)
		s := r.start(&Server{
			WriteQueue: mark, Overflow: CloseSlow, OnData: echo,
			OnOpen:  func(p *Peer) { peers <- p },
			OnClose: func(_ *Peer, err error) { closes <- err },
		})
		r.dial()
		slow := within(r, peers)
		r.must("write", flood(r, slow), ErrSlowPeer)
		r.must("close", within(r, closes), ErrSlowPeer)
		r.ask(r.dial(), "still here", "still here")
		if st := s.Stats(); st.SlowPeers != 1 || st.Open != 1 {
			r.Errorf("stats %+v", st)
		}
	})
	everywhere(t, func(r *rig) {
		peers, writable := make(chan *Peer, 2), make(chan int, 1)
		rec := &trace.Recorder{}
		s := r.start(&Server{
			WriteQueue: mark, OnData: echo, Tracer: trace.New(rec, trace.Connection),
			OnOpen: func(p *Peer) { peers <- p },
			OnWritable: func(p *Peer) {
				select {
				case writable <- p.Queued():
				default: // the flood goes on meanwhile: it can come again
				}
			},
		})
		conn := r.dial()
		slow := within(r, peers)
		r.must("write", flood(r, slow), ErrQueueFull)
		r.must("write again", flood(r, slow), ErrQueueFull)
		r.ask(r.dial(), "still here", "still here")
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		for within(r, writable) > mark/4 {
		}
		st, limits := s.Stats(), trace.Events[trace.Limit](rec.Records())
		if st.Drops != 2 || len(limits) != 1 || limits[0].Rule != "write-queue" {
			r.Errorf("stats %+v, records %v", st, limits)
		}
	})
}

// An echo to a peer that sends and does not read stops reading, drops nothing,
// and goes on when the peer reads.
func TestServerBackPressure(t *testing.T) {
	everywhere(t, func(r *rig) {
		most, peers := 0, make(chan *Peer, 1)
		s := r.start(&Server{WriteQueue: 128 << 10, OnOpen: func(p *Peer) { peers <- p }, OnData: func(p *Peer, data []byte) {
			if _, err := p.Write(data); err != nil {
				r.Errorf("echo: %v", err)
			}
			most = max(most, p.Queued())
		}})
		conn, data := r.dial(), random(r.T, 32<<20)
		sent := make(chan error, 1)
		go func() {
			_, err := conn.Write(data)
			sent <- errors.Join(err, CloseWrite(conn))
		}()
		p := within(r, peers)
		r.until(func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.over
		})
		got, err := io.ReadAll(conn)
		if err := errors.Join(err, within(r, sent)); err != nil {
			r.Fatal(err)
		}
		if !bytes.Equal(got, data) {
			r.Errorf("%d bytes came back of %d, or others", len(got), len(data))
		}
		if st := s.Stats(); st.Drops != 0 || most > 129<<10 {
			r.Errorf("%d drops, and %d bytes queued at most", st.Drops, most)
		}
	})
}

// The 51st of 50 is turned away; the others do not notice; a place that is free
// again is given.
func TestServerMaxConns(t *testing.T) {
	everywhere(t, func(r *rig) {
		turned, closes := make(refused, 1), make(chan error, 60)
		rec := &trace.Recorder{}
		s := r.start(&Server{
			MaxConns: 50, OnData: echo, OnRefused: turned.hook, Tracer: trace.New(rec, trace.Connection),
			OnClose: func(_ *Peer, err error) { closes <- err },
		})
		var conns []net.Conn
		for range 50 {
			conn := r.dial()
			r.ask(conn, "in", "in")
			conns = append(conns, conn)
		}
		r.turnedAway("internal error")
		if got := within(r, turned); got.Rule != "max-conns" || !strings.Contains(got.Reason, "50") {
			r.Errorf("turned away by %+v", got)
		}
		for _, conn := range conns {
			r.ask(conn, "still here", "still here")
		}
		conns[7].Close()
		within(r, closes)
		r.ask(r.dial(), "in", "in")
		away := trace.Events[trace.TurnedAway](rec.Records())
		if len(away) != 1 || away[0].Rule != "max-conns" || s.Stats().Refused["max-conns"] != 1 {
			r.Errorf("records %+v, stats %+v", away, s.Stats())
		}
	})
}

// turnedAway connects and wants to be turned away: closed at once, and on TLS
// after an alert.
func (r *rig) turnedAway(alert string) {
	r.Helper()
	conn, err := r.dialError()
	switch {
	case r.tls && (err == nil || !strings.Contains(err.Error(), alert)):
		r.Fatalf("got error %v, want the alert %q", err, alert)
	case r.tls:
	case err != nil:
		r.Fatal(err)
	default:
		r.hearEnd(conn)
	}
}

func TestServerMaxConnsPerIP(t *testing.T) {
	everywhere(t, func(r *rig) {
		turned, closes := make(refused, 1), make(chan error, 4)
		r.start(&Server{
			MaxConnsPerIP: 2, OnData: echo, OnRefused: turned.hook,
			OnClose: func(_ *Peer, err error) { closes <- err },
		})
		first := r.dial()
		r.ask(first, "1", "1")
		r.ask(r.dial(), "2", "2")
		r.turnedAway("internal error")
		if got := within(r, turned); got.Rule != "max-conns-per-ip" || !strings.Contains(got.Reason, "127.0.0.1") {
			r.Errorf("turned away by %+v", got)
		}
		first.Close()
		within(r, closes)
		r.ask(r.dial(), "3", "3")
	}, "tcp", "tls", "other")
}

func TestServerAdmit(t *testing.T) {
	cases := []struct {
		name  string
		admit func(net.Addr) error
		want  Refusal
	}{
		{"error", func(net.Addr) error { return errors.New("not today") }, Refusal{"admit", "not today"}},
		{"refusal", func(net.Addr) error { return fmt.Errorf("%w", &Refusal{"deny", "127.0.0.0/8 is denied"}) }, Refusal{"deny", "127.0.0.0/8 is denied"}},
		{"panic", func(net.Addr) error { panic("oops") }, Refusal{"admit", "the check panicked: oops"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			everywhere(t, func(r *rig) {
				turned := make(refused, 1)
				opens := 0
				s := r.start(&Server{Admit: c.admit, OnRefused: turned.hook, OnOpen: func(*Peer) { opens++ }})
				r.turnedAway("access denied")
				if got := within(r, turned); got != c.want {
					r.Errorf("turned away by %+v, want %+v", got, c.want)
				}
				if s.Close(); opens != 0 {
					r.Error("OnOpen was called")
				}
			})
		})
	}
}

// Clients that are turned away by TLS are waited for beside the accepting, and
// not by any number.
func TestServerTurnsManyAway(t *testing.T) {
	everywhere(t, func(r *rig) {
		turned := make(refused, 200)
		allowed := make(chan bool, 201)
		s := &Server{OnData: echo, OnRefused: turned.hook, Admit: func(net.Addr) error {
			if <-allowed {
				return nil
			}
			return errors.New("no")
		}}
		r.start(s)
		for range 200 { // they say nothing, and do not close
			allowed <- false
			conn, err := net.Dial(r.addr.Network(), r.addr.String())
			if err != nil {
				r.Fatal(err)
			}
			defer conn.Close()
		}
		for range 200 {
			within(r, turned)
		}
		allowed <- true
		r.ask(r.dial(), "in", "in")
		if n := s.turning.Load(); n > mostTurning {
			r.Errorf("%d connections linger, and at most %d may", n, mostTurning)
		}
	}, "tls")
}

// failing is a listener whose first accepts fail.
type failing struct {
	net.Listener
	errs chan error
}

func (l failing) Accept() (net.Conn, error) {
	select {
	case err := <-l.errs:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: err}
	default:
		return l.Listener.Accept()
	}
}

// Accepting goes on when there are descriptors again.
func TestServerOutOfDescriptors(t *testing.T) {
	everywhere(t, func(r *rig) {
		listen, errs := r.listen, make(chan error, 3)
		for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED} {
			errs <- err
		}
		r.listen = func(t *testing.T) net.Listener { return failing{listen(t), errs} }
		rec := &trace.Recorder{}
		s := r.start(&Server{OnData: echo, Tracer: trace.New(rec, trace.Connection)})
		r.ask(r.dial(), "in", "in")
		notes := trace.Events[trace.Note](rec.Records())
		if s.Stats().AcceptErrors != 3 || len(notes) != 1 || !strings.Contains(notes[0].Text, "too many open files") {
			r.Errorf("stats %+v, notes %v", s.Stats(), notes)
		}
	})
}

// An error that does not pass ends Serve; the peers stay.
func TestServerAcceptFails(t *testing.T) {
	everywhere(t, func(r *rig) {
		s := r.start(&Server{OnData: echo})
		conn := r.dial()
		r.ask(conn, "1", "1")
		errs := make(chan error, 1)
		errs <- syscall.EINVAL
		l := failing{listenTCP(r.T), errs}
		r.must("serve", s.Serve(l), syscall.EINVAL)
		if _, err := net.Dial("tcp", l.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
			r.Errorf("the listener is still open: %v", err)
		}
		r.ask(conn, "2", "2")
		r.ask(r.dial(), "3", "3")
	})
}

// 2,000 connections at once.
func TestServerManyConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("opens 4,000 descriptors")
	}
	everywhere(t, func(r *rig) {
		s := r.start(&Server{OnData: echo, MaxConns: 2000})
		conns := make([]net.Conn, 2000)
		for i := range conns {
			conns[i] = r.dial()
			r.ask(conns[i], "first", "first")
		}
		for i, conn := range slices.Backward(conns) {
			r.ask(conn, fmt.Sprint("again ", i), fmt.Sprint("again ", i))
		}
		if st := s.Stats(); st.Open != len(conns) {
			r.Errorf("%d are open, want %d", st.Open, len(conns))
		}
		for _, conn := range conns {
			r.must("half-close", CloseWrite(conn), nil)
		}
		for _, conn := range conns {
			r.hearEnd(conn)
		}
	}, "tcp", "unix")
}

// Several listeners are served at once; after the end none is.
func TestServerListeners(t *testing.T) {
	everywhere(t, func(r *rig) {
		s := r.start(&Server{OnData: echo})
		second, served := listenTCP(r.T), make(chan error, 1)
		go func() { served <- s.Serve(second) }()
		r.ask(r.dial(), "first", "first")
		r.addr = second.Addr()
		r.ask(r.dial(), "second", "second")
		s.Close()
		r.must("serve", within(r, served), ErrServerClosed)
		third := listenTCP(r.T)
		r.must("serve after the end", s.Serve(third), ErrServerClosed)
		if _, err := third.Accept(); !errors.Is(err, net.ErrClosed) {
			r.Errorf("the listener of a closed server: %v", err)
		}
		r.must("shutdown", s.Shutdown(context.Background()), nil)
	})
}
