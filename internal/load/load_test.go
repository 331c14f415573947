package load

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockkit/sockkit/ws"
)

// piped dials servers that run over pipes, each in a goroutine.
func piped(serve func(net.Conn)) func(context.Context) (*Link, error) {
	return func(context.Context) (*Link, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			serve(server)
		}()
		return &Link{Conn: client}, nil
	}
}

// bubble runs f in a time of its own, and lets servers end behind it.
func bubble(t *testing.T, f func(*testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		f(t)
		time.Sleep(time.Minute)
	})
}

// echoing echoes messages of size bytes, and does before before each.
func echoing(size int, before func(n int)) func(net.Conn) {
	return func(c net.Conn) {
		buf := make([]byte, size)
		for n := 0; ; n++ {
			if _, err := io.ReadFull(c, buf); err != nil {
				return
			}
			before(n)
			if _, err := c.Write(buf); err != nil {
				return
			}
		}
	}
}

// stalling is a server that takes a second for one message and no time for the
// others.
func stalling(n int) {
	if n == 100 {
		time.Sleep(time.Second)
	}
}

// TestCoordinatedOmission holds that a server that stalls for a second is seen
// by all messages that were due in that second, and not by the one alone that
// waited: with a rate latencies count from when a message was due.
func TestCoordinatedOmission(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := Plan{Target: Target{Dial: piped(echoing(32, stalling))}, Count: 400, Rate: 100, bubble: true}
		r, err := p.Run(t.Context())
		if err != nil || r.Failed != 0 || r.Messages.Answered != 400 {
			t.Fatalf("%v, %+v", err, r)
		}
		// Message 100 took a second, those after it 990 ms, 980 ms, …: a quarter
		// of all were late, and half of those by more than half a second.
		if got := above(r.Latency, 500*time.Millisecond); got < 45 || got > 55 {
			t.Errorf("%d latencies above 500 ms, want about 50", got)
		}
		if got := r.Latency.Percentile(90); got < 550*time.Millisecond || got > 650*time.Millisecond {
			t.Errorf("90 %% within %v, want about 600 ms", got)
		}
		if got := r.Latency.Max; got < 999*time.Millisecond || got > 1001*time.Millisecond {
			t.Errorf("the slowest took %v, want 1 s", got)
		}
		// From when they were sent one alone was slow, which is the error that is
		// corrected.
		if got := above(r.Service, time.Millisecond); got != 1 {
			t.Errorf("%d slow ones from sending, want 1", got)
		}
	})
}

// TestClosedLoop holds that without a rate a latency counts from sending.
func TestClosedLoop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := Plan{Target: Target{Dial: piped(echoing(32, stalling))}, Count: 400}
		r, err := p.Run(t.Context())
		if err != nil || r.Failed != 0 || above(r.Latency, time.Millisecond) != 1 || r.Service != nil {
			t.Fatalf("%v, %+v", err, r)
		}
	})
}

func above(l *Latency, bound time.Duration) (n int64) {
	for _, b := range l.Buckets {
		if b.Below > bound {
			n += b.Count
		}
	}
	return n
}

// TestRateNotKept holds that what was due and could not be sent is said.
func TestRateNotKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := func(int) { time.Sleep(100 * time.Millisecond) }
		p := Plan{Target: Target{Dial: piped(echoing(32, slow))}, Duration: time.Second, Rate: 100, bubble: true, Wait: time.Second}
		r, err := p.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m := r.Messages; m.Answered < 18 || m.Answered > 20 || m.Unsent < 78 || m.Answered+m.Lost+m.Unsent < 100 {
			t.Errorf("%+v", m)
		}
		if !errors.Is(r.First, ErrUnsent) && !errors.Is(r.First, ErrLate) {
			t.Errorf("%v", r.First)
		}
	})
}

// TestStopped holds that answers which nobody waits for any more are not late.
func TestStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		p := Plan{Target: Target{Dial: piped(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })}, Duration: time.Minute, Wait: time.Minute}
		r, err := p.Run(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(r.First, ErrStopped) || r.Errors[0].Kind != "not waited for" {
			t.Fatalf("%v, %+v", err, r)
		}
	})
}

