package socketio

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	stdio "io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
)

// TestProtocol3 is what clients of Socket.IO v2 get.
func TestProtocol3(t *testing.T) {
	io := NewServer(&ServerOptions{Engine: &engine.Server{AllowEIO3: true}})
	all := sockets(io)
	custom := sockets(io.Of("/custom"))
	io.Of("/no").Use(func(*Socket) error { return errors.New("not you") })
	io.Of("/data").Use(func(*Socket) error { return &Error{Message: "x", Data: map[string]int{"a": 1}} })
	p := dialWebSocket(t, onHTTP(t, io), "EIO=3")
	p.want("40") // at once
	if s := get(t, all); s.ID() != p.session {
		t.Errorf("the id is %s, of the session %s", s.ID(), p.session)
	}
	p.send("40/custom?token=abc&b=c%20d,")
	p.want("40/custom,")
	s := get(t, custom)
	if s.ID() != "/custom#"+p.session || s.Handshake().Auth["token"] != "abc" || s.Handshake().Auth["b"] != "c d" {
		t.Errorf("id %s, auth %v", s.ID(), s.Handshake().Auth)
	}
	_ = s.Emit("x", 1)
	p.want(`42/custom,["x",1]`)
	p.send("40/no,", "40/data,", "40/none,")
	got := []string{p.next(), p.next(), p.next()}
	slices.Sort(got)
	if want := []string{`44/data,{"a":1}`, `44/no,"not you"`, `44/none,{"message":"Invalid namespace"}`}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestBroadcasts(t *testing.T) {
	io := NewServer(nil)
	all := sockets(io)
	addr := onHTTP(t, io)
	var peers []*peer
	var at []*Socket
	for range 3 {
		p := dialWebSocket(t, addr, "")
		p.join("/")
		peers, at = append(peers, p), append(at, get(t, all))
	}
	a, b, c := at[0], at[1], at[2]
	_, _ = a.Join("r1", "r2"), b.Join("r2", "r3")
	cases := []struct {
		send func() error
		to   []bool
	}{
		{func() error { return io.Emit("x") }, []bool{true, true, true}},
		{func() error { return io.To("r1", "r2").Emit("x") }, []bool{true, true, false}},
		{func() error { return io.In("r1").To("r3").Emit("x") }, []bool{true, true, false}},
		{func() error { return io.Except("r3").Emit("x") }, []bool{true, false, true}},
		{func() error { return io.To("r2").Except("r1").Local().Compress(false).Volatile().Emit("x") }, []bool{false, true, false}},
		{func() error { return a.Broadcast().Emit("x") }, []bool{false, true, true}},
		{func() error { return a.To("r2").Emit("x") }, []bool{false, true, false}},
		{func() error { return a.In("r1").Emit("x") }, []bool{false, false, false}},
		{func() error { return a.Except("r2").Emit("x") }, []bool{false, false, true}},
		{func() error { return a.Local().Emit("x") }, []bool{false, true, true}},
		{func() error { return c.Volatile().To("r1").Emit("x") }, []bool{true, false, false}},
		{func() error { return c.Compress(false).In("r1").Emit("x") }, []bool{true, false, false}},
		{func() error { return c.Timeout(1).Except("r1").Emit("x") }, []bool{false, true, false}},
		{func() error { return c.Compress(true).Local().Emit("x") }, []bool{true, true, false}},
		{func() error { return c.Compress(false).Volatile().Broadcast().Emit("x") }, []bool{true, true, false}},
		{func() error { return io.To(b.ID()).Emit("x") }, []bool{false, true, false}},
		{func() error { return io.To("nowhere").Emit("x") }, []bool{false, false, false}},
		{func() error { return b.Compress(false).Emit("x") }, []bool{false, true, false}},
	}
	for i, k := range cases {
		if err := k.send(); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		_ = io.Send(i)
		for j, p := range peers {
			if k.to[j] {
				p.want(`42["x"]`)
			}
			p.want(fmt.Sprintf(`42["message",%d]`, i)) // and nothing before it
		}
	}
	base := io.To("r1") // it stays as it is
	_, _ = base.To("r3"), base.Except("r1")
	if len(base.selection.Rooms) != 1 || len(base.selection.Except) != 0 {
		t.Errorf("%+v", base.selection)
	}
	for _, err := range []error{io.Emit("disconnect"), io.To("r1").Emit("connect"), io.Emit("x", make(chan int)), io.Emit("x", func() {})} {
		if err == nil {
			t.Error("it was sent")
		}
	}
	io.SocketsJoin("all")
	io.In("r1").SocketsLeave("all")
	if got := io.Of("/").Adapter().Sockets(Selection{Rooms: []string{"all"}}); len(got) != 2 || slices.Contains(got, a.ID()) {
		t.Errorf("%q", got)
	}
	io.In("r3").DisconnectSockets(true)
	peers[1].want("41", "")
}

// TestBroadcastAcks holds what comes back of a broadcast.
func TestBroadcastAcks(t *testing.T) {
	io := NewServer(nil)
	addr := onHTTP(t, io)
	if answers, err := io.EmitWithAck(context.Background(), "x"); len(answers) != 0 || err != nil {
		t.Errorf("of nobody: %v, %v", answers, err)
	}
	p, q := dialWebSocket(t, addr, ""), dialWebSocket(t, addr, "")
	p.join("/")
	q.join("/")
	done := make(chan string, 1)
	took := func(err error, answers []Args) { done <- fmt.Sprint(len(answers), err) }
	_ = io.Emit("x", took)
	id := p.match(`^42(\d+)\["x"\]$`)[1]
	q.want("42" + id + `["x"]`)
	p.send("43"+id+`[1]`, "43"+id+`[2]`) // the second is nobody's
	q.send("43" + id + `[2]`)
	if got := get(t, done); got != "2 <nil>" {
		t.Error(got)
	}
	_ = io.Timeout(50*time.Millisecond).Emit("x", took)
	id = p.match(`^42(\d+)\["x"\]$`)[1]
	p.send("43" + id + `[1]`)
	q.next()
	if got := get(t, done); got != "1 operation has timed out" && got != "0 operation has timed out" {
		t.Error(got)
	}
	_ = io.Timeout(20*time.Millisecond).Emit("x", took)
	q.next()
	p.send("1") // who leaves does not answer
	if got := get(t, done); got != "0 operation has timed out" {
		t.Error(got)
	}
	for _, s := range io.Sockets() {
		soon(t, "nobody waits", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.waiting) == 0 })
	}
}

