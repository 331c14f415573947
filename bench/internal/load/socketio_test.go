//go:build linux

package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

const openPacket = `0{"upgrades":[],"sid":"abc","pingInterval":25000}`

// eventServer speaks Socket.IO over WebSocket: what answer makes of the n-th
// event, counted from 0, goes out as one frame each.
func eventServer(t *testing.T, greeting []string, answer func(event string, n int) []string) netip.AddrPort {
	t.Helper()
	return tcpServer(t, func(conn net.Conn) {
		if _, err := ws.Upgrade(conn); err != nil {
			return
		}
		sendText(conn, greeting[0])
		for n := -1; ; n++ {
			frame, err := ws.ReadFrame(conn)
			if err != nil {
				return
			}
			got := string(ws.UnmaskFrameInPlace(frame).Payload)
			if n < 0 {
				if got != "40" {
					t.Errorf("%q joins no namespace", got)
				}
				sendText(conn, greeting[1:]...)
				continue
			}
			sendText(conn, answer(got, n)...)
		}
	})
}

func sendText(conn net.Conn, messages ...string) {
	var out []byte
	for _, m := range messages {
		out = append(out, ws.MustCompileFrame(ws.NewTextFrame([]byte(m)))...)
	}
	conn.Write(out)
}

var greeting = []string{openPacket, `40{"sid":"def"}`}

// acknowledge answers 42ID["echo",ARGUMENT] with 43ID[ARGUMENT].
func acknowledge(event string) string {
	return "43" + event[idAt:][:idDigits] + "[" + strings.TrimPrefix(event[idAt+idDigits:], `["echo",`)
}

func TestEvents(t *testing.T) {
	asked, answered, rest := event(Acks, 32)
	argument := strings.Repeat("0", mark) + "alpha bravo char"
	if got, want := string(asked)+string(rest), `42000000["echo","`+argument+`"]`; got != want {
		t.Errorf("asked %s; want %s", got, want)
	}
	if got, want := string(answered)+string(rest), `43000000["`+argument+`"]`; got != want {
		t.Errorf("answered %s; want %s", got, want)
	}
	asked, answered, rest = event(News, 200)
	if len(asked)+len(rest) != len(`42["go",""]`)+200 || len(answered)+len(rest) != len(`42["news",""]`)+200 {
		t.Errorf("%s and %s go on with %s", asked, answered, rest)
	}
	for n, want := range map[uint32]string{0: "100000", 899_999: "999999", 900_000: "100000"} {
		id := make([]byte, idDigits)
		if decimals(id, n); string(id) != want {
			t.Errorf("the id of message %d is %s; want %s", n, id, want)
		}
	}
}

func TestAcknowledgements(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	at := eventServer(t, greeting, func(event string, n int) []string {
		mu.Lock()
		defer mu.Unlock()
		if seen[event] || !strings.HasPrefix(event, "42") || !strings.HasSuffix(event, `"]`) {
			t.Errorf("%s comes twice, or is no event", event)
		}
		seen[event] = true
		if n%3 == 0 {
			return []string{"2", acknowledge(event)} // a ping before it
		}
		return []string{acknowledge(event)}
	})
	for _, d := range []WebSocketDialer{
		{Conns: 20, Size: 16, Sources: 7},
		{Conns: 20, Size: 32, Burst: 16},
		{Conns: 3, Size: 70_000},
	} {
		d.Server, d.Talk = at, Acks
		clear(seen)
		if _, err := runWeb(t, d, 3); err != nil {
			t.Errorf("%d × %d bytes: %v", d.Conns, d.Size, err)
		}
		if want := d.Conns * max(1, d.Burst) * 3; len(seen) != want {
			t.Errorf("%d × %d bytes: %d events; want %d", d.Conns, d.Size, len(seen), want)
		}
	}
}