// TestNoAnswer holds that a server that never answers ends a run in bounded time.
func TestNoAnswer(t *testing.T) {
	for _, mode := range []Mode{Echo, Broadcast} {
		bubble(t, func(t *testing.T) {
			began := time.Now()
			p := Plan{
				Target: Target{Dial: piped(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })},
				Mode:   mode, Conns: 3, Wait: time.Second,
			}
			r, err := p.Run(t.Context())
			if err != nil || !errors.Is(r.First, ErrLate) || r.Messages.Answered != 0 {
				t.Fatalf("%s: %v, %+v", mode, err, r)
			}
			if r.Errors[0].Kind != "timed out" || r.Errors[0].Count != 3 {
				t.Errorf("%s: %+v", mode, r.Errors)
			}
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("%s took %v", mode, took)
			}
		})
	}
}

// TestWrongAnswers are servers that do not echo.
func TestWrongAnswers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(net.Conn)
		kind  string
	}{
		{"another byte", func(c net.Conn) {
			buf := make([]byte, 32)
			_, _ = io.ReadFull(c, buf)
			buf[20] ^= 1
			_, _ = c.Write(buf)
			_, _ = io.Copy(io.Discard, c)
		}, "mismatch"},
		{"the answer twice", func(c net.Conn) {
			buf := make([]byte, 32)
			_, _ = io.ReadFull(c, buf)
			_, _ = c.Write(append(buf, buf...))
			_, _ = io.Copy(io.Discard, c)
		}, "mismatch"},
		{"the end in the middle of an answer", func(c net.Conn) {
			buf := make([]byte, 32)
			_, _ = io.ReadFull(c, buf)
			_, _ = c.Write(buf[:7])
		}, "closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := Plan{Target: Target{Dial: piped(tt.serve)}, Count: 1, Conns: 1, Wait: time.Second}
				if strings.Contains(tt.name, "twice") {
					p.Count = 2
				}
				r, err := p.Run(t.Context())
				if err != nil || len(r.Errors) != 1 || r.Errors[0].Kind != tt.kind || r.Errors[0].Count != 1 {
					t.Fatalf("%v, %+v", err, r.Errors)
				}
			})
		})
	}
}

// TestInterrupted holds that a run that is ended early reports what it has.
func TestInterrupted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := errors.New("stopped")
		time.AfterFunc(995*time.Millisecond, func() { cancel(stopped) })
		p := Plan{Target: Target{Dial: piped(echoing(32, func(int) {}))}, Rate: 100, bubble: true, Duration: time.Hour}
		r, err := p.Run(ctx)
		if err != stopped || r == nil || r.Messages.Answered != 100 {
			t.Fatalf("%v, %+v", err, r)
		}
	})
}

// hub broadcasts what any of its connections sends, and one of them leaves.
type hub struct {
	mu    sync.Mutex
	conns []net.Conn
	sent  int
}

func (h *hub) serve(c net.Conn) {
	h.mu.Lock()
	h.conns = append(h.conns, c)
	h.mu.Unlock()
	buf := make([]byte, 32)
	for {
		if _, err := io.ReadFull(c, buf); err != nil {
			return
		}
		h.mu.Lock()
		h.sent++
		for i, to := range h.conns {
			if h.sent == 20 && i == 0 {
				_ = to.Close()
			}
			_, _ = to.Write(buf)
		}
		h.mu.Unlock()
	}
}

// TestReceiverLost holds that a receiver that is lost is waited for no more, and
// that it counts.
func TestReceiverLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := &hub{}
		p := Plan{Target: Target{Dial: piped(h.serve)}, Mode: Broadcast, Conns: 8, Count: 100, InFlight: 3, Wait: time.Second}
		r, err := p.Run(t.Context())
		if err != nil || r.Failed == 0 || r.Connections.Alive < 7 {
			t.Fatalf("%v, %+v", err, r)
		}
		lostSender := r.Messages.Answered < 100 // whoever was first at the hub was closed
		if lostSender && r.Messages.Lost == 0 {
			t.Errorf("%+v", r.Messages)
		}
	})
}