func TestListeners(t *testing.T) {
	io := NewServer(nil)
	log := newNotes()
	kept := func() { log.add("kept") }
	dropped := func() { log.add("dropped") }
	all := sockets(io)
	io.OnConnection(func(s *Socket) {
		s.On("x", kept)
		s.On("x", dropped)
		s.Once("x", func() { log.add("once") })
		s.Off("x", dropped)
		s.On("y", dropped)
		s.Off("y")
		s.OnAny(func(event string, args Args) { log.add("any %s %d", event, args.Len()) })
		off := s.OnAny(func(string, Args) { log.add("off") })
		s.PrependAny(func(string, Args) { log.add("first") })
		off()
		s.OnAnyOutgoing(func(event string, args Args) { log.add("out %s %s", event, args.JSON(0)) })
		s.PrependAnyOutgoing(func(string, Args) { log.add("first out") })
		s.Use(func(e *Event) error {
			if e.Name == "refused" {
				return errors.New("no " + e.Name)
			}
			return nil
		})
		s.On("refused", dropped)
		s.On("typed", func(int) { log.add("typed") })
		s.On("error", func(err error) { log.add("error %v", err) })
	})
	p := dialWebSocket(t, onHTTP(t, io), "")
	p.join("/")
	s := get(t, all)
	p.send(`42["x"]`, `42["x",1]`, `42["y"]`, `42["refused"]`, `42["typed","text"]`, `42["error","mine"]`)
	want := []string{
		"first", "any x 0", "kept", "once", "first", "any x 1", "kept", "first", "any y 0", "first", "any refused 0", "error no refused",
		"first", "any typed 1", "error argument 1: got string, want int", "first", "any error 1",
	}
	if got := log.count(t, len(want)); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	_ = s.Emit("bye", 1)
	_ = io.Emit("all", 2)
	want = append(want, "first out", "out bye 1", "first out", "out all 2")
	if got := log.count(t, len(want)); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if s.ListenersAny() != 2 || s.ListenersAnyOutgoing() != 2 || s.ListenerCount("x") != 1 {
		t.Error("wrong counts")
	}
	s.OffAny()
	s.OffAnyOutgoing()
	if s.ListenersAny() != 0 || s.ListenersAnyOutgoing() != 0 {
		t.Error("they are still there")
	}
	for _, fn := range []any{func(int) {}, nil, "x"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%T handles a disconnect", fn)
				}
			}()
			s.On("disconnect", fn)
		}()
	}
}

