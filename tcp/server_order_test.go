package tcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Callbacks of one peer never overlap and keep their order, whoever causes
// them. The race detector watches busy and log.
func TestServerCallbackOrder(t *testing.T) {
	everywhere(t, func(r *rig) {
		const posters, posts = 4, 500
		type state struct {
			busy  bool
			log   []string
			posts [posters]int
			bytes int
		}
		closes := make(chan *state, 1)
		enter := func(p *Peer, what string) *state {
			st, _ := p.Value().(*state)
			if st == nil {
				st = &state{}
				p.SetValue(st)
			}
			if st.busy {
				r.Errorf("%s came during another callback", what)
			}
			st.busy = true
			if len(st.log) == 0 || st.log[len(st.log)-1] != what {
				st.log = append(st.log, what)
			}
			return st
		}
		peers := make(chan *Peer, 1)
		r.start(&Server{
			OnOpen: func(p *Peer) { peers <- p; enter(p, "open").busy = false },
			OnData: func(p *Peer, data []byte) {
				st := enter(p, "data")
				st.bytes += len(data)
				st.busy = false
			},
			OnEnd: func(p *Peer) { enter(p, "end").busy = false; p.CloseWrite() },
			OnClose: func(p *Peer, err error) {
				r.must("close", err, nil)
				st := enter(p, "close")
				closes <- st
			},
		})
		conn := r.dial()
		p := within(r, peers)
		var all sync.WaitGroup
		for i := range posters {
			all.Go(func() {
				for n := range posts {
					if !p.Post(func() {
						st := enter(p, "post")
						if st.posts[i] != n {
							r.Errorf("post %d of %d came as number %d", n, i, st.posts[i])
						}
						st.posts[i]++
						st.busy = false
					}) {
						r.Error("Post was refused")
					}
				}
			})
		}
		data := random(r.T, 1<<20)
		if _, err := conn.Write(data); err != nil {
			r.Fatal(err)
		}
		all.Wait()
		r.must("half-close", CloseWrite(conn), nil)
		r.hearEnd(conn)
		st := within(r, closes)
		if st.bytes != len(data) || st.posts != [posters]int{posts, posts, posts, posts} {
			r.Errorf("%d bytes of %d, posts %v", st.bytes, len(data), st.posts)
		}
		if st.log[0] != "open" || strings.Count(strings.Join(st.log, " "), "close") != 1 || st.log[len(st.log)-1] != "close" {
			r.Errorf("order: %v", st.log)
		}
		if p.Post(func() {}) {
			r.Error("Post was taken after the end")
		}
	})
}

// A function that is posted within a callback runs behind it, before the next,
// and what it writes still leaves with what the callback wrote.
func TestServerPostWithin(t *testing.T) {
	everywhere(t, func(r *rig) {
		r.start(&Server{OnData: func(p *Peer, data []byte) {
			for i := range 3 {
				p.Post(func() { fmt.Fprintf(p, "posted %d\n", i) })
			}
			fmt.Fprintf(p, "data\n")
		}})
		r.ask(r.dial(), "x", "data\nposted 0\nposted 1\nposted 2\n")
	})
}

// A handler that blocks holds up its own peer only, and what others write to
// that peer does not wait for it.
func TestServerBlockedHandler(t *testing.T) {
	everywhere(t, func(r *rig) {
		blocked, release := make(chan *Peer, 1), make(chan struct{})
		r.start(&Server{OnData: func(p *Peer, data []byte) {
			if string(data) == "block" {
				_, _ = p.Write([]byte("from within "))
				blocked <- p
				<-release
			}
			_, _ = p.Write(data)
		}})
		first, second := r.dial(), r.dial()
		if _, err := first.Write([]byte("block")); err != nil {
			r.Fatal(err)
		}
		p := within(r, blocked)
		r.ask(second, "still here", "still here")
		_, _ = p.Write([]byte("and from without "))
		r.hear(first, "from within and from without ")
		close(release)
		r.hear(first, "block")
	})
}

// After Pause in the peer's order no data comes until Resume, and none is lost.
func TestServerPause(t *testing.T) {
	everywhere(t, func(r *rig) {
		paused := make(chan *Peer)
		stopped := false
		r.start(&Server{OnData: func(p *Peer, data []byte) {
			if stopped {
				r.Errorf("data came while paused: %q", data)
			}
			_, _ = p.Write(data)
			if data[len(data)-1] == '!' {
				stopped = true
				p.Pause()
				paused <- p
			}
		}})
		conn := r.dial()
		r.ask(conn, "1!", "1!")
		for i := range 20 {
			p := within(r, paused)
			if _, err := fmt.Fprintf(conn, "%d!", i); err != nil {
				r.Fatal(err)
			}
			ran := make(chan struct{})
			p.Post(func() { close(ran) }) // other events go on
			within(r, ran)
			p.Post(func() { stopped = false; p.Resume() })
			r.hear(conn, fmt.Sprintf("%d!", i))
		}
		p := within(r, paused)
		p.Post(func() { stopped = false; p.Resume() })
	})
}

