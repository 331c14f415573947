package browser_test

import (
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sockkit/sockkit/examples/browser"
	"github.com/sockkit/sockkit/socketio"
)

// app is the smallest application.
type app struct{ http.Handler }

func (app) Close() {}

func newApp(server *socketio.Server) app {
	return app{browser.Site(fstest.MapFS{"page.html": {Data: []byte("a page")}, "page.js": {Data: []byte("1")}}, server)}
}

// What an application consists of is there, as what it is, below any prefix.
func TestSite(t *testing.T) {
	s := httptest.NewServer(http.StripPrefix("/any/where", newApp(socketio.NewServer(nil))))
	defer s.Close()
	for path, want := range map[string][2]string{
		"":                                   {"text/html; charset=utf-8", "a page"},
		"page.js":                            {"text/javascript; charset=utf-8", "1"},
		"socketio.js":                        {"text/javascript; charset=utf-8", "// A client for Socket.IO"},
		"engineio.js":                        {"text/javascript; charset=utf-8", "// Engine.IO 4"},
		"kit.js":                             {"text/javascript; charset=utf-8", "// What the pages"},
		"base.css":                           {"text/css; charset=utf-8", "/* What the pages"},
		"icon.svg":                           {"image/svg+xml", "<svg"},
		"socket.io/?EIO=4&transport=polling": {"text/plain; charset=UTF-8", `0{"sid":`},
		"nothing":                            {"text/plain; charset=utf-8", "404"},
	} {
		answer, err := http.Get(s.URL + "/any/where/" + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if got := answer.Header.Get("Content-Type"); got != want[0] || !strings.HasPrefix(string(body), want[1]) {
			t.Errorf("%q: %s, %.40q", path, got, body)
		}
		if policy := answer.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'self';") {
			t.Errorf("%q: the policy is %q", path, policy)
		}
	}
}

// A server that is told to leave tells its clients, and lets in only who names
// this machine.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	server := socketio.NewServer(nil)
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- browser.Serve(ctx, l, server, newApp(server)) }()

	for host, status := range map[string]int{
		"": 200, "localhost": 200, "localhost:3000": 200, "[::1]:80": 200, "127.0.0.1": 200,
		"evil.example": 403, "127.0.0.1.evil.example": 403, "192.0.2.1": 403,
	} {
		r, _ := http.NewRequest("GET", url, nil)
		r.Host = host
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("the host %q got %s", host, answer.Status)
		}
	}
	c := socketio.NewClient(url, &socketio.ClientOptions{NoReconnection: true})
	defer c.Close()
	gone := make(chan string, 1)
	c.OnDisconnect(func(reason string) { gone <- reason })
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	leave()
	for range 2 {
		select {
		case <-gone:
		case err := <-ended:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(60 * time.Second):
			t.Fatal("it did not leave")
		}
	}
}

// inMarkup is what no page may do: take a text for markup, or have a script or a
// style inside its own.
var inMarkup = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|<script>|<style|\sstyle=|\son[a-z]+=|https?://[a-z]`)

func TestPagesAreSafe(t *testing.T) {
	pages := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch filepath.Ext(path) {
		case ".html", ".js":
		default:
			return err
		}
		pages++
		text, err := os.ReadFile(path)
		for _, line := range strings.Split(string(text), "\n") {
			words := strings.ReplaceAll(line, "http://www.w3.org/2000/svg", "")
			if strings.HasPrefix(strings.TrimSpace(words), "//") {
				continue
			}
			if found := inMarkup.FindString(words); found != "" {
				t.Errorf("%s: %q in %s", path, found, line)
			}
		}
		return err
	})
	if err != nil || pages < 10 {
		t.Errorf("%d pages, %v", pages, err)
	}
}
