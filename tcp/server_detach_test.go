package tcp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// detached is what a test gets of Detach.
type detached struct {
	conn net.Conn
	head []byte
	err  error
}

// Detach hands over every byte that was not delivered, and all that follows,
// in both directions.
func TestServerDetach(t *testing.T) {
	ways := []struct {
		name   string
		detach func(p *Peer, give chan<- detached)
	}{
		{"within", func(p *Peer, give chan<- detached) {
			conn, rest, err := p.Detach()
			give <- detached{conn, rest, err}
		}},
		{"posted", func(p *Peer, give chan<- detached) {
			p.Post(func() {
				conn, rest, err := p.Detach()
				give <- detached{conn, rest, err}
			})
		}},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			everywhere(t, func(r *rig) { detachWhileDataComes(r, way.detach) })
		})
	}
}

func detachWhileDataComes(r *rig, detach func(*Peer, chan<- detached)) {
	given, closes := make(chan detached, 1), make(chan error, 1)
	rec := &trace.Recorder{}
	var got bytes.Buffer
	asked := false
	s := r.start(&Server{
		MaxConns: 1, Tracer: trace.New(rec, trace.Connection),
		OnData: func(p *Peer, data []byte) {
			got.Write(data)
			_, _ = p.Write(data)
			if got.Len() > 1<<20 && !asked {
				asked = true
				detach(p, given)
			}
		},
		OnClose: func(_ *Peer, err error) { closes <- err },
	})
	conn, data := r.dial(), random(r.T, 4<<20)
	sent, echoed := make(chan error, 1), make(chan []byte, 1)
	go func() {
		_, err := conn.Write(data)
		sent <- errors.Join(err, CloseWrite(conn))
	}()
	go func() {
		b, err := io.ReadAll(conn)
		if err != nil {
			r.Error(err)
		}
		echoed <- b
	}()
	d := within(r, given)
	r.must("detach", d.err, nil)
	r.must("close", within(r, closes), ErrDetached)
	if st := s.Stats(); st.Open != 0 || st.Detached != 1 {
		r.Errorf("stats %+v", st)
	}
	r.turnedAway("internal error") // it keeps its place
	got.Write(d.head)
	if _, err := d.conn.Write(d.head); err != nil {
		r.Fatal(err)
	}
	n, err := io.Copy(io.MultiWriter(&got, d.conn), d.conn)
	if err != nil {
		r.Errorf("after %d bytes: %v", n, err)
	}
	r.must("half-close", CloseWrite(d.conn), nil)
	r.must("send", within(r, sent), nil)
	if !bytes.Equal(got.Bytes(), data) || !bytes.Equal(within(r, echoed), data) {
		r.Errorf("%d bytes came of %d, or others, or their echo is wrong", got.Len(), len(data))
	}
	d.conn.Close()
	if st := s.Stats(); st.Detached != 0 {
		r.Errorf("a connection that is closed still counts: %+v", st)
	}
	ends := trace.Events[trace.Close](rec.Records())
	if len(ends) != 1 || ends[0].In != int64(len(data)) || ends[0].Out != int64(len(data)) {
		r.Errorf("records %+v, want one Close with %d bytes each way", ends, len(data))
	}
	r.ask(r.dial(), "", "")
}

// What is queued goes before what the new owner writes.
func TestServerDetachSendsFirst(t *testing.T) {
	everywhere(t, func(r *rig) {
		reply, given := random(r.T, 4<<20), make(chan detached, 1)
		s := r.start(&Server{OnData: func(p *Peer, data []byte) {
			_, _ = p.Write(data)
			_, _ = p.Write(reply)
			conn, rest, err := p.Detach()
			given <- detached{conn, rest, err}
			if _, err := p.Write(data); !errors.Is(err, ErrDetached) {
				r.Errorf("Write after Detach: %v", err)
			}
			if _, _, err := p.Detach(); !errors.Is(err, ErrDetached) {
				r.Errorf("Detach after Detach: %v", err)
			}
		}})
		conn := r.dial()
		r.ask(conn, "first", "first")
		r.hear(conn, string(reply))
		d := within(r, given)
		r.must("detach", d.err, nil)
		s.Close() // is not about this one any more
		if _, err := d.conn.Write([]byte("last")); err != nil {
			r.Fatal(err)
		}
		d.conn.Close()
		r.hear(conn, "last")
		r.hearEnd(conn)
	})
}

// After the peer's end, or while nothing comes, the connection can be handed
// over too; after Close it cannot.
func TestServerDetachLate(t *testing.T) {
	everywhere(t, func(r *rig) {
		given, peers := make(chan detached, 1), make(chan *Peer, 3)
		give := func(p *Peer) {
			conn, rest, err := p.Detach()
			given <- detached{conn, rest, err}
		}
		r.start(&Server{OnOpen: func(p *Peer) { peers <- p }, OnEnd: give, OnData: echo})

		ended := r.dial()
		within(r, peers)
		r.must("half-close", CloseWrite(ended), nil)
		r.talk(within(r, given), ended)

		silent := r.dial()
		give(within(r, peers))
		r.talk(within(r, given), silent)

		r.dial()
		p := within(r, peers)
		p.Close()
		if give(p); !errors.Is(within(r, given).err, net.ErrClosed) {
			r.Error("Detach after Close did not fail with net.ErrClosed")
		}
	})
}

// talk has a detached connection say good bye to its client.
func (r *rig) talk(d detached, client net.Conn) {
	r.Helper()
	r.must("detach", d.err, nil)
	if _, err := d.conn.Write([]byte("good bye")); err != nil {
		r.Fatal(err)
	}
	d.conn.Close()
	r.hear(client, "good bye")
	r.hearEnd(client)
}

// What the server has read while another callback was running, and could not
// deliver yet, comes along.
func TestServerDetachUnread(t *testing.T) {
	everywhere(t, func(r *rig) {
		peers, given := make(chan *Peer, 1), make(chan detached, 1)
		r.start(&Server{
			OnOpen: func(p *Peer) { peers <- p },
			OnData: func(_ *Peer, data []byte) { r.Errorf("%q was delivered", data) },
		})
		some := 0
		for round := range 20 {
			conn := r.dial()
			p := within(r, peers)
			p.Post(func() {
				_, _ = conn.Write([]byte("first"))
				for range 50 * round { // the reading may have got to any point
					runtime.Gosched()
				}
				c, rest, err := p.Detach()
				given <- detached{c, rest, err}
			})
			d := within(r, given)
			r.must("detach", d.err, nil)
			some += len(d.head)
			_, _ = conn.Write([]byte("second"))
			r.must("half-close", CloseWrite(conn), nil)
			rest, err := io.ReadAll(d.conn)
			if got := string(d.head) + string(rest); err != nil || got != "firstsecond" {
				r.Errorf("got %q and error %v", got, err)
			}
			r.talk(d, conn)
		}
		r.Logf("%d bytes came along", some)
	})
}
