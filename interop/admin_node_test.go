package interop

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/admin"
	"github.com/sockkit/sockkit/socketio/redis"
)

// officialAdmin is a server of Node that the official package watches.
func officialAdmin(t *testing.T, words map[string]string) (url string) {
	t.Helper()
	text, _ := json.Marshal(words)
	it := start(t, program{args: []string{"node", "node/admin-server.cjs", string(text)}})
	await(t, "the port of Node's server", it.out.event, func() bool { return strings.Contains(it.out.String(), "\n") })
	return "http://127.0.0.1:" + strings.TrimSpace(it.out.String())
}

// ourAdmin is one of ours with the same handlers.
func ourAdmin(t *testing.T, name string, adapter socketio.AdapterFactory) (url string) {
	t.Helper()
	h := &sioHost{Server: socketio.NewServer(&socketio.ServerOptions{Adapter: adapter}), sioLog: newSIOLog()}
	if err := admin.Instrument(h.Server, &admin.Options{Username: "ada", PasswordHash: adminHash(t), ServerID: name}); err != nil {
		t.Fatal(err)
	}
	h.OnConnection(func(s *socketio.Socket) {
		s.SetData(map[string]any{"name": s.Handshake().Auth["name"]})
		s.On("join", func(room string, ack func()) { _ = s.Join(room); ack() })
		s.On("leave", func(room string, ack func()) { s.Leave(room); ack() })
		s.On("order", func(what any, ack func()) { _ = s.Emit("receipt", what, map[string]int{"n": 1}, nil); ack() })
	})
	h.serve(t, true)
	return h.url
}

// adminWatch is a page as the tests have it: it keeps what it is told.
type adminWatch struct {
	t *testing.T
	*socketio.Client
	mu      sync.Mutex
	lines   []string
	changed chan struct{}
}

func watchAs(t *testing.T, url string) *adminWatch {
	t.Helper()
	w := &adminWatch{t: t, changed: make(chan struct{})}
	w.Client = socketio.NewClient(url+"/admin", &socketio.ClientOptions{Auth: map[string]any{"username": "ada", "password": "secret"}})
	t.Cleanup(func() { _ = w.Close() })
	w.OnAny(func(event string, args socketio.Args) {
		values, err := args.Values()
		if err != nil {
			t.Errorf("%s: %v", event, err)
		}
		text, _ := json.Marshal(values)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lines = append(w.lines, event+" "+string(text))
		close(w.changed)
		w.changed = make(chan struct{})
	})
	if err := w.Connect(bounded(t)); err != nil {
		t.Fatal(err)
	}
	w.sees("all_sockets", "")
	return w
}

func (w *adminWatch) event() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// sees waits for an event that has all those words.
func (w *adminWatch) sees(event string, words ...string) (line string) {
	w.t.Helper()
	await(w.t, event+" "+strings.Join(words, " "), w.event, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		i := slices.IndexFunc(w.lines, func(l string) bool {
			return strings.HasPrefix(l, event+" ") && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(l, word) })
		})
		if i >= 0 {
			line = w.lines[i]
		}
		return i >= 0
	})
	return line
}

// about are the lines about a socket, without what differs from run to run.
func (w *adminWatch) about(id string) (lines []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.lines {
		if strings.Contains(l, id) && !strings.HasPrefix(l, "all_sockets ") {
			lines = append(lines, adminPlain(l, id))
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// adminDiffers are patterns of what differs from run to run, and their names.
var adminDiffers = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ"`), `"TIME"`},
	{regexp.MustCompile(`"issued":[\d.e+]+`), `"issued":0`},
	{regexp.MustCompile(`"time":"[^"]*"`), `"time":"TIME"`},
	{regexp.MustCompile(`"clientId":"[^"]{12}"`), `"clientId":"CLIENT"`},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), `HOST`},
	{regexp.MustCompile(`"sec-websocket-key":"[^"]*"`), `"sec-websocket-key":"KEY"`},
}

func adminPlain(line, id string) string {
	line = strings.ReplaceAll(line, id, "ID")
	for _, d := range adminDiffers {
		line = d.pattern.ReplaceAllString(line, d.name)
	}
	return line
}

// One client's story, as a page is told it by the official package and by ours.
func TestAdminTellsAsTheOfficial(t *testing.T) {
	t.Parallel()
	story := func(url string) []string {
		w := watchAs(t, url)
		bob, _ := watchedClient(t, url, "Bob", "websocket")
		id := bob.ID()
		w.sees("socket_updated", id, "Bob")
		mustAck(t, bob, "join", "kitchen")
		mustAck(t, bob, "order", map[string]any{"beer": []any{1.5, nil, "ä"}})
		mustAck(t, bob, "leave", "kitchen")
		for _, c := range [][]any{{"join", "/", "attic", id}, {"leave", "/", "attic", id}, {"emit", "/", id, "news", 7}} {
			if err := w.Emit(c[0].(string), c[1:]...); err != nil {
				t.Fatal(err)
			}
		}
		w.sees("room_left", "attic", id)
		w.sees("event_sent", "news", id)
		if err := w.Emit("_disconnect", "/", false, id); err != nil {
			t.Fatal(err)
		}
		w.sees("socket_disconnected", id)
		w.sees("room_left", `["/","`+id+`"`)
		return w.about(id)
	}
	want := story(officialAdmin(t, map[string]string{"name": "node"}))
	got := story(ourAdmin(t, "go", nil))
	if len(want) < 12 || !slices.Equal(got, want) {
		t.Errorf("ours tells\n%s\nthe official\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A server of ours and one of Node's in one cluster: a page at either sees both.
func TestAdminCluster(t *testing.T) {
	t.Parallel()
	broker := startRedis(t)
	conn, err := redis.Open(broker.url(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	urls := map[string]string{"go": ourAdmin(t, "go", conn.Adapter(nil)), "node": officialAdmin(t, map[string]string{"name": "node", "redis": broker.url()})}
	for at, other := range map[string]string{"go": "node", "node": "go"} {
		t.Run("a page at "+at, func(t *testing.T) {
			far, ended := watchedClient(t, urls[other], "Far", "websocket")
			w := watchAs(t, urls[at])
			for name := range urls {
				w.sees("server_stats", fmt.Sprintf(`"serverId":%q`, name))
			}
			all := w.sees("all_sockets", far.ID())
			client := regexp.MustCompile(`"clientId":"[^"]{12}","data":\{"name":"Far"\}.*?"id":"` + far.ID() + `".*?"transport":"websocket"`)
			if !client.MatchString(all) || strings.Contains(all, "_admin") {
				t.Errorf("of a socket at %s, a page at %s is told %s", other, at, all)
			}
			later, _ := watchedClient(t, urls[other], "Later", "polling")
			w.sees("socket_connected", later.ID(), `"transport":"polling"`)
			mustAck(t, far, "join", "kitchen")
			w.sees("room_joined", "kitchen", far.ID())
			mustAck(t, far, "order", []byte{1, 2})
			w.sees("event_received", "order", far.ID())
			if err := w.Emit("_disconnect", "/", false, far.ID()); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatal("the client was not disconnected")
			}
			w.sees("socket_disconnected", "server namespace disconnect")
		})
	}
}
