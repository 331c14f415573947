package demo

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/internal/live"
	"github.com/sockkit/sockkit/trace"
)

func TestUDPLabRace(t *testing.T) {
	s, call := inLab(t, udpLab)
	if _, err := call("question", udpAnswer{1}); err == nil || !strings.Contains(err.Error(), "nothing was sent yet") {
		t.Errorf("a question before all else: %v", err)
	}
	c := conditions{Loss: 20, Reorder: 15, Delay: 20, Jitter: 2, Gap: 8, Messages: 20, Seed: 12}
	said, err := call("race", c)
	if err != nil {
		t.Fatal(err)
	}
	k := follow(c, s.cast.entries())
	k.udp.judge(true)
	k.tcp.judge(true)
	if k.tcp.arrivals() != 20 || len(k.tcp.overtaken()) > 0 {
		t.Errorf("TCP: %s", k.tcp.summary("TCP"))
	}
	if lost := 20 - k.udp.arrivals(); lost != k.dropped || lost == 0 || len(k.udp.overtaken()) == 0 {
		t.Errorf("%d were lost, and tap dropped %d; %s", lost, k.dropped, k.udp.summary("UDP"))
	}
	if !strings.Contains(said.(string), "TCP: 20 of 20 came") {
		t.Errorf("said %s", said)
	}
	for i := range k.udp.list {
		m := &k.udp.list[i]
		answer, err := call("question", udpAnswer{m.N})
		if err != nil {
			t.Fatal(err)
		}
		v := answer.(Verdict)
		if v.Right != (k.udp.overtakes(m) != nil) || len(v.Rows) == 0 {
			t.Errorf("message %d, %s: %+v", m.N, m.State, v)
		}
	}
}

// TestUDPLabLeft has the reader leave while messages are on their way.
func TestUDPLabLeft(t *testing.T) {
	s := newStage(t.Context(), silent{}, nil)
	does, err := udpLab(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancelCause(t.Context())
	go func() {
		s.cast.Await(ctx.Done(), 0, func(list []live.Entry) bool { return len(datagrams(named(list), udpServer, trace.In)) > 0 })
		leave(errLeft)
	}()
	if _, err := does["race"](ctx, json.RawMessage(`{"delay":1,"gap":200,"messages":40}`)); !errors.Is(err, errLeft) {
		t.Errorf("left: %v", err)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
	noGoroutines(t)
}

// TestUDPLabModel has a system that cannot drop segments.
func TestUDPLabModel(t *testing.T) {
	var b *udpBench
	s, call := inLab(t, func(s *Stage) (Actions, error) {
		b = &udpBench{stage: s, drop: func(net.Conn, float64) error { return errors.ErrUnsupported }}
		return b.actions(), nil
	})
	if _, err := call("race", conditions{Loss: 50, Delay: 1, Gap: 5, Messages: 10, Seed: 3}); err != nil {
		t.Fatal(err)
	}
	modelled := 0
	for _, f := range events[trace.Fault](s.cast.entries(), tcpTap) {
		if f.Kind == "loss (modelled)" && f.Delay == modelTimeout {
			modelled++
		}
	}
	if modelled == 0 || b.last.tcp.arrivals() != 10 {
		t.Errorf("%d losses, %s", modelled, b.last.tcp.summary("TCP"))
	}
}

func TestUDPLabConditions(t *testing.T) {
	fine := conditions{Gap: 1, Messages: 2}
	for want, change := range map[string]func(*conditions){
		"":                                   func(*conditions) {},
		"loss, in percent, is 0 to 50":       func(c *conditions) { c.Loss = 51 },
		"the delay, in milliseconds, is 0":   func(c *conditions) { c.Delay = -1 },
		"messages, in milliseconds, is 1 to": func(c *conditions) { c.Gap = 0 },
		"the number of messages is 2 to 40":  func(c *conditions) { c.Messages = 1000 },
	} {
		c := fine
		change(&c)
		if err := c.check(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}

func TestUDPLabBreak(t *testing.T) {
	s, call := inLab(t, udpLab)
	for _, test := range []struct {
		action string
		args   any
		want   string
	}{
		{"pieces", udpPieces{"good mor", "ning"}, `By UDP the server got "good mor" and "ning"; by TCP its reads gave "good morning".`},
		{"size", udpSize{65_507}, "One datagram of 65,507 bytes came, whole."},
		{"size", udpSize{65_508}, "Refused, and nothing of it was sent"},
		{"room", udpRoom{10}, `The first read gave "this is th", and the rest of it is gone. The second gave "the second", and the rest of it is gone.`},
		{"room", udpRoom{100}, `The second gave "the second one", all of it.`},
		{"nobody", nil, "The send succeeded"},
	} {
		said, err := call(test.action, test.args)
		if err != nil {
			t.Errorf("%s: %v", test.action, err)
		}
		if text, _ := said.(string); !strings.Contains(text, test.want) {
			t.Errorf("%s said %s, want %s", test.action, said, test.want)
		}
	}
	if len(datagrams(s.cast.entries(), "client", trace.Out)) != 1 {
		t.Error("nothing was sent to nobody")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) > 0 {
		t.Errorf("%d things are left open", len(s.kept))
	}
}
