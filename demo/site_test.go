package demo

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/ws"
)

// browserTab is a page's connection to its stage, as visit.js makes it.
type browserTab struct {
	t    *testing.T
	ctx  context.Context
	conn *ws.Conn
	id   string
	last int
	seen []said
}

func newTestSite(t *testing.T) (*Site, string) {
	t.Helper()
	s, err := NewSite()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		server.Close()
	})
	return s, server.URL
}

func newTab(t *testing.T, url, query string) *browserTab {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	c, _, err := (&ws.Dialer{}).Dial(ctx, "ws"+strings.TrimPrefix(url, "http")+"/visit?"+query)
	if err != nil {
		t.Fatal(err)
	}
	b := &browserTab{t: t, ctx: ctx, conn: c}
	t.Cleanup(func() { _ = c.CloseNow() })
	b.id = b.until(func(s said) bool { return s.Visit != nil }).Visit.ID
	return b
}

// until reads until a message comes that is meant.
func (b *browserTab) until(meant func(said) bool) said {
	b.t.Helper()
	for {
		_, text, err := b.conn.Read(b.ctx)
		if err != nil {
			b.t.Fatalf("the tab's connection: %v", err)
		}
		var s said
		if err := json.Unmarshal(text, &s); err != nil {
			b.t.Fatal(err)
		}
		b.seen = append(b.seen, s)
		if meant(s) {
			return s
		}
	}
}

// call has the stage do something, and returns its answer.
func (b *browserTab) call(name, args string) reply {
	b.t.Helper()
	b.last++
	if args == "" {
		args = "{}"
	}
	text, _ := json.Marshal(call{Call: name, ID: b.last, Args: json.RawMessage(args)})
	if err := b.conn.Write(b.ctx, ws.Text, text); err != nil {
		b.t.Fatal(err)
	}
	return *b.until(func(s said) bool { return s.Reply != nil && s.Reply.ID == b.last }).Reply
}

// pushed waits for a value that the stage shows.
func (b *browserTab) pushed(name string) string {
	b.t.Helper()
	meant := func(s said) bool { return s.Push != nil && s.Push.Name == name }
	for _, s := range b.seen {
		if meant(s) {
			return string(s.Push.Value)
		}
	}
	return string(b.until(meant).Push.Value)
}

func TestVisit(t *testing.T) {
	s, url := newTestSite(t)
	before := runtime.NumGoroutine()
	ann := newTab(t, url, "of=tcp")
	address := strings.Trim(ann.pushed("address"), `"`)
	if r := ann.call("open", ""); r.Error != "" {
		t.Fatalf("open: %s", r.Error)
	}
	if r := ann.call("send", `{"who":"client","text":"hello"}`); r.Error != "" {
		t.Errorf("send: %s", r.Error)
	}
	for args, want := range map[string]string{
		`{"who":"client","text":""}`: "1 to 65,536 bytes",
		`{"text":7}`:                 "what the page sent is wrong",
	} {
		if r := ann.call("send", args); !strings.Contains(r.Error, want) {
			t.Errorf("send %s: %q, want %q", args, r.Error, want)
		}
	}
	if r := ann.call("reset", `{"who":"client"}`); r.Error != "" {
		t.Errorf("reset: %s", r.Error)
	}
	for name, args := range map[string]string{"reset": `{"who":"client"}`, "send": `{"who":"client","text":"hello"}`} {
		if r := ann.call(name, args); !strings.HasSuffix(r.Error, "this end is closed already: open a connection anew") {
			t.Errorf("%s after the reset: %q", name, r.Error)
		}
	}
	if r := ann.call("open", ""); r.Error != "" {
		t.Fatalf("open: %s", r.Error)
	}
	if r := ann.call("fly", ""); r.Error != `nothing here is called "fly"` {
		t.Errorf("an unknown call: %q", r.Error)
	}

	// Another tab of the same visit knows what was shown; a stranger has his own.
	bob := newTab(t, url, "of=tcp&join="+ann.id)
	if bob.id != ann.id || strings.Trim(bob.pushed("address"), `"`) != address {
		t.Error("the second tab is not in the first one's visit")
	}
	if eve := newTab(t, url, "of=tcp&join=nobody"); eve.id == ann.id {
		t.Error("a stranger is in the visit")
	} else {
		_ = eve.conn.CloseNow()
	}
	if status := statusOf(t, url+"/visit/"+ann.id+"/trace/trace.jsonl"); status != 200 {
		t.Errorf("the trace: %d", status)
	}

	// The visit lives as long as its last tab, and then gives all back.
	_ = ann.conn.CloseNow()
	if r := bob.call("send", `{"who":"server","text":"still here"}`); r.Error != "" {
		t.Errorf("after the first tab has left: %s", r.Error)
	}
	_ = bob.conn.CloseNow()
	eventually(t, "the end of the visits", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.visits) == 0
	})
	eventually(t, "the port is given back", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return isRefused(err)
	})
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "the goroutines end", func() bool { return runtime.NumGoroutine() <= before+2 })
	if status := statusOf(t, url+"/visit/"+ann.id+"/trace/trace.jsonl"); status != 404 {
		t.Errorf("the trace of a visit that is over: %d", status)
	}
}

