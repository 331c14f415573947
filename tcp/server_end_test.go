package tcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// reset closes a TCP connection by a reset.
func reset(r *rig, conn net.Conn) {
	r.Helper()
	c := Unwrap(conn).(*net.TCPConn)
	r.must("linger", c.SetLinger(0), nil)
	r.must("close", c.Close(), nil)
}

// A reset ends the peer with an error that says so; others go on.
func TestServerReset(t *testing.T) {
	everywhere(t, func(r *rig) {
		closes := make(chan error, 1)
		rec := &trace.Recorder{}
		r.start(&Server{
			OnData: echo, Tracer: trace.New(rec, trace.Connection),
			OnClose: func(_ *Peer, err error) {
				select {
				case closes <- err:
				default:
				}
			},
		})
		other, conn := r.dial(), r.dial()
		r.ask(conn, "1", "1")
		reset(r, conn)
		if err := within(r, closes); !IsReset(err) {
			r.Errorf("OnClose got %v", err)
		}
		r.ask(other, "2", "2")
		ends := trace.Events[trace.Close](rec.Records())
		if len(ends) != 1 || !ends[0].Reset || ends[0].Error == "" || ends[0].In != 1 || ends[0].Out != 1 {
			r.Errorf("records %+v", ends)
		}
	}, "tcp", "tls", "other", "other-tls")
}

// A reset is noticed after the peer's end too, when nothing is read any more.
func TestServerResetAfterEnd(t *testing.T) {
	everywhere(t, func(r *rig) {
		ended, closes := make(chan *Peer, 1), make(chan error, 1)
		r.start(&Server{
			OnEnd:   func(p *Peer) { ended <- p },
			OnClose: func(_ *Peer, err error) { closes <- err },
		})
		conn := r.dial()
		r.must("half-close", CloseWrite(conn), nil)
		within(r, ended)
		reset(r, conn)
		if err := within(r, closes); !IsReset(err) {
			r.Errorf("OnClose got %v", err)
		}
	}, "tcp", "tls")
}

// Close sends all that was written before it, though the peer goes on sending:
// what is not read must not reset what was sent.
func TestServerCloseLosesNothing(t *testing.T) {
	everywhere(t, func(r *rig) {
		reply, closes := random(r.T, 6<<20), make(chan error, 1)
		calls := 0
		s := &Server{
			WriteQueue: 8 << 20,
			OnData: func(p *Peer, _ []byte) {
				calls++
				if _, err := p.Write(reply); err != nil {
					r.Error(err)
				}
				p.Close()
			},
			OnClose: func(_ *Peer, err error) { closes <- err },
		}
		s.conf.linger = time.Minute // however slow the machine is
		r.start(s)
		conn := r.dial()
		stop, stopped := make(chan struct{}), make(chan error, 1)
		go func() {
			for {
				select {
				case <-stop:
					stopped <- CloseWrite(conn)
					return
				default:
					if _, err := conn.Write(reply[:64<<10]); err != nil {
						stopped <- err
						return
					}
				}
			}
		}()
		got, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(got, reply) {
			r.Errorf("got %d bytes of %d, error %v", len(got), len(reply), err)
		}
		close(stop)
		r.must("the client's end", within(r, stopped), nil)
		r.must("close", within(r, closes), nil)
		if calls != 1 {
			r.Errorf("OnData came %d times after Close", calls-1)
		}
	})
}

// Abort loses what is queued, and OnClose gets the reason.
func TestServerAbort(t *testing.T) {
	reason := errors.New("no more")
	for _, want := range []error{reason, nil} {
		everywhere(t, func(r *rig) {
			closes := make(chan error, 1)
			r.start(&Server{
				OnData: func(p *Peer, _ []byte) {
					_, _ = p.Write(make([]byte, 64<<20))
					p.Abort(want)
				},
				OnClose: func(_ *Peer, err error) { closes <- err },
			})
			conn := r.dial()
			if _, err := conn.Write([]byte("x")); err != nil {
				r.Fatal(err)
			}
			got := within(r, closes)
			if want == nil {
				r.must("close", got, ErrAborted)
			} else {
				r.must("close", got, want)
			}
			n, err := io.Copy(io.Discard, conn)
			if n == 64<<20 {
				r.Error("all that was queued came")
			}
			if _, ok := Unwrap(conn).(*net.TCPConn); ok && !IsReset(err) && r.resets() {
				r.Errorf("the client's end is %v, want a reset", err)
			}
		})
	}
}

