package replay

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// recorded are records at intervals of one second.
func recorded(events ...any) iter.Seq2[trace.Record, error] {
	return func(yield func(trace.Record, error) bool) {
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		conn := trace.ID(1)
		for _, e := range events {
			switch e := e.(type) {
			case trace.ID:
				conn = e
			case error:
				if !yield(trace.Record{}, e) {
					return
				}
			case trace.Event:
				if !yield(trace.Record{Time: at, Conn: conn, Event: e}, nil) {
					return
				}
				at = at.Add(time.Second)
			}
		}
	}
}

func out(text string) trace.Event {
	return trace.Data{Dir: trace.Out, Size: len(text), Payload: []byte(text)}
}
func in(text string) trace.Event {
	return trace.Data{Dir: trace.In, Size: len(text), Payload: []byte(text)}
}

// told is a script in one line.
func told(s *Script) string {
	var b strings.Builder
	for _, item := range s.Items {
		sign := "<"
		if item.Ours {
			sign = ">"
		}
		fmt.Fprintf(&b, "%s%s", sign, item.Data)
		if item.End {
			fmt.Fprintf(&b, "end %d", item.Code)
		}
	}
	return b.String()
}

func TestRead(t *testing.T) {
	dialled, accepted := trace.Open{Side: trace.Client}, trace.Open{Side: trace.Server}
	for _, c := range []struct {
		name  string
		layer Layer
		side  string
		trace iter.Seq2[trace.Record, error]
		want  string // scripts, or the error
	}{
		{"a client, as the client", Stream, trace.Client, recorded(dialled, out("a"), in("b"), trace.HalfClose{Dir: trace.Out}), ">a<b>end 0"},
		{"a client, as the server", Stream, trace.Server, recorded(dialled, out("a"), in("b")), "<a>b"},
		{"a server, as the client", Stream, trace.Client, recorded(accepted, in("a"), out("b")), ">a<b"},
		{"a server, as the server", Stream, trace.Server, recorded(accepted, in("a"), out("b")), "<a>b"},
		{"a tap", Stream, trace.Client, recorded(accepted, in("a"), trace.ID(2), dialled, out("a"), in("b"), trace.ID(1), out("b")), ">a<b"},
		{"two connections", Stream, trace.Client, recorded(dialled, out("a"), trace.ID(2), dialled, out("b")), ">a|>b"},
		{"messages", Messages, trace.Client, recorded(trace.Upgrade{Side: trace.Client, Target: "/x"}, out("no"),
			trace.WSMessage{Dir: trace.Out, Type: "text", Payload: []byte("a")}, trace.WSClose{Dir: trace.Out, Code: 1001}), ">a>end 1001"},
		{"events", Events, trace.Client, recorded(
			trace.SIOPacket{Dir: trace.Out, Session: "s", Namespace: "/", Type: "CONNECT"},
			trace.SIOPacket{Dir: trace.Out, Session: "s", Namespace: "/", Type: "EVENT", EventName: "add", AckID: "0", Payload: []byte(`["add",2,3]`)},
			trace.SIOPacket{Dir: trace.In, Session: "s", Namespace: "/", Type: "ACK", AckID: "0", Payload: []byte(`[5]`)}), ">add 2 3<ack 5"},
		{"bytes before an event", Events, trace.Client, recorded(
			trace.EIOPacket{Dir: trace.In, Session: "s", Binary: true, Payload: []byte{1, 2, 3}},
			trace.SIOPacket{Dir: trace.In, Session: "s", Type: "EVENT", EventName: "u", Attachments: 1, Payload: []byte(`["u",{"_placeholder":true,"num":0}]`)}), `<u {"_base64":"AQID"}`},
		{"bytes before two events", Events, trace.Client, recorded(
			trace.EIOPacket{Dir: trace.In, Session: "s", Binary: true, Payload: []byte{1}},
			trace.EIOPacket{Dir: trace.In, Session: "s", Binary: true, Payload: []byte{2}},
			trace.SIOPacket{Dir: trace.In, Session: "s", Type: "EVENT", EventName: "t", Payload: []byte(`["t"]`)},
			trace.SIOPacket{Dir: trace.In, Session: "s", Type: "EVENT", EventName: "u", Attachments: 1, Payload: []byte(`["u",{"_placeholder":true,"num":0}]`)},
			trace.SIOPacket{Dir: trace.In, Session: "s", Type: "EVENT", EventName: "v", Attachments: 1, Payload: []byte(`["v",{"_placeholder":true,"num":0}]`)}), `<t<u {"_base64":"AQ=="}<v {"_base64":"Ag=="}`},
		{"bytes behind an event", Events, trace.Client, recorded(
			trace.SIOPacket{Dir: trace.Out, Session: "s", Type: "EVENT", EventName: "u", Attachments: 1, Payload: []byte(`["u",{"_placeholder":true,"num":0}]`)},
			trace.EIOPacket{Dir: trace.Out, Session: "s", Binary: true, Payload: []byte{1, 2, 3}}), `>u {"_base64":"AQID"}`},
		{"bytes that are not there", Events, trace.Client, recorded(
			trace.SIOPacket{Dir: trace.Out, Session: "s", Type: "EVENT", EventName: "u", Attachments: 1, Payload: []byte(`["u",{"_placeholder":true,"num":0}]`)}), "lacks the bytes of 1 events"},
		{"datagrams of a socket with many peers", Datagrams, trace.Server, recorded(trace.ID(0),
			trace.Datagram{Dir: trace.In, Remote: "a", Payload: []byte("1")}, trace.Datagram{Dir: trace.In, Remote: "b", Payload: []byte("2")},
			trace.Datagram{Dir: trace.Out, Remote: "a", Payload: []byte("3")}), "<1>3|<2"},
		{"nothing of the kind", Messages, trace.Client, recorded(dialled, out("a")), "the trace has no messages of a WebSocket"},
		{"a broken trace", Stream, trace.Client, recorded(dialled, out("a"), io.ErrUnexpectedEOF), "unexpected EOF"},
	} {
		scripts, err := Read(c.trace, c.layer, c.side)
		var lines []string
		for _, s := range scripts {
			lines = append(lines, told(s))
		}
		if got := strings.Join(lines, "|"); err == nil && got != c.want || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestCompare(t *testing.T) {
	heard := func(texts ...string) (items []Item) {
		for _, text := range texts {
			items = append(items, Item{Data: []byte(text)})
		}
		return items
	}
	for _, c := range []struct {
		name           string
		layer          Layer
		ignore         string
		recorded, came []Item
		want           string
	}{
		{"the same", Messages, "", heard("a", "b"), heard("a", "b"), ""},
		{"nothing", Messages, "", nil, nil, ""},
		{"another", Messages, "", heard("a", "b", "c"), heard("a", "x", "c"), ` "a"|-"b"|+"x"| "c"`},
		{"one more, one less", Messages, "", heard("a", "b", "c"), heard("b", "c", "d"), `-"a"| "b"| "c"|+"d"`},
		{"order", Messages, "", heard("a", "b"), heard("b", "a"), `-"a"| "b"|+"a"`},
		{"not text", Messages, "", heard("\xff\x00"), heard("\xff\x01"), `-ff 00|+ff 01`},
		{"control characters", Messages, "", heard("a"), heard("\x1b[31m"), `-"a"|+"\x1b[31m"`},
		{"pieces of a stream mean nothing", Stream, "", heard("hel", "lo\nyou\n"), heard("hello\n", "you\n"), ""},
		{"lines of a stream", Stream, "", heard("hello\nyou\n"), heard("hello\nme\n"), ` "hello\n"|-"you\n"|+"me\n"`},
		{"what may differ", Messages, `id=\d+`, heard("id=1 a", "b"), heard("id=23 a", "b"), ""},
		{"what may differ is not all", Messages, `id=\d+`, heard("id=1 a"), heard("id=23 b"), `-"id=1 a"|+"id=23 b"`},
	} {
		comparer := &Comparer{Layer: c.layer}
		if c.ignore != "" {
			comparer.Ignore = []*regexp.Regexp{regexp.MustCompile(c.ignore)}
		}
		wantLines(t, c.name, comparer.Compare(&Script{Items: c.recorded}, &Outcome{Came: c.came}), c.want)
	}
}

// wantLines demands these lines of a comparison; none, where all is the same.
func wantLines(t *testing.T, name string, r *Comparison, want string) {
	t.Helper()
	var lines []string
	for _, l := range r.Lines {
		lines = append(lines, string(l.Sign)+l.Text)
	}
	if got := strings.Join(lines, "|"); got != want || r.Same != (want == "") {
		t.Errorf("%s: %s, same %v; want %s", name, got, r.Same, want)
	}
}

// TestCompareEnds holds the end of the other side against that which was recorded,
// where it came before this side's.
func TestCompareEnds(t *testing.T) {
	theirs := func(code int, why string) *Item { return &Item{End: true, Code: code, Why: why} }
	ours := &Item{Ours: true, End: true, Code: 1000}
	for _, c := range []struct {
		name     string
		layer    Layer
		recorded []*Item
		came     *Item
		want     string
	}{
		{"the same code", Messages, []*Item{theirs(4001, "so long")}, theirs(4001, "so long"), ""},
		{"another reason", Messages, []*Item{theirs(4001, "so long")}, theirs(4001, ""), `-(closed with 4001 "so long")|+(closed with 4001)`},
		{"no close frame", Messages, []*Item{theirs(4001, "")}, theirs(1006, ""), `-(closed with 4001)|+(the connection ended without a close frame)`},
		{"no end", Messages, []*Item{theirs(1000, "")}, nil, `-(closed with 1000)`},
		{"an answer to ours", Messages, []*Item{ours, theirs(1000, "")}, theirs(1001, ""), ""},
		{"a stream", Stream, []*Item{theirs(0, "")}, nil, `-(the end)`},
		{"none was recorded", Stream, nil, theirs(0, ""), ""},
		{"too early", Stream, []*Item{{Data: []byte("a")}}, theirs(0, ""), `-"a"|+(the end)`},
		{"an event", Events, []*Item{{Data: []byte(`said "abcdefgh" 1`)}, {Data: []byte("x")}}, nil, `-said "abcdefgh" 1|-x`},
	} {
		var items []Item
		for _, item := range c.recorded {
			items = append(items, *item)
		}
		wantLines(t, c.name, (&Comparer{Layer: c.layer}).Compare(&Script{Items: items}, &Outcome{End: c.came}), c.want)
	}
}

// TestOwnID holds that the id of a socket of Socket.IO may be another each time,
// and goes into what is said.
func TestOwnID(t *testing.T) {
	packet := func(dir trace.Dir, kind, name, payload string) trace.SIOPacket {
		return trace.SIOPacket{Dir: dir, Session: "s", Namespace: "/", Type: kind, EventName: name, Payload: []byte(payload)}
	}
	events := recorded(
		packet(trace.Out, "CONNECT", "", `{"sid":"not this one"}`), packet(trace.In, "CONNECT", "", `{"sid":"recorded-id"}`),
		packet(trace.In, "EVENT", "welcome", `["welcome","recorded-id"]`), packet(trace.Out, "EVENT", "iam", `["iam","recorded-id"]`))
	scripts, err := Read(events, Events, trace.Client)
	if err != nil || len(scripts) != 1 || scripts[0].ID != "recorded-id" {
		t.Fatalf("%+v %v", scripts, err)
	}
	if got := scripts[0].withID(scripts[0].Items[1], "another-id"); string(got.Data) != `iam "another-id"` {
		t.Errorf("%s", got.Data)
	}
	for id, same := range map[string]bool{"another-id": true, "third-id": false} {
		came := []Item{{Text: true, Data: []byte(`welcome "another-id"`)}}
		if r := (&Comparer{Layer: Events}).Compare(scripts[0], &Outcome{Came: came, ID: id}); r.Same != same {
			t.Errorf("%s: %+v", id, r)
		}
	}
}

// TestPaired shows what came beside what it came in place of.
func TestPaired(t *testing.T) {
	for in, want := range map[string]string{"--++": "-+-+", " ---+++ ": " -+-+-+ ", "--+": "--+", "-+-+": "-+-+", "++--": "++--", "--++ --++": "-+-+ -+-+", "": ""} {
		var lines []Line
		for _, sign := range []byte(in) {
			lines = append(lines, Line{Sign: sign})
		}
		got := ""
		for _, l := range paired(lines) {
			got += string(l.Sign)
		}
		if got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// TestCompareMany holds that a long conversation is compared within bounds, and
// what is far from a difference is left out.
func TestCompareMany(t *testing.T) {
	var a, b []Item
	for i := range 20_000 {
		a = append(a, Item{Data: fmt.Appendf(nil, "a%d", i)})
		b = append(b, Item{Data: fmt.Appendf(nil, "b%d", i)})
	}
	if r := (&Comparer{Layer: Messages}).Compare(&Script{Items: a}, &Outcome{Came: b}); r.Same || len(r.Lines) != 40_000 {
		t.Errorf("%d lines, same %v", len(r.Lines), r.Same)
	}
	b = append([]Item(nil), a...)
	b[10_000] = Item{Data: []byte("x")}
	r := (&Comparer{Layer: Messages}).Compare(&Script{Items: a}, &Outcome{Came: b})
	if len(r.Lines) != 2+2+2+2 || r.Lines[0].Text != "… 9998 the same …" {
		t.Errorf("the lines are %v", r.Lines)
	}
}

// TestRhythm plays in a bubble, in which time passes when nobody does anything.
func TestRhythm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scripts, err := Read(recorded(trace.Open{Side: trace.Client}, out("a"), out("b"), in("B"), out("c"), in("C")), Stream, trace.Client)
		if err != nil {
			t.Fatal(err)
		}
		for fast, want := range map[bool]time.Duration{false: 4 * time.Second, true: 0} {
			ours, theirs := net.Pipe()
			came := make(chan string, 10)
			go answer(theirs, came)
			began := time.Now()
			o := (&Player{Layer: Stream, Fast: fast, Linger: time.Nanosecond}).Play(t.Context(), scripts[0], Connection(ours, Stream))
			if o.Err != nil || o.Sent != 3 || len(o.Came) != 2 {
				t.Errorf("fast %v: %+v", fast, o)
			}
			if took := time.Since(began).Round(time.Millisecond); took != want {
				t.Errorf("fast %v: it took %v, want %v", fast, took, want)
			}
		}
	})
}

// answer is a server that answers b and c, in capitals.
func answer(c net.Conn, came chan string) {
	defer c.Close()
	b := make([]byte, 10)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if text := string(b[:n]); text != "a" {
			if _, err := io.WriteString(c, strings.ToUpper(text)); err != nil {
				return
			}
		}
	}
}