// A panic ends the peer that it came from, reaches the hook and OnClose, and
// nobody else.
func TestServerPanics(t *testing.T) {
	oops := errors.New("oops")
	cases := []struct {
		callback string
		set      func(s *Server, ready chan<- bool)
	}{
		{"OnOpen", func(s *Server, _ chan<- bool) { s.OnOpen = func(*Peer) { panic(oops) } }},
		{"OnData", func(s *Server, _ chan<- bool) { s.OnData = func(*Peer, []byte) { panic(oops) } }},
		{"OnEnd", func(s *Server, _ chan<- bool) { s.OnEnd = func(*Peer) { panic(oops) } }},
		{"Post", func(s *Server, _ chan<- bool) { s.OnOpen = func(p *Peer) { p.Post(func() { panic(oops) }) } }},
		{"OnWritable", func(s *Server, ready chan<- bool) {
			s.OnWritable = func(*Peer) { panic(oops) }
			s.OnOpen = func(p *Peer) {
				_, _ = p.Write(make([]byte, 32<<20))
				ready <- true
			}
			s.OnEnd = func(*Peer) {}
		}},
		{"OnShutdown", func(s *Server, _ chan<- bool) {
			s.OnShutdown = func(*Peer) { panic(oops) }
			s.OnEnd = func(*Peer) {}
			s.OnData = func(*Peer, []byte) { go s.Shutdown(context.Background()) }
		}},
		{"OnClose", func(s *Server, _ chan<- bool) { s.OnData = func(p *Peer, _ []byte) { p.Close() } }},
	}
	for _, c := range cases {
		t.Run(c.callback, func(t *testing.T) {
			everywhere(t, func(r *rig) {
				panics, closes := make(chan *PanicError, 9), make(chan error, 9)
				s := &Server{OnPanic: func(_ *Peer, err *PanicError) { panics <- err; panic("in the hook too") }}
				ready := make(chan bool, 1)
				if c.set(s, ready); c.callback != "OnWritable" {
					ready <- true
				}
				s.OnClose = func(_ *Peer, err error) {
					closes <- err
					if c.callback == "OnClose" {
						panic(oops)
					}
				}
				r.start(s)
				conn, err := r.dialError()
				if within(r, ready); err == nil {
					_, _ = conn.Write([]byte("xxxx"))
					_ = CloseWrite(conn)
					_, _ = io.Copy(io.Discard, conn)
				}
				got := within(r, panics)
				if got.Callback != c.callback || !errors.Is(got, oops) || !strings.Contains(string(got.Stack), "server_order_test.go") {
					r.Errorf("the hook got %v from\n%s", got, got.Stack)
				}
				want := oops
				if c.callback == "OnClose" {
					want = nil
				}
				r.must("close", within(r, closes), want)
				s.Close()
				r.must("shutdown", s.Shutdown(r.soon()), nil)
				if len(closes) > 0 {
					r.Error("OnClose came twice")
				}
				if n := s.Stats().Panics; n != 2 {
					r.Errorf("%d panics were counted, want 2: the callback's and the hook's", n)
				}
			})
		})
	}
}

// A panic of one peer leaves the others alone.
func TestServerPanicAlone(t *testing.T) {
	everywhere(t, func(r *rig) {
		closes := make(chan error, 1)
		r.start(&Server{
			OnData: func(p *Peer, data []byte) {
				if string(data) == "panic" {
					panic("oops")
				}
				_, _ = p.Write(data)
			},
			OnClose: func(_ *Peer, err error) {
				select {
				case closes <- err:
				default:
				}
			},
		})
		good, bad := r.dial(), r.dial()
		r.ask(good, "1", "1")
		if _, err := bad.Write([]byte("panic")); err != nil {
			r.Fatal(err)
		}
		var failure *PanicError
		if err := within(r, closes); !errors.As(err, &failure) || failure.Value != "oops" {
			r.Errorf("OnClose got %v", err)
		}
		r.ask(good, "2", "2")
	})
}

// OnClose comes exactly once, however many ends come together.
func TestServerClosesOnce(t *testing.T) {
	everywhere(t, func(r *rig) {
		const n = 50
		counts, peers := make(chan *Peer, 4*n), make(chan *Peer, n)
		s := r.start(&Server{
			OnOpen:  func(p *Peer) { peers <- p },
			OnData:  echo,
			OnClose: func(p *Peer, _ error) { counts <- p },
		})
		var all sync.WaitGroup
		for range n {
			conn := r.dial()
			p := within(r, peers)
			all.Go(func() { p.Close() })
			all.Go(func() { p.CloseWrite() })
			all.Go(func() { p.Abort(nil) })
			all.Go(func() { _, _ = p.Write(make([]byte, 1<<20)) })
			all.Go(func() { _, _ = conn.Write(make([]byte, 1<<20)); conn.Close() })
		}
		all.Wait()
		r.must("shutdown", s.Shutdown(r.soon()), nil)
		seen := map[*Peer]bool{}
		for range n {
			p := within(r, counts)
			if seen[p] {
				r.Error("OnClose came twice")
			}
			seen[p] = true
			if _, err := p.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				r.Errorf("Write after OnClose: %v", err)
			}
		}
		if len(counts) > 0 {
			r.Errorf("%d OnClose too many", len(counts))
		}
	})
}
