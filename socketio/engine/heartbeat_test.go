package engine

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func hasty() *Server {
	return &Server{PingInterval: 30 * time.Millisecond, PingTimeout: 20 * time.Millisecond, AllowEIO3: true}
}

// The server pings, the client pongs; without a pong the session ends.
func TestPings(t *testing.T) {
	make := func() *Server { return &Server{PingInterval: 10 * time.Millisecond, PingTimeout: patience} }
	each(t, make, func(r *rig) {
		_, base := r.begin(polls)
		_, l := r.beginSocket(sockets)
		for range 3 {
			r.want(r.get(base), 200, "2")
			r.want(r.post(base, "3"), 200, "ok")
			l.want("2")
			l.send("3")
		}
	})
	each(t, hasty, func(r *rig) {
		_, base := r.begin(polls)
		r.wantClosed("ping timeout")
		r.want(r.get(base), 400, `{"code":1,"message":"Session ID unknown"}`)
		_, l := r.beginSocket(sockets)
		l.want("2", "closed 1005")
		r.wantClosed("ping timeout")
	})
}

// A poll that waits when the time is over is answered.
func TestPingTimeoutAnswersPoll(t *testing.T) {
	each(t, hasty, func(r *rig) {
		_, base := r.begin(polls)
		r.want(r.get(base), 200, "2")
		if a := r.get(base); a.body != "1" && a.status != 400 { // 400 where it came too late
			t.Errorf("the poll is answered %+v", a)
		}
		r.wantClosed("ping timeout")
	})
}

// In protocol 3 the client pings, and only then does the time begin anew.
func TestPingsOfEIO3(t *testing.T) {
	three := strings.Replace(sockets, "EIO=4", "EIO=3", 1)
	each(t, func() *Server { return &Server{AllowEIO3: true} }, func(r *rig) {
		_, l := r.beginSocket(three)
		for range 3 {
			l.send("2", "2probe")
			l.want("3", "3")
		}
		l.send("3")
		l.want("closed 1005")
		r.wantClosed("transport error: invalid heartbeat direction")
		_, l = r.beginSocket(sockets)
		l.send("2")
		l.want("closed 1005")
		r.wantClosed("transport error: invalid heartbeat direction")
	})
	each(t, hasty, func(r *rig) {
		_, l := r.beginSocket(three)
		l.want("closed 1005")
		r.wantClosed("ping timeout")
	})
}

// stub is a transport that keeps what is sent, under the session's lock.
type stub struct {
	session *Session
	sent    []Packet
	closed  bool
}

func (*stub) name() string      { return "stub" }
func (*stub) writable() bool    { return true }
func (*stub) idle() bool        { return true }
func (*stub) left()             {}
func (*stub) discard()          {}
func (t *stub) close(bool) bool { t.closed = true; return true }
func (t *stub) types() (s string) {
	t.session.mu.Lock()
	defer t.session.mu.Unlock()
	for _, p := range t.sent {
		s += p.Type.String() + " "
	}
	return s
}

func (t *stub) send(packets []Packet) bool {
	t.sent = append(t.sent, packets...)
	return false
}

// fate is how a session ended.
type fate struct{ atomic.Pointer[string] }

func (f *fate) set(reason, _ string) { f.Store(&reason) }

func (f *fate) String() string {
	if p := f.Load(); p != nil {
		return *p
	}
	return ""
}

// stubbed is an open session on a stub.
func stubbed(s *Server) (*Session, *stub, *fate) {
	s.setUp()
	t, end := &stub{}, &fate{}
	session := &Session{srv: s, id: "id", protocol: 4, transport: t, OnClose: end.set}
	t.session = session
	session.start()
	return session, t, end
}

// While a pong is awaited the first other packet lengthens the time for it, and
// no more of them do; each pong begins the interval anew.
func TestHeartbeatTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond}
		session, stub, ended := stubbed(s)
		at := func(ms int, began time.Time) {
			time.Sleep(time.Until(began.Add(time.Duration(ms) * time.Millisecond)))
			synctest.Wait()
		}
		check := func(types, end string) {
			t.Helper()
			if stub.types() != types || ended.String() != end {
				t.Fatalf("%q was sent, and the end is %q; want %q and %q", stub.types(), ended, types, end)
			}
		}
		began := time.Now()
		message, pong := Packet{Type: Message}, Packet{Type: Pong}
		session.packet(stub, message) // nothing is awaited yet
		at(299, began)
		check("open ", "")
		at(300, began)
		check("open ping ", "")
		at(499, began)
		session.packet(stub, pong)
		at(798, began)
		check("open ping ", "")
		at(799, began)
		check("open ping ping ", "")
		at(900, began)
		session.packet(stub, message) // until 1100 now
		at(1099, began)
		session.packet(stub, message) // which is none any more
		check("open ping ping ", "")
		at(1100, began)
		check("open ping ping ", "ping timeout")
		if !stub.closed || s.ClientsCount() != 0 {
			t.Error("the session is left")
		}
	})
}

// What Close leaves behind ends by itself.
func TestCloseTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{PingInterval: time.Hour}
		s.setUp()
		ended := &fate{}
		session := &Session{srv: s, id: "id", protocol: 4, OnClose: ended.set}
		session.transport = &polling{session: session}
		session.start()
		session.Close(false)
		time.Sleep(closeTimeout - 1)
		synctest.Wait()
		if ended.String() != "" {
			t.Errorf("it ended early: %s", ended)
		}
		time.Sleep(2)
		synctest.Wait()
		if ended.String() != "forced close" {
			t.Errorf("the end is %q", ended)
		}
	})
}

// OnClose is the last callback: never beside one for what comes.
func TestOnCloseIsLast(t *testing.T) {
	session, stub, ended := stubbed(&Server{})
	session.OnMessage = func([]byte, bool) {
		session.Close(true)
		if ended.String() != "" {
			t.Error("OnClose was called within OnMessage")
		}
	}
	session.packet(stub, Packet{Type: Message})
	if ended.String() != "forced close" {
		t.Errorf("the end is %q", ended)
	}
	session.OnMessage = func([]byte, bool) { t.Error("a message came behind the end") }
	session.packet(stub, Packet{Type: Message})
}
