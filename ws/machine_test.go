package ws

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
)

// tell is an event in one line, to compare.
func tell(ev *Event) string {
	s := fmt.Sprintf("%d %s %q %d %d %v %v %d %q", ev.Kind, ev.Type, short(string(ev.Payload)), ev.Frames, ev.Wire, ev.Compressed, ev.Opaque, ev.Code, ev.Reason)
	if ev.Header != nil {
		s += " " + ev.Header.describe()
	}
	if ev.Violation != nil {
		s += " " + ev.Violation.Error()
	}
	return s
}

func short(s string) string {
	if len(s) > 200 {
		return fmt.Sprintf("%s... %d", s[:200], len(s))
	}
	return s
}

// decode feeds a decoder with pieces of the given sizes, again and again.
func decode(d *Decoder, b []byte, sizes ...int) (events []string) {
	b = slices.Clone(b) // it is unmasked in place
	for i := 0; ; i++ {
		n := len(b)
		if len(sizes) > 0 {
			n = min(n, sizes[i%len(sizes)])
		}
		for piece := b[:n:n]; ; {
			m, ev := d.Next(piece)
			piece = piece[m:]
			if ev.Kind == EventNone {
				break
			}
			events = append(events, tell(&ev))
		}
		if b = b[n:]; len(b) == 0 {
			return events
		}
	}
}

func newTestDecoder(from Role, agreed handshake.Agreement, observe bool) *Decoder {
	d := NewDecoder(from, agreed, Limits{})
	d.Observe, d.Frames = observe, true
	return d
}

func init() {
	if raced {
		pieceSizes = pieceSizes[3:]
	}
}

// pieceSizes are ways to cut what comes.
var pieceSizes = [][]int{{2}, {7}, {64, 1}, {1}, {3, 1}}

// TestDecoderPieces: however the bytes are cut, the same events come of them, to
// an endpoint and to an observer.
func TestDecoderPieces(t *testing.T) {
	for _, c := range allCases() {
		if c.huge() {
			continue
		}
		for _, from := range []Role{ClientRole, ServerRole} {
			for _, observe := range []bool{false, true} {
				b, agreed := c.script(from), agreementOf(c.offer)
				want := decode(newTestDecoder(from, agreed, observe), b)
				for _, sizes := range pieceSizes {
					if len(b) > 20000 && sizes[0] < 64 {
						continue
					}
					if got := decode(newTestDecoder(from, agreed, observe), b, sizes...); !slices.Equal(got, want) {
						t.Errorf("%s, from the %s, observed %v, in pieces of %v:\n%s\nwant\n%s", c.name, from, observe, sizes, strings.Join(got, "\n"), strings.Join(want, "\n"))
					}
				}
			}
		}
	}
}