// TestOnRoom holds that what happens to rooms is told in order, and that who is
// told may do anything.
func TestOnRoom(t *testing.T) {
	io := NewServer(nil)
	log, all := newNotes(), sockets(io)
	for _, event := range []RoomEvent{RoomCreated, RoomDeleted, RoomJoined, RoomLeft} {
		io.Of("/").OnRoom(event, func(room, id string) {
			if len(room) == 20 {
				room = "own"
			}
			log.add("%s %s %v", event, room, id != "")
			if event == RoomCreated && room == "a" {
				_ = io.To("a").Emit("created")
				_ = io.Sockets()[0].Join("b")
			}
		})
	}
	p := dialWebSocket(t, onHTTP(t, io), "")
	p.join("/")
	s := get(t, all)
	_ = s.Join("a")
	p.want(`42["created"]`)
	s.Leave("a")
	p.send("41")
	log.until(t, "the end", func(lines []string) bool {
		return slices.Contains(lines, "delete-room own false") && slices.Contains(lines, "delete-room b false")
	})
	want := []string{
		"create-room own false", "join-room own true", "create-room a false", "join-room a true", "create-room b false", "join-room b true",
		"leave-room a true", "delete-room a false",
	}
	if got := log.all(); !slices.Equal(got[:8], want) || len(got) != 12 {
		t.Errorf("got %q", got)
	}
}

