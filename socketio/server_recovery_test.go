package socketio

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// recovering is a peer with what it needs to come back.
type recovering struct {
	*peer
	id, pid, offset string
}

func joinRecovering(t *testing.T, addr string) *recovering {
	t.Helper()
	r := &recovering{peer: dialWebSocket(t, addr, "")}
	r.send("40")
	r.welcomed()
	return r
}

func (r *recovering) welcomed() {
	r.t.Helper()
	m := r.match(`^40\{"sid":"([\w-]{20})","pid":"([\w-]{20})"\}$`)
	r.id, r.pid = m[1], m[2]
}

// event waits for an event, and keeps its offset.
func (r *recovering) event(data string) {
	r.t.Helper()
	m := r.match(`^42` + regexp.QuoteMeta(strings.TrimSuffix(data, "]")) + `,"([\w-]{20})"\]$`)
	r.offset = m[1]
}

func (r *recovering) again(addr string) *recovering {
	r.t.Helper()
	next := &recovering{peer: dialWebSocket(r.t, addr, ""), id: r.id, pid: r.pid, offset: r.offset}
	next.send(fmt.Sprintf(`40{"pid":%q,"offset":%q,"token":1}`, r.pid, r.offset))
	return next
}

func TestRecovery(t *testing.T) {
	io := NewServer(&ServerOptions{Recovery: &Recovery{}})
	all, why := sockets(io), reasons(io)
	ran, joined := 0, make(chan bool, 16)
	io.Use(func(*Socket) error { ran++; return nil })
	io.OnConnection(func(s *Socket) {
		if !s.Recovered() {
			_ = s.Join("room")
			s.SetData(map[string]int{"n": 7})
			joined <- true
		}
	})
	addr := onHTTP(t, io)
	p := joinRecovering(t, addr)
	get(t, joined) // a client is welcomed before it is in the room
	_ = io.To("room").Emit("n", 1)
	p.event(`["n",1]`)
	_ = get(t, all).Volatile().Emit("volatile", "x")
	p.want(`42["volatile","x"]`) // without an offset
	_ = io.Of("/").Socket(p.id).Emit("asks", func() {})
	p.want(`420["asks"]`)
	p.leave()
	get(t, why)
	_ = io.To("room").Emit("n", 2)
	_ = io.To("elsewhere").Emit("n", 3)
	_ = io.Except("room").Emit("n", 4)
	_ = io.Volatile().Emit("n", 5)
	_ = io.To(p.id).Emit("bin", []byte{1, 2}, "text")

	q := p.again(addr)
	q.event(`["n",2]`)
	offset := q.match(`^451-\["bin",\{"_placeholder":true,"num":0\},"text","([\w-]{20})"\]$`)[1]
	q.want(b64(1, 2))
	q.welcomed()
	q.offset = offset
	s := get(t, all)
	if q.id != p.id || q.pid != p.pid || !s.Recovered() || ran != 1 {
		t.Errorf("ids %s %s, before %s %s; recovered %v; %d runs of the middleware", q.id, q.pid, p.id, p.pid, s.Recovered(), ran)
	}
	if data, _ := s.Data().(map[string]int); data["n"] != 7 || len(s.Rooms()) != 2 || s.Handshake().Auth["token"] != 1.0 {
		t.Errorf("data %v, rooms %q, auth %v", s.Data(), s.Rooms(), s.Handshake().Auth)
	}
	q.leave()
	get(t, why)
	r := q.again(addr) // a restore does not remove the session, and nothing was missed
	r.welcomed()
	if s := get(t, all); r.id != p.id || !s.Recovered() {
		t.Error("not recovered with nothing missed")
	}

	r.send(`41`) // who leaves on purpose is not kept anew
	get(t, why)
	for name, auth := range map[string]string{
		"no pid":           `{"offset":"x"}`,
		"no offset":        fmt.Sprintf(`{"pid":%q}`, p.pid),
		"an unknown pid":   fmt.Sprintf(`{"pid":"xxxxxxxxxxxxxxxxxxxx","offset":%q}`, offset),
		"a wrong offset":   fmt.Sprintf(`{"pid":%q,"offset":"x"}`, p.pid),
		"not even strings": `{"pid":1,"offset":[]}`,
	} {
		fresh := &recovering{peer: dialWebSocket(t, addr, "")}
		fresh.send("40" + auth)
		fresh.welcomed()
		if s := get(t, all); s.Recovered() || fresh.id == p.id || fresh.pid == p.pid {
			t.Errorf("%s: recovered", name)
		}
	}
}