// TestObserver holds the observer against the cases: it finds what an endpoint
// ends the connection for, and what it shows does not depend on the pieces.
func TestObserver(t *testing.T) {
	for _, c := range allCases() {
		if c.huge() {
			continue
		}
		for _, from := range []Role{ClientRole, ServerRole} {
			b := c.script(from)
			before := string(b)
			want := observed(&c, from, b)
			if string(b) != before {
				t.Fatalf("%s: the observer changed what it was given", c.name)
			}
			rules := want.rules()
			if rule := c.ruleFor(from) + c.finding; rule != "" && !slices.Contains(rules, rule) || rule == "" && len(rules) > 0 {
				t.Errorf("%s, from the %s: %q; want %q", c.name, from, rules, rule)
			}
			for _, sizes := range pieceSizes {
				if len(b) > 20000 && sizes[0] < 64 {
					continue
				}
				if got := observed(&c, from, b, sizes...); !slices.Equal(got, want) {
					t.Errorf("%s, from the %s, in pieces of %v:\n%.2000s\nwant\n%.2000s", c.name, from, sizes, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
		}
	}
}

type seen []string

func (s seen) rules() (all []string) {
	for _, line := range s {
		if rule, ok := strings.CutPrefix(line, "finding "); ok {
			all = append(all, strings.Fields(rule)[0])
		}
	}
	return all
}

func observed(c *conformance, from Role, b []byte, sizes ...int) (all seen) {
	rec := &trace.Recorder{}
	o := NewObserver(trace.New(rec, trace.Frame), 1, agreementOf(c.offer), Limits{})
	for i := 0; len(b) > 0; i++ {
		n := len(b)
		if len(sizes) > 0 {
			n = min(n, sizes[i%len(sizes)])
		}
		o.Feed(from, b[:n])
		b = b[n:]
	}
	for _, r := range rec.Records() {
		switch e := r.Event.(type) {
		case trace.Finding:
			all = append(all, fmt.Sprintf("finding %s %s", e.Rule, e.Came))
		case trace.WSMessage:
			all = append(all, fmt.Sprintf("%s %s %d %d %v %q", e.Dir, e.Type, e.Frames, e.Wire, e.Compressed, short(string(e.Payload))))
		default:
			all = append(all, short(fmt.Sprintf("%s %+v", e.Name(), e)))
		}
	}
	return all
}

// TestCloseCodes holds all numbers against the registry.
func TestCloseCodes(t *testing.T) {
	for code := range 1 << 16 {
		valid := code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
		d := NewDecoder(ServerRole, handshake.Agreement{}, Limits{})
		_, ev := d.Next(wire(ServerRole, closeWith(code, "")))
		if valid && (ev.Kind != EventClose || ev.Code != StatusCode(code)) {
			t.Errorf("%d: %s", code, tell(&ev))
		}
		if !valid && (ev.Kind != EventBroken || ev.Violation.ID != "close-code" || ev.Violation.Code != StatusProtocolError) {
			t.Errorf("%d: %s", code, tell(&ev))
		}
		if StatusCode(code).Sendable() != valid {
			t.Errorf("Sendable of %d is %v", code, !valid)
		}
		if body := appendCloseBody(nil, StatusCode(code), ""); valid != (len(body) == 2) {
			t.Errorf("%d: a body of %x", code, body)
		}
	}
}

// TestObserverBounded: a message of an observer keeps to the limit whatever else
// its frames break.
func TestObserverBounded(t *testing.T) {
	part := strings.Repeat("x", 1000)
	for name, f := range map[string]fr{
		"not masked":                        {op: OpContinuation, data: part, more: true, flip: true},
		"reserved bit":                      {op: OpContinuation, data: part, more: true, rsv: 2},
		"long length":                       {op: OpContinuation, data: part, more: true, wide: 8},
		"unmasked and large, within a text": {op: OpText, data: part, more: true, flip: true},
	} {
		d := NewDecoder(ClientRole, handshake.Agreement{}, Limits{MaxMessage: 5000, MaxFragments: 100})
		d.Observe = true
		decode(d, wire(ClientRole, fr{op: OpText, more: true, flip: true}))
		for range 50 {
			decode(d, wire(ClientRole, f))
			if len(d.buf) > 5000 || len(d.ctl) > maxControl {
				t.Fatalf("%s: %d bytes are kept", name, len(d.buf)+len(d.ctl))
			}
		}
	}
	d := NewDecoder(ClientRole, handshake.Agreement{}, Limits{})
	d.Observe = true
	decode(d, wire(ClientRole, fr{op: OpPing, data: strings.Repeat("x", 100000), flip: true}))
	if cap(d.ctl) > 1000 {
		t.Errorf("%d bytes of a ping are kept", cap(d.ctl))
	}
}

// TestObserverContextLost: behind a message that was not inflated, those that
// need its context are not shown wrong.
func TestObserverContextLost(t *testing.T) {
	p, rec := newPacking(15), &trace.Recorder{}
	o := NewObserver(trace.New(rec, trace.Message), 1, agreementOf(deflateOffer), Limits{MaxMessage: 5000})
	for _, s := range []string{prose(1000), prose(9000), prose(2000), prose(2000)} {
		o.Feed(ClientRole, wire(ClientRole, fr{op: OpText, rsv: rsv1, data: p.pack(s, false)}))
	}
	o.Feed(ClientRole, wire(ClientRole, text("plain")))
	messages, notes := trace.Events[trace.WSMessage](rec.Records()), trace.Events[trace.Note](rec.Records())
	if len(messages) != 4 || string(messages[0].Payload) != prose(1000) || string(messages[3].Payload) != "plain" {
		t.Fatalf("%d messages: %.300v", len(messages), messages)
	}
	if m := messages[1]; len(m.Payload) != 0 || m.Wire == 0 || len(notes) != 1 {
		t.Errorf("%.300v, %q", m, notes)
	}
}