func TestHandshake(t *testing.T) {
	io := NewServer(nil)
	all := sockets(io)
	p := dialWebSocket(t, onHTTP(t, io), "EIO=4&user=u&list=1&list=2")
	p.send(`40{"token":"x"}`)
	s := get(t, all)
	h := s.Handshake()
	if h.Address != "127.0.0.1" || h.XDomain || h.Secure || h.Query.Get("user") != "u" || h.Auth["token"] != "x" || !strings.HasPrefix(h.URL, "/socket.io/?") {
		t.Errorf("%+v", h)
	}
	if s.Request().URL.Query().Get("user") != "u" || s.Engine().ID() != p.session || s.Namespace().Server() != io {
		t.Error("what it began with is another")
	}
	data, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var names map[string]any
	_ = json.Unmarshal(data, &names)
	for _, name := range []string{"headers", "time", "address", "xdomain", "secure", "issued", "url", "query", "auth"} {
		if _, ok := names[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	if headers := names["headers"].(map[string]any); !strings.HasPrefix(headers["host"].(string), "127.0.0.1:") || headers["upgrade"] != "websocket" {
		t.Errorf("%v", headers)
	}
	var back Handshake
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back.Query.Get("user") != "u" || len(back.Query["list"]) != 2 || back.Auth["token"] != "x" || back.Time.UnixMilli() != h.Time.UnixMilli() || back.Headers.Get("Upgrade") != "websocket" {
		t.Errorf("%+v", back)
	}
	again, _ := json.Marshal(&back)
	back.Time = h.Time
	if !bytes.Contains(again, []byte(`"address":"127.0.0.1"`)) {
		t.Errorf("%s", again)
	}
}

// A program in Node may have put anything into a handshake: the rest is read.
func TestHandshakeOdd(t *testing.T) {
	var h Handshake
	err := json.Unmarshal([]byte(`{"auth":"token","issued":"then","secure":"yes","headers":{"x":5,"y":"z"},"query":[],"time":{},"address":{"ip":1},"url":"/u","xdomain":true}`), &h)
	if err != nil || h.Auth == nil || len(h.Auth) > 0 || h.Secure || !h.XDomain || h.URL != "/u" || h.Headers.Get("Y") != "z" || h.Query == nil {
		t.Errorf("%+v, %v", h, err)
	}
	for _, text := range []string{`"x"`, `[]`, `7`} {
		if err := json.Unmarshal([]byte(text), &h); err == nil {
			t.Errorf("%s is a handshake", text)
		}
	}
}

// To official servers a number may name an event; to a Go program that is its text.
func TestServerEventNumber(t *testing.T) {
	io := NewServer(nil)
	came := make(chan string, 1)
	io.OnServer("7", func(text string) { came <- text })
	args, err := ParseArgs([]byte(`[7,"x"]`), nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Of("/").ServerEvent(args, nil)
	if got := get(t, came); got != "x" {
		t.Errorf("%q", got)
	}
}

func TestAttach(t *testing.T) {
	io := NewServer(&ServerOptions{Path: "/rt"})
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page ", r.URL.Path) })
	h := httptest.NewUnstartedServer(mux)
	io.Attach(h.Config)
	h.Start()
	defer h.Close()
	for path, want := range map[string]string{"/about": "page /about", "/rt": "page /rt", "/rt/?EIO=4&transport=polling": `0{"sid"`} {
		if _, body := fetch(t, h.URL+path, nil); !strings.HasPrefix(body, want) {
			t.Errorf("%s: %s", path, body)
		}
	}
	h.CloseClientConnections()
	closeQuickly(t, io)
	closeQuickly(t, io) // again
	if _, err := http.Get(h.URL); err == nil {
		t.Error("the HTTP server goes on")
	}
}

func fetch(t *testing.T, url string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, _ := http.NewRequest(http.MethodGet, url, nil)
	r.Header = header
	if header == nil {
		r.Header = http.Header{"Accept-Encoding": {"identity"}}
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := stdio.ReadAll(answer.Body)
	return answer, string(body)
}

func TestServeClient(t *testing.T) {
	script := strings.Repeat("console.log('socket.io');\n", 100)
	io := NewServer(&ServerOptions{ServeClient: fstest.MapFS{
		"socket.io.js": {Data: []byte(script)}, "socket.io.js.map": {Data: []byte("{}")}, "secret.txt": {Data: []byte("no")},
	}})
	url := "http://" + onListener(t, io) + "/socket.io/"
	answer, body := fetch(t, url+"socket.io.js", nil)
	tag := answer.Header.Get("ETag")
	if body != script || answer.Header.Get("Content-Type") != "application/javascript; charset=utf-8" || answer.Header.Get("Cache-Control") != "public, max-age=0" || tag == "" {
		t.Errorf("%v", answer.Header)
	}
	if answer, _ := fetch(t, url+"socket.io.js.map", nil); answer.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("%v", answer.Header)
	}
	for _, match := range []string{tag, "W/" + tag} {
		if answer, body := fetch(t, url+"socket.io.js", http.Header{"If-None-Match": {match}}); answer.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("%s: %d %q", match, answer.StatusCode, body)
		}
	}
	for how, open := range map[string]func(stdio.Reader) (stdio.Reader, error){
		"gzip":    func(r stdio.Reader) (stdio.Reader, error) { return gzip.NewReader(r) },
		"deflate": func(r stdio.Reader) (stdio.Reader, error) { return zlib.NewReader(r) },
	} {
		for range 2 {
			answer, body := fetch(t, url+"socket.io.js", http.Header{"Accept-Encoding": {"br, gzip;q=0, " + how}})
			r, err := open(strings.NewReader(body))
			if err != nil || answer.Header.Get("Content-Encoding") != how {
				t.Fatalf("%s: %v, %v", how, err, answer.Header)
			}
			if plain, _ := stdio.ReadAll(r); string(plain) != script {
				t.Errorf("%s: %q", how, plain)
			}
		}
	}
	for _, name := range []string{"secret.txt", "socket.io.min.js", "../secret.txt", "%2e%2e/secret.txt"} {
		if answer, _ := fetch(t, url+name, nil); answer.StatusCode < 400 {
			t.Errorf("%s: %d", name, answer.StatusCode)
		}
	}
	dialPolling(t, strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/socket.io/"), "").join("/")
}

func TestBind(t *testing.T) {
	io := NewServer(nil)
	io.Bind(&engine.Server{Path: "/other/", MaxHTTPBufferSize: 123})
	h := httptest.NewServer(io)
	defer h.Close()
	defer closeQuickly(t, io)
	if _, body := fetch(t, h.URL+"/other/?EIO=4&transport=polling", nil); !strings.Contains(body, `"maxPayload":123`) || io.EngineServer().ClientsCount() != 1 {
		t.Error(body)
	}
}

func TestTrace(t *testing.T) {
	var recorder trace.Recorder
	io := NewServer(&ServerOptions{Tracer: trace.New(&recorder, trace.Message)})
	io.Of("/n").OnConnection(func(s *Socket) {
		s.On("up", func(data []byte, ack func(string)) { ack("ok") })
	})
	p := dialWebSocket(t, onHTTP(t, io), "")
	p.join("/n")
	p.send(`451-/n,7["up",{"_placeholder":true,"num":0}]`, b64(1, 2, 3))
	p.want(`43/n,7["ok"]`)
	p.send(`42/none,["x"]`)
	p.ended()
	var got []string
	for _, e := range trace.Events[trace.SIOPacket](recorder.Records()) {
		if e.Session != p.session {
			t.Errorf("the session is %q", e.Session)
		}
		got = append(got, fmt.Sprint(e.Dir, " ", e.Namespace, " ", e.Type, " ", e.EventName, " ", e.AckID, " ", e.Attachments, " ", e.Size))
	}
	want := []string{"in /n CONNECT   0 0", "out /n CONNECT   0 30", "in /n EVENT up 7 1 39", "out /n ACK  7 0 6", "in /none EVENT x  0 5"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	notes := trace.Events[trace.Note](recorder.Records())
	if len(notes) == 0 || !strings.Contains(notes[len(notes)-1].Text, `may not come now, for the namespace "/none"`) {
		t.Errorf("%v", notes)
	}
}

// TestTraceAllocs holds that no tracer costs nothing.
func TestTraceAllocs(t *testing.T) {
	for name, tracer := range map[string]*trace.Tracer{"none": nil, "connections": trace.New(&trace.Recorder{}, trace.Connection)} {
		c := &conn{server: &Server{ServerOptions: ServerOptions{Tracer: tracer}}}
		p := &Packet{Type: PacketEvent, Data: []byte(`["x"]`), HasID: true, ID: 12345}
		if n := testing.AllocsPerRun(100, func() { c.record(trace.In, p) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
