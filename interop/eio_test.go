package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/sockkit/sockkit/socketio/engine"
)

// eioWords say what node/eio-peer.cjs is.
type eioWords struct {
	URL     string         `json:"url,omitempty"`
	Count   int            `json:"count,omitempty"`
	Options map[string]any `json:"options,omitempty"` // in the official words
}

func eioPeer(t *testing.T, w eioWords) *proc {
	t.Helper()
	text, err := json.Marshal(w)
	must(t, err)
	return start(t, program{args: []string{"node", "node/eio-peer.cjs", string(text)}})
}

var eioWays = map[string][]string{"polling": {"polling"}, "websocket": {"websocket"}, "upgrade": {"polling", "websocket"}}

const eioCount = 500

// TestEIOServer: the official client of Engine.IO alone, at our server in both its
// forms. Of an upgrade nothing is lost, doubled or out of order.
func TestEIOServer(t *testing.T) {
	t.Parallel()
	for name, transports := range eioWays {
		for _, form := range []string{"mounted", "listener"} {
			t.Run(name+"/"+form, func(t *testing.T) {
				t.Parallel()
				ended := make(chan string, 1)
				s := &engine.Server{OnConnection: func(session *engine.Session) {
					session.OnMessage = func(data []byte, binary bool) { session.Send(append([]byte(nil), data...), binary) }
					session.OnClose = func(reason, _ string) { ended <- reason }
				}}
				us := eioPeer(t, eioWords{URL: eioServe(t, s, form), Count: eioCount, Options: map[string]any{"transports": transports}})
				us.wantSays(0)
				if got := us.out.String(); got != fmt.Sprintf("all came, by %s\nclosed: forced close\n", transports[len(transports)-1]) {
					t.Errorf("the client says %q", got)
				}
				if reason := <-ended; reason != "transport close" {
					t.Errorf("the session ended by %q", reason)
				}
			})
		}
	}
}

func eioServe(t *testing.T, s *engine.Server, form string) (url string) {
	t.Helper()
	t.Cleanup(func() { must(t, s.Close(context.Background())) })
	if form == "mounted" {
		web := httptest.NewServer(s)
		t.Cleanup(web.Close)
		return web.URL
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	go s.Serve(l)
	return "http://" + l.Addr().String()
}

// TestEIOClient: our client of Engine.IO alone, at the official server.
func TestEIOClient(t *testing.T) {
	t.Parallel()
	for name, transports := range eioWays {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer := eioPeer(t, eioWords{})
			got, ended, moved := make(chan string, eioCount), make(chan string, 1), make(chan error, 1)
			c, err := (&engine.Dialer{Transports: transports}).Dial(t.Context(), peer.address(), engine.Events{
				OnMessage: func(data []byte, binary bool) { got <- fmt.Sprintf("%v %s", binary, data) },
				OnUpgrade: func(_ string, err error) { moved <- err },
				OnClose:   func(reason, _ string) { ended <- reason },
			})
			must(t, err)
			for i := range eioCount {
				if i == eioCount/2 && len(transports) > 1 {
					must(t, <-moved)
				}
				c.Send(fmt.Appendf(nil, "message %d ä😀", i), i%2 == 1)
			}
			for i := range eioCount {
				select {
				case m := <-got:
					if want := fmt.Sprintf("%v message %d ä😀", i%2 == 1, i); m != want {
						t.Fatalf("%q came, not %q", m, want)
					}
				case reason := <-ended:
					t.Fatalf("it ended by %q behind %d messages", reason, i)
				}
			}
			c.Close()
			<-c.Done()
			await(t, "the server's session to end", peer.outOrEnd, func() bool { return peer.out.size() > 0 || !peer.alive() })
			if got := peer.out.String(); got != "closed: transport close\n" {
				t.Errorf("the server says %q", got)
			}
		})
	}
}