func TestAcknowledgementsThatAreWrong(t *testing.T) {
	for name, answer := range map[string]func(ack string) []string{
		"another id":       func(ack string) []string { return []string{"43999999" + ack[8:]} },
		"another argument": func(ack string) []string { return []string{strings.Replace(ack, "alpha", "alphb", 1)} },
		"an event":         func(ack string) []string { return []string{"42" + ack[2:]} },
		"an event as well": func(ack string) []string { return []string{ack, "42" + ack[2:]} },
		"one more":         func(ack string) []string { return []string{ack[:len(ack)-1] + `,""]`} },
		"a byte":           func(string) []string { return []string{"3"} },
		"empty":            func(string) []string { return []string{""} },
	} {
		at := eventServer(t, greeting, func(event string, n int) []string {
			if n == 3 {
				return answer(acknowledge(event))
			}
			return []string{acknowledge(event)}
		})
		if _, err := runWeb(t, WebSocketDialer{Server: at, Conns: 1, Size: 100, Talk: Acks}, 5); !errors.Is(err, ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGreetings(t *testing.T) {
	for name, wrong := range map[string][]string{
		"no session":       {`0{}`, greeting[1]},
		"no open packet":   {`4{"sid":"abc"}`, greeting[1]},
		"no JSON":          {`0{"sid":`, greeting[1]},
		"refused":          {openPacket, `44{"message":"no"}`},
		"an event at once": {openPacket, greeting[1], `42["hello"]`},
	} {
		at := eventServer(t, wrong, func(event string, _ int) []string { return []string{acknowledge(event)} })
		if _, err := runWeb(t, WebSocketDialer{Server: at, Conns: 1, Size: 32, Talk: Acks}, 1); !errors.Is(err, errOpening) && !errors.Is(err, ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// newsServer sends the argument of each event "go" to all, as spoil changes it for
// the connection of that number.
func newsServer(t *testing.T, spoil func(news string, conn int) []string) netip.AddrPort {
	var mu sync.Mutex
	var conns []net.Conn
	return tcpServer(t, func(conn net.Conn) {
		if _, err := ws.Upgrade(conn); err != nil {
			return
		}
		sendText(conn, openPacket)
		for joined := false; ; joined = true {
			frame, err := ws.ReadFrame(conn)
			if err != nil {
				return
			}
			got := string(ws.UnmaskFrameInPlace(frame).Payload)
			mu.Lock()
			if !joined {
				conns = append(conns, conn)
				sendText(conn, greeting[1])
			} else {
				for i, each := range conns {
					sendText(each, spoil(strings.Replace(got, `["go"`, `["news"`, 1), i)...)
				}
			}
			mu.Unlock()
		}
	})
}

func TestBroadcast(t *testing.T) {
	for _, burst := range []int{1, 16} {
		at := newsServer(t, func(news string, _ int) []string { return []string{news} })
		p, err := WebSocketDialer{Server: at, Conns: 30, Size: 32, Burst: burst, Talk: News}.Dial()
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := p.Broadcast(4); err != nil {
				t.Errorf("%d at once: %v", burst, err)
			}
		}
		frame := len(`42["news",""]`) + 32 + 2
		if want := int64(30 * burst * 8 * frame); p.Received != want {
			t.Errorf("%d at once: %d bytes came; want %d", burst, p.Received, want)
		}
		p.Close()
	}
}

func TestBroadcastsThatAreWrong(t *testing.T) {
	for name, spoil := range map[string]func(string) []string{
		"another":  func(news string) []string { return []string{strings.Replace(news, "bravo", "brava", 1)} },
		"twice":    func(news string) []string { return []string{news, news} },
		"the last": func(news string) []string { return []string{strings.Replace(news, "00000002", "00000001", 1)} },
	} {
		at := newsServer(t, func(news string, conn int) []string {
			if conn == 7 && strings.Contains(news, "00000002") {
				return spoil(news)
			}
			return []string{news}
		})
		p, err := WebSocketDialer{Server: at, Conns: 9, Size: 32, Talk: News}.Dial()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Broadcast(3); !errors.Is(err, ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
		p.Close()
	}
}

// pollServer speaks Socket.IO over long-polling, by plain HTTP: a poll waits for
// what an event is answered with.
func pollServer(t *testing.T, answer func(ack string, n int) string) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	waiting := map[string]chan string{}
	events := map[string]int{}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.URL.Query().Get("sid")
		mu.Lock()
		if id == "" {
			id = fmt.Sprint("session", len(waiting))
			waiting[id] = make(chan string, 1)
			io.WriteString(w, `0{"upgrades":[],"sid":"`+id+`"}`)
			mu.Unlock()
			return
		}
		queue := waiting[id]
		mu.Unlock()
		if r.Method == http.MethodGet {
			io.WriteString(w, <-queue)
			return
		}
		body, _ := io.ReadAll(r.Body)
		if string(body) == "40" {
			queue <- greeting[1]
		} else {
			mu.Lock()
			n := events[id]
			events[id]++
			mu.Unlock()
			queue <- answer(acknowledge(string(body)), n)
		}
		io.WriteString(w, "ok")
	})}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return netip.MustParseAddrPort(listener.Addr().String())
}

func TestPolls(t *testing.T) {
	at := pollServer(t, func(ack string, _ int) string { return ack })
	p, err := PollDialer{Server: at, Sessions: 20, Size: 32}.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 2 {
		if err := p.Run(5); err != nil {
			t.Error(err)
		}
	}
	if p.Requests != 2*20*5*2 {
		t.Errorf("%d requests", p.Requests)
	}
}

func TestPollsThatAreWrong(t *testing.T) {
	for name, answer := range map[string]func(string) string{
		"another": func(ack string) string { return strings.Replace(ack, "alpha", "alphb", 1) },
		"a noop":  func(string) string { return "6" },
		"empty":   func(string) string { return "" },
		"twice":   func(ack string) string { return ack + "\x1e" + ack },
	} {
		at := pollServer(t, func(ack string, n int) string {
			if n == 2 {
				return answer(ack)
			}
			return ack
		})
		p, err := PollDialer{Server: at, Sessions: 2, Size: 32}.Dial()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Run(4); !errors.Is(err, ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
		p.Close()
	}
}

// Answers come in any pieces, and nothing but them comes.
func TestPollAnswers(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nDate: now\r\ncontent-LENGTH: 2\r\n\r\nok"
	for n := range len(answer) {
		e := exchange{answer: []byte(answer[:n])}
		if _, whole, err := e.body(); whole || err != nil {
			t.Fatalf("%q: whole %v, %v", answer[:n], whole, err)
		}
	}
	e := exchange{answer: []byte(answer)}
	if body, whole, err := e.body(); !whole || err != nil || string(body) != "ok" {
		t.Errorf("%q, %v, %v", body, whole, err)
	}
	for name, wrong := range map[string]string{
		"more":      answer + "!",
		"refused":   strings.Replace(answer, "200", "400", 1),
		"no length": strings.Replace(answer, "content-LENGTH", "x", 1),
		"no number": strings.Replace(answer, ": 2", ": two", 1),
	} {
		e := exchange{answer: []byte(wrong)}
		if _, _, err := e.body(); !errors.Is(err, errAnswer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A server that answers a poll by closing the connection is said to do so.
func TestPollsThatEnd(t *testing.T) {
	at := tcpServer(t, func(conn net.Conn) { bufio.NewReader(conn).ReadString('\n') })
	start := time.Now()
	_, err := PollDialer{Server: at, Sessions: 1, Size: 32}.Dial()
	if err == nil || time.Since(start) > silence {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// What a server sends together with its 101 is not lost.
func TestGreetingWithTheOpening(t *testing.T) {
	at := tcpServer(t, func(conn net.Conn) {
		var out bytes.Buffer
		both := struct {
			io.Reader
			io.Writer
		}{conn, &out}
		if _, err := ws.Upgrade(both); err != nil {
			return
		}
		out.Write(ws.MustCompileFrame(ws.NewTextFrame([]byte(openPacket))))
		conn.Write(out.Bytes())
		for n := 0; ; n++ {
			frame, err := ws.ReadFrame(conn)
			if err != nil {
				return
			}
			if got := string(ws.UnmaskFrameInPlace(frame).Payload); n == 0 {
				sendText(conn, greeting[1])
			} else {
				sendText(conn, acknowledge(got))
			}
		}
	})
	if _, err := runWeb(t, WebSocketDialer{Server: at, Conns: 3, Size: 32, Talk: Acks}, 2); err != nil {
		t.Error(err)
	}
}

// TestTwoServers holds that of each two connections one goes to the second server.
func TestTwoServers(t *testing.T) {
	var count [2]atomic.Int32
	var at [2]netip.AddrPort
	for i := range at {
		at[i] = eventServer(t, greeting, func(event string, _ int) []string {
			count[i].Add(1)
			return []string{acknowledge(event)}
		})
	}
	d := WebSocketDialer{Server: at[0], Second: at[1], Conns: 5, Size: 32, Talk: Acks}
	if _, err := runWeb(t, d, 2); err != nil {
		t.Fatal(err)
	}
	if a, b := count[0].Load(), count[1].Load(); a != 6 || b != 4 {
		t.Errorf("%d events came to the first, %d to the second", a, b)
	}
}
