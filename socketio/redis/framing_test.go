package redis

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// TestFraming has answers be followed to their ends, however they come, and those
// beyond all bounds be refused at what they announce.
func TestFraming(t *testing.T) {
	for _, row := range []struct{ came, err string }{
		{"+OK\r\n", ""}, {"-ERR no\r\n", ""}, {":-12\r\n", ""}, {"$2\r\nab\r\n", ""}, {"$0\r\n\r\n", ""}, {"$-1\r\n", ""}, {"*-1\r\n", ""}, {"*0\r\n", ""},
		{"*2\r\n*1\r\n$1\r\n\n\r\n:1\r\n", ""}, {"%1\r\n+a\r\n*0\r\n", ""}, {"|1\r\n+a\r\n+b\r\n*1\r\n:1\r\n", ""}, {">2\r\n+a\r\n_\r\n", ""},
		{strings.Repeat("*1\r\n", maxDepth) + ":1\r\n", ""}, {"+" + strings.Repeat("a", maxLine-3) + "\r\n", ""},
		{"HTTP/1.1 400 Bad Request\r\n", `"HTTP/1.1 400 Bad Request" came where`}, {"+OK\n", "does not end with CR LF"}, {"\r\n", `"" came`},
		{":x\r\n", "is no number"}, {"$\r\n", "is no number"}, {"*-2\r\n", "less than nothing"}, {"$-2\r\n", "less than nothing"},
		{"$2147483647\r\n", "announces 2147483647 bytes; up to 536870912"}, {"*1000000000\r\n", "announces 1000000000 values; up to 16777216"},
		{"*1\r\n%1048577\r\n", "announces 1048577 values; up to 1048576"}, {"$99999999999999999999\r\n", "is no number"},
		{strings.Repeat("*1\r\n", maxDepth+1), "more than 32 deep"}, {"+" + strings.Repeat("a", maxLine), "a line of more than 65536 bytes"},
	} {
		for _, step := range []int{1, 3, len(row.came)} {
			f, err := &framing{}, error(nil)
			for rest := row.came + row.came; rest != "" && err == nil; rest = rest[min(step, len(rest)):] {
				err = f.take([]byte(rest[:min(step, len(rest))]))
			}
			name := row.came[:min(30, len(row.came))]
			if row.err == "" && (err != nil || !f.whole || f.size != 0) {
				t.Errorf("%q by %d: %v, whole: %v, %d bytes of the next", name, step, err, f.whole, f.size)
			}
			if row.err != "" && (err == nil || step > 3 && !strings.Contains(err.Error(), row.err)) {
				t.Errorf("%q by %d: %v; want %q", name, step, err, row.err)
			}
		}
	}
	f := &framing{}
	for range 2 {
		if f.take([]byte("$536870912\r\n")) != nil {
			t.Fatal(f.err)
		}
		for left := 536870914; left > 0; left -= 1 << 20 {
			_ = f.take(make([]byte, min(left, 1<<20)))
		}
		if f.err != nil || f.size != 0 {
			t.Errorf("a string of 512 MiB: %v, %d", f.err, f.size)
		}
	}
	if err := f.take([]byte("*3\r\n")); err != nil {
		t.Fatal(err)
	}
	for f.err == nil {
		if f.line == 0 && f.skip == 0 {
			_ = f.take([]byte("$536870912\r\n"))
		}
		_ = f.take(make([]byte, min(1<<20, max(f.skip, 1))))
	}
	if !strings.Contains(f.err.Error(), "more than 1073741824 bytes") {
		t.Error(f.err)
	}
}

func FuzzFraming(f *testing.F) {
	f.Add([]byte("*2\r\n*1\r\n$1\r\na\r\n:1\r\n|1\r\n+a\r\n+b\r\n%1\r\n:1\r\n#t\r\n"), byte(3))
	f.Fuzz(func(t *testing.T, raw []byte, step byte) {
		one, parts := &framing{}, &framing{}
		err := one.take(raw)
		for rest := raw; len(rest) > 0 && parts.err == nil; rest = rest[min(int(step)+1, len(rest)):] {
			_ = parts.take(rest[:min(int(step)+1, len(rest))])
		}
		if (err == nil) != (parts.err == nil) || one.size != parts.size {
			t.Errorf("%q: %v and %v, %d and %d", raw, err, parts.err, one.size, parts.size)
		}
	})
}

