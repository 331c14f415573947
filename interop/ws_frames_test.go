package interop

import (
	"bytes"
	"compress/flate"
	"fmt"
	"strings"
	"testing"
)

// badFrames are frames that end the connection with a close code, sent by the
// peer of a client or a server of ours.
type badFrames struct {
	name   string
	frames []rawFrame
	code   int
	rule   string // the finding's identifier
	clause string
}

var wsBadFrames = append(badUTF8(), []badFrames{
	{"the length's top bit set", []rawFrame{{op: opBinary, length: []byte{127, 0x80, 0, 0, 0, 0, 0, 0, 1}}}, 1002, "frame-length-top-bit", "RFC 6455 5.2"},
	{"a length of 2^63-1", []rawFrame{{op: opBinary, length: []byte{127, 0x7f, 255, 255, 255, 255, 255, 255, 255}}}, 1009, "message-too-big", "RFC 6455"},
	{"a length of 33 MiB, and no more", []rawFrame{{op: opBinary, length: []byte{127, 0, 0, 0, 0, 2, 16, 0, 0}}}, 1009, "message-too-big", "RFC 6455"},
	{"a length in more bytes than it needs", []rawFrame{{op: opText, data: "hello", length: []byte{126, 0, 5}}}, 1002, "frame-length-not-minimal", "RFC 6455 5.2"},
	{"RSV1 without an extension", []rawFrame{{op: opText, rsv: 4, data: "x"}}, 1002, "frame-rsv", "RFC 6455 5.2"},
	{"RSV2", []rawFrame{{op: opText, rsv: 2, data: "x"}}, 1002, "frame-rsv", "RFC 6455 5.2"},
	{"RSV3 on a ping", []rawFrame{{op: opPing, rsv: 1}}, 1002, "frame-rsv", "RFC 6455 5.2"},
	{"opcode 3", []rawFrame{{op: 3}}, 1002, "frame-opcode-reserved", "RFC 6455 5.2"},
	{"opcode 7", []rawFrame{{op: 7, data: "x"}}, 1002, "frame-opcode-reserved", "RFC 6455 5.2"},
	{"opcode 11", []rawFrame{{op: 11}}, 1002, "frame-opcode-reserved", "RFC 6455 5.2"},
	{"opcode 15", []rawFrame{{op: 15, data: "x"}}, 1002, "frame-opcode-reserved", "RFC 6455 5.2"},
	{"a fragmented ping", []rawFrame{{op: opPing, more: true, data: "x"}}, 1002, "control-fragmented", "RFC 6455 5.5"},
	{"a fragmented close", []rawFrame{{op: opClose, more: true}}, 1002, "control-fragmented", "RFC 6455 5.5"},
	{"a ping of 126 bytes", []rawFrame{{op: opPing, data: strings.Repeat("x", 126)}}, 1002, "control-too-long", "RFC 6455 5.5"},
	{"a close of 126 bytes", []rawFrame{{op: opClose, data: closeData(1000, strings.Repeat("x", 124))}}, 1002, "control-too-long", "RFC 6455 5.5"},
	{"a continuation of nothing", []rawFrame{{op: opContinuation, data: "x"}}, 1002, "continuation-unexpected", "RFC 6455 5.4"},
	{"a message within a message", []rawFrame{{op: opText, more: true, data: "x"}, {op: opText, data: "y"}}, 1002, "message-interleaved", "RFC 6455 5.4"},
	{"a close of one byte", []rawFrame{{op: opClose, data: "\x03"}}, 1002, "close-one-byte", "RFC 6455 5.5.1"},
	{"close code 0", []rawFrame{{op: opClose, data: closeData(0, "")}}, 1002, "close-code", "RFC 6455 7.4"},
	{"close code 999", []rawFrame{{op: opClose, data: closeData(999, "")}}, 1002, "close-code", "RFC 6455 7.4"},
	{"close code 1004", []rawFrame{{op: opClose, data: closeData(1004, "")}}, 1002, "close-code", "RFC 6455 7.4"},
	{"close code 1005", []rawFrame{{op: opClose, data: closeData(1005, "")}}, 1002, "close-code", "RFC 6455 7.4"},
	{"close code 1006", []rawFrame{{op: opClose, data: closeData(1006, "")}}, 1002, "close-code", "RFC 6455 7.4"},
	{"close code 1015", []rawFrame{{op: opClose, data: closeData(1015, "")}}, 1002, "close-code", "RFC 6455 7.4"},
	{"close code 1016", []rawFrame{{op: opClose, data: closeData(1016, "")}}, 1002, "close-code", "RFC 6455 7.4"},
	{"close code 2999", []rawFrame{{op: opClose, data: closeData(2999, "")}}, 1002, "close-code", "RFC 6455 7.4"},
	{"close code 5000", []rawFrame{{op: opClose, data: closeData(5000, "")}}, 1002, "close-code", "RFC 6455 7.4"},
	{"a reason that is not UTF-8", []rawFrame{{op: opClose, data: closeData(1000, "\xff")}}, 1007, "close-reason-utf8", "RFC 6455 5.5.1"},
	{"the wrong mask", []rawFrame{{op: opText, data: "x", flipped: true}}, 1002, "frame-(un)?masked", "RFC 6455 5.1"},
}...)

