package socketio

import (
	"context"
	"errors"
	"fmt"
	stdio "io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/ws"
)

// ends tells why sockets ended, and what is known beyond that.
func ends(n interface{ OnConnection(func(*Socket)) }) chan string {
	all := make(chan string, 1000)
	n.OnConnection(func(s *Socket) {
		s.On("disconnect", func(reason, description string) { all <- reason + ": " + description })
	})
	return all
}

// TestFloods holds that what one client can make the server keep is bounded, and
// that it hears why it is disconnected.
func TestFloods(t *testing.T) {
	free := make(chan struct{})
	defer close(free)
	cases := []struct {
		name    string
		options ServerOptions
		send    func(p *peer)
		why     string
	}{
		{
			"events", ServerOptions{MaxPending: 10}, func(p *peer) {
				for range 12 {
					p.send(`42["block"]`)
				}
			}, "forced server close: .*10, or 16777216 bytes",
		},
		{
			"events by the default", ServerOptions{}, func(p *peer) {
				for range 4098 {
					p.send(`42["block"]`)
				}
			}, "forced server close: .*4096, or 16777216 bytes",
		},
		{
			"bytes", ServerOptions{MaxPendingBytes: 1000}, func(p *peer) {
				for range 4 {
					p.send(`42["block","` + strings.Repeat("x", 500) + `"]`)
				}
			}, "forced server close: .*4096, or 1000 bytes",
		},
		{
			"attachments", ServerOptions{MaxPendingBytes: 1000}, func(p *peer) {
				for range 4 {
					p.send(`451-["block",{"_placeholder":true,"num":0}]`, b64(make([]byte, 500)...))
				}
			}, "forced server close: .*1000 bytes",
		},
		{
			"namespaces", ServerOptions{MaxNamespaces: 3}, func(p *peer) { p.send("40/a", "40/b", "40/c") },
			"forced server close: .*more than 3 namespaces",
		},
		{
			"the name of an event", ServerOptions{}, func(p *peer) { p.send(`42["` + strings.Repeat("e", 1025) + `"]`) },
			"forced server close: .*longer than 1024 bytes",
		},
		{
			"the name of a namespace", ServerOptions{MaxName: 20}, func(p *peer) { p.send(`40/` + strings.Repeat("n", 20)) },
			"forced server close: .*longer than 20 bytes",
		},
		{
			"attachments that never come", ServerOptions{AttachmentTimeout: time.Millisecond},
			func(p *peer) { p.send(`452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, b64(1)) },
			"forced server close: .*did not come in time|forced close: .*did not come in time",
		},
		{
			"eleven attachments", ServerOptions{}, func(p *peer) { p.send(`4511-["x"]`) },
			"forced close: too many attachments",
		},
		{
			"large attachments", ServerOptions{Parser: TextParser{MaxAttachmentsSize: 10}},
			func(p *peer) { p.send(`451-["x",{"_placeholder":true,"num":0}]`, b64(make([]byte, 11)...)) },
			"forced close: attachments too large",
		},
		{
			"a large message", ServerOptions{Engine: &engine.Server{MaxHTTPBufferSize: 1000}},
			func(p *peer) { p.send(`42["x","` + strings.Repeat("x", 1000) + `"]`) },
			"transport error: .*",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			io := NewServer(&c.options)
			io.OfPattern(regexp.MustCompile("^/[a-n]+$"))
			why := ends(io)
			io.OnConnection(func(s *Socket) {
				s.On("block", func() {
					select {
					case <-s.Context().Done():
					case <-free:
					}
				})
			})
			addr := onListener(t, io)
			other, p := dialWebSocket(t, addr, ""), dialWebSocket(t, addr, "")
			other.join("/")
			p.join("/")
			c.send(p)
			if got := get(t, why); !regexp.MustCompile("^(" + c.why + ")").MatchString(got) {
				t.Errorf("%q", got)
			}
			if !other.alive() {
				t.Error("another client has noticed")
			}
		})
	}
}

// TestSlowReaders holds that a client which does not read is disconnected, and
// that others do not wait for it.
func TestSlowReaders(t *testing.T) {
	io := NewServer(&ServerOptions{Engine: &engine.Server{MaxBuffered: 1 << 20}})
	why := ends(io)
	io.OnConnection(func(s *Socket) { _ = s.Join("deaf") })
	addr := onListener(t, io)
	other := dialWebSocket(t, addr, "")
	other.join("/")
	soon(t, "it is in the room", func() bool { return slices.Contains(io.Sockets()[0].Rooms(), "deaf") })
	io.Sockets()[0].Leave("deaf")

	conn, _, err := (&ws.Dialer{}).Dial(context.Background(), "ws://"+addr+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	_ = conn.Write(context.Background(), ws.Text, []byte("40"))

	web := &http.Client{Transport: &http.Transport{}}
	defer web.CloseIdleConnections()
	url := "http://" + addr + "/socket.io/?EIO=4&transport=polling"
	answer, err := web.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := stdio.ReadAll(answer.Body)
	answer.Body.Close()
	sid := regexp.MustCompile(`"sid":"([^"]+)"`).FindSubmatch(body)[1]
	if answer, err = web.Post(url+"&sid="+string(sid), "text/plain", strings.NewReader("40")); err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()

	soon(t, "both are there", func() bool { return len(io.Sockets()) == 3 })
	for left := 2; left > 0; {
		_ = io.To("deaf").Emit("water", strings.Repeat("x", 100000))
		select {
		case got := <-why:
			left--
			if !strings.HasPrefix(got, "transport error: the client does not read") {
				t.Errorf("%q", got)
			}
		default:
		}
	}
	if !other.alive() {
		t.Error("another client has noticed")
	}
}

// alive reports whether the server still answers.
func (p *peer) alive() bool {
	p.send("40/(nowhere)")
	return strings.HasPrefix(p.next(), "44/(nowhere)")
}

func TestRoomLimits(t *testing.T) {
	io := NewServer(&ServerOptions{MaxRooms: 5, MaxName: 20})
	all := sockets(io)
	p := dialWebSocket(t, onHTTP(t, io), "")
	p.join("/")
	s := get(t, all)
	for i := range 4 {
		if err := s.Join(fmt.Sprint("room", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Join("room0", "room1", "room2"); err != nil {
		t.Errorf("rooms that it is in: %v", err)
	}
	for _, rooms := range [][]string{{"room4"}, {"room0", "room5"}, {strings.Repeat("x", 21)}} {
		if err := s.Join(rooms...); !errors.Is(err, ErrLimit) {
			t.Errorf("%q: %v", rooms, err)
		}
	}
	if err := io.SocketsJoin("room4"); !errors.Is(err, ErrLimit) {
		t.Errorf("SocketsJoin: %v", err)
	}
	s.Leave("room0")
	if err := s.Join("room4"); err != nil || len(s.Rooms()) != 5 {
		t.Errorf("%v, in %q", err, s.Rooms())
	}
	free := NewServer(&ServerOptions{MaxRooms: -1, MaxName: -1, MaxPending: -1, MaxNamespaces: -1, MaxAcks: -1, MaxChildNamespaces: -1, AttachmentTimeout: -1})
	all = sockets(free)
	p = dialWebSocket(t, onHTTP(t, free), "")
	p.join("/")
	s = get(t, all)
	for i := range 11000 {
		if err := s.Join(fmt.Sprint(strings.Repeat("long", 300), i)); err != nil {
			t.Fatal(err)
		}
	}
	for range 11000 {
		if err := s.Emit("x", func() {}); err != nil {
			t.Fatal(err)
		}
	}
	p.send(`42["` + strings.Repeat("x", 5000) + `"]`)
	if len(s.waiting) != 11000 || len(s.Rooms()) != 11001 {
		t.Errorf("%d acknowledgements, %d rooms", len(s.waiting), len(s.Rooms()))
	}
}

// TestManyNamespaces has one client join, leave and be refused thousands of
// times.
func TestManyNamespaces(t *testing.T) {
	io := NewServer(&ServerOptions{CleanupEmptyChildNamespaces: true, MaxNamespaces: 5})
	io.OfPattern(regexp.MustCompile(`^/d\d+$`))
	p := dialWebSocket(t, onListener(t, io), "")
	for i := range 2000 {
		p.join(fmt.Sprint("/d", i))
		p.send(fmt.Sprintf("40/no%d", i))
		p.want(fmt.Sprintf(`44/no%d,{"message":"Invalid namespace"}`, i))
		p.send(fmt.Sprintf("41/d%d,", i))
	}
	soon(t, "they are dropped", func() bool { return len(io.Namespaces()) == 1 })
	p.join("/")
}

func TestVolatile(t *testing.T) {
	io := NewServer(nil)
	all := sockets(io)
	addr := onListener(t, io)
	p := dialPolling(t, addr, "")
	p.join("/")
	s := get(t, all)
	soon(t, "a poll waits", s.Engine().Writable)
	_ = s.Volatile().Emit("first")
	p.want(`42["first"]`)
	for s.Engine().Writable() { // until no poll waits, it is sent
		_ = s.Volatile().Emit("spray")
	}
	_ = s.Emit("last")
	for p.next() != `42["last"]` {
	}
}

// TestEnds holds that what waits for a socket does not outlive it.
func TestEnds(t *testing.T) {
	io := NewServer(nil)
	all := sockets(io)
	p := dialWebSocket(t, onHTTP(t, io), "")
	p.join("/")
	s := get(t, all)
	late := make(chan error, 1)
	_ = s.Timeout(time.Hour).Emit("x", func(err error) { late <- err })
	s.mu.Lock()
	w := s.waiting[0]
	s.mu.Unlock()
	p.send("41")
	if err := get(t, late); !errors.Is(err, errDisconnected) {
		t.Error(err)
	}
	if w.timer == nil || w.timer.Stop() {
		t.Error("the timer goes on")
	}
	<-s.Context().Done()
	if !errors.Is(s.Context().Err(), context.Canceled) || s.Connected() {
		t.Error("the context goes on")
	}
	if err := s.Join("room"); err != nil || len(io.Of("/").adapter.(*MemoryAdapter).members) != 0 {
		t.Errorf("it joined: %v", err)
	}
	if err := s.Emit("nobody"); err != nil {
		t.Error(err)
	}
	s.Disconnect(true)
}