// TestMalformed is a Redis that pushes what is no message: the line to it is given
// up, and nothing else.
func TestMalformed(t *testing.T) {
	for _, push := range []string{
		"*0\r\n", "*1\r\n:1\r\n", "*3\r\n$-1\r\n$-1\r\n$-1\r\n", "*2\r\n$7\r\nmessage\r\n$1\r\nx\r\n", "*3\r\n$7\r\nmessage\r\n:1\r\n$1\r\nx\r\n",
		"*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n*1\r\n:1\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n$1\r\nx\r\n", "*3\r\n$8\r\npmessage\r\n$1\r\nx\r\n$1\r\nx\r\n",
		"*1\r\n$4\r\npong\r\n", "*9223372036854775807\r\n", "$10000000000000\r\n", strings.Repeat("*1\r\n", 100), ":1\r\n", "HTTP/1.1 200 OK\r\n",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		lost := make(chan error, 100)
		conn, err := Open("redis://"+l.Addr().String(), &ConnOptions{Timeout: time.Minute, OnState: func(s State) { lost <- s.Err }})
		if err != nil {
			t.Fatal(err)
		}
		conn.hub.subscribe(conn, toChannel, "x", func(string, []byte) {})
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go answers(c, func(string) string { return "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n" + push })
			}
		}()
		if err := <-lost; err == nil || !strings.Contains(err.Error(), l.Addr().String()) || strings.Contains(err.Error(), "interface") {
			t.Errorf("%q: %v", push, err)
		}
		l.Close()
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// answers is a Redis that knows no HELLO; all else is answered by what.
func answers(c net.Conn, what func(command string) string) {
	defer c.Close()
	b := make([]byte, 4096)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		command, said := strings.ToLower(string(b[:n])), "-ERR unknown command\r\n"
		if !strings.Contains(command, "hello\r\n") {
			said = what(command)
		}
		if _, err := c.Write([]byte(said)); err != nil || said == "" {
			return
		}
	}
}

// fakeRedis answers all but HELLO by what, until the test is over.
func fakeRedis(t *testing.T, what func(command string) string) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answers(c, what)
		}
	}()
	return "redis://" + l.Addr().String()
}