// TestRecoveryOfTheLiving is a client that comes back before the server has
// noticed that it was away.
func TestRecoveryOfTheLiving(t *testing.T) {
	io := NewServer(&ServerOptions{Recovery: &Recovery{RunMiddlewares: true}})
	all, why := sockets(io), reasons(io)
	middlewares := make(chan int, 10)
	io.Use(func(s *Socket) error { middlewares <- len(s.Rooms()); return nil })
	addr := onHTTP(t, io)
	p := joinRecovering(t, addr)
	s := get(t, all)
	_ = s.Emit("n", 1)
	p.event(`["n",1]`)
	p.leave()
	get(t, why)
	q := p.again(addr)
	q.welcomed()
	second := get(t, all)
	_ = second.Join("joined later")
	r := p.again(addr) // q is still there
	r.welcomed()
	third := get(t, all)
	if got := get(t, why); got != ReasonTransportClose {
		t.Errorf("the second ended by %s", got)
	}
	q.ended()
	if !third.Recovered() || r.id != p.id || len(third.Rooms()) != 2 || io.Socket(p.id) != third {
		t.Errorf("recovered %v, rooms %q", third.Recovered(), third.Rooms())
	}
	_ = io.To("joined later").Emit("n", 2)
	r.event(`["n",2]`)
	if a, b, c := <-middlewares, <-middlewares, <-middlewares; a != 0 || b != 1 || c != 2 {
		t.Errorf("middlewares saw %d, %d, %d rooms", a, b, c)
	}
}

// TestRecoveryOrder broadcasts from many sides while clients come and go: each
// gets everything once, in one order.
func TestRecoveryOrder(t *testing.T) {
	io := NewServer(&ServerOptions{Recovery: &Recovery{}})
	why := reasons(io)
	addr := onHTTP(t, io)
	p := joinRecovering(t, addr)
	_ = io.Emit("n", -1)
	p.event(`["n",-1]`)
	const senders, each = 4, 200
	var wg sync.WaitGroup
	for range senders {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range each {
				_ = io.Emit("n", i)
			}
		}()
	}
	seen := map[string]bool{}
	for rounds := 0; len(seen) < senders*each; {
		f := p.next()
		switch m := regexp.MustCompile(`^42\["n",\d+,"([\w-]{20})"\]$`).FindStringSubmatch(f); {
		case m != nil:
			if seen[m[1]] {
				t.Fatal("an event came twice")
			}
			seen[m[1]] = true
			p.offset = m[1]
		case !strings.HasPrefix(f, "40"):
			t.Fatalf("got %q", f)
		}
		if rounds < 5 && len(seen) > 100*(rounds+1) {
			rounds++
			p.leave()
			get(t, why)
			p = p.again(addr)
		}
	}
	wg.Wait()
}

func TestRecoveryLimits(t *testing.T) {
	io := NewServer(&ServerOptions{Recovery: &Recovery{MaxPackets: 3, MaxBytes: 200, MaxSessions: 2}})
	a := io.Of("/").adapter.(*sessionAdapter)
	for i := range 10 {
		_ = io.Emit("n", i)
	}
	if len(a.packets) != 3 {
		t.Errorf("%d packets are kept", len(a.packets))
	}
	_ = io.Emit("n", strings.Repeat("x", 150))
	if len(a.packets) != 1 || a.bytes > 200 {
		t.Errorf("%d packets of %d bytes are kept", len(a.packets), a.bytes)
	}
	_ = io.Emit("n", strings.Repeat("x", 500))
	if len(a.packets) != 0 || a.bytes != 0 {
		t.Errorf("%d packets of %d bytes are kept", len(a.packets), a.bytes)
	}
	for _, pid := range []string{"a", "b", "c", "a"} {
		a.PersistSession(&LostSession{PID: pid})
	}
	if len(a.sessions) != 2 {
		t.Errorf("%d sessions are kept", len(a.sessions))
	}
	_ = io.Emit("n", 1)
	offset := a.packets[0].id
	a.limits.MaxDisconnection = -time.Second // all is long ago
	if lost, err := a.RestoreSession("a", offset); lost != nil || err != nil || len(a.sessions) != 1 {
		t.Errorf("restored %v, %v", lost, err)
	}
	a.sweep()
	if len(a.sessions) != 0 || len(a.packets) != 0 || a.bytes != 0 {
		t.Error("the sweeper leaves something")
	}
	closeQuickly(t, io)
	if a.sweeper != nil {
		t.Error("the sweeper goes on")
	}
	a.sweep()
}
