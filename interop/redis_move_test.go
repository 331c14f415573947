package interop

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/redis"
)

// switchboard passes connections on to one server, and then to another.
type switchboard struct {
	l     net.Listener
	mu    sync.Mutex
	to    string
	conns []net.Conn
	watch func(answer []byte) // told of what has been passed back; nil in most tests
}

// watched is where answers are passed to.
type watched struct {
	net.Conn
	watch func([]byte)
}

func (w watched) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.watch(b[:n])
	return n, err
}

func newSwitchboard(t testing.TB, to clusterMember) *switchboard {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &switchboard{l: l, to: strings.TrimPrefix(to.url(), "http://")}
	go s.serve()
	t.Cleanup(func() { l.Close(); s.turn(to) })
	return s
}

func (s *switchboard) url() string { return "http://" + s.l.Addr().String() }

func (s *switchboard) serve() {
	for {
		in, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		out, err := net.Dial("tcp4", s.to)
		if err != nil {
			in.Close()
			s.mu.Unlock()
			continue
		}
		s.conns = append(s.conns, in, out)
		back := io.Writer(in)
		if s.watch != nil {
			back = watched{in, s.watch}
		}
		s.mu.Unlock()
		go func() { _, _ = io.Copy(out, in); out.Close() }()
		go func() { _, _ = io.Copy(back, out); in.Close() }()
	}
}

// turn cuts what there is, and passes what comes to another server, or to none.
func (s *switchboard) turn(to clusterMember) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to = ""; to != nil {
		s.to = strings.TrimPrefix(to.url(), "http://")
	}
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

// redisMove is from where to where a client moves.
type redisMove struct {
	from, to string
	outage   bool
}

var redisMoves = []redisMove{
	{"go 1", "go 2", false}, {"go 1", "node", false}, {"node", "go 1", false}, {"node", "go 1", true}, {"go 1", "go 2", true},
}

func (m redisMove) String() string {
	name := fmt.Sprintf("from %s to %s", m.from, m.to)
	if m.outage {
		name += " without Redis"
	}
	return name
}

// TestRedisMove has an official client move from one server to another, with and
// without Redis: it is the same client there, and has missed nothing, and got
// nothing twice.
func TestRedisMove(t *testing.T) {
	t.Parallel()
	for _, row := range redisMoves {
		clusterTable.move(t, row, func(t *testing.T) {
			t.Parallel()
			g := startMoving(t)
			g.dial(t, row.from)
			from, to := g.servers[row.from], g.servers[row.to]
			g.quiet = row.from == "node" || row.outage
			g.say(t, 5)
			g.gets(t, false)
			if row.outage {
				g.lose(t)
			}
			g.say(t, 5)
			if row.to == "node" {
				g.board.turn(nil) // an official server does not wait for a session
				poll(t, "the session to be kept", func() bool { return strings.Contains(g.r.do("KEYS", "sio:session:*"), "session") })
			}
			g.board.turn(to)
			if row.to != "node" { // which looks up what was missed, and joins the room behind that
				g.say(t, 5)
			}
			if row.outage {
				g.r.start()
			}
			if c := g.until(t, "connect"); !c.Recovered || c.ID != g.id {
				t.Errorf("it is not the same client at %s: %v, before %s at %s", to.name(), c, g.id, from.name())
			}
			g.say(t, 5)
			g.gets(t, true)
		})
	}
}

// moving is a cluster by streams with a client that moves.
type moving struct {
	r       *redisServer
	servers map[string]clusterMember
	board   *switchboard
	peer    *sioPeer
	client  *sioClient
	id      string
	quiet   bool           // the official server says nothing
	said    map[string]int // by who says it
	got     map[string]int
}