// TestIdle is a Redis that does not wait for entries: it is asked again, and not all
// the time.
func TestIdle(t *testing.T) {
	for _, none := range []string{"*-1\r\n", "*0\r\n"} {
		asked := make(chan time.Time, 1000)
		url := fakeRedis(t, func(command string) string {
			if strings.Contains(command, "xread\r\n") {
				asked <- time.Now()
				return none
			}
			return "*0\r\n"
		})
		conn, err := Open(url, nil)
		if err != nil {
			t.Fatal(err)
		}
		readsStream(conn)
		if first := <-asked; (<-asked).Sub(first) < breath/2 {
			t.Errorf("%q: asked at once", none)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// openTold opens the way to a Redis, and has what becomes of it told.
func openTold(t *testing.T, url string) (*Conn, <-chan State) {
	t.Helper()
	states := make(chan State, 1000)
	conn, err := Open(url, &ConnOptions{OnState: func(s State) { states <- s }})
	if err != nil {
		t.Fatal(err)
	}
	return conn, states
}

// readsStream has a stream be read.
func readsStream(conn *Conn) {
	all := &streams{conn: conn, readers: map[string]*reader{}}
	all.options.fill()
	all.open(newStream(all, socketio.NewServer(nil).Of("/")))
}

// TestRefusedReading is a Redis that says where a stream ends, and lets nobody read it:
// it is not back each time that it has said so.
func TestRefusedReading(t *testing.T) {
	asked := make(chan bool, 1000)
	url := fakeRedis(t, func(command string) string {
		if !strings.Contains(command, "xread\r\n") {
			return "*0\r\n"
		}
		asked <- true
		return "-NOPERM no\r\n"
	})
	conn, states := openTold(t, url)
	readsStream(conn)
	for range 4 {
		<-asked
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if s := <-states; s.Up || s.Err.Error() != "reading the stream socket.io: NOPERM no" || len(states) > 0 {
		t.Errorf("%+v, and %d more", s, len(states))
	}
}

// TestMovedHere is a server of a cluster that sends who subscribes to where it is: it is
// asked again, and not all the time, and what to do is said.
func TestMovedHere(t *testing.T) {
	asked := make(chan time.Time, 1000)
	var address atomic.Value
	url := fakeRedis(t, func(command string) string {
		if !strings.Contains(command, "subscribe\r\n") {
			return "+PONG\r\n"
		}
		asked <- time.Now()
		return "-MOVED 1 " + address.Load().(string) + "\r\n"
	})
	address.Store(strings.TrimPrefix(url, "redis://"))
	conn, states := openTold(t, url)
	conn.hub.subscribe(conn, toShard, "x", func(string, []byte) {})
	first := <-asked
	for range 6 {
		<-asked
	}
	if last := <-asked; last.Sub(first) < 50*time.Millisecond {
		t.Errorf("asked eight times within %v", last.Sub(first))
	}
	if s := <-states; s.Up || !strings.Contains(s.Err.Error(), "put ?cluster=true behind the address (MOVED 1 ") {
		t.Errorf("%+v", s)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

// TestStill is a Redis that is lost, and says why once it answers again: each of its
// reasons is told once.
func TestStill(t *testing.T) {
	var said atomic.Value
	said.Store("")
	url := fakeRedis(t, func(string) string { return said.Load().(string) }) // nothing ends the connection
	conn, states := openTold(t, url)
	defer conn.Close()
	if err := conn.publish("x", []byte("y"), func(error) {}); err != nil {
		t.Fatal(err)
	}
	if s := <-states; s.Up || s.Still || !strings.Contains(s.Err.Error(), "it ended the connection") {
		t.Errorf("%+v", s)
	}
	for _, row := range []struct{ said, err string }{
		{"-NOAUTH who?\r\n", "NOAUTH who?"}, {"-LOADING soon\r\n", "LOADING soon"}, {"HTTP/1.1 200 OK\r\n", "where an answer of Redis is due"},
	} {
		said.Store(row.said)
		if s := <-states; s.Up || !s.Still || !strings.Contains(s.Err.Error(), row.err) {
			t.Errorf("%q: %+v", row.said, s)
		}
	}
	said.Store("-NOAUTH who?\r\n")
	for !strings.Contains(conn.away().Error(), "NOAUTH") {
		<-time.After(time.Millisecond)
	}
	said.Store("+PONG\r\n")
	if s := <-states; !s.Up || s.Err != nil {
		t.Errorf("%+v", s)
	}
}

// TestAbsurdCount is a Redis that counts more servers than can be: nobody waits for
// them, and no room is made.
func TestAbsurdCount(t *testing.T) {
	url := fakeRedis(t, func(command string) string {
		if strings.Contains(command, "numsub\r\n") {
			return "*2\r\n$20\r\nsocket.io-request#/#\r\n:1000000000000\r\n"
		}
		return "*4\r\n$10\r\npsubscribe\r\n$13\r\nsocket.io#/#*\r\n:1\r\n:1\r\n"
	})
	conn, err := Open(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	a := newClassic(conn, socketio.NewServer(nil).Of("/"), AdapterOptions{Key: "socket.io"})
	_, err = a.FetchSockets(t.Context(), socketio.Selection{}, socketio.Flags{})
	if e := isAway(t, "fetchSockets", err); e != nil && !strings.Contains(e.Away.Error(), "it counts 1000000000000 servers") {
		t.Error(e.Away)
	}
}

// TestOrder is a Redis whose streams give entries that are due no more, or have ids that
// are none: nobody gets them, and reading goes on where it was.
func TestOrder(t *testing.T) {
	entry := func(id string) string {
		return fmt.Sprintf("*1\r\n*2\r\n$9\r\nsocket.io\r\n*1\r\n*2\r\n$%d\r\n%s\r\n*2\r\n$3\r\nnsp\r\n$1\r\n/\r\n", len(id), id)
	}
	for _, wrong := range []string{"1-1", "5-5", "abc", "5-", "-"} {
		asked := make(chan string, 1000)
		var reads atomic.Int32
		url := fakeRedis(t, func(command string) string {
			if !strings.Contains(command, "xread\r\n") {
				return "*0\r\n"
			}
			words := strings.Fields(command)
			asked <- words[len(words)-1]
			if reads.Add(1) == 1 {
				return entry("5-5")
			}
			return entry(wrong)
		})
		conn, states := openTold(t, url)
		readsStream(conn)
		if first, next := <-asked, <-asked; first != "0-0" || next != "5-5" {
			t.Errorf("%q: read behind %s, and then %s", wrong, first, next)
		}
		if s := <-states; s.Up || !strings.Contains(s.Err.Error(), "an entry came with the id \""+wrong+"\", where one behind 5-5 is due") {
			t.Errorf("%q: %+v", wrong, s)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if got := conn.Stats().Received; got != 1 {
			t.Errorf("%q: %d entries were taken", wrong, got)
		}
	}
}

// TestUnconfirmed is a Redis that does not confirm a subscription the first time.
func TestUnconfirmed(t *testing.T) {
	var asked atomic.Int32
	url := fakeRedis(t, func(command string) string {
		if strings.Contains(command, "subscribe\r\n") && asked.Add(1) > 1 {
			return "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n"
		}
		return "+PONG\r\n"
	})
	conn, err := Open(url, &ConnOptions{Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	<-conn.hub.subscribe(conn, toChannel, "x", func(string, []byte) {})
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

// TestCutShort is a Redis that ends the connection at once, within the answer to the
// greeting, or having said why: only where it has said nothing may it be one that wants
// TLS.
func TestCutShort(t *testing.T) {
	for said, want := range map[string]string{
		"":                                       "it ended the connection without an answer (a port for TLS wants rediss://)",
		"*14":                                    "it ended the connection in the middle of an answer",
		"-ERR max number of clients reached\r\n": "ERR max number of clients reached",
		"-DENIED it is in protected mode\r\n":    "DENIED it is in protected mode",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if c, err := l.Accept(); err == nil {
				_, _ = c.Read(make([]byte, 4096))
				_, _ = c.Write([]byte(said))
				c.Close()
			}
		}()
		conn, err := Open("redis://"+l.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Ping(t.Context()); err == nil || !strings.HasSuffix(err.Error(), ": "+want) || !unsent(err) {
			t.Errorf("%q: %v; want %s", said, err, want)
		}
		conn.Close()
		l.Close()
	}
}
