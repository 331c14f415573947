package interop

import (
	"bytes"
	"strings"
	"testing"
)

// An endless run of fragments, of pings, or of compressed nothing ends with the
// close code, within little memory, and others are served meanwhile.
func TestWSListenEndless(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		frames []rawFrame // again and again
		begin  []rawFrame
		code   int
		rule   string
	}{
		{"fragments of a byte", []rawFrame{{op: opContinuation, more: true, data: "x"}}, []rawFrame{{op: opBinary, more: true}}, 1008, "message-fragments"},
		{"fragments of nothing", []rawFrame{{op: opContinuation, more: true}}, []rawFrame{{op: opBinary, more: true}}, 1008, "message-fragments"},
		{"fragments of 64 KiB", []rawFrame{{op: opContinuation, more: true, data: strings.Repeat("x", 65536)}}, []rawFrame{{op: opBinary, more: true}}, 1009, "message-too-big"},
		{"pings", []rawFrame{{op: opPing, data: "x"}}, nil, 1008, "control-rate"},
		{"pongs", []rawFrame{{op: opPong, data: "x"}}, nil, 1008, "control-rate"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			us, url := wsListen(t, "--echo", "--json")
			witness, _ := wsClient(t, wsLibraries["gobwas"], url, wsOptions{})
			c := rawDial(t, url)
			c.upgrade(t)
			go pourFrames(c, true, row.begin, row.frames)
			if code, reason := c.closing(); code != row.code && code != 1006 {
				t.Errorf("closed with %d %q; want %d", code, reason, row.code)
			}
			us.awaitRecord(event("finding", fields{"rule": row.rule}))
			us.awaitRecord(event("ws_close", fields{"dir": "out", "code": row.code}))
			witness.do(wsAct{Do: "text", Data: "nothing happened"})
			witness.nextText("nothing happened")
			if peak := us.peak(); peak > wsMemory {
				t.Errorf("%d MiB of memory", peak/mib)
			}
		})
	}
}

// wsMemory is what a message at its limit of 32 MiB may cost, with the process.
const wsMemory = 160 * mib

// pourFrames sends frames for as long as they are taken.
func pourFrames(c *raw, client bool, begin, again []rawFrame) {
	_, err := c.Write(frameBytes(client, begin))
	many := bytes.Repeat(frameBytes(client, again), 1+65536/len(frameBytes(client, again)))
	for err == nil {
		_, err = c.Write(many)
	}
}

// dial bounds the same.
func TestWSDialEndless(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		begin, again []rawFrame
		rule         string
	}{
		"fragments of nothing": {[]rawFrame{{op: opText, more: true}}, []rawFrame{{op: opContinuation, more: true}}, "message-fragments"},
		"fragments of 64 KiB":  {[]rawFrame{{op: opText, more: true}}, []rawFrame{{op: opContinuation, more: true, data: strings.Repeat("x", 65536)}}, "message-too-big"},
		"pings":                {nil, []rawFrame{{op: opPing, data: "x"}}, "control-rate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := "ws://" + rawServer(t, func(c *raw) {
				c.upgraded()
				go c.drain()
				pourFrames(c, false, row.begin, row.again)
			})
			us := held(t, "dial", "--json", url)
			wantOneOf(t, us, []int{3, 8}) // a limit of ours is no rule of the protocol
			us.wantRecord(event("finding", fields{"rule": row.rule, "fault": "server"}))
		})
	}
}

// A length that is declared is not memory that is taken.
func TestWSListenDeclaredLength(t *testing.T) {
	t.Parallel()
	us, url := wsListen(t, "--echo")
	rawDial(t, url).upgrade(t)
	before := us.status("VmRSS:")
	for range 50 {
		c := rawDial(t, url)
		c.upgrade(t)
		_, _ = c.Write(rawFrame{op: opBinary, data: "abc", length: []byte{127, 0, 0, 0, 0, 1, 0xff, 0, 0}}.bytes(true))
	}
	witness, _ := wsClient(t, wsLibraries["gobwas"], url, wsOptions{})
	witness.do(wsAct{Do: "text", Data: "still here"})
	witness.nextText("still here")
	if grown := us.status("VmRSS:") - before; grown > 64*mib {
		t.Errorf("50 clients that declare 32 MiB each cost %d MiB", grown/mib)
	}
}

// --max-message is the limit, and each side of it is held.
func TestWSMaxMessage(t *testing.T) {
	t.Parallel()
	us, url := wsListen(t, "--echo", "--max-message", "1k", "--json")
	p, _ := wsClient(t, wsLibraries["gorilla"], url, wsOptions{})
	p.do(wsAct{Do: "text", Data: "x", Times: 1024})
	p.next("text")
	p.do(wsAct{Do: "text", Data: "x", Times: 1025})
	if got := p.next("close"); got.Code != 1009 {
		t.Errorf("the client saw %+v; want 1009", got)
	}
	us.awaitRecord(event("finding", fields{"rule": "message-too-big"}))
}

