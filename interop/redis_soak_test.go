package interop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestSoakRedis has a cluster of two Go servers, a Node server and a Redis live
// through an hour (or SOCKKIT_SOAK) of restarts, outages and cuts, while the Go
// servers speak to a room of official clients, which move from server to server:
// recovery promises that each of them gets everything once, in order, and that it
// stays the same client.
//
// What official servers do not promise is left out: one speaks to nobody, nobody
// moves to one while something is said, and none is there while Redis is away.
func TestSoakRedis(t *testing.T) {
	limit := soakTime(t)
	if os.Getenv("SOCKKIT_SOAK") == "1" {
		limit = time.Hour
	}
	t.Parallel()
	s := startSoak(t)
	before := runtime.NumGoroutine()
	for end := time.Now().Add(limit); time.Now().Before(end) && !t.Failed(); s.rounds++ {
		s.round(t)
	}
	s.quiet(t)
	t.Logf("%d rounds: %v; goroutines: %d before, %d after", s.rounds, s.done, before, runtime.NumGoroutine())
	if s.anew > 0 {
		t.Errorf("%d clients began anew", s.anew)
	}
}

// soak is the cluster.
type soak struct {
	*flock
	b        *balancer
	r        *redisServer
	servers  [2]*drained
	official *nodeMember
	started  int
	rounds   int
	last     string
	done     map[string]int
}

const soakClients = 8

func startSoak(t *testing.T) *soak {
	t.Helper()
	// What a restart has to load stays small: an outage that is longer than
	// StreamsOptions.Hold is beyond the promise.
	r := startRedis(t, "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-min-size", "1mb")
	s := &soak{flock: newFlock(t), b: newBalancer(t), r: r, done: map[string]int{}}
	s.rate = 20 * time.Millisecond
	for i := range s.servers {
		s.replace(t, i)
	}
	s.toGo()
	s.dial(s.b.URL, soakClients, "websocket")
	s.begun()
	return s
}

// replace starts a Go server in the place of another.
func (s *soak) replace(t *testing.T, i int) {
	t.Helper()
	s.started++
	s.servers[i] = startDrained(t, s.flock, s.r, fmt.Sprintf("go %d", s.started))
}

func (s *soak) toGo() { s.b.among(s.servers[0], s.servers[1]) }

// round is one trouble of many.
func (s *soak) round(t *testing.T) {
	t.Helper()
	troubles := []struct {
		name string
		do   func(*testing.T)
	}{
		{"drain", s.drain}, {"close", s.close}, {"cut", s.cut}, {"restart of Redis", s.restartRedis}, {"stall of Redis", s.stallRedis},
		{"cut without Redis", s.cutWithoutRedis}, {"to Node and back", s.toNode}, {"Node goes", s.nodeGoes},
	}
	one := troubles[rand.IntN(len(troubles))]
	s.done[one.name]++
	s.last = one.name
	t.Logf("round %d: %s", s.rounds, s.last)
	one.do(t)
	s.together(t)
	s.mu.Lock()
	bad := len(s.bad)
	s.mu.Unlock()
	if bad > 0 {
		t.Errorf("in round %d: %s", s.rounds, s.last)
		s.report()
	}
	if s.rounds%20 == 19 {
		s.quiet(t)
		s.resume(t)
	}
}

// together waits until nobody is away, and everybody goes on getting something.
func (s *soak) together(t *testing.T) {
	t.Helper()
	s.back(0)
	s.mu.Lock()
	due := map[string]int{}
	for _, m := range s.servers {
		due[m.name()] = s.said[m.name()] + 1
	}
	s.mu.Unlock()
	poll(t, "all clients to get what is said", func() bool {
		return s.every(func(l *listener) bool {
			for name, n := range due {
				if l.got[name] < n {
					return false
				}
			}
			return true
		})
	})
}

// moveAll waits until so many more have come back.
func (s *soak) moveAll(do func()) {
	s.t.Helper()
	before := s.moves()
	do()
	s.back(before + soakClients)
}

func (s *soak) drain(t *testing.T) { s.retire(t, func(d *drained) { d.restart(t) }) }

func (s *soak) close(t *testing.T) {
	s.retire(t, func(d *drained) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := d.Close(ctx); err != nil {
			t.Errorf("%s: %v", d.name(), err)
		}
		d.hush()
		d.leave()
	})
}

// retire ends a Go server, and starts another.
func (s *soak) retire(t *testing.T, end func(*drained)) {
	t.Helper()
	i := rand.IntN(len(s.servers))
	leaving := s.servers[i].EngineServer().ClientsCount()
	before := s.moves()
	s.b.among(s.servers[1-i])
	end(s.servers[i])
	s.back(before + leaving)
	s.replace(t, i)
	s.toGo()
}

func (s *soak) cut(*testing.T) { s.moveAll(s.b.cut) }

func (s *soak) restartRedis(*testing.T) {
	s.r.kill()
	pause(1500)
	s.r.start()
}

func (s *soak) stallRedis(*testing.T) {
	s.r.stall()
	pause(2500)
	s.r.goOn()
}

func (s *soak) cutWithoutRedis(*testing.T) {
	s.r.kill()
	pause(300)
	s.moveAll(func() {
		s.b.cut()
		pause(1000)
		s.r.start()
	})
}

// pause lets up to so many milliseconds pass: what happens in them is up to chance.
func pause(most int) { time.Sleep(time.Duration(rand.IntN(most)) * time.Millisecond) }

// toNode has all clients move to the Node server while nothing is said, get what
// is said there, and move back while something is.
func (s *soak) toNode(t *testing.T) {
	s.enterNode(t)
	s.toGo()
	s.moveAll(s.b.cut)
	s.endNode(t)
}

// nodeGoes is toNode, but for the way back: the Node server closes.
func (s *soak) nodeGoes(t *testing.T) {
	s.enterNode(t)
	s.toGo()
	s.moveAll(func() { s.official.call(t, clusterAct{Do: "close"}, nil) })
	s.endNode(t)
}

func (s *soak) enterNode(t *testing.T) {
	t.Helper()
	s.official = startNodeMember(t, memberWords{
		Name: "node", Kind: "streams", Redis: []string{s.r.url()}, Options: map[string]any{"connectionStateRecovery": map[string]any{}},
	})
	s.quiet(t)
	s.moveAll(func() {
		s.b.among()
		s.b.cut()
		kept := ""
		defer func() {
			if t.Failed() {
				t.Logf("kept in Redis: %q", kept)
			}
		}()
		poll(t, "the sessions to be kept", func() bool { // an official server does not wait for them
			kept = s.r.do("KEYS", "sio:session:*")
			return strings.Count(kept, "sio:session:") >= soakClients
		})
		s.b.among(s.official)
	})
	s.resume(t)
	s.together(t)
}

func (s *soak) endNode(t *testing.T) {
	t.Helper()
	s.together(t)
	_ = s.official.it.in.Close()
	<-s.official.it.done
}

// quiet has the Go servers fall silent, and waits until everybody has got
// everything. Those that are gone are forgotten.
func (s *soak) quiet(t *testing.T) {
	t.Helper()
	for _, m := range s.servers {
		m.hush()
	}
	s.settles()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.said {
		if name != s.servers[0].name() && name != s.servers[1].name() {
			delete(s.said, name)
			for _, l := range s.all {
				delete(l.got, name)
			}
		}
	}
}

func (s *soak) resume(t *testing.T) {
	t.Helper()
	for _, m := range s.servers {
		m.hush = s.speak(m.goMember, m.name())
		t.Cleanup(m.hush)
	}
}
