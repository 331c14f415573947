package load

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/sockkit/sockkit/ws"
)

// TestBody holds that a message is told from every other, wherever it is cut.
func TestBody(t *testing.T) {
	for _, size := range []int{1, 2, 9, 16, 17, 18, 100} {
		for _, line := range []bool{false, true} {
			b := newBody(size, line)
			message := b.append(nil, 0xabcdef01, 0x12345678)
			if len(message) != size || line && message[size-1] != '\n' {
				t.Fatalf("%d: %q", size, message)
			}
			for cut := range size + 1 {
				if at := b.differs(message[:cut], 0, 0xabcdef01, 0x12345678); at >= 0 {
					t.Errorf("%d bytes, the first %d differ at %d", size, cut, at)
				}
				if at := b.differs(message[cut:], cut, 0xabcdef01, 0x12345678); at >= 0 {
					t.Errorf("%d bytes, those from %d differ at %d", size, cut, at)
				}
			}
			for i := range message {
				message[i] ^= 1
				if at := b.differs(message, 0, 0xabcdef01, 0x12345678); at != i {
					t.Errorf("%d bytes: byte %d was changed, and %d said", size, i, at)
				}
				message[i] ^= 1
			}
			if b.mark >= 8 {
				if n, _ := b.number(message); n != 0x12345678 {
					t.Errorf("%d bytes: number %x", size, n)
				}
			}
			if at := b.differs(append(message, 'x'), 0, 0xabcdef01, 0x12345678); at != size {
				t.Errorf("%d bytes and one: %d", size, at)
			}
		}
	}
}

// TestEvents is how events look.
func TestEvents(t *testing.T) {
	for _, tt := range []struct {
		namespace   string
		ack         bool
		out, answer string
	}{
		{"/", false, `42["say","TEXT"]`, `42["say","TEXT"]`},
		{"/chat", false, `42/chat,["say","TEXT"]`, `42/chat,["say","TEXT"]`},
		{"", true, `427["say","TEXT"]`, `437["TEXT"]`},
		{"/chat", true, `42/chat,7["say","TEXT"]`, `43/chat,7["TEXT"]`},
	} {
		e := newEvents(tt.namespace, "say", tt.ack)
		out := append(append(append([]byte{}, e.head...), e.id(nil, 7)...), e.open...)
		if out = append(append(out, "TEXT"...), e.end...); string(out) != tt.out {
			t.Errorf("%s, want %s", out, tt.out)
		}
		text, ok, whole := e.text([]byte(tt.answer), 7)
		if string(text) != "TEXT" || !ok || !whole {
			t.Errorf("%s: %q %v %v", tt.answer, text, ok, whole)
		}
		if e := newEvents("/", `a<"b"`, false); string(e.open) != `["a<\"b\"","` {
			t.Errorf("%s", e.open)
		}
		if _, ok, _ := e.text([]byte(`42["other","TEXT"]`), 7); ok {
			t.Errorf("%s: another event is taken for the answer", tt.answer)
		}
	}
}

// TestDatagrams loses, doubles and delays.
func TestDatagrams(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		buf := make([]byte, 2048)
		for i := 0; ; i++ {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if i == 3 {
				continue
			}
			_, _ = c.WriteTo(buf[:n], from)
			if i == 5 {
				_, _ = c.WriteTo(buf[:n], from)
			}
		}
	}()
	p := Plan{Count: 20, InFlight: 2, Wait: 100 * time.Millisecond, Target: Target{Kind: Datagram}}
	p.Dial = dialUDP(c.LocalAddr().String())
	r, err := p.Run(t.Context())
	if err != nil || r.Messages.Sent != 20 || r.Messages.Answered != 19 || r.Messages.Lost != 1 || r.Messages.Late != 1 {
		t.Fatalf("%v, %+v", err, r)
	}
	if len(r.Errors) != 1 || r.Errors[0].Kind != "timed out" {
		t.Errorf("%+v", r.Errors)
	}
}

// TestHistogram holds the figures of a report against what was measured.
func TestHistogram(t *testing.T) {
	h := newHistogram()
	for i := range 1000 {
		keep(h, int64(i+1)*1000)
	}
	keep(h, 2*longest)
	l := newLatency(h)
	if l.Count != 1001 || l.Min != time.Microsecond || l.Max < time.Duration(longest) {
		t.Errorf("%+v", l)
	}
	if got := l.Percentile(50); got < 499*time.Microsecond || got > 502*time.Microsecond {
		t.Errorf("half within %v", got)
	}
	sum, last := int64(0), time.Duration(0)
	for _, b := range l.Buckets {
		if b.Below <= last {
			t.Errorf("%v after %v", b.Below, last)
		}
		sum, last = sum+b.Count, b.Below
	}
	if sum != l.Count {
		t.Errorf("%d in the buckets of %d", sum, l.Count)
	}
	again, err := hdr.Decode([]byte(l.HDR))
	if err != nil || again.TotalCount() != l.Count {
		t.Errorf("%v", err)
	}
}

// TestCompare holds that worse is worse: less a second, or longer.
func TestCompare(t *testing.T) {
	report := func(perSecond float64, half time.Duration) *Report {
		return &Report{
			Version: 1, Setting: Setting{Mode: Echo}, Messages: Messages{PerSecond: perSecond},
			Latency: &Latency{Max: time.Second, Percentiles: []Percentile{{50, half}, {99, 10 * half}}},
		}
	}
	before := report(1000, time.Millisecond)
	for _, tt := range []struct {
		now   *Report
		worse string
	}{
		{report(1000, time.Millisecond), ""},
		{report(2000, time.Microsecond), ""},
		{report(950, 1050*time.Microsecond), ""},
		{report(500, time.Millisecond), "throughput"},
		{report(0, time.Millisecond), "throughput"},
		{report(1000, 2*time.Millisecond), "latency 50 %,latency 99 %"},
	} {
		var names []string
		for _, r := range tt.now.Compare(before).Over(10) {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, ","); got != tt.worse {
			t.Errorf("%q is worse, want %q", got, tt.worse)
		}
	}
	var b bytes.Buffer
	_ = json.NewEncoder(&b).Encode(before)
	if again, err := ReadReport(&b); err != nil || again.Latency.Percentile(99) != 10*time.Millisecond {
		t.Errorf("%v", err)
	}
}

// TestReplies holds that pings of both layers are answered while nothing else is
// of interest.
func TestReplies(t *testing.T) {
	m := &mirror{}
	f, _ := mirrored(Target{Kind: SocketIO, Event: "message"}, m)
	f.deaf = true
	server := ws.Encoder{Role: ws.ServerRole}
	client := ws.NewDecoder(ws.ClientRole, Link{}.Agreed, ws.Limits{})
	f.came(server.AppendControl(nil, ws.OpPing, []byte("x")))
	if _, ev := client.Next(m.out); ev.Kind != ws.EventPong || string(ev.Payload) != "x" {
		t.Errorf("%+v", ev)
	}
	f.came(server.AppendMessage(nil, ws.Text, []byte("2")))
	if _, ev := client.Next(m.out); ev.Kind != ws.EventMessage || string(ev.Payload) != "3" {
		t.Errorf("%+v", ev)
	}
	f.came(server.AppendMessage(nil, ws.Text, []byte("41")))
	if list := f.run.failures.list(); len(list) != 1 || f.alive.Load() {
		t.Errorf("%+v", list)
	}
}

func dialUDP(address string) func(context.Context) (*Link, error) {
	return func(context.Context) (*Link, error) {
		conn, err := net.Dial("udp", address)
		return &Link{Conn: conn}, err
	}
}
