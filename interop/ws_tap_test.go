package interop

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// wsTap starts sockkit between a listener of this scheme and a target.
func wsTap(t testing.TB, listen, target string, args ...string) (us *proc, address string) {
	t.Helper()
	us = sockkit(t, append([]string{"tap", listen, target}, args...)...)
	return us, us.address()
}

// recording is what passed, as somebody at the end of the wire sees it.
type recording struct{ request, toServer string }

// Between two sides of one protocol the bytes are relayed as they are: heads in
// the client's spelling, its masks, and rules that are broken; all is observed.
func TestWSTapChangesNoByte(t *testing.T) {
	t.Parallel()
	got := make(chan recording, 1)
	fromServer := []rawFrame{{op: opText, data: "to the client"}, {op: opText, more: true, data: "in "}, {op: opPing, data: "?"}, {op: opContinuation, data: "two"}, {op: opClose, data: closeData(1000, "bye")}}
	target := "ws://" + rawServer(t, func(c *raw) {
		request := c.head()
		c.write("HTTP/1.1 101 Switching  Protocols\r\nuPGRADE: websocket\r\nConnection: Upgrade\r\nX-Odd:   spaces  \r\nSec-WebSocket-Accept: " + acceptOf(request) + "\r\n\r\n" + string(frameBytes(false, fromServer)))
		got <- recording{request, c.rest()}
	}) + "/"
	us, url := wsTap(t, "ws://127.0.0.1:0", target, "--json", "-vvv")
	c := rawDial(t, url)
	request := strings.Replace(strings.Join(rightRequest, "\r\n"), "Host", "hOST", 1) + "\r\nX-Odd:   spaces  \r\n\r\n"
	toServer := string(frameBytes(true, []rawFrame{{op: opText, data: "to the server"}, {op: opBinary, data: strings.Repeat("\x00\xff", 70000)}, {op: opPong, data: "!"}, {op: opClose, data: closeData(1000, "")}}))
	c.write(request + toServer)
	answer := c.head()
	if want := "HTTP/1.1 101 Switching  Protocols\r\nuPGRADE: websocket\r\nConnection: Upgrade\r\nX-Odd:   spaces  \r\nSec-WebSocket-Accept: " + acceptOf(request) + "\r\n\r\n"; answer != want {
		t.Errorf("the client got %q; want %q", answer, want)
	}
	_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	if rest := c.rest(); rest != string(frameBytes(false, fromServer)) {
		t.Errorf("the client got other bytes than were sent: %q", rest)
	}
	if r := <-got; r.request != request || r.toServer != toServer {
		t.Errorf("the server got %q and %d bytes; want %q and %d", r.request, len(r.toServer), request, len(toServer))
	}
	for _, want := range []fields{event("http_head", fields{"line": "GET / HTTP/1.1"}), event("http_head", fields{"line": "101"}), event("upgrade"),
		event("ws_message", fields{"text": "to the client"}), event("ws_message", fields{"text": "in two", "frames": 2}),
		event("ws_message", fields{"text": "to the server"}), event("ws_message", fields{"type": "binary", "size": 140000}),
		event("ws_frame", fields{"type": "ping"}), event("ws_frame", fields{"type": "pong", "mask": "37fa213d"}), event("ws_close", fields{"code": 1000, "reason": "bye"})} {
		us.awaitRecord(want)
	}
}

// Through the tap libraries talk as without it, compressed too, and what they
// say is shown decoded.
func TestWSTapDecodes(t *testing.T) {
	t.Parallel()
	for _, o := range []wsOptions{{}, {Compress: true, Takeover: true}, {Compress: true}, {Compress: true, Takeover: true, ServerBits: 9, ClientBits: 9}} {
		t.Run(fmt.Sprintf("compress %v, takeover %v, bits %d", o.Compress, o.Takeover, o.ServerBits), func(t *testing.T) {
			t.Parallel()
			server := o
			server.Echo = true
			p := wsServer(t, wsLibraries["node ws"], server)
			file := tempDir(t) + "/trace.jsonl"
			us, url := wsTap(t, "ws://127.0.0.1:0", p.url, "--trace", file)
			c, _ := wsClient(t, wsLibraries["node ws"], url, o)
			for _, text := range deflated() {
				c.do(wsAct{Do: "text", Data: text})
				c.nextText(text)
			}
			clientTexts(c)
			c.do(wsAct{Do: "close", Code: 4000, Reason: "done"})
			c.next("close")
			p.skipTo("close")
			endListener(us)
			all := tracedRecords(t, file)
			for _, dir := range []string{"in", "out"} {
				want := event("ws_message", fields{"dir": dir, "text": "hello hello hello"})
				if o.Compress {
					want["compressed"] = true
				}
				if find(all, want) == nil {
					t.Errorf("no record has the message that went %s", dir)
				}
			}
			if r := find(all, event("finding")); r != nil {
				t.Errorf("a finding: %v", r)
			}
			if find(all, event("ws_close", fields{"code": 4000, "reason": "done"})) == nil {
				t.Error("no record has the close")
			}
		})
	}
}

// A rule that is broken is passed on, and is a finding that says whose it is.
func TestWSTapFindings(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		client bool
		frame  rawFrame
		rule   string
		fault  string
	}{
		{"an unmasked frame of the client", true, rawFrame{op: opText, data: "x", flipped: true}, "frame-unmasked", "client"},
		{"a masked frame of the server", false, rawFrame{op: opText, data: "x", flipped: true}, "frame-masked", "server"},
		{"a reserved opcode", false, rawFrame{op: 3, data: "x"}, "frame-opcode-reserved", "server"},
		{"text that is not UTF-8", true, rawFrame{op: opText, data: "\xff"}, "text-utf8", "client"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			frame := string(row.frame.bytes(row.client))
			got := make(chan string, 1)
			target := "ws://" + rawServer(t, func(c *raw) {
				c.upgraded()
				if !row.client {
					c.write(frame)
				}
				got <- c.rest()
			}) + "/"
			us, url := wsTap(t, "ws://127.0.0.1:0", target, "--json")
			c := rawDial(t, url)
			c.upgrade(t)
			if row.client {
				c.write(frame)
			} else {
				wantBytes(t, c, frame)
			}
			us.awaitRecord(event("finding", fields{"rule": row.rule, "fault": row.fault}))
			c.Close()
			if passed := <-got; row.client && passed != frame {
				t.Errorf("the server got %q; want %q", passed, frame)
			}
		})
	}
}

func wantBytes(t *testing.T, c *raw, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c.in, b); err != nil || string(b) != want {
		t.Errorf("the client got %q, %v; want %q", b, err, want)
	}
}

// A refusal passes through the tap as it is, and is explained.
func TestWSTapRefusal(t *testing.T) {
	t.Parallel()
	p := wsServer(t, wsLibraries["node ws"], wsOptions{})
	us, url := wsTap(t, "ws://127.0.0.1:0", p.url, "--json")
	c := rawDial(t, url)
	c.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if answer := c.head(); !strings.HasPrefix(answer, "HTTP/1.1 426 ") {
		t.Errorf("the answer is %q", answer)
	}
	us.awaitRecord(event("finding", fields{"rule": "request-upgrade-missing", "fault": "client"}))
	us.awaitRecord(event("upgrade_failed", fields{"status": 426}))
}