// badUTF8 is text cut and broken at each byte of characters of two to four
// bytes, and what UTF-8 has never allowed.
func badUTF8() (all []badFrames) {
	bad := func(name string, frames ...rawFrame) {
		all = append(all, badFrames{name, frames, 1007, "text-utf8", "RFC 6455 8.1"})
	}
	for _, char := range []string{"ü", "☃", "🧦"} {
		for i := 1; i < len(char); i++ {
			bad(fmt.Sprintf("%s cut behind byte %d", char, i), rawFrame{op: opText, data: "x" + char[:i]})
			bad(fmt.Sprintf("%s broken at byte %d", char, i), rawFrame{op: opText, data: char[:i] + "x" + char[i:]})
			bad(fmt.Sprintf("%s broken by a frame at byte %d", char, i),
				rawFrame{op: opText, more: true, data: char[:i]}, rawFrame{op: opContinuation, more: true, data: "x"})
			bad(fmt.Sprintf("%s cut by the last frame at byte %d", char, i),
				rawFrame{op: opText, more: true, data: char[:i]}, rawFrame{op: opContinuation})
		}
	}
	for _, s := range []string{"\x80", "\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80", "\xf8\x88\x80\x80\x80"} {
		bad(fmt.Sprintf("% x", s), rawFrame{op: opText, data: s})
	}
	return all
}

func frameBytes(client bool, frames []rawFrame) []byte {
	var b bytes.Buffer
	for _, f := range frames {
		b.Write(f.bytes(client))
	}
	return b.Bytes()
}

// A listener ends each such connection with the code, has a finding in its
// trace, and serves the others as before.
func TestWSListenBadFrames(t *testing.T) {
	_, url := wsListen(t, "--echo")
	witness, _ := wsClient(t, wsLibraries["gobwas"], url, wsOptions{})
	t.Run("all", func(t *testing.T) {
		for _, row := range wsBadFrames {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				c := rawDial(t, url)
				c.upgrade(t)
				_, _ = c.Write(frameBytes(true, row.frames))
				if code, reason := c.closing(); code != row.code {
					t.Errorf("closed with %d %q; want %d", code, reason, row.code)
				}
				if rest := c.rest(); rest != "" {
					t.Errorf("%q came behind the close", rest)
				}
			})
		}
	})
	witness.do(wsAct{Do: "text", Data: "nothing happened"})
	witness.nextText("nothing happened")
}

// The finding of each stands in the listener's records.
func TestWSListenFindings(t *testing.T) {
	t.Parallel()
	us, url := wsListen(t, "--echo", "--json")
	for _, row := range wsBadFrames {
		if row.rule == "text-utf8" && !strings.Contains(row.name, "frame") {
			continue // one of each is enough
		}
		c := rawDial(t, url)
		c.upgrade(t)
		_, _ = c.Write(frameBytes(true, row.frames))
		c.drain()
		rule := strings.Replace(row.rule, "(un)?", "un", 1)
		us.awaitRecord(event("finding", fields{"rule": rule, "clause": row.clause, "fault": "client"}))
	}
}

// dial ends each with the code, a finding, and status 3: the server broke the
// protocol.
func TestWSDialBadFrames(t *testing.T) {
	t.Parallel()
	for _, row := range wsBadFrames {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			code := make(chan int, 1)
			url := "ws://" + rawServer(t, func(c *raw) {
				c.upgraded()
				_, _ = c.Write(frameBytes(false, row.frames))
				got, _ := c.closing()
				code <- got
			})
			us := held(t, "dial", "--json", url)
			if row.code == 1009 { // a limit of ours is no rule of the protocol
				wantOneOf(t, us, []int{3, 8})
			} else {
				us.want(3)
			}
			if got := <-code; got != row.code {
				t.Errorf("closed with %d; want %d", got, row.code)
			}
			rule := strings.Replace(row.rule, "(un)?", "", 1)
			us.wantRecord(event("finding", fields{"rule": rule, "clause": row.clause, "fault": "server"}))
		})
	}
}

