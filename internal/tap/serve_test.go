package tap

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/faults"
	"github.com/sockkit/sockkit/internal/serve"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// exchange sends data and half-closes, while it reads to the end. It returns
// the sum of what came.
func exchange(conn net.Conn, data []byte) ([32]byte, error) {
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(data)
		sent <- errors.Join(err, tcp.CloseWrite(conn))
	}()
	sum := sha256.New()
	_, err := io.Copy(sum, conn)
	return [32]byte(sum.Sum(nil)), errors.Join(err, <-sent)
}

// volume is what is sent in each direction.
const volume = 3<<20 + 12345

func TestStreamsArriveWholeBothWays(t *testing.T) {
	up, down := random(1, volume), random(2, volume)
	modes := map[string]struct {
		tracer *trace.Tracer
		faults *faults.Faults
	}{
		"spliced": {},
		"seen":    {tracer: trace.New(discard{}, trace.Byte)},
		"late":    {faults: &faults.Faults{Delay: 2 * time.Millisecond, Jitter: time.Millisecond, Seed: 1}},
	}
	for _, kinds := range [][2]string{{"tcp", "tcp"}, {"tcp", "unix"}, {"unix", "tcp"}, {"tls", "tcp"}, {"tcp", "tls"}, {"tls", "tls"}} {
		for mode, m := range modes {
			t.Run(kinds[0]+" to "+kinds[1]+" "+mode, func(t *testing.T) {
				got := make(chan [32]byte, 1)
				target := targetOf(t, kinds[1], func(conn net.Conn) {
					sum, err := exchange(conn, down)
					if err != nil {
						t.Errorf("target: %v", err)
					}
					got <- sum
				})
				r := tapTo(t, kinds[0], target, m.tracer, func(s *Server) { s.Faults = m.faults })
				sum, err := exchange(r.dial(t), up)
				if err != nil || sum != sha256.Sum256(down) {
					t.Errorf("client: %v, or other bytes than were sent", err)
				}
				if <-got != sha256.Sum256(up) {
					t.Error("the target got other bytes than were sent")
				}
			})
		}
	}
}

type discard struct{}

func (discard) Record(trace.Record) {}

func TestThroughAChild(t *testing.T) {
	if err := endpoint.Runnable("cat"); err != nil {
		t.Fatal(err)
	}
	data := random(3, volume)
	for mode, tracer := range map[string]*trace.Tracer{"spliced": nil, "seen": trace.New(discard{}, trace.Byte)} {
		t.Run(mode, func(t *testing.T) {
			r := tapTo(t, "tcp", address(t, "exec:cat"), tracer, nil)
			if sum, err := exchange(r.dial(t), data); err != nil || sum != sha256.Sum256(data) {
				t.Errorf("%v, or other bytes than were sent", err)
			}
		})
	}
}

func TestClientsAtOnce(t *testing.T) {
	target := targetOf(t, "tcp", func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	r := tapTo(t, "tcp", target, nil, nil)
	conns := make([]net.Conn, 50)
	for i := range conns {
		conns[i] = r.dial(t)
	}
	for i, conn := range conns { // all are open
		say(t, conn, fmt.Sprintf("client %d", i))
		hear(t, conn, fmt.Sprintf("client %d", i))
	}
}

func TestARefusingTargetResetsTheClient(t *testing.T) {
	closed := targetOf(t, "tcp", func(net.Conn) {})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed = closed.Bound(l.Addr())
	l.Close()
	r := tapTo(t, "tcp", closed, nil, nil)
	for range 2 { // the tap goes on
		r.dialReset(t)
		var dial *tcp.Error
		if err := <-r.failed; !errors.As(err, &dial) || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("told %v, want a refusal", err)
		}
	}
}

func TestResetsPassOn(t *testing.T) {
	t.Run("of the target", func(t *testing.T) {
		target := targetOf(t, "tcp", func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 1))
			tcp.Reset(conn)
		})
		for mode, tracer := range map[string]*trace.Tracer{"spliced": nil, "seen": trace.New(discard{}, trace.Byte)} {
			conn := tapTo(t, "tcp", target, tracer, nil).dial(t)
			say(t, conn, "x")
			if _, err := io.ReadAll(conn); !tcp.IsReset(err) {
				t.Errorf("%s: read: %v, want a reset", mode, err)
			}
		}
	})
	t.Run("of the client", func(t *testing.T) {
		got := make(chan error, 1)
		target := targetOf(t, "tcp", func(conn net.Conn) {
			_, err := io.ReadAll(conn)
			got <- err
		})
		conn := tapTo(t, "tcp", target, nil, nil).dial(t)
		say(t, conn, "x")
		tcp.Reset(conn)
		if err := <-got; !tcp.IsReset(err) {
			t.Errorf("the target read %v, want a reset", err)
		}
	})
}

