package interop

import (
	"fmt"
	"strings"
	"testing"
)

// The tests of this file are what wscat and other clients get wrong.

// A server that says nothing, or stops in the middle of its head, holds nobody
// up for longer than -w.
func TestWSDialSilentServer(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]string{
		"nothing":     "",
		"half a line": "HTTP/1.1 101 Swit",
		"half a head": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := "ws://" + rawServer(t, func(c *raw) { c.head(); c.write(says); c.drain() })
			us := fed(t, strings.NewReader("hello\n"), "dial", "-w", "300ms", url)
			us.wantSays(124, `^sockkit: dial ws://.*timed out after 300ms \(-w\)`)
			if says == "" {
				wantOneError(t, us)
			}
		})
	}
}

// A head of one byte at a time, without an end, is bounded too.
func TestWSDialDripOfHead(t *testing.T) {
	t.Parallel()
	url := "ws://" + rawServer(t, func(c *raw) {
		c.head()
		for i := 0; ; i++ {
			if _, err := c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nX: " + strings.Repeat("x", i))[i : i+1]); err != nil {
				return
			}
			<-soon()
		}
	})
	us := sockkit(t, "dial", "-w", "300ms", url)
	us.wantSays(124, `^sockkit: dial ws://.*timed out after 300ms \(-w\)`)
}

// What is typed before the connection is open is sent once it is.
func TestWSDialInputBeforeOpen(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	p := newWSPeer(t)
	url := "ws://" + rawServer(t, func(c *raw) {
		request := c.head()
		close(asked)
		<-answer
		c.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptOf(request) + "\r\n\r\n")
		for f, _, err := c.readFrame(); err == nil; f, _, err = c.readFrame() {
			p.report(wsSaw{Saw: "text", Data: f.data, Sum: sumOf([]byte(f.data))})
			if f.op == opClose {
				c.write(string(rawFrame{op: opClose, data: f.data}.bytes(false)))
				return
			}
		}
	})
	us := held(t, "dial", "--linger", "0", "-w", "30s", url)
	us.write("first\n")
	<-asked
	us.write("second\n")
	close(answer)
	p.nextText("first")
	p.nextText("second")
	us.write("third")
	us.in.Close()
	p.nextText("third")
	p.nextText(closeData(1000, ""))
	us.want(0)
}

// Messages that come in one piece with the head, and before any input, are
// printed.
func TestWSDialMessageBehindTheHead(t *testing.T) {
	t.Parallel()
	url := "ws://" + rawServer(t, func(c *raw) {
		request := c.head()
		c.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptOf(request) + "\r\n\r\n" +
			string(rawFrame{op: opText, data: "welcome"}.bytes(false)) + string(rawFrame{op: opText, data: "hello"}.bytes(false)))
		c.closing()
		c.write(string(rawFrame{op: opClose, data: closeData(1000, "")}.bytes(false)))
	})
	us := held(t, "dial", "--count", "2", url)
	us.want(0)
	if us.out.String() != "welcome\nhello\n" {
		t.Errorf("got %q", us.out)
	}
}

// Standard output holds messages and nothing else: no prompt, no greeting.
func TestWSDialPipeHoldsMessagesOnly(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{nil, {"-v"}, {"-vvvv"}, {"--explain"}, {"--color", "always"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			t.Parallel()
			p := wsServer(t, wsLibraries["node ws"], wsOptions{Echo: true})
			us := fed(t, strings.NewReader("one\ntwo\n"), append([]string{"dial", "--count", "2", p.url}, flags...)...)
			us.want(0)
			if us.out.String() != "one\ntwo\n" {
				t.Errorf("standard output has %q", us.out)
			}
		})
	}
}

// The reply that comes late after the end of input is not lost.
func TestWSDialReplyAfterTheEndOfInput(t *testing.T) {
	t.Parallel()
	p := wsServer(t, wsLibraries["gorilla"], wsOptions{})
	us := fed(t, strings.NewReader("question\n"), "dial", p.url)
	p.next("open")
	p.nextText("question")
	for range 60 { // 0.3 s, for a client that would leave by then
		<-soon()
	}
	p.do(wsAct{Do: "text", Data: "answer"})
	us.want(0)
	if us.out.String() != "answer\n" {
		t.Errorf("got %q", us.out)
	}
	if got := p.next("close"); got.Code != 1000 {
		t.Errorf("the server saw %+v", got)
	}
}

// Text that is not UTF-8 is an error that names the line and the flag, and what
// came before it is sent.
func TestWSDialWantsUTF8(t *testing.T) {
	t.Parallel()
	p := wsServer(t, wsLibraries["gorilla"], wsOptions{})
	us := fed(t, strings.NewReader("right\nwr\xffng\nlater\n"), "dial", p.url)
	us.wantSays(1, `^sockkit: dial ws://.*line 2.*UTF-8`, `--binary`)
	p.next("open")
	p.nextText("right")
	if got := p.next("close"); got.Code == 1007 {
		t.Errorf("the wrong line was sent: %+v", got)
	}
}

