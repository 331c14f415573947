package socketio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"
)

// vault is an adapter that keeps sessions as one does that has them elsewhere, and
// notes what it is asked for.
type vault struct {
	*sessionAdapter
	log *notes
}

func (a *vault) PersistSession(s *LostSession) {
	a.sessionAdapter.PersistSession(s)
	a.log.add("keep %s", s.SID)
}

// RestoreSession takes a session out, once and for all.
func (a *vault) RestoreSession(pid, offset string) (*LostSession, error) {
	lost, err := a.sessionAdapter.RestoreSession(pid, offset)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sessions, pid)
	return lost, err
}

func (a *vault) Flush(context.Context) error {
	a.log.add("flush")
	return nil
}

func vaults(log *notes) AdapterFactory {
	return func(n *Namespace) Adapter { return &vault{newSessionAdapter(n), log} }
}

// refusal is how a server answers who wants a new session.
func refusal(t *testing.T, addr string) (int, string) {
	t.Helper()
	answer, err := http.Get("http://" + addr + "/socket.io/?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// TestDrain holds that a client is sent away once its handlers have answered, kept
// before that, and takes it for a lost connection; and that nobody is let in.
func TestDrain(t *testing.T) {
	everywhere(t, func(t *testing.T, serve func(*testing.T, *Server) string, dial func(*testing.T, string, string) *peer) {
		log, entered, free := newNotes(), make(chan *Socket, 1), make(chan struct{})
		s := NewServer(&ServerOptions{Recovery: &Recovery{}, Adapter: vaults(log)})
		s.OnConnection(func(s *Socket) {
			s.On("ask", func(ack func(string)) {
				entered <- s
				<-free
				ack("answer")
			})
			s.OnDisconnect(func(reason string) { log.add("%s", reason) })
		})
		addr := serve(t, s)
		p := dial(t, addr, "")
		id := p.join("/")
		p.send(`421["ask"]`)
		get(t, entered)
		drained := make(chan error, 1)
		go func() { drained <- s.Drain(context.Background(), 0) }()
		soon(t, "new sessions are refused", func() bool {
			status, body := refusal(t, addr)
			return status == http.StatusServiceUnavailable && body == `{"code":4,"message":"the server is about to close"}`
		})
		if got := log.all(); len(got) > 0 {
			t.Errorf("before its handler has returned: %q", got)
		}
		close(free)
		p.want(`431["answer"]`)
		p.ended()
		if err := get(t, drained); err != nil {
			t.Error(err)
		}
		if got, want := log.all(), []string{"keep " + id, "flush", ReasonServerShuttingDown}; !slices.Equal(got, want) {
			t.Errorf("got %q; want %q", got, want)
		}
	})
}

// TestDrainKeepsLast holds that what changed after a socket was kept is kept, too.
func TestDrainKeepsLast(t *testing.T) {
	log := newNotes()
	s := NewServer(&ServerOptions{Recovery: &Recovery{}, Adapter: vaults(log)})
	all := sockets(s)
	p := dialWebSocket(t, onHTTP(t, s), "")
	id := p.join("/")
	socket := get(t, all)
	socket.keep()
	_ = socket.Join("late")
	socket.end(ReasonServerShuttingDown, "")
	if got, want := log.all(), []string{"keep " + id, "keep " + id}; !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
	kept := s.Of("/").adapter.(*vault).sessions[socket.pid]
	if !slices.Contains(kept.Rooms, "late") {
		t.Errorf("the rooms are %q", kept.Rooms)
	}
}

// TestDrainOverTime holds that clients leave by and by, and all at once when the
// time for it is cut short.
func TestDrainOverTime(t *testing.T) {
	for _, over := range []time.Duration{30 * time.Millisecond, time.Hour} {
		t.Run(fmt.Sprint(over), func(t *testing.T) {
			s := NewServer(&ServerOptions{Recovery: &Recovery{}})
			why := reasons(s)
			addr := onHTTP(t, s)
			var all []*peer
			for range 5 {
				p := dialWebSocket(t, addr, "")
				p.join("/")
				all = append(all, p)
			}
			lonely := dialWebSocket(t, addr, "") // it is in no namespace
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			drained := make(chan error, 1)
			go func() { drained <- s.Drain(ctx, over) }()
			soon(t, "it drains", func() bool { status, _ := refusal(t, addr); return status == http.StatusServiceUnavailable })
			if over == time.Hour {
				soon(t, "the first leaves", func() bool { return len(s.Sockets()) == 4 })
				_ = s.Emit("still", "here")
				stay := 0
				for _, p := range all { // the first leaves at once
					if p.next() != "" {
						stay++
					}
				}
				if stay != 4 {
					t.Errorf("%d clients have stayed", stay)
				}
				cancel()
			}
			for _, p := range append(all, lonely) {
				p.ended()
			}
			if err := get(t, drained); over == time.Hour != errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			for range all {
				if got := get(t, why); got != ReasonServerShuttingDown {
					t.Errorf("the reason is %q", got)
				}
			}
		})
	}
}

// TestLeavesInRecovery holds that a client which is lost while it comes back may
// come back all the same.
func TestLeavesInRecovery(t *testing.T) {
	log := newNotes()
	s := NewServer(&ServerOptions{Recovery: &Recovery{RunMiddlewares: true}, Adapter: vaults(log)})
	all, why, entered := sockets(s), reasons(s), make(chan *Socket, 1)
	first := true
	s.Use(func(s *Socket) error {
		if s.Recovered() && first {
			first = false
			entered <- s
			<-s.Context().Done()
		}
		return nil
	})
	addr := onHTTP(t, s)
	p := joinRecovering(t, addr)
	_ = get(t, all).Emit("n", 1)
	p.event(`["n",1]`)
	p.leave()
	get(t, why)
	q := p.again(addr)
	get(t, entered)
	q.leave()
	soon(t, "it is kept again", func() bool { return len(log.all()) == 2 })
	r := p.again(addr)
	r.welcomed()
	if r.id != p.id || !get(t, all).Recovered() {
		t.Error("it has not come back")
	}
}
