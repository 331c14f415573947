package demo

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

func TestFramesLabSays(t *testing.T) {
	s, call := inLab(t, framesLab)
	tests := []struct {
		deflate string
		saying
		want   string // in what is said
		frames int    // of messages
	}{
		{"no", saying{Who: "client", Text: "Hello"}, "5 bytes. On the wire it was 5 bytes, in 1 frame.", 1},
		{"no", saying{Who: "server", Text: "Hello", Pieces: 1}, "The client has the message", 1},
		{"no", saying{Who: "client", Text: "Hello", Pieces: 3, Ping: true}, "in 3 frames", 3},
		{"no", saying{Who: "server", Text: "Hi", Pieces: 3}, "in 3 frames", 3},
		{"yes", saying{Who: "server", Text: strings.Repeat("again ", 50)}, "300 bytes. On the wire it was 1", 1},
		{"alone", saying{Who: "client", Text: strings.Repeat("again ", 50)}, "300 bytes. On the wire it was 1", 1},
		{"yes", saying{Who: "client", Text: "", Pieces: 2}, "0 bytes, in 2 frames", 2},
	}
	for _, test := range tests {
		if _, err := call("open", deflating{test.deflate}); err != nil {
			t.Fatal(err)
		}
		from := s.cast.Next()
		said, err := call("say", test.saying)
		if err != nil || !strings.Contains(fmt.Sprint(said), test.want) {
			t.Errorf("%+v: %v, %v; want %q in it", test.saying, said, err, test.want)
		}
		n := 0
		for _, f := range events[trace.WSFrame](s.cast.since(from), test.Who) {
			if f.Dir == trace.Out && f.Opcode <= 2 {
				n++
			}
		}
		if n != test.frames {
			t.Errorf("%+v took %d frames, want %d", test.saying, n, test.frames)
		}
	}
}

// TestFramesLabKey holds that the frame of RFC 6455 5.7 goes over the wire, and
// that the trace has its bytes.
func TestFramesLabKey(t *testing.T) {
	s, call := inLab(t, framesLab)
	if _, err := call("say", saying{Who: "client", Text: "Hello", Key: "37fa213d"}); err != nil {
		t.Fatal(err)
	}
	want := "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
	list := s.cast.entries()
	i := slices.IndexFunc(list, func(e entry) bool { _, ok := e.Event.(trace.WSFrame); return ok && e.who == "client" })
	if i < 0 {
		t.Fatal("there is no frame")
	}
	if d, _ := s.cast.Detail(list[i].number); string(d.Bytes) != want {
		t.Errorf("the frame is % x, want % x", d.Bytes, want)
	}
}

func TestFramesLabRefuses(t *testing.T) {
	_, call := inLab(t, framesLab)
	tests := []struct {
		action string
		args   any
		want   string
	}{
		{"open", deflating{"brotli"}, "no way to compress"},
		{"say", saying{Text: strings.Repeat("x", mostSaid+1)}, "too many"},
		{"say", saying{Pieces: mostPieces + 1}, "1 to 16 are possible"},
		{"say", saying{Who: "client", Key: "37fa"}, "8 hexadecimal digits"},
		{"close", goodbye{Code: 70000}, "two bytes hold"},
		{"close", goodbye{Code: 1000, Reason: strings.Repeat("x", 124)}, "has room for 123"},
		{"close", goodbye{Reason: "why"}, "give one"},
		{"break", offenceName{"nothing"}, "no offence"},
		{"question", codeAnswer{"1007"}, "nothing of the kind"},
	}
	for _, test := range tests {
		if _, err := call(test.action, test.args); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %+v: %v, want %q in it", test.action, test.args, err, test.want)
		}
	}
}

func TestFramesLabCloses(t *testing.T) {
	s, call := inLab(t, framesLab)
	tests := []struct {
		goodbye
		answer int // the code of the other end's close frame
	}{
		{goodbye{"client", 1000, "enough"}, 1000},
		{goodbye{"server", 1001, ""}, 1001},
		{goodbye{"server", 4999, "mine"}, 4999},
		{goodbye{"client", 0, ""}, 1005},
		{goodbye{"client", 1005, ""}, 1002},
		{goodbye{"server", 999, "low"}, 1002},
		{goodbye{"server", 1006, ""}, 1002},
	}
	for _, test := range tests {
		from := s.cast.Next()
		said, err := call("close", test.goodbye)
		if err != nil {
			t.Errorf("%+v: %v", test.goodbye, err)
			continue
		}
		other := map[string]string{"client": "server", "server": "client"}[test.Who]
		if got := closings(s.cast.since(from), other, trace.Out); len(got) != 1 || got[0].Code != test.answer {
			t.Errorf("%+v is answered by %+v, want %d (%v)", test.goodbye, got, test.answer, said)
		}
		if sentence := said.(reaction).Said; strings.Contains(sentence, "without a close frame") {
			t.Errorf("%+v: %s", test.goodbye, sentence)
		}
	}
	if _, err := call("ping", framesWho{"server"}); err != nil {
		t.Errorf("a ping on the next connection: %v", err)
	}
}

func TestFramesLabBreaks(t *testing.T) {
	s, call := inLab(t, framesLab)
	rules := map[string]string{
		"unmasked": "frame-unmasked", "masked": "frame-masked", "opcode": "frame-opcode-reserved", "fragment-ping": "control-fragmented",
		"long-ping": "control-too-long", "utf8": "text-utf8", "close-1005": "close-code", "close-999": "close-code",
		"rsv1": "frame-rsv", "continuation": "continuation-unexpected",
	}
	for what := range offences {
		from := s.cast.Next()
		got, err := call("break", offenceName{what})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if r := got.(reaction); !strings.Contains(r.Said, "It closes with 100") || len(r.Rows) < 2 {
			t.Errorf("%s: %+v", what, r)
		}
		victim := map[string]string{"client": "server", "server": "client"}[offences[what].who]
		if found := events[trace.Finding](s.cast.since(from), victim); len(found) != 1 || found[0].Rule != rules[what] {
			t.Errorf("%s: found %+v, want %s", what, found, rules[what])
		}
	}
	for code, right := range map[string]bool{"1007": true, "1002": false} {
		got, err := call("question", codeAnswer{code})
		if v, _ := got.(Verdict); err != nil || v.Right != right {
			t.Errorf("%s: %+v, %v", code, got, err)
		}
	}
}

// TestMayBeSent holds the codes against what a connection of ours sends.
func TestMayBeSent(t *testing.T) {
	e := &ws.Encoder{Role: ws.ServerRole}
	for code := range 5001 {
		if sent := len(e.AppendClose(nil, ws.StatusCode(code), "")) > 2; sent != mayBeSent(code) {
			t.Errorf("%d: sent %v", code, sent)
		}
	}
}