func startMoving(t *testing.T) *moving {
	t.Helper()
	g := &moving{r: startRedis(t, "--appendonly", "yes", "--appendfsync", "always"), servers: map[string]clusterMember{}, said: map[string]int{}, got: map[string]int{}}
	for _, name := range []string{"go 1", "go 2"} {
		w := memberWords{Name: name, Kind: "streams", Redis: []string{g.r.url()}, hold: patience}
		g.servers[name] = startGoMember(t, w, &socketio.ServerOptions{Recovery: &socketio.Recovery{}}, &redis.ConnOptions{Timeout: quick})
	}
	g.servers["node"] = startNodeMember(t, memberWords{
		Name: "node", Kind: "streams", Redis: []string{g.r.url()}, Options: map[string]any{"connectionStateRecovery": map[string]any{}},
	})
	return g
}

func (g *moving) dial(t *testing.T, to string) {
	t.Helper()
	g.board = newSwitchboard(t, g.servers[to])
	g.peer = sioNode(t, sioClient4)
	g.client = g.peer.dial(t, sioAct{URL: g.board.url(), Options: map[string]any{"transports": []string{"websocket"}}})
	g.id = g.client.next("connect").ID
	g.client.do(sioAct{Do: "emit", Event: "join", Args: []any{"room"}, Ack: true})
	g.client.skipTo("ack")
}

// lose ends Redis, and waits until the official server knows: what it writes
// before that, it loses.
func (g *moving) lose(t *testing.T) {
	t.Helper()
	g.r.kill()
	poll(t, "the official server to know", func() bool {
		ready := true
		g.servers["node"].call(t, clusterAct{Do: "ready"}, &ready)
		return !ready
	})
}

// say has each server say some numbers to the room, and something to others. The
// official one says nothing to clients of its own that are about to move: it sends
// to them out of the stream's order, and their offset goes back.
func (g *moving) say(t *testing.T, n int) {
	t.Helper()
	for range n {
		for name, m := range g.servers {
			if name == "node" && g.quiet {
				continue
			}
			g.said[name]++
			m.call(t, clusterAct{Do: "emit", Event: "x", To: []string{"room"}, Args: []any{name, g.said[name], map[string]any{"_base64": "AQID"}}}, nil)
			m.call(t, clusterAct{Do: "emit", Event: "x", To: []string{"room"}, Except: []string{"room"}, Args: []any{"others", 0}}, nil)
		}
	}
}

// gets waits until the client has got all that was said.
func (g *moving) gets(t *testing.T, last bool) {
	t.Helper()
	for name := range g.said {
		for g.got[name] < g.said[name] {
			g.took(t, g.peer.next(t, g.client.of, "event"))
		}
	}
	if last {
		g.client.do(sioAct{Do: "emit", Event: "join", Args: []any{"end"}, Ack: true})
		g.until(t, "ack")
		for name := range g.said {
			if g.got[name] != g.said[name] {
				t.Errorf("said %v, got %v", g.said, g.got)
			}
		}
	}
}

// until waits until the client sees this, and notes what comes before.
func (g *moving) until(t *testing.T, kind string) (s sioSaw) {
	t.Helper()
	for s.Saw != kind {
		await(t, "the client to see: "+kind, g.peer.event, func() (ok bool) {
			s, ok = g.peer.take(g.client.of)
			return ok
		})
		switch s.Saw {
		case "event":
			g.took(t, s)
		case "ended":
			t.Fatal("the client has ended")
		}
	}
	return s
}

// took notes an event: those of each server come in order, and each once.
func (g *moving) took(t *testing.T, s sioSaw) {
	t.Helper()
	var args []json.RawMessage
	var name string
	var n int
	if err := json.Unmarshal(s.Args, &args); err != nil || len(args) < 2 {
		t.Fatalf("it got %s", s)
	}
	_ = json.Unmarshal(args[0], &name)
	_ = json.Unmarshal(args[1], &n)
	if g.got[name]++; g.got[name] != n {
		t.Fatalf("of %s it got %d; %d is due (said: %v, got: %v)", name, n, g.got[name], g.said, g.got)
	}
}
