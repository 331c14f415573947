package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// The parts of a race, by the names that they have in the trace.
const (
	udpClient, udpTap, udpServer = "UDP client", "UDP tap", "UDP server"
	tcpClient, tcpTap, tcpServer = "TCP client", "TCP tap", "TCP server"
)

// tracks are the messages of a race, as the trace has them.
type tracks struct {
	c        conditions
	udp, tcp track
	dropped  int // datagrams, by tap
}

// track is what became of each message by one of the two.
type track struct {
	list     []racer
	begun    time.Time
	expected time.Duration // the delay that the conditions explain
	gap      time.Duration
	stream   bool
	streamed string // what came of the next message
}

// racer is one message. Times are in milliseconds since the first one was sent.
type racer struct {
	N     int     `json:"n"`
	Sent  float64 `json:"sent"`
	Came  float64 `json:"came"`
	State string  `json:"state"` // waiting, way, time, late, waited, overtaken or lost
	Rows  []int   `json:"rows"`  // its records

	sent, came time.Time
}

// slack is how much later than expected still counts as in time.
const slack = 5 * time.Millisecond

// follow reads a race out of its records.
func follow(c conditions, list []entry) *tracks {
	t := &tracks{c: c, tcp: track{stream: true}}
	for _, k := range []*track{&t.udp, &t.tcp} {
		k.list = make([]racer, c.Messages)
		k.expected, k.gap = ms(c.Delay)+ms(c.Jitter)+slack, ms(c.Gap)
		for i := range k.list {
			k.list[i].N = i + 1
		}
	}
	for _, e := range list {
		t.take(e)
	}
	return t
}

func (t *tracks) take(e entry) {
	switch event := e.Event.(type) {
	case trace.Datagram:
		switch {
		case e.who == udpClient && event.Dir == trace.Out:
			t.udp.left(e, string(event.Payload))
		case e.who == udpServer && event.Dir == trace.In:
			t.udp.arrived(e, string(event.Payload))
		}
	case trace.Data:
		switch {
		case e.who == tcpClient && event.Dir == trace.Out:
			t.tcp.left(e, string(event.Payload))
		case e.who == tcpServer && event.Dir == trace.In:
			t.tcp.flowed(e, string(event.Payload))
		}
	case trace.Fault:
		if e.who == udpTap && event.Kind == "loss" {
			t.dropped++
		}
	}
}

// raced is message n of a race.
func raced(n, of int) string { return fmt.Sprintf("message %d of %d\n", n, of) }

// message finds the message that a text is.
func (k *track) message(text string) *racer {
	number, _, _ := strings.Cut(strings.TrimPrefix(text, "message "), " ")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(k.list) {
		return nil
	}
	return &k.list[n-1]
}

func (k *track) left(e entry, text string) {
	m := k.message(text)
	if m == nil {
		return
	}
	if k.begun.IsZero() {
		k.begun = e.Time
	}
	m.sent, m.Sent, m.Rows = e.Time, k.since(e.Time), append(m.Rows, e.number)
}

func (k *track) arrived(e entry, text string) {
	if m := k.message(text); m != nil && m.came.IsZero() {
		m.came, m.Came, m.Rows = e.Time, k.since(e.Time), append(m.Rows, e.number)
	}
}

// flowed takes a piece of a stream, which knows no borders: each line is a
// message, and comes with its last byte.
func (k *track) flowed(e entry, text string) {
	k.streamed += text
	for {
		line, rest, ok := strings.Cut(k.streamed, "\n")
		if !ok {
			return
		}
		k.streamed = rest
		k.arrived(e, line)
	}
}

func (k *track) since(t time.Time) float64 {
	return float64(t.Sub(k.begun).Microseconds()) / 1000
}

// judge says of each message what became of it.
func (k *track) judge(over bool) {
	for i := range k.list {
		k.list[i].State = k.state(&k.list[i], over)
	}
}

func (k *track) state(m *racer, over bool) string {
	switch {
	case m.sent.IsZero():
		return "waiting"
	case m.came.IsZero() && over:
		return "lost"
	case m.came.IsZero():
		return "way"
	case k.overtakes(m) != nil:
		return "overtaken"
	case k.waited(m):
		return "waited"
	case m.came.Sub(m.sent) > k.expected:
		return "late"
	}
	return "time"
}

// overtakes is the first message that was sent after m and came before it; nil
// where there is none.
func (k *track) overtakes(m *racer) *racer {
	for i := m.N; i < len(k.list); i++ {
		if other := &k.list[i]; !other.came.IsZero() && other.came.Before(m.came) {
			return other
		}
	}
	return nil
}

func (k *track) overtaken() (list []*racer) {
	for i := range k.list {
		if m := &k.list[i]; k.overtakes(m) != nil {
			list = append(list, m)
		}
	}
	return list
}

// waited reports whether m came out of a stream at one time with the message
// before it, as it does where it was there already and had to wait for that one.
func (k *track) waited(m *racer) bool {
	if !k.stream || m.N == 1 {
		return false
	}
	before := k.list[m.N-2]
	return !before.came.IsZero() && m.came.Sub(before.came) < k.gap/4
}

func (k *track) arrivals() (n int) {
	for _, m := range k.list {
		if !m.came.IsZero() {
			n++
		}
	}
	return n
}

// complete reports whether nothing more is to come.
func (t *tracks) complete() bool {
	return t.tcp.arrivals() == t.c.Messages && t.udp.arrivals()+t.dropped >= t.c.Messages
}

// order says of a stream that it was one.
func (k *track) order() string {
	if len(k.overtaken()) > 0 || k.arrivals() < len(k.list) {
		return "By TCP not all have come."
	}
	if n := k.count("waited"); n > 0 {
		return fmt.Sprintf("By TCP none was overtaken: %d waited for the one before them instead.", n)
	}
	return "By TCP none was overtaken."
}

func (k *track) count(state string) (n int) {
	for _, m := range k.list {
		if m.State == state {
			n++
		}
	}
	return n
}

// slowest is the longest that a message took.
func (k *track) slowest() (most time.Duration) {
	for _, m := range k.list {
		if !m.came.IsZero() {
			most = max(most, m.came.Sub(m.sent))
		}
	}
	return most
}

// summary counts what became of the messages.
func (k *track) summary(name string) string {
	parts := []string{fmt.Sprintf("%s: %d of %d came", name, k.arrivals(), len(k.list))}
	for _, state := range []struct{ name, words string }{
		{"lost", "lost"}, {"overtaken", "overtaken"}, {"late", "late"}, {"waited", "waited for the one before"},
	} {
		if n := k.count(state.name); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state.words))
		}
	}
	return fmt.Sprintf("%s; the slowest took %d ms.", strings.Join(parts, ", "), k.slowest().Milliseconds())
}
