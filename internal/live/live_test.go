package live

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// fill records a connection that says some words.
func fill(t *Timeline, words ...string) {
	tracer := trace.New(t.Sink("client", ""), trace.Byte)
	id := tracer.NewID()
	tracer.Emit(id, trace.Open{Side: trace.Client, Network: "tcp", Local: "127.0.0.1:2", Remote: "127.0.0.1:1"})
	for _, w := range words {
		tracer.Emit(id, trace.Data{Dir: trace.Out, Size: len(w), Payload: []byte(w)})
	}
}

func TestBounds(t *testing.T) {
	tl := &Timeline{MaxRecords: 100, MaxBytes: 1000}
	for i := range 1000 {
		fill(tl, fmt.Sprint(i))
	}
	list := tl.Since(0)
	if len(list) > 100 || len(list) < 50 {
		t.Fatalf("%d records are kept, at most 100 were due", len(list))
	}
	if last := list[len(list)-1]; last.Number != 1999 || tl.Next() != 2000 {
		t.Errorf("the last has number %d, and %d comes next", last.Number, tl.Next())
	}
	if b, _ := tl.batch(0); b.Skipped != list[0].Number || len(b.Rows) != len(list) {
		t.Errorf("%d skipped and %d rows, with %d kept from %d on", b.Skipped, len(b.Rows), len(list), list[0].Number)
	}
	if _, ok := tl.Detail(0); ok {
		t.Error("a record that was forgotten has details")
	}
	fill(tl, strings.Repeat("x", 5000))
	if list = tl.Since(0); len(list) != 1 {
		t.Errorf("%d records beside one that is larger than the bound", len(list))
	}
}

func TestAwait(t *testing.T) {
	tl := &Timeline{}
	go fill(tl, "a", "b")
	if !tl.Await(t.Context().Done(), 0, func(list []Entry) bool { return len(list) == 3 }) {
		t.Error("the records never came")
	}
	done := make(chan struct{})
	close(done)
	if tl.Await(done, 0, func([]Entry) bool { return false }) {
		t.Error("what never holds held")
	}
}

func TestRows(t *testing.T) {
	for _, c := range []struct {
		name    string
		between bool
		side    string
		event   trace.Event
		lane    string
		way     string
	}{
		{"a client sends", false, trace.Client, trace.Data{Dir: trace.Out}, "client", "right"},
		{"a client receives", false, trace.Client, trace.Data{Dir: trace.In}, "client", "left"},
		{"a server sends", false, trace.Server, trace.Data{Dir: trace.Out}, "server", "left"},
		{"a server receives", false, trace.Server, trace.Data{Dir: trace.In}, "server", "right"},
		{"nothing moves", false, trace.Server, trace.Close{}, "server", ""},
		{"between, to the target", true, trace.Client, trace.Data{Dir: trace.Out}, "", "right"},
		{"between, from the client", true, trace.Server, trace.Data{Dir: trace.In}, "", "right"},
		{"between, the client leaves", true, trace.Server, trace.Close{}, "client", ""},
		{"between, the target leaves", true, trace.Client, trace.Close{}, "server", ""},
	} {
		tl := &Timeline{Between: c.between}
		tracer := trace.New(tl.Sink("", ""), trace.Byte)
		id := tracer.NewID()
		tracer.Emit(id, trace.Open{Side: c.side, Network: "tcp", Local: "127.0.0.1:2", Remote: "127.0.0.1:1"})
		tracer.Emit(id, c.event)
		b, _ := tl.batch(1)
		if got := b.Rows[0]; got.Side != c.lane || got.Way != c.way {
			t.Errorf("%s: lane %q, way %q; want %q, %q", c.name, got.Side, got.Way, c.lane, c.way)
		}
	}
}

// TestJSON holds that JSON is not quoted, and what is no text is left out.
func TestJSON(t *testing.T) {
	for want, e := range map[string]trace.Event{
		`Socket.IO EVENT "say", 11 bytes|["say","x"]`:  trace.SIOPacket{Dir: trace.In, Namespace: "/", Type: "EVENT", EventName: "say", Size: 11, Payload: []byte(`["say","x"]`)},
		`Engine.IO message, 1 byte by polling|\x1b`:    trace.EIOPacket{Type: "message", Size: 1, Transport: "polling", Payload: []byte("\x1b")},
		`Engine.IO message, binary, 1 byte by polling`: trace.EIOPacket{Type: "message", Binary: true, Size: 1, Transport: "polling", Payload: []byte{0xff}},
	} {
		if _, lines := worded(e); strings.Join(lines, "|") != want {
			t.Errorf("%q, want %q", strings.Join(lines, "|"), want)
		}
	}
}

// TestLevels holds that packets of Socket.IO are not shown twice.
func TestLevels(t *testing.T) {
	for target, want := range map[string]trace.Level{"/chat": trace.Message, "/socket.io/?EIO=4&transport=websocket": trace.Frame} {
		tl := &Timeline{}
		tracer := trace.New(tl.Sink("", ""), trace.Byte)
		id := tracer.NewID()
		tracer.Emit(id, trace.Upgrade{Side: trace.Server, Target: target})
		tracer.Emit(id, trace.WSMessage{Dir: trace.Out, Type: "text"})
		if b, _ := tl.batch(1); b.Rows[0].Level != int(want) {
			t.Errorf("%s: level %d, want %d", target, b.Rows[0].Level, want)
		}
	}
}

