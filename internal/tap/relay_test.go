package tap

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockkit/sockkit/internal/faults"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/udp"
)

func TestHalfClosesPass(t *testing.T) {
	for name, f := range map[string]*faults.Faults{"plain": nil, "late": {Delay: time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair()
				if f != nil {
					p.suffer(f)
				}
				p.start(t.Context())
				say(t, p.client, "question")
				_ = p.client.CloseWrite()
				hear(t, p.target, "question")
				hearEnd(t, p.target)
				time.Sleep(time.Minute)
				say(t, p.target, "answer")
				hear(t, p.client, "answer")
				_ = p.target.CloseWrite()
				hearEnd(t, p.client)
				if err := <-p.ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestTheTargetsEndIsNotTheClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair().start(t.Context())
		_ = p.target.CloseWrite()
		hearEnd(t, p.client)
		time.Sleep(time.Hour)
		say(t, p.client, "still sending")
		hear(t, p.target, "still sending")
		_ = p.client.CloseWrite()
		if err := <-p.ended; err != nil {
			t.Error(err)
		}
	})
}

func TestFailureOfOneEndIsTheOthers(t *testing.T) {
	for _, who := range []string{"client", "target"} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair().start(t.Context())
			broken, other := p.client, p.target
			if who == "target" {
				broken, other = other, broken
			}
			broken.fail()
			err := <-p.ended
			var end *EndError
			if !errors.As(err, &end) || end.End != who || !tcp.IsReset(err) {
				t.Errorf("%v, want a reset of the %s", err, who)
			}
			if _, err := other.Write([]byte("x")); err == nil {
				t.Error("the other end is still open")
			}
		})
	}
}

func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		p := newPair().start(ctx)
		synctest.Wait()
		cancel(cause)
		if err := <-p.ended; err != cause {
			t.Errorf("Run: %v, want the context's cause", err)
		}
		hearEnd(t, p.client)
		hearEnd(t, p.target)
	})
}

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		p.Idle = 10 * time.Second
		start := time.Now()
		p.start(t.Context())
		for range 5 { // either direction is a sign of life
			time.Sleep(8 * time.Second)
			say(t, p.client, "x")
			hear(t, p.target, "x")
			time.Sleep(8 * time.Second)
			say(t, p.target, "y")
			hear(t, p.client, "y")
		}
		err := <-p.ended
		var idle *session.IdleError
		if !errors.As(err, &idle) {
			t.Errorf("Run: %v, want an IdleError", err)
		}
		// Silence is looked for eight times in its duration.
		if took := time.Since(start); took < 90*time.Second || took > 91500*time.Millisecond {
			t.Errorf("it ended after %v, want 90s", took)
		}
	})
}

// answers is a relay from a stream to datagrams.
func answers(p *mediated) *mail {
	far, near := newMail()
	p.Target = End{Conn: near, Datagrams: true}
	return far
}

func TestAfterAStreamDatagramsAreWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		wait     time.Duration
		answerAt []time.Duration
		end      time.Duration
	}{
		"none":         {0, nil, 10 * time.Second},
		"none with -w": {3 * time.Second, nil, 3 * time.Second},
		"one":          {0, []time.Duration{4 * time.Second}, 5 * time.Second},
		"several":      {0, []time.Duration{time.Second, 900 * time.Millisecond, 900 * time.Millisecond}, 3800 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair()
			far := answers(p)
			p.Wait = c.wait
			p.start(t.Context())
			start := time.Now()
			say(t, p.client, "query")
			_ = p.client.CloseWrite()
			if got := <-far.in; got != "query" {
				t.Errorf("%s: the datagram is %q", name, got)
			}
			for _, pause := range c.answerAt {
				time.Sleep(pause)
				say(t, far, "answer")
				hear(t, p.client, "answer")
			}
			hearEnd(t, p.client)
			if err := <-p.ended; err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(start); took < c.end || took > c.end+2*lookAgain {
				t.Errorf("%s: it ended after %v, want %v", name, took, c.end)
			}
		})
	}
}

func TestAStreamsReadsAreDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		far := answers(p)
		p.MaxDatagram = 4
		p.start(t.Context())
		say(t, p.client, "abcdefghij")
		var got []string
		for range 3 {
			got = append(got, <-far.in)
		}
		if want := []string{"abcd", "efgh", "ij"}; !slices.Equal(got, want) {
			t.Errorf("datagrams %q, want %q", got, want)
		}
		_ = p.client.CloseWrite()
		<-p.ended
	})
}

func TestTheEndOfAStreamIsThatOfADatagramClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		far, near := newMail()
		p.Client = End{Conn: near, Datagrams: true}
		p.start(t.Context())
		say(t, far, "one")
		hear(t, p.target, "one")
		say(t, p.target, "answer")
		if got := <-far.in; got != "answer" {
			t.Errorf("came %q", got)
		}
		start := time.Now()
		_ = p.target.CloseWrite()
		if err := <-p.ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 2*lookAgain {
			t.Errorf("it took %v", took)
		}
	})
}

func TestStdioEndsOnceItIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		p.Client.Stdio = true
		p.start(t.Context())
		_ = p.target.CloseWrite()
		start := time.Now()
		for range 3 { // input that is still read goes on being sent
			time.Sleep(400 * time.Millisecond)
			say(t, p.client, "more")
			hear(t, p.target, "more")
		}
		if err := <-p.ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(start) - 1200*time.Millisecond; took < stdioQuiet || took > stdioQuiet+2*lookAgain {
			t.Errorf("it ended %v after the last input, want %v", took, stdioQuiet)
		}
	})
}

func TestWhatATargetDoesNotTakeIsDroppedAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var warned []string
		farClient, client := newMail()
		farTarget, target := newMail()
		target.fail = func(p string) error {
			if len(p) > 5 {
				return &net.OpError{Op: "write", Net: "udp", Err: &udp.TooLargeError{Size: len(p), Limit: 5}}
			}
			return nil
		}
		r := &Relay{
			Client: End{Conn: client, Datagrams: true}, Target: End{Conn: target, Datagrams: true, Name: "target udp://x:1"},
			Warn: func(err error) { warned = append(warned, err.Error()) }, Idle: time.Second,
		}
		ended := make(chan error, 1)
		go func() { ended <- r.Run(t.Context()) }()
		for _, s := range []string{"first", "too large", "also too large", "", "last"} {
			say(t, farClient, s)
		}
		for _, want := range []string{"first", "", "last"} {
			if got := <-farTarget.in; got != want {
				t.Errorf("came %q, want %q", got, want)
			}
		}
		<-ended
		if len(warned) != 1 || !strings.Contains(warned[0], "the target udp://x:1: ") {
			t.Errorf("warned %q, want one warning", warned)
		}
	})
}

func TestCutResetsBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair().suffer(&faults.Faults{Cut: faults.Trigger{OnSize: true, Size: 4}}).start(t.Context())
		go func() { _, _ = io.WriteString(p.client, "123456") }()
		hear(t, p.target, "1234")
		if err := <-p.ended; err != nil {
			t.Errorf("Run: %v; a cut on purpose is no failure", err)
		}
		if _, err := p.client.Write([]byte("x")); err == nil {
			t.Error("the client is still open")
		}
	})
}

func TestCutFreesASilentConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := newPair().suffer(&faults.Faults{Cut: faults.Trigger{OnTime: true, Time: time.Minute}, Direction: faults.Up}).start(t.Context())
		if err := <-p.ended; err != nil || time.Since(start) != time.Minute {
			t.Errorf("Run: %v after %v", err, time.Since(start))
		}
	})
}

func TestStallKeepsBothOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair().suffer(&faults.Faults{Stall: faults.Trigger{OnSize: true, Size: 2}}).start(t.Context())
		say(t, p.client, "ab")
		hear(t, p.target, "ab")
		say(t, p.client, "never comes")
		heard := make(chan struct{})
		go func() {
			defer close(heard)
			if n, err := p.target.Read(make([]byte, 1)); n > 0 {
				t.Errorf("%d bytes came through a stall (%v)", n, err)
			}
		}()
		time.Sleep(time.Hour)
		select {
		case err := <-p.ended:
			t.Fatalf("Run: %v", err)
		case <-heard:
			t.Fatal("the target was told of an end")
		default:
		}
		_ = p.client.CloseWrite()
		_ = p.target.CloseWrite()
		if err := <-p.ended; err != nil {
			t.Errorf("Run: %v once both had left", err)
		}
		<-heard
	})
}

func TestHalfCloseAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair().suffer(&faults.Faults{HalfClose: faults.Trigger{OnSize: true, Size: 4}}).start(t.Context())
		go func() {
			_, _ = io.WriteString(p.target, strings.Repeat("x", 1<<20))
			_ = p.target.CloseWrite()
		}()
		hear(t, p.client, "xxxx")
		hearEnd(t, p.client)
		time.Sleep(time.Minute)
		say(t, p.client, "still here") // the other way is whole
		hear(t, p.target, "still here")
		_ = p.client.CloseWrite()
		if err := <-p.ended; err != nil {
			t.Error(err)
		}
	})
}

func TestATruncatedEndPassesOnAndIsTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair().start(t.Context())
		_ = p.target.w.CloseWithError(tcp.ErrTruncated)
		hearEnd(t, p.client)
		say(t, p.client, "more")
		hear(t, p.target, "more")
		_ = p.client.CloseWrite()
		if err := <-p.ended; !errors.Is(err, tcp.ErrTruncated) {
			t.Errorf("Run: %v, want ErrTruncated", err)
		}
	})
}