// A compressed bomb is cut at the limit of what it inflates to.
func TestWSCompressedBomb(t *testing.T) {
	t.Parallel()
	bomb := deflateBytes(t, make([]byte, 256*mib))
	frame := rawFrame{op: opBinary, rsv: 4, data: bomb}
	t.Run("listen", func(t *testing.T) {
		t.Parallel()
		us, url := wsListen(t, "--echo", "--compress", "--json")
		c := rawDial(t, url)
		if answer := c.upgrade(t, "Sec-WebSocket-Extensions: permessage-deflate"); headerOf(answer, "Sec-WebSocket-Extensions") == "" {
			t.Fatalf("no compression was agreed on: %s", answer)
		}
		go func() { _, _ = c.Write(frame.bytes(true)) }()
		if code, reason := c.closing(); code != 1009 {
			t.Errorf("closed with %d %q; want 1009", code, reason)
		}
		us.awaitRecord(event("finding", fields{"rule": "deflate-too-big"}))
		if peak := us.peak(); peak > wsMemory {
			t.Errorf("%d MiB of memory for a bomb of %d KiB", peak/mib, len(bomb)>>10)
		}
	})
	t.Run("dial", func(t *testing.T) {
		t.Parallel()
		url := "ws://" + rawServer(t, func(c *raw) {
			c.upgraded("Sec-WebSocket-Extensions: permessage-deflate")
			go c.drain()
			_, _ = c.Write(frame.bytes(false))
			<-soon()
			c.closing()
		})
		us := held(t, "dial", "--compress", "--json", url)
		wantOneOf(t, us, []int{3, 8}) // a limit of ours is no rule of the protocol
		us.wantRecord(event("finding", fields{"rule": "deflate-too-big"}))
	})
}

// What cannot be inflated is 1007, and RSV1 has its place.
func TestWSListenBrokenDeflate(t *testing.T) {
	t.Parallel()
	us, url := wsListen(t, "--echo", "--compress", "--json")
	for _, row := range []badFrames{
		{"garbage", []rawFrame{{op: opText, rsv: 4, data: "\xff\xff\xff\xff"}}, 1007, "deflate-broken", "RFC 7692"},
		{"zlib's header", []rawFrame{{op: opText, rsv: 4, data: "\x78\x9c\x01\x02"}}, 1007, "deflate-broken", "RFC 7692"},
		{"RSV1 on a continuation", []rawFrame{{op: opText, more: true, data: "x"}, {op: opContinuation, rsv: 4, data: "x"}}, 1002, "frame-rsv1-place", "RFC 7692"},
		{"RSV1 on a ping", []rawFrame{{op: opPing, rsv: 4}}, 1002, "frame-rsv1-place", "RFC 7692"},
		{"RSV2", []rawFrame{{op: opText, rsv: 2}}, 1002, "frame-rsv", "RFC 6455 5.2"},
		{"no UTF-8 once inflated", []rawFrame{{op: opText, rsv: 4, data: deflateBytes(t, []byte("a\xff"))}}, 1007, "text-utf8", "RFC 6455 8.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := rawDial(t, url)
			c.upgrade(t, "Sec-WebSocket-Extensions: permessage-deflate")
			_, _ = c.Write(frameBytes(true, row.frames))
			if code, reason := c.closing(); code != row.code {
				t.Errorf("closed with %d %q; want %d", code, reason, row.code)
			}
			us.awaitRecord(event("finding", fields{"rule": row.rule, "clause": row.clause}))
		})
	}
}

// A peer that never answers our close holds nobody up.
func TestWSPeerNeverAnswersTheClose(t *testing.T) {
	t.Parallel()
	t.Run("dial", func(t *testing.T) {
		t.Parallel()
		url := "ws://" + rawServer(t, func(c *raw) { c.upgraded(); c.drain() })
		us := fed(t, strings.NewReader("hello\n"), "dial", "-w", "2s", "--linger", "0", "--json", url)
		us.wait()
		us.wantRecord(event("ws_close", fields{"dir": "out", "code": 1000}))
		us.wantRecord(event("finding", fields{"rule": "close-unanswered"}))
	})
	t.Run("listen", func(t *testing.T) {
		t.Parallel()
		us, url := wsListen(t, "--echo", "-w", "2s")
		c := rawDial(t, url)
		c.upgrade(t)
		endListener(us)
		if code, _ := c.closing(); code != 1001 {
			t.Errorf("closed with %d; want 1001", code)
		}
	})
	t.Run("listen, after a bad frame", func(t *testing.T) {
		t.Parallel()
		us, url := wsListen(t, "--echo", "-w", "2s")
		c := rawDial(t, url)
		c.upgrade(t)
		_, _ = c.Write(frameBytes(true, []rawFrame{{op: 3}}))
		c.drain()
		rawDial(t, url).upgrade(t)
		endListener(us)
	})
}

// A client that answers no ping is ended after two of them.
func TestWSListenPongsMissed(t *testing.T) {
	t.Parallel()
	us, url := wsListen(t, "--echo", "--ping-interval", "50ms", "--json")
	c := rawDial(t, url)
	c.upgrade(t)
	pings := 0
	for {
		f, _, err := c.readFrame()
		if err != nil || f.op == opClose {
			break
		}
		if f.op == opPing {
			pings++
		}
	}
	if pings < 2 || pings > 4 {
		t.Errorf("it was given up after %d pings", pings)
	}
	us.awaitRecord(event("finding", fields{"rule": "pong-missing"}))
	_, url = wsListen(t, "--echo", "--ping-interval", "2s") // a client may be slow on a machine that is busy
	node, _ := wsClient(t, wsLibraries["node ws"], url, wsOptions{})
	node.next("ping")
	node.do(wsAct{Do: "text", Data: "still here"})
	node.nextText("still here")
}

// A client that never reads is ended, and the others get their echoes.
func TestWSListenClientNeverReads(t *testing.T) {
	t.Parallel()
	us, url := wsListen(t, "--broadcast=all")
	deaf := rawDial(t, url)
	deaf.upgrade(t)
	p, _ := wsClient(t, wsLibraries["gorilla"], url, wsOptions{})
	for range 40 {
		p.do(wsAct{Do: "binary", Data: "0123456789abcdef", Times: mib / 16})
		p.next("binary")
	}
	if peak := us.peak(); peak > 2*wsMemory {
		t.Errorf("%d MiB of memory", peak/mib)
	}
}