// TestCommands has a shell read what is to be copied.
func TestCommands(t *testing.T) {
	tcp := ends{side: trace.Client, network: "tcp", server: "127.0.0.1:9000"}
	web := ends{side: trace.Client, network: "tcp", server: "127.0.0.1:9000", target: "/a?b='c'"}
	request := "GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nOrigin: http://it's\r\n\r\n"
	for _, c := range []struct {
		ends  ends
		event trace.Event
		words []string // as a shell sees them; "|" is a pipe
	}{
		{tcp, trace.Open{}, []string{"sockkit", "dial", "-v", "tcp://127.0.0.1:9000"}},
		{tcp, trace.Data{Dir: trace.In, Payload: []byte("x")}, nil},
		{web, trace.HTTPHead{Dir: trace.Out, Payload: []byte(request)}, []string{"sockkit", "handshake", "dial", "ws://127.0.0.1:9000/a?b='c'", "--set", "Origin: http://it's"}},
		{web, trace.WSMessage{Dir: trace.Out, Type: "text", Payload: []byte("it's $HOME `id`")}, []string{"sockkit", "dial", "-vv", "ws://127.0.0.1:9000/a?b='c'", "-x", "it's $HOME `id`"}},
		{tcp, trace.Data{Dir: trace.Out, Payload: bytes.Repeat([]byte("x"), 5000)}, nil},
	} {
		k := kept{Entry: Entry{Record: trace.Record{Event: c.event}}, ends: c.ends}
		line := k.command()
		if line == "" && c.words == nil {
			continue
		}
		out, err := exec.Command("sh", "-c", "sockkit() { printf '%s\\n' sockkit \"$@\"; }; "+line).Output()
		if want := strings.Join(c.words, "\n") + "\n"; err != nil || string(out) != want {
			t.Errorf("%s\nis read as\n%swant\n%s%v", line, out, want, err)
		}
	}
	for _, payload := range []string{"hello\n", "100% \\n it's\r\n", "\x00\xff\x80", "-n"} {
		k := kept{Entry: Entry{Record: trace.Record{Event: trace.Data{Dir: trace.Out, Payload: []byte(payload)}}}, ends: tcp}
		out, err := exec.Command("sh", "-c", "sockkit() { cat; }; "+k.command()).Output()
		if err != nil || string(out) != payload {
			t.Errorf("%s sends %q (%v), want %q", k.command(), out, err, payload)
		}
	}
}

func TestGuard(t *testing.T) {
	h := Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), []string{"demo.example"})
	for _, c := range []struct {
		host, origin string
		status       int
	}{
		{"127.0.0.1:8080", "", 200},
		{"localhost:8080", "http://localhost:8080", 200},
		{"[::1]:8080", "http://[::1]:8080", 200},
		{"demo.example", "http://demo.example", 200},
		{"DEMO.example:80", "", 200},
		{"evil.example:8080", "", 403},
		{"", "", 403},
		{"localhost:8080", "http://localhost:3000", 403},
		{"localhost:8080", "http://evil.example", 403},
		{"localhost:8080", "null", 403},
		{"demo.example", "http://localhost", 403},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("Host %q, Origin %q: %d, want %d (%s)", c.host, c.origin, w.Code, c.status, w.Body)
		}
		if csp := w.Header().Get("Content-Security-Policy"); c.status == 200 && !strings.HasPrefix(csp, "default-src 'self';") {
			t.Errorf("the policy is %q", csp)
		}
	}
}

// TestServed reads a timeline as its page does.
func TestServed(t *testing.T) {
	tl := &Timeline{}
	fill(tl, "hello")
	s := httptest.NewServer(Guard(tl.Page("a <b> title"), nil))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	c, _, err := (&ws.Dialer{}).Dial(ctx, "ws"+strings.TrimPrefix(s.URL, "http")+"/trace/rows?from=1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if b := readBatch(t, ctx, c); len(b.Rows) != 1 || b.Rows[0].Lines[0] != `5 bytes "hello"` || b.Next != 2 {
		t.Errorf("the first batch is %+v", b)
	}
	fill(tl)
	if b := readBatch(t, ctx, c); len(b.Rows) != 1 || b.Rows[0].Event != "open" || b.Next != 3 {
		t.Errorf("what came later is %+v", b)
	}

	var d Detail
	if err := json.Unmarshal([]byte(get(t, s.URL+"/trace/record?n=1", 200)), &d); err != nil {
		t.Fatal(err)
	}
	if string(d.Bytes) != "hello" || d.Command != "printf hello | sockkit dial -vv tcp://127.0.0.1:1" || !strings.Contains(string(d.Record), `"event":"data"`) {
		t.Errorf("the details are %+v", d)
	}
	get(t, s.URL+"/trace/record?n=99", 404)
	get(t, s.URL+"/trace/record?n=x", 400)
	if lines := get(t, s.URL+"/trace/trace.jsonl", 200); strings.Count(lines, "\n") != 3 {
		t.Errorf("the JSON lines are %s", lines)
	}
	if capture := get(t, s.URL+"/trace/trace.pcapng", 200); !strings.HasPrefix(capture, "\x0a\x0d\x0d\x0a") {
		t.Errorf("%d bytes are no capture", len(capture))
	}
	if page := get(t, s.URL+"/", 200); !strings.Contains(page, "<h1>a &lt;b&gt; title</h1>") {
		t.Errorf("the page is %s", page)
	}
	get(t, s.URL+"/live/timeline.js", 200)
}

func readBatch(t *testing.T, ctx context.Context, c *ws.Conn) (b batch) {
	t.Helper()
	_, text, err := c.Read(ctx)
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func get(t *testing.T, url string, status int) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != status {
		t.Fatalf("%s: %d %s (%v), want %d", url, r.StatusCode, b, err, status)
	}
	return string(b)
}