// --count and --expect say when a script is done; any other end is 9.
func TestWSDialScripts(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		args   []string
		input  string
		status int
		out    string
		says   string
	}{
		{[]string{"--count", "2"}, "a\nb\n", 0, "a\nb\n", ""},
		{[]string{"--count", "3", "-w", "2s"}, "a\nb\n", 9, "a\nb\n", `2 of 3|3`},
		{[]string{"--expect", "^b"}, "a\nbc\n", 0, "a\nbc\n", ""},
		{[]string{"--expect", "a", "--expect", "z", "-w", "2s"}, "a\nb\n", 9, "a\nb\n", `z`},
		{[]string{"-x", "one", "-x", "two", "--count", "2"}, "", 0, "one\ntwo\n", ""},
	} {
		t.Run(strings.Join(row.args, " "), func(t *testing.T) {
			t.Parallel()
			p := wsServer(t, wsLibraries["node ws"], wsOptions{Echo: true})
			us := fed(t, strings.NewReader(row.input), append([]string{"dial", p.url}, row.args...)...)
			us.wantSays(row.status, row.says)
			if us.out.String() != row.out {
				t.Errorf("standard output has %q; want %q", us.out, row.out)
			}
		})
	}
}

// A server that goes away in the middle leaves input undelivered: that is
// counted, and never status 0.
func TestWSDialUndelivered(t *testing.T) {
	t.Parallel()
	url := "ws://" + rawServer(t, func(c *raw) {
		c.upgraded()
		_, _, _ = c.readFrame()
		c.write(string(rawFrame{op: opClose, data: closeData(1000, "enough")}.bytes(false)))
		<-soon()
	})
	lines := strings.Repeat(strings.Repeat("x", 999)+"\n", 64*1024)
	us := fed(t, strings.NewReader(lines), "dial", url)
	if status := us.wait(); status == 0 {
		t.Errorf("status 0, though most of 64 MB was not delivered: %s", us.err)
	}
	if !strings.Contains(us.err.String(), "not delivered") {
		t.Errorf("what was not delivered is not counted: %s", us.err)
	}
}

// Headers go out in the order and the spelling that they were given in.
func TestWSDialHeaders(t *testing.T) {
	t.Parallel()
	heads := make(chan string, 1)
	url := "ws://" + rawServer(t, func(c *raw) {
		heads <- c.upgraded()
		c.closing()
		c.write(string(rawFrame{op: opClose, data: closeData(1000, "")}.bytes(false)))
	}) + "/chat?room=1"
	us := sockkit(t, "dial", url, "-H", "x-First: 1", "-H", "X-SECOND:  two words", "--origin", "https://example.com", "-s", "a", "-s", "b",
		"--basic-auth", "me:p@ss", "--linger", "0", "-w", "20s", "-vv")
	head := <-heads
	us.want(0)
	for _, line := range []string{"GET /chat?room=1 HTTP/1.1\r\n", "\r\nx-First: 1\r\nX-SECOND: ", "\r\nOrigin: https://example.com\r\n",
		"\r\nSec-WebSocket-Protocol: a, b\r\n", "\r\nAuthorization: Basic bWU6cEBzcw==\r\n", "\r\nSec-WebSocket-Version: 13\r\n"} {
		if !strings.Contains(head, line) {
			t.Errorf("the request has no %q:\n%s", line, head)
		}
	}
	for _, secret := range []string{"bWU6cEBzcw", "p@ss"} {
		if strings.Contains(us.err.String(), secret) {
			t.Errorf("the password is shown: %s", us.err)
		}
	}
}

// Every key is fresh, and every frame has a mask of its own.
func TestWSDialKeysAndMasks(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 100)
	url := "ws://" + rawServer(t, func(c *raw) {
		seen <- "key " + headerOf(c.upgraded(), "Sec-WebSocket-Key")
		for {
			head := make([]byte, 6)
			if _, err := readFull(c, head); err != nil {
				return
			}
			seen <- fmt.Sprintf("mask %x", head[2:])
			_, _ = c.in.Discard(int(head[1] & 0x7f))
		}
	})
	us := fed(t, strings.NewReader(strings.Repeat("hello\n", 20)), "dial", "--linger", "0", "-w", "2s", url)
	us.wait()
	again := fed(t, strings.NewReader(strings.Repeat("hello\n", 20)), "dial", "--linger", "0", "-w", "2s", url)
	again.wait()
	all := map[string]bool{}
	for range len(seen) {
		s := <-seen
		if all[s] {
			t.Errorf("%s came twice", s)
		}
		all[s] = true
	}
	if len(all) < 40 {
		t.Errorf("only %d keys and masks were seen", len(all))
	}
}