// What a person sees of it: the rule in words, with its clause.
func TestWSDialSaysWhichRule(t *testing.T) {
	t.Parallel()
	url := "ws://" + rawServer(t, func(c *raw) {
		c.upgraded()
		_, _ = c.Write(frameBytes(false, []rawFrame{{op: opText, data: "fine"}, {op: opText, data: "x", flipped: true}}))
		c.drain()
	})
	us := held(t, "dial", url)
	us.wantSays(3, `^sockkit: dial ws://127\.0\.0\.1:\d+/?: .*mask.*RFC 6455 5\.1`)
	if us.out.String() != "fine\n" {
		t.Errorf("standard output has %q; want what was right", us.out)
	}
}

// Data behind the close frame is passed over, and the close is answered.
func TestWSDataAfterClose(t *testing.T) {
	t.Parallel()
	after := []rawFrame{{op: opClose, data: closeData(1000, "")}, {op: opText, data: "too late"}, {op: opPing, data: "x"}}
	t.Run("listen", func(t *testing.T) {
		t.Parallel()
		us, url := wsListen(t, "--echo", "--json")
		c := rawDial(t, url)
		c.upgrade(t)
		_, _ = c.Write(frameBytes(true, after))
		f, _, err := c.readFrame()
		if err != nil || f.op != opClose {
			t.Errorf("the first answer is %+v, %v; want a close frame", f, err)
		}
		us.awaitRecord(event("finding", fields{"rule": "data-after-close"}))
		us.noRecord(event("ws_message"))
	})
	t.Run("dial", func(t *testing.T) {
		t.Parallel()
		code := make(chan int, 1)
		url := "ws://" + rawServer(t, func(c *raw) {
			c.upgraded()
			_, _ = c.Write(frameBytes(false, after))
			got, _ := c.closing()
			code <- got
		})
		us := held(t, "dial", url)
		wantOneOf(t, us, []int{0, 3})
		if got := <-code; got != 1000 {
			t.Errorf("the close was answered by %d", got)
		}
		if us.out.size() > 0 {
			t.Errorf("standard output has %q", us.out)
		}
	})
}

// A message that is right in every part, and hard: fragments of one byte and
// none, pings in between, characters cut at every byte.
func TestWSHardButRight(t *testing.T) {
	t.Parallel()
	const text = "grüße ☃ 🧦"
	frames := []rawFrame{{op: opText, more: true}}
	for i := range len(text) {
		frames = append(frames, rawFrame{op: opContinuation, more: true, data: text[i : i+1]},
			rawFrame{op: opPing, data: fmt.Sprint(i)}, rawFrame{op: opContinuation, more: true}, rawFrame{op: opPong})
	}
	frames = append(frames, rawFrame{op: opContinuation})
	t.Run("listen", func(t *testing.T) {
		t.Parallel()
		_, url := wsListen(t, "--echo")
		c := rawDial(t, url)
		c.upgrade(t)
		go func() { _, _ = c.Write(frameBytes(true, frames)) }()
		wantPongsAndEcho(t, c, text)
	})
	t.Run("dial", func(t *testing.T) {
		t.Parallel()
		url := "ws://" + rawServer(t, func(c *raw) {
			c.upgraded()
			_, _ = c.Write(frameBytes(false, frames))
			c.closing()
			c.write(string(rawFrame{op: opClose, data: closeData(1000, "")}.bytes(false)))
		})
		us := held(t, "dial", "--count", "1", url)
		us.want(0)
		if us.out.String() != text+"\n" {
			t.Errorf("got %q", us.out)
		}
	})
}

// wantPongsAndEcho reads pongs in order, each for the newest ping at the time
// (RFC 6455 section 5.5.3), and then the echo.
func wantPongsAndEcho(t *testing.T, c *raw, text string) {
	t.Helper()
	last := -1
	for {
		f, masked, err := c.readFrame()
		if err != nil || masked {
			t.Fatalf("%+v, masked %v, %v", f, masked, err)
		}
		if f.op == opText {
			if f.data != text {
				t.Errorf("the echo is %q", f.data)
			}
			break
		}
		n := -1
		_, _ = fmt.Sscan(f.data, &n)
		if f.op != opPong || n <= last {
			t.Errorf("%+v came after the pong for ping %d", f, last)
		}
		last = n
	}
	if last != len(text)-1 {
		t.Errorf("the last pong is for ping %d of %d", last, len(text))
	}
}

// deflated compresses as permessage-deflate does.
func deflateBytes(t *testing.T, data []byte) string {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 9)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(data)
	_ = w.Flush()
	return string(bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff}))
}
