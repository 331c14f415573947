package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func wsOf(base string) string { return strings.Replace(base, "polling", "websocket", 1) }

// The dance of an upgrade (protocol 4, "Upgrade").
func TestUpgrade(t *testing.T) {
	each(t, plain, func(r *rig) {
		s, base := r.begin(polls)
		upgraded := make(chan string, 1)
		s.OnUpgrade = func(name string) { upgraded <- name }
		poll := r.pending(s, base)
		l := r.dial(wsOf(base))
		l.send("2probe")
		l.want("3probe")
		r.want(take(t, poll, "the poll"), 200, "6")
		r.want(r.get(base), 200, "6") // and again, until the client has paused
		r.want(r.post(base, "4by polling"), 200, "ok")
		s.Send([]byte("more"), false)
		l.send("5", "4by websocket")
		l.want("4by polling", "4more", "4by websocket")
		if got := take(t, upgraded, "OnUpgrade"); got != "websocket" || s.Transport() != got || !s.Upgraded() {
			t.Errorf("it moved to %q", got)
		}
		r.want(r.get(base), 400, `{"code":3,"message":"Bad request"}`)
		r.want(r.post(base, "4x"), 400, `{"code":3,"message":"Bad request"}`)
		if got := take(t, r.refused, "the error"); got != "3 Bad request TRANSPORT_MISMATCH" {
			t.Error(got)
		}
		r.dial(wsOf(base)).want("closed 1005")
		l.send("4still there")
		l.want("4still there")
	})
}

// What fails in an upgrade leaves the session as it was.
func TestFailedUpgrade(t *testing.T) {
	each(t, plain, func(r *rig) {
		_, base := r.begin(polls)
		for _, first := range []string{"4hello", "2", "2other", "3probe", "6", "1", "abc", ""} {
			l := r.dial(wsOf(base))
			l.send(first)
			l.want("closed 1005")
			r.want(r.post(base, "4x"), 200, "ok")
			r.want(r.get(base), 200, "4x")
		}
		l := r.dial(wsOf(base))
		l.send("2probe", "4hello")
		l.want("3probe", "closed 1005")

		l = r.dial(wsOf(base))
		l.send("2probe")
		l.want("3probe")
		r.dial(wsOf(base)).want("closed 1005") // one at a time
		l.conn.CloseNow()                      // in the middle of it
		s := r.s.Session(sidOf(base))
		r.until("the upgrade is given up", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.upgrade == nil
		})
		r.want(r.post(base, "4x"), 200, "ok")
		r.want(r.get(base), 200, "4x")

		l = r.dial(wsOf(base)) // and then it goes well
		l.send("2probe", "2probe", "5", "4y")
		l.want("3probe", "3probe", "4y")
	})
}

func sidOf(base string) string {
	_, id, _ := strings.Cut(base, "&sid=")
	return id
}

// An upgrade that takes too long is given up.
func TestUpgradeTimeout(t *testing.T) {
	each(t, func() *Server { return &Server{UpgradeTimeout: 20 * time.Millisecond} }, func(r *rig) {
		_, base := r.begin(polls)
		for _, probe := range []string{"", "2probe"} {
			l := r.dial(wsOf(base))
			if probe != "" {
				l.send(probe)
				if got := l.next(); got == "closed 1005" {
					continue // it was given up even before
				} else if got != "3probe" {
					t.Errorf("%q came", got)
				}
			}
			l.want("closed 1005")
		}
		r.want(r.post(base, "4x"), 200, "ok")
		r.want(r.get(base), 200, "4x")
	})
}

func TestNoUpgrade(t *testing.T) {
	each(t, func() *Server { return &Server{NoUpgrade: true} }, func(r *rig) {
		_, base := r.begin(polls)
		r.dial(wsOf(base)).want("closed 1005")
	})
	each(t, func() *Server { return &Server{Transports: []string{"polling"}} }, func(r *rig) {
		_, base := r.begin(polls)
		if a := r.upgrade("GET", wsOf(base), ""); a.status != 400 || !strings.Contains(a.body, "Transport unknown") {
			t.Errorf("%+v", a)
		}
	})
	each(t, func() *Server { return &Server{Transports: []string{"websocket"}} }, func(r *rig) {
		r.want(r.get(polls), 400, `{"code":0,"message":"Transport unknown"}`)
		r.beginSocket(sockets)
	})
}

// The session ends during an upgrade: both transports do.
func TestEndDuringUpgrade(t *testing.T) {
	each(t, plain, func(r *rig) {
		s, base := r.begin(polls)
		l := r.dial(wsOf(base))
		l.send("2probe")
		l.want("3probe")
		s.Close(true)
		l.want("closed 1005")
		r.wantClosed("forced close")

		s, base = r.begin(polls) // in good order it moves first
		s.Send([]byte("last"), false)
		s.Close(false)
		r.dial(wsOf(base)).want("closed 1005")
		r.want(r.get(base), 200, "4last")
		r.want(r.get(base), 200, "6\x1e1")
		r.wantClosed("forced close")
	})
}

// Whatever is sent while a session moves arrives once, and in its order.
func TestUpgradeKeepsOrder(t *testing.T) {
	each(t, plain, func(r *rig) {
		for range 20 {
			s, base := r.begin(polls)
			const count = 200
			go func() {
				for i := range count {
					s.Send(fmt.Append(nil, i), false)
				}
			}()
			l := r.dial(wsOf(base))
			l.send("2probe")
			l.want("3probe")
			var got []string
			for len(got) < 3 {
				for p := range strings.SplitSeq(r.get(base).body, "\x1e") {
					if p != "6" {
						got = append(got, p)
					}
				}
			}
			l.send("5")
			for len(got) < count {
				got = append(got, l.next())
			}
			for i, p := range got {
				if p != fmt.Sprint("4", i) {
					t.Fatalf("%q came in place of %d", p, i)
				}
			}
			l.conn.CloseNow()
			r.wantClosed("transport close")
		}
	})
}