// TestAnswers holds that a server answers what it was asked, and not the clock.
func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scripts, err := Read(recorded(trace.Open{Side: trace.Client}, out("a"), in("A")), Stream, trace.Server)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			time.Sleep(4 * time.Second) // longer than it took when it was recorded
			_, _ = io.WriteString(theirs, "a")
			_, _ = io.ReadFull(theirs, make([]byte, 1))
		}()
		o := (&Player{Layer: Stream, Answers: true}).Play(t.Context(), scripts[0], Connection(ours, Stream))
		if o.Err != nil || o.Sent != 1 || len(o.Came) != 1 {
			t.Errorf("%+v", o)
		}
	})
}

// TestEnds plays to servers that end too early, or not at all.
func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := &Script{Items: []Item{{Ours: true, Data: []byte("a")}, {Data: []byte("A")}, {Ours: true, Data: []byte("b")}}}
		ours, theirs := net.Pipe()
		go func() {
			_, _ = theirs.Read(make([]byte, 1))
			theirs.Close()
		}()
		if o := (&Player{Layer: Stream, Fast: true}).Play(t.Context(), script, Connection(ours, Stream)); o.Err == nil || o.Sent != 1 {
			t.Errorf("a server that leaves: %+v", o)
		}

		ours, theirs = net.Pipe()
		defer theirs.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if o := (&Player{Layer: Stream, Fast: true}).Play(ctx, script, Connection(ours, Stream)); o.Err == nil || o.Sent != 0 {
			t.Errorf("a server that reads nothing: %+v", o)
		}
	})
}

// TestEndThatIsDue waits for the end of a server that was recorded to end first,
// however long that takes, and for no more than Wait where it does not.
func TestEndThatIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := &Script{Items: []Item{{Data: []byte("A")}, {End: true}, {Ours: true, End: true}}}
		for after, ends := range map[time.Duration]bool{3 * time.Second: true, time.Minute: false} {
			ours, theirs := net.Pipe()
			go func() {
				_, _ = io.WriteString(theirs, "A")
				time.Sleep(after)
				theirs.Close()
			}()
			o := (&Player{Layer: Stream, Fast: true}).Play(t.Context(), script, Connection(ours, Stream))
			if o.Err != nil || (o.End != nil) != ends {
				t.Errorf("after %v: %+v", after, o)
			}
			time.Sleep(after)
		}
	})
}