func statusOf(t *testing.T, url string) int {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

// eventually looks again and again, for what nobody tells.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("waited in vain: %s\n%s", what, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// TestStoryOnPage tells a lesson to a page: its texts are the terminal's.
func TestStoryOnPage(t *testing.T) {
	_, url := newTestSite(t)
	b := newTab(t, url, "of=tcp")
	if r := b.call("story-begin", ""); r.Error != "" {
		t.Fatal(r.Error)
	}
	kinds := map[string]int{}
	for {
		p := b.until(func(s said) bool { return s.Story != nil }).Story
		kinds[p.Kind]++
		if p.Kind == "error" {
			t.Fatal(p.Text)
		}
		if p.Kind == "end" {
			break
		}
		if p.Kind == "wait" {
			text, _ := json.Marshal(call{Call: "story-next", ID: 1000, Args: json.RawMessage("{}")})
			if err := b.conn.Write(b.ctx, ws.Text, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if lesson, _ := Find("tcp"); kinds["title"] != len(lesson.Steps)+2 || kinds["text"] < 30 || kinds["records"] < len(lesson.Steps) {
		t.Errorf("the story had %v", kinds)
	}
	late := newTab(t, url, "of=tcp&join="+b.id)
	late.until(func(s said) bool { return s.Story != nil && s.Story.Kind == "end" })
}

func TestVisitors(t *testing.T) {
	s, url := newTestSite(t)
	s.MaxVisitors = 2
	first := newTab(t, url, "of=tcp")
	newTab(t, url, "of=udp")
	at := "ws" + strings.TrimPrefix(url, "http") + "/visit?of=tcp"
	third, _, err := (&ws.Dialer{}).Dial(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = third.Read(t.Context()); ws.CloseStatus(err) != ws.StatusTryAgainLater || !strings.Contains(err.Error(), "there is room for 2 visitors") {
		t.Errorf("the third visitor: %v, want 1013", err)
	}
	newTab(t, url, "of=tcp&join="+first.id) // no visitor more
	for _, origin := range []string{"http://evil.example", "null", "http://localhost:1"} {
		if _, _, err := (&ws.Dialer{Origin: origin}).Dial(t.Context(), at); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("a page of %s: %v, want 403", origin, err)
		}
	}
}

// TestNonsense holds that what is no call ends the tab, and nothing else.
func TestNonsense(t *testing.T) {
	_, url := newTestSite(t)
	good := newTab(t, url, "of=tcp")
	bad := newTab(t, url, "of=tcp&join="+good.id)
	if err := bad.conn.Write(bad.ctx, ws.Text, []byte("{")); err != nil {
		t.Fatal(err)
	}
	for {
		if _, _, err := bad.conn.Read(bad.ctx); err != nil {
			if ws.CloseStatus(err) != ws.StatusPolicyViolation {
				t.Errorf("the tab ended with %v, want 1008", err)
			}
			break
		}
	}
	if r := good.call("open", ""); r.Error != "" {
		t.Errorf("the other tab: %s", r.Error)
	}
}

func TestPages(t *testing.T) {
	s, _ := newTestSite(t)
	for path, want := range map[string]int{
		"/": 200, "/lesson/tcp": 200, "/lesson/none": 404, "/app/none": 404, "/nothing": 404,
		"/site/style.css": 200, "/site/socketio.js": 200, "/live/timeline.js": 200, "/visit/x/trace/rows": 404,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "localhost"
		s.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	for _, l := range Lessons() {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/lesson/"+l.Name, nil)
		r.Host = "localhost"
		s.ServeHTTP(w, r)
		if body := w.Body.String(); w.Code != 200 || !strings.Contains(body, "</html>") || strings.Contains(body, "indented lines") {
			t.Errorf("lesson %s: %d, %d bytes", l.Name, w.Code, len(body))
		}
	}
}