func TestASecureClientIsNotToldARegularEndByACut(t *testing.T) {
	target := targetOf(t, "tcp", func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	r := tapTo(t, "tls", target, nil, func(s *Server) {
		s.Faults = &faults.Faults{Cut: faults.Trigger{OnSize: true, Size: 10}, Direction: faults.Down}
	})
	conn := r.dial(t)
	say(t, conn, "0123456789abcdef")
	got, err := io.ReadAll(conn)
	if err == nil || string(got) != "0123456789" {
		t.Errorf("read %q and %v, want 10 bytes and an error", got, err)
	}
}

func TestCutAfterSizeToTheByte(t *testing.T) {
	const limit = 100_000
	target := targetOf(t, "tcp", func(conn net.Conn) { _, _ = conn.Write(random(4, volume)) })
	r := tapTo(t, "tcp", target, nil, func(s *Server) {
		s.Faults = &faults.Faults{Cut: faults.Trigger{OnSize: true, Size: limit}}
	})
	got, err := io.ReadAll(r.dial(t))
	if len(got) != limit || !tcp.IsReset(err) {
		t.Errorf("%d bytes and %v, want %d and a reset", len(got), err, limit)
	}
	if !bytes.Equal(got, random(4, volume)[:len(got)]) {
		t.Error("they are other bytes than were sent")
	}
}

func TestOnce(t *testing.T) {
	target := targetOf(t, "tcp", func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	r := tapTo(t, "tcp", target, nil, func(s *Server) { s.Once = true })
	if _, err := exchange(r.dial(t), []byte("hello")); err != nil {
		t.Error(err)
	}
	err := <-r.ended
	r.ended <- err
	if err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.Dial("tcp", r.addr.HostPort()); err == nil {
		t.Error("it still listens")
	}
}

func TestOnceSaysHowItWent(t *testing.T) {
	target := targetOf(t, "tcp", func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		tcp.Reset(conn)
	})
	r := tapTo(t, "tcp", target, nil, func(s *Server) { s.Once = true })
	say(t, r.dial(t), "x")
	err := <-r.ended
	r.ended <- err
	var end *EndError
	if !errors.As(err, &end) || end.End != "target "+target.String() || !tcp.IsReset(err) {
		t.Errorf("Serve: %v, want the target's reset", err)
	}
}

func TestNobodyCame(t *testing.T) {
	r := tapTo(t, "tcp", address(t, "exec:cat"), nil, func(s *Server) { s.Once, s.FirstWithin = true, time.Millisecond })
	err := <-r.ended
	r.ended <- err
	var nobody *serve.NobodyCame
	if !errors.As(err, &nobody) {
		t.Errorf("Serve: %v, want NobodyCame", err)
	}
}

func TestMaxConns(t *testing.T) {
	target := targetOf(t, "tcp", func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	refused := make(chan error, 1)
	r := tapTo(t, "tcp", target, nil, func(s *Server) {
		s.MaxConns = 2
		s.Refused = func(client net.Conn, why error) { refused <- why; client.Close() }
	})
	first, second := r.dial(t), r.dial(t)
	for _, conn := range []net.Conn{first, second} {
		say(t, conn, "x")
		hear(t, conn, "x")
	}
	third := r.dial(t)
	var refusal *tcp.Refusal
	if why := <-refused; !errors.As(why, &refusal) || refusal.Rule != "max-conns" {
		t.Errorf("refused for %v", why)
	}
	if n, err := third.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes for a client that was turned away", n)
	}
	say(t, first, "still") // none of the others notices
	hear(t, first, "still")
}

func TestAdmit(t *testing.T) {
	refused := make(chan error, 1)
	r := tapTo(t, "tcp", address(t, "exec:cat"), nil, func(s *Server) {
		s.Admit = func(net.Addr) error { return errors.New("not you") }
		s.Refused = func(client net.Conn, why error) { refused <- why; client.Close() }
	})
	hearEnd(t, r.dial(t))
	if why := <-refused; why.Error() != "not you" {
		t.Errorf("refused for %v", why)
	}
}

func TestTheEndIsRegularForBothSides(t *testing.T) {
	ended := make(chan error, 1)
	target := targetOf(t, "tcp", func(conn net.Conn) {
		say(t, conn, "hi")
		_, err := io.ReadAll(conn)
		ended <- err
	})
	r := tapTo(t, "tcp", target, nil, nil)
	conn := r.dial(t)
	hear(t, conn, "hi")
	r.stop(errStopped)
	hearEnd(t, conn)
	if err := <-ended; err != nil {
		t.Errorf("the target read %v, want its end", err)
	}
}

func TestTraceTellsWhichConnectionsBelongTogether(t *testing.T) {
	var seen trace.Recorder
	target := targetOf(t, "tcp", func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	r := tapTo(t, "tcp", target, trace.New(&seen, trace.Message), func(s *Server) {
		s.Faults = &faults.Faults{Cut: faults.Trigger{OnSize: true, Size: 5}, Direction: faults.Up}
	})
	conn := r.dial(t)
	say(t, conn, "0123456789")
	_, _ = io.ReadAll(conn)
	r.stop(errStopped)
	r.ended <- <-r.ended
	records := seen.Records()
	notes, cuts := trace.Events[trace.Note](records), trace.Events[trace.Fault](records)
	notes = slices.DeleteFunc(notes, func(n trace.Note) bool { // the echo may meet the cut
		return strings.HasPrefix(n.Text, "the write failed")
	})
	if len(notes) != 1 || notes[0].Text != "passes on connection 1" {
		t.Errorf("notes %v", notes)
	}
	if want := (trace.Fault{Dir: trace.Out, Kind: "cut-after", Size: 5}); len(cuts) != 1 || cuts[0] != want {
		t.Errorf("faults %v, want %v", cuts, want)
	}
	for _, rec := range records {
		if _, fault := rec.Event.(trace.Fault); fault && rec.Conn != 2 {
			t.Errorf("the fault is of connection %d, want the target's", rec.Conn)
		}
	}
	if ends := trace.Events[trace.Close](records); len(ends) != 2 {
		t.Errorf("%d ends, want two", len(ends))
	}
}

func TestACommandThatDoesNotExist(t *testing.T) {
	r := tapTo(t, "tcp", address(t, "exec:/nosuch/command"), nil, nil)
	r.dialReset(t)
	if err := <-r.failed; !strings.Contains(err.Error(), "/nosuch/command") {
		t.Errorf("told %v", err)
	}
}
