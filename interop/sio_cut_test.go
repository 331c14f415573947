package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/socketio"
)

// sioCuts are where connections are cut or held up: in the request, in its
// answer, between the packets that open a namespace, in the upgrade, and later.
var sioCuts = []int{1, 90, 170, 260, 340, 420, 520, 620, 760, 900, 1100, 1400, 1800, 2400, 3200}

// sioTap starts a tap with a fault before a server.
func sioTap(t testing.TB, url, fault string, after int) string {
	t.Helper()
	us := sockkit(t, "tap", "tcp://127.0.0.1:0", "tcp://"+hostPortOf(url), fault, fmt.Sprint(after))
	return "http://" + hostPortOf(us.address())
}

// Wherever its connection breaks, dial ends by itself, says in one line what it
// was, and its status is 0 only where all was done.
func TestSIODialCut(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"--cut-after", "--stall-after"} {
		for _, way := range sioWays {
			t.Run(fault+"/"+way.name, func(t *testing.T) {
				t.Parallel()
				s := sioOfficial(t, sioWords{Options: map[string]any{"pingInterval": 200, "pingTimeout": 500}})
				var running []*proc
				for _, after := range sioCuts {
					running = append(running, sioDial(t, way, sioTap(t, s.url, fault, after), "-w", "1", "--ack", "-x", "ask 1", "-x", "ask 2", "--linger", "0"))
				}
				for i, us := range running {
					wantSIOEnd(t, sioCuts[i], us)
				}
			})
		}
	}
}

func wantSIOEnd(t *testing.T, after int, us *proc) {
	t.Helper()
	switch status := us.wait(); {
	case status == 0:
		if got := us.out.String(); got != "ack 1\nack 2\n" {
			t.Errorf("after %d bytes: status 0, and %q was printed", after, got)
		}
	case status != 3 && status != 4 && status != 6 && status != 8 && status != 124:
		t.Errorf("after %d bytes: status %d: %s", after, status, us.err)
	case strings.Count(us.err.String(), "sockkit: dial sio://") != 1 || strings.Contains(us.err.String(), "goroutine"):
		t.Errorf("after %d bytes: status %d: %s", after, status, us.err)
	}
}

// Wherever the official client's connection breaks, our server has the events
// that came in order and without a gap, and nothing is left of the client.
func TestSIOServerCut(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"--cut-after", "--stall-after"} {
		for _, way := range sioWays {
			t.Run(fault+"/"+way.name, func(t *testing.T) {
				t.Parallel()
				h := serveSIO(t, way.name == "polling", &socketio.ServerOptions{Engine: quickHeart()})
				p := sioNode(t, sioClient4)
				var clients []*sioClient
				for _, after := range sioCuts {
					options := way.options(map[string]any{"reconnection": false, "timeout": 1500})
					clients = append(clients, p.dial(t, sioAct{URL: sioTap(t, h.url, fault, after), Options: options}))
				}
				sioUntilCut(t, clients)
				poll(t, "all to be gone", func() bool { return h.EngineServer().ClientsCount() == 0 && len(h.Sockets()) == 0 })
				sioNoGap(t, h)
			})
		}
	}
}

// sioUntilCut has those clients that are connected talk, until they are answered
// or cut off.
func sioUntilCut(t *testing.T, clients []*sioClient) {
	t.Helper()
	var talking []*sioClient
	for _, c := range clients {
		if got := c.sioPeer.any(t, c.of); got.Saw == "connect" {
			c.do(sioAct{Do: "many", Event: "n", Size: 100})
			c.do(sioAct{Do: "emit", Event: "n", Args: []any{100}, Ack: true, Timeout: 1500})
			talking = append(talking, c)
		} else if got.Saw != "connect_error" {
			t.Errorf("the client saw %v", got)
		}
	}
	for _, c := range talking {
		c.skipTo("ack")
		c.do(sioAct{Do: "disconnect"})
	}
}

// sioNoGap demands that what each socket has seen is counted from 0 on.
func sioNoGap(t *testing.T, h *sioHost) {
	t.Helper()
	seen := map[string]int{}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.saw {
		if s.Saw == "event" {
			if want := fmt.Sprintf("[%d]", seen[s.Of]); string(s.Args) != want {
				t.Fatalf("%s saw %s; want %s", s.Of, s.Args, want)
			}
			seen[s.Of]++
		}
	}
}

// Our client comes back from a connection that is cut again and again, and with
// Retries nothing is lost and nothing changes places.
func TestSIOClientCutAgainAndAgain(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		s := sioOfficial(t, sioWords{Options: map[string]any{"pingInterval": 300, "pingTimeout": 4000}})
		r := &sioOurRun{s, way}
		o := r.options()
		o.Retries, o.AckTimeout = 1000, patience
		c := r.begin(t, sioTap(t, s.url, "--cut-after", 4000), o)
		c.Open()
		answered := make(chan int, 100)
		for i := range 40 {
			must(t, c.Emit("numbered", i, strings.Repeat("x", 300), func(err error, n int, _ string) {
				if err != nil {
					t.Errorf("event %d: %v", i, err)
				}
				answered <- n
			}))
		}
		for i := range 40 {
			if n := within(t, "an acknowledgement", answered); n != i {
				t.Fatalf("acknowledgement %d is of event %d", i, n)
			}
		}
		c.skipTo("disconnect")
	})
}
