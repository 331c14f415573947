package interop

import (
	"fmt"
	"testing"

	"github.com/sockkit/sockkit/socketio"
)

// sioRun is one run of the tests of our server: by which peer's clients, which
// way, and how it serves.
type sioRun struct {
	peer    *sioPeer
	way     sioWay
	mounted bool
}

func (r *sioRun) serve(t testing.TB, o *socketio.ServerOptions) *sioHost {
	t.Helper()
	return serveSIO(t, r.mounted, o)
}

// dial has a client connect to a namespace, and waits until it is connected.
func (r *sioRun) dial(t testing.TB, h *sioHost, namespace string, a *sioAct) *sioClient {
	t.Helper()
	c := r.begin(t, h.url, namespace, a)
	c.next("connect")
	return c
}

// begin has a client connect.
func (r *sioRun) begin(t testing.TB, url, namespace string, a *sioAct) *sioClient {
	t.Helper()
	if a == nil {
		a = &sioAct{}
	}
	a.URL, a.Options = url+namespace, r.way.options(a.Options)
	return r.peer.dial(t, *a)
}

// sioScenarios are what each kind of client has to see at our server.
var sioScenarios = []struct {
	name string
	run  func(*sioRun, *testing.T)
}{
	{"arguments", (*sioRun).arguments},
	{"handlers", (*sioRun).handlers},
	{"acknowledgements", (*sioRun).acks},
	{"acknowledgements that do not come", (*sioRun).acksLost},
	{"acknowledgement awaited in a handler", (*sioRun).ackInHandler},
	{"broadcast", (*sioRun).broadcast},
	{"broadcast with acknowledgements", (*sioRun).broadcastAcks},
	{"rooms of others", (*sioRun).roomsOfOthers},
	{"volatile", (*sioRun).volatile},
	{"namespaces", (*sioRun).namespaces},
	{"namespaces that are refused", (*sioRun).refused},
	{"auth", (*sioRun).auth},
	{"catch-all", (*sioRun).catchAll},
	{"middleware of a socket", (*sioRun).socketMiddleware},
	{"disconnect by the client", (*sioRun).clientLeaves},
	{"disconnect by the server", (*sioRun).serverDisconnects},
	{"transport close", (*sioRun).transportCloses},
	{"ping timeout", (*sioRun).pingTimeout},
	{"server close", (*sioRun).serverCloses},
	{"recovery", (*sioRun).recovery},
	{"recovery without a session", (*sioRun).noRecovery},
}

func (r *sioRun) all(t *testing.T) {
	for _, s := range sioScenarios {
		t.Run(s.name, func(t *testing.T) {
			defer r.peer.do(t, sioAct{Do: "end"})
			s.run(r, t)
		})
	}
}

// The official client in Node, each way, at both forms of our server.
func TestSIOServerNode(t *testing.T) {
	t.Parallel()
	for _, way := range sioWays {
		for _, mounted := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/mounted %v", way.name, mounted), func(t *testing.T) {
				t.Parallel()
				(&sioRun{sioNode(t, sioClient4), way, mounted}).all(t)
			})
		}
	}
}

// The official bundle in Chromium, each way.
func TestSIOServerChromium(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	page := sioPage(t, "/socket.io/socket.io.js")
	for _, way := range sioWays {
		t.Run(way.name, func(t *testing.T) {
			r := &sioRun{sioTab(t, browser, page), way, false}
			r.all(t)
			t.Run("blobs", r.blobs)
		})
	}
}