// resets reports whether the server can reset connections of this kind.
func (r *rig) resets() bool {
	_, hidden := r.listen(r.T).(otherListener)
	return !hidden
}

// Shutdown sends what is queued, ends each peer, and waits for their ends and
// their callbacks.
func TestServerShutdown(t *testing.T) {
	everywhere(t, func(r *rig) {
		reply := random(r.T, 8<<20)
		closed, written := 0, make(chan struct{}, 3)
		s := r.start(&Server{
			OnData: func(p *Peer, _ []byte) {
				if _, err := p.Write(reply); err != nil {
					r.Error(err)
				}
				written <- struct{}{}
			},
			OnClose: func(_ *Peer, err error) {
				r.must("close", err, nil)
				r.srv.mu.Lock() // callbacks of several peers
				closed++
				r.srv.mu.Unlock()
			},
		})
		conns := []net.Conn{r.dial(), r.dial(), r.dial()}
		for _, conn := range conns {
			if _, err := conn.Write([]byte("x")); err != nil {
				r.Fatal(err)
			}
			within(r, written)
		}
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(r.soon()) }()
		for _, conn := range conns {
			if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, reply) {
				r.Errorf("got %d bytes of %d, error %v", len(got), len(reply), err)
			}
			if len(done) > 0 {
				r.Error("Shutdown returned before the last peer's end")
			}
			r.must("close", conn.Close(), nil)
		}
		r.must("shutdown", within(r, done), nil)
		if closed != 3 {
			r.Errorf("%d OnClose before Shutdown returned, want 3", closed)
		}
		if _, err := r.dialError(); err == nil {
			r.Error("the server still accepts")
		}
	})
}

// A peer that does not end is aborted when the context is done.
func TestServerShutdownInTime(t *testing.T) {
	everywhere(t, func(r *rig) {
		opens, closes := make(chan *Peer, 1), make(chan error, 1)
		s := r.start(&Server{
			OnOpen:  func(p *Peer) { opens <- p },
			OnClose: func(_ *Peer, err error) { closes <- err },
		})
		conn := r.dial()
		within(r, opens)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(ctx) }()
		r.hearEnd(conn) // told, and not obeying
		cancel()
		r.must("shutdown", within(r, done), context.Canceled)
		r.must("close", within(r, closes), ErrServerClosed)
	})
}

// OnShutdown takes the place of CloseWrite: the handler says good bye.
func TestServerOnShutdown(t *testing.T) {
	everywhere(t, func(r *rig) {
		opens, closes := make(chan *Peer, 1), make(chan error, 1)
		s := r.start(&Server{
			OnOpen: func(p *Peer) { opens <- p },
			OnShutdown: func(p *Peer) {
				_, _ = p.Write([]byte("good bye"))
				p.Close()
			},
			OnClose: func(_ *Peer, err error) { closes <- err },
		})
		conn := r.dial()
		within(r, opens)
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(r.soon()) }()
		r.hear(conn, "good bye")
		r.hearEnd(conn)
		conn.Close()
		r.must("shutdown", within(r, done), nil)
		r.must("close", within(r, closes), nil)
	})
}

// Peers yields those that are open, for a broadcast.
func TestServerBroadcast(t *testing.T) {
	everywhere(t, func(r *rig) {
		s := &Server{}
		s.OnData = func(from *Peer, data []byte) {
			for p := range s.Peers() {
				if p != from {
					_, _ = p.Write(data)
				}
			}
		}
		opens := make(chan *Peer, 10)
		s.OnOpen = func(p *Peer) { opens <- p }
		r.start(s)
		var conns []net.Conn
		for range 10 {
			conns = append(conns, r.dial())
			within(r, opens)
		}
		if _, err := conns[3].Write([]byte("hello all")); err != nil {
			r.Fatal(err)
		}
		for i, conn := range conns {
			if i != 3 {
				r.hear(conn, "hello all")
			}
		}
		r.ask(conns[4], "and back", "")
		r.hear(conns[3], "and back")
	})
}