// TestNobody holds that where no connection opens the error is the first one.
func TestNobody(t *testing.T) {
	broken := errors.New("broken")
	for _, mode := range Modes {
		p := Plan{Target: Target{Dial: func(context.Context) (*Link, error) { return nil, broken }}, Mode: mode, Conns: 4}
		if r, err := p.Run(t.Context()); err != broken || r != nil {
			t.Errorf("%s: %v, %v", mode, err, r)
		}
	}
}

var raced bool // by the race detector, under which pools drop things

// mirror is a link that answers each message in the middle of its Write.
type mirror struct {
	dec *ws.Decoder
	enc ws.Encoder
	ack bool
	out []byte
}

func (m *mirror) Write(b []byte) (int, error) {
	if m.dec == nil {
		m.out = append(m.out[:0], b...)
		return len(b), nil
	}
	size := len(b)
	for m.out = m.out[:0]; ; {
		n, ev := m.dec.Next(b)
		b = b[n:]
		if ev.Kind != ws.EventMessage {
			return size, nil
		}
		if m.ack { // 42ID["message","… becomes 43ID["…
			head := len(ev.Payload) - 32 - len(`["message",""]`)
			copy(ev.Payload[len(`"message",`):], ev.Payload[:head+1])
			ev.Payload = ev.Payload[len(`"message",`):]
			ev.Payload[1] = '3'
		}
		m.out = m.enc.AppendMessage(m.out, ev.Type, ev.Payload)
	}
}

// TestAllocations holds that a message takes no allocation, from its making to
// the comparison of its answer.
func TestAllocations(t *testing.T) {
	for _, tt := range []struct {
		name   string
		target Target
		mirror mirror
	}{
		{"stream", Target{}, mirror{}},
		{"datagram", Target{Kind: Datagram}, mirror{}},
		{"WebSocket", Target{Kind: WebSocket}, mirror{dec: ws.NewDecoder(ws.ClientRole, Link{}.Agreed, ws.Limits{})}},
		{"Socket.IO", Target{Kind: SocketIO, Event: "message"}, mirror{dec: ws.NewDecoder(ws.ClientRole, Link{}.Agreed, ws.Limits{})}},
		{"Socket.IO, acknowledged", Target{Kind: SocketIO, Event: "message", Ack: true}, mirror{dec: ws.NewDecoder(ws.ClientRole, Link{}.Agreed, ws.Limits{}), ack: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, m := mirrored(tt.target, &tt.mirror)
			in := make([]byte, 0, 1024)
			if n := testing.AllocsPerRun(1000, func() {
				in = append(in[:0], m.out...)
				f.came(in)
			}); n != 0 && !raced {
				t.Errorf("%v allocations a message", n)
			}
			if f.back != 1001 || f.run.failures.total() != 0 {
				t.Errorf("%d answered, %+v", f.back, f.run.failures.list())
			}
		})
	}
}

// mirrored is a flow that has begun, without an engine.
func mirrored(target Target, m *mirror) (*flow, *mirror) {
	p := Plan{Target: target, Mode: Echo}.withDefaults()
	r := &run{Plan: p, body: newBody(p.Size, p.Kind == Stream), began: time.Now(), records: newRecords(1, false)}
	if p.Kind == SocketIO {
		r.events = newEvents("/", p.Event, p.Ack)
	}
	r.bufs.New = func() any { return new([]byte) }
	f := r.newFlow(0)
	f.talk, f.link, f.close = r.newTalk(&Link{}, 0), m, func(error) {}
	r.senders = []*flow{f}
	time.Sleep(time.Nanosecond)
	r.prepare()
	f.start()
	return f, m
}

// BenchmarkMessage is all that a message takes but for its system calls.
func BenchmarkMessage(b *testing.B) {
	f, m := mirrored(Target{Kind: WebSocket}, &mirror{dec: ws.NewDecoder(ws.ClientRole, Link{}.Agreed, ws.Limits{})})
	in := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		in = append(in[:0], m.out...)
		f.came(in)
	}
}
