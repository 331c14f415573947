package redis

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sockkit/sockkit/socketio"
)

// hearer is a client, and the numbers that it has got.
type hearer struct {
	*socketio.Client
	got chan int
}

func dialHearer(t *testing.T, url string) *hearer {
	t.Helper()
	h := &hearer{socketio.NewClient(url, &socketio.ClientOptions{Transports: []string{"websocket"}}), make(chan int, 100)}
	h.On("x", func(n int, _ ...any) { h.got <- n })
	if err := h.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// hears demands the next numbers.
func (h *hearer) hears(t *testing.T, want ...int) {
	t.Helper()
	for _, n := range want {
		select {
		case got := <-h.got:
			if got != n {
				t.Fatalf("%d came, %d was due", got, n)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%d did not come", n)
		}
	}
}

// read has the reader hand out an entry that is pending, as what Redis gives.
func (a *stream) read(t *testing.T, e *entry, id string) {
	t.Helper()
	c, err := clusterOf(e.message, "/")
	if err != nil {
		t.Fatal(err)
	}
	list, err := fields(c, e.message.attachments)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	for i := 0; i < len(list); i += 2 {
		values[list[i].(string)] = list[i+1]
	}
	a.reader.handOut(goredis.XMessage{ID: id, Values: values})
}

// TestLate has Redis take what is said, and give it back late. Who was there gets it
// at once. Who comes back meanwhile gets all of it in the stream's order, and nothing
// that is said meanwhile before that; who is new gets what is said from then on.
func TestLate(t *testing.T) {
	conn, err := Open("redis://127.0.0.1:1", &ConnOptions{Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	io := socketio.NewServer(&socketio.ServerOptions{Adapter: conn.StreamsAdapter(&StreamsOptions{Hold: 1}), Recovery: &socketio.Recovery{}})
	server := httptest.NewServer(io)
	t.Cleanup(func() { io.Close(t.Context()); server.Close() })
	a := io.Of("/").Adapter().(*stream)
	a.reader.beginAt("5-0")
	say := func(n int) {
		t.Helper()
		if err := io.Emit("x", n); err != nil {
			t.Fatal(err)
		}
	}
	here := dialHearer(t, server.URL)
	say(1)
	here.hears(t, 1)
	back, anew := dialHearer(t, server.URL), dialHearer(t, server.URL)
	if missed, ok := a.Enter(back.ID(), []string{back.ID()}, &socketio.LostSession{Offset: "5-0"}, func() bool { return true }); !ok || len(missed) > 0 {
		t.Fatal(missed, ok)
	}
	say(2)
	here.hears(t, 2)
	anew.hears(t, 2)
	a.pendingMu.Lock()
	pending := append([]*entry{}, a.pending...)
	a.pendingMu.Unlock()
	for i, e := range pending {
		a.read(t, e, fmt.Sprintf("6-%d", i))
	}
	back.hears(t, 1, 2)
	say(3)
	for _, h := range []*hearer{here, back, anew} {
		h.hears(t, 3)
	}
	a.reader.mu.Lock()
	defer a.reader.mu.Unlock()
	if len(pending) != 2 || len(a.late) > 0 {
		t.Errorf("%d were pending, and %d are late at the end", len(pending), len(a.late))
	}
}
