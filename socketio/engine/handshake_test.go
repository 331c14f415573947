package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{20}$`)

// The open packet has these keys, and no others (protocol 4, "Handshake").
func TestOpenPacket(t *testing.T) {
	each(t, plain, func(r *rig) {
		a := r.get(polls)
		if a.status != 200 || a.header.Get("Content-Type") != "text/plain; charset=UTF-8" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("the answer is %d %v", a.status, a.header)
		}
		checkOpen(t, a.body, `["websocket"]`)
		l := r.dial(sockets)
		checkOpen(t, l.next(), `[]`)
	})
	each(t, func() *Server { return &Server{NoUpgrade: true} }, func(r *rig) { checkOpen(t, r.get(polls).body, `[]`) })
	each(t, func() *Server { return &Server{Transports: []string{"polling"}} }, func(r *rig) { checkOpen(t, r.get(polls).body, `[]`) })
}

func checkOpen(t *testing.T, packet, upgrades string) {
	t.Helper()
	var got map[string]any
	if !strings.HasPrefix(packet, "0") || json.Unmarshal([]byte(packet[1:]), &got) != nil {
		t.Fatalf("the open packet is %q", packet)
	}
	sid, _ := got["sid"].(string)
	if !idForm.MatchString(sid) {
		t.Errorf("the id is %q", sid)
	}
	delete(got, "sid")
	var want map[string]any
	_ = json.Unmarshal([]byte(`{"upgrades":`+upgrades+`,"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`), &want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the open packet has %v, want %v", got, want)
	}
}

// The codes of requests that are refused, in the order of their checks.
func TestRefused(t *testing.T) {
	tests := []struct {
		clause, method, target string
		header                 []string
		status                 int
		body, refused          string
	}{
		{"transport unknown", "GET", "/engine.io/?EIO=4&transport=foo", nil, 400, `{"code":0,"message":"Transport unknown"}`, "0 Transport unknown "},
		{"no transport", "GET", "/engine.io/?EIO=4", nil, 400, `{"code":0,"message":"Transport unknown"}`, "0 Transport unknown "},
		{"webtransport", "GET", "/engine.io/?EIO=4&transport=webtransport", nil, 400, `{"code":0,"message":"Transport unknown"}`, "0 Transport unknown "},
		{"CVE-2023-31125", "GET", "/engine.io/?EIO=4&transport=__proto__", nil, 400, `{"code":0,"message":"Transport unknown"}`, "0 Transport unknown "},
		{"the last of two counts", "GET", polls + "&transport=foo", nil, 400, `{"code":0,"message":"Transport unknown"}`, "0 Transport unknown "},
		{"session unknown", "GET", polls + "&sid=abc", nil, 400, `{"code":1,"message":"Session ID unknown"}`, "1 Session ID unknown "},
		{"session of prototypes", "GET", polls + "&sid=__proto__", nil, 400, `{"code":1,"message":"Session ID unknown"}`, "1 Session ID unknown "},
		{"session unknown, by POST", "POST", polls + "&sid=abc", nil, 400, `{"code":1,"message":"Session ID unknown"}`, "1 Session ID unknown "},
		{"handshake by POST", "POST", polls, nil, 400, `{"code":2,"message":"Bad handshake method"}`, "2 Bad handshake method "},
		{"handshake by PUT", "PUT", polls, nil, 400, `{"code":2,"message":"Bad handshake method"}`, "2 Bad handshake method "},
		{"handshake by OPTIONS", "OPTIONS", polls, nil, 400, `{"code":2,"message":"Bad handshake method"}`, "2 Bad handshake method "},
		{"websocket without an upgrade", "GET", sockets, nil, 400, `{"code":3,"message":"Bad request"}`, "3 Bad request TRANSPORT_HANDSHAKE_ERROR"},
		{"another origin", "GET", polls, []string{"Origin", "http://evil.example"}, 403,
			`{"code":4,"message":"the origin \"http://evil.example\" is not allowed"}`, `4 the origin "http://evil.example" is not allowed `},
		{"EIO 3", "GET", "/engine.io/?EIO=3&transport=polling", nil, 400, `{"code":5,"message":"Unsupported protocol version"}`, "5 Unsupported protocol version "},
		{"no EIO", "GET", "/engine.io/?transport=polling", nil, 400, `{"code":5,"message":"Unsupported protocol version"}`, "5 Unsupported protocol version "},
		{"EIO 5", "GET", "/engine.io/?EIO=5&transport=polling", nil, 400, `{"code":5,"message":"Unsupported protocol version"}`, "5 Unsupported protocol version "},
	}
	each(t, plain, func(r *rig) {
		for _, test := range tests {
			a := r.do(test.method, test.target, "", test.header...)
			if a.status != test.status || a.body != test.body || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %d %s %s", test.clause, a.status, a.header.Get("Content-Type"), a.body)
			}
			if got := take(t, r.refused, "the error"); got != test.refused {
				t.Errorf("%s: told of %q, want %q", test.clause, got, test.refused)
			}
		}
		if n := r.s.ClientsCount(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

// A refused upgrade is always 400, with nothing but the message.
func TestRefusedUpgrade(t *testing.T) {
	tests := []struct{ clause, target, more, body string }{
		{"transport unknown", "/engine.io/?EIO=4&transport=foo", "", "Transport unknown"},
		{"CVE-2023-31125", "/engine.io/?EIO=4&transport=__proto__", "", "Transport unknown"},
		{"session unknown", sockets + "&sid=abc", "", "Session ID unknown"},
		{"session of prototypes", sockets + "&sid=__proto__", "", "Session ID unknown"},
		{"EIO 3", "/engine.io/?EIO=3&transport=websocket", "", "Unsupported protocol version"},
		{"another origin", sockets, "Origin: http://evil.example\r\n", `the origin "http://evil.example" is not allowed`},
		{"AllowRequest", sockets + "&no=1", "", "not you"},
	}
	make := func() *Server {
		return &Server{AllowRequest: func(r *http.Request) error {
			if r.URL.Query().Has("no") {
				return errors.New("not you")
			}
			return nil
		}}
	}
	each(t, make, func(r *rig) {
		for _, test := range tests {
			a := r.upgrade("GET", test.target, test.more)
			if a.status != 400 || a.body != test.body || a.header.Get("Content-Type") != "text/html" {
				t.Errorf("%s: %d %v %q", test.clause, a.status, a.header, a.body)
			}
		}
		r.want(r.get(polls+"&no=1"), 403, `{"code":4,"message":"not you"}`)
	})
}

// An upgrade for a transport that handles none is answered and closed.
func TestUpgradeOfPolling(t *testing.T) {
	each(t, plain, func(r *rig) {
		r.dial(polls).want("closed 1005")
		_, base := r.begin(polls)
		r.dial(base).want("closed 1005")
	})
}

// A request on an open session that does not fit it.
func TestMismatch(t *testing.T) {
	each(t, func() *Server { return &Server{AllowEIO3: true} }, func(r *rig) {
		_, base := r.begin(polls)
		bad := `{"code":3,"message":"Bad request"}`
		r.want(r.get(strings.Replace(base, "polling", "websocket", 1)), 400, bad)
		if got := <-r.refused; got != "3 Bad request TRANSPORT_MISMATCH" {
			t.Error(got)
		}
		r.want(r.get(strings.Replace(base, "EIO=4", "EIO=3", 1)), 400, bad)
		if got := <-r.refused; got != "3 Bad request PROTOCOL_MISMATCH" {
			t.Error(got)
		}
		up := strings.NewReplacer("EIO=4", "EIO=3", "polling", "websocket").Replace(base)
		r.want(r.upgrade("GET", up, ""), 400, "Bad request")
		r.want(r.post(base, "4still there"), 200, "ok")
	})
}

// Paths: what begins with the engine's is the engine's, behind a prefix too.
func TestPaths(t *testing.T) {
	tests := []struct {
		path    string
		bare    bool
		target  string
		engines bool
	}{
		{"", false, "/engine.io/", true}, {"", false, "/engine.io/more", true}, {"", false, "/engine.io", false}, {"", false, "/engine.iox/", false},
		{"/a/b", false, "/a/b/", true}, {"/a/b/", false, "/a/b/", true}, {"a", false, "/a/", true}, {"/a", false, "/b/", false},
		{"/a/", true, "/a", true}, {"/a", true, "/a/", true}, {"/a", true, "/abc", true}, {"/", false, "/", true}, {"/", true, "/x", true},
	}
	for _, test := range tests {
		each(t, func() *Server { return &Server{Path: test.path, NoTrailingSlash: test.bare} }, func(r *rig) {
			if a := r.get(test.target + "?EIO=4&transport=polling"); (a.status == 200) != test.engines {
				t.Errorf("%+v: %d", test, a.status)
			}
			a := r.upgrade("GET", test.target+"?EIO=4&transport=foo", "")
			if (a.body == "Transport unknown") != test.engines {
				t.Errorf("%+v: the upgrade is answered %d %q", test, a.status, a.body)
			}
		})
	}
}

func TestBehindPrefix(t *testing.T) {
	s := plain()
	r := newRig(t, s)
	mux := http.NewServeMux()
	mux.Handle("/deep/", http.StripPrefix("/deep", s))
	mux.Handle("/engine.io/", s)
	r.addr = onHandler(t, s, mux)
	for _, prefix := range []string{"/deep", ""} {
		session, base := r.begin(prefix + polls)
		r.want(r.post(base, "4hi"), 200, "ok")
		r.want(r.get(base), 200, "4hi")
		l := r.dial(strings.Replace(base, "polling", "websocket", 1))
		l.send("2probe")
		l.want("3probe")
		l.send("5", "4there")
		l.want("4there")
		if session.Transport() != "websocket" || !session.Upgraded() {
			t.Errorf("%s: the session uses %s", prefix, session.Transport())
		}
	}
	r.want(r.get("/deep/other"), 404, "404 page not found\n")
}

func TestNotFound(t *testing.T) {
	make := func() *Server {
		return &Server{NotFound: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "the page") })}
	}
	each(t, make, func(r *rig) { r.want(r.get("/index.html"), 200, "the page") })
}

// Ids: an error, an empty one and one in use refuse the handshake.
func TestGenerateID(t *testing.T) {
	make := func() *Server {
		return &Server{GenerateID: func(r *http.Request) (string, error) {
			if r.URL.Query().Has("fail") {
				return "", errors.New("no")
			}
			return r.URL.Query().Get("id"), nil
		}}
	}
	each(t, make, func(r *rig) {
		if s, _ := r.begin(polls + "&id=mine"); s.ID() != "mine" || r.s.Session("mine") != s {
			t.Errorf("the id is %q", s.ID())
		}
		for _, more := range []string{"&fail=1", "&id=mine", ""} {
			r.want(r.get(polls+more), 400, `{"code":3,"message":"Bad request"}`)
			if got := <-r.refused; got != "3 Bad request ID_GENERATION_ERROR" {
				t.Error(got)
			}
			r.want(r.upgrade("GET", sockets+more, ""), 400, "Bad request")
			<-r.refused
		}
	})
}

// Cookies go with the first answer, a 101 too, and hold the session's id.
func TestCookie(t *testing.T) {
	each(t, func() *Server { return &Server{Cookie: &http.Cookie{HttpOnly: true, MaxAge: 60}} }, func(r *rig) {
		a := r.get(polls)
		s := <-r.sessions
		if got, want := a.header.Get("Set-Cookie"), "io="+s.ID()+"; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"; got != want {
			t.Errorf("the cookie is %q, want %q", got, want)
		}
		r.post(polls+"&sid="+s.ID(), "4x")
		if again := r.get(polls + "&sid=" + s.ID()); again.header.Get("Set-Cookie") != "" {
			t.Error("the second answer sets a cookie")
		}
		h := r.head(sockets, "")
		if got, want := h.Get("Set-Cookie"), "io="+take(t, r.sessions, "the session").ID(); !strings.HasPrefix(got, want+"; ") {
			t.Errorf("the cookie of a WebSocket is %q, want %s", got, want)
		}
		if h := r.head(sockets+"&sid="+s.ID(), ""); h.Get("Set-Cookie") != "" {
			t.Error("a session that moves sets a cookie")
		}
	})
}

// Hooks add headers to all answers of sessions, and to the first.
func TestHeaderHooks(t *testing.T) {
	make := func() *Server {
		return &Server{
			Headers:        func(h http.Header, r *http.Request) { h.Set("X-All", "1") },
			InitialHeaders: func(h http.Header, r *http.Request) { h.Set("X-First", "1") },
		}
	}
	each(t, make, func(r *rig) {
		check := func(what string, h http.Header, all, first string) {
			t.Helper()
			if h.Get("X-All") != all || h.Get("X-First") != first {
				t.Errorf("%s: %v", what, h)
			}
		}
		a := r.get(polls)
		check("the handshake", a.header, "1", "1")
		base := polls + "&sid=" + (<-r.sessions).ID()
		check("a POST", r.post(base, "4x").header, "1", "")
		check("a poll", r.get(base).header, "1", "")
		check("a 101", r.head(sockets, ""), "1", "1")
		check("the 101 of a session that moves", r.head(strings.Replace(base, "polling", "websocket", 1), ""), "1", "")
	})
}

// Middlewares run for upgrades too: they may refuse, add headers, and pass on
// values.
func TestMiddlewares(t *testing.T) {
	type key struct{}
	make := func() *Server {
		s := &Server{}
		s.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Order", w.Header().Get("X-Order")+"a")
				next.ServeHTTP(w, r)
			})
		})
		s.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Order", w.Header().Get("X-Order")+"b")
				switch r.URL.Query().Get("how") {
				case "refuse":
					w.Header().Set("Content-Type", "text/x-no")
					w.WriteHeader(http.StatusUnauthorized)
					fmt.Fprint(w, "no")
				case "silent":
				default:
					next.ServeHTTP(w, r.WithContext(context2(r, key{}, "value")))
				}
			})
		})
		return s
	}
	each(t, make, func(r *rig) {
		a := r.get(polls)
		s := take(t, r.sessions, "the session")
		if a.header.Get("X-Order") != "ab" || s.Request().Context().Value(key{}) != "value" {
			t.Errorf("polling: %v", a.header)
		}
		h := r.head(sockets, "")
		s = take(t, r.sessions, "the session")
		if h.Get("X-Order") != "ab" || s.Request().Context().Value(key{}) != "value" || s.Request().Context().Err() != nil {
			t.Errorf("websocket: %v", h)
		}
		for _, a := range []answer{r.get(polls + "&how=refuse"), r.upgrade("GET", sockets+"&how=refuse", "")} {
			if a.status != 401 || a.body != "no" || a.header.Get("Content-Type") != "text/x-no" || a.header.Get("X-Order") != "ab" {
				t.Errorf("a refusal is %+v", a)
			}
		}
		if got := take(t, r.refused, "the error"); got != "3 Bad request MIDDLEWARE_FAILURE" {
			t.Error(got)
		}
		r.want(r.upgrade("GET", sockets+"&how=silent", ""), 400, "Bad request")
	})
}

// The initial packet comes with the open packet, and what OnConnection sends
// behind both.
func TestInitialPacket(t *testing.T) {
	make := func() *Server {
		return &Server{InitialPacket: []byte("welcome"), OnConnection: func(s *Session) { s.Send([]byte("hello"), false) }}
	}
	each(t, make, func(r *rig) {
		packets := strings.Split(r.get(polls).body, "\x1e")
		if len(packets) != 3 || packets[0][0] != '0' || packets[1] != "4welcome" || packets[2] != "4hello" {
			t.Errorf("%q came", packets)
		}
		_, l := r.beginSocket(sockets)
		l.want("4welcome", "4hello")
	})
}

// A session that OnConnection closes still begins.
func TestClosedInOnConnection(t *testing.T) {
	each(t, func() *Server { return &Server{OnConnection: func(s *Session) { s.Close(false) }} }, func(r *rig) {
		_, base := r.begin(polls)
		r.want(r.get(base), 200, "6\x1e1")
		r.wantClosed("forced close")
		_, l := r.beginSocket(sockets)
		l.want("closed 1005")
		r.wantClosed("forced close")
	})
}

// Sessions are bounded, and none begins behind the end: 503 on both transports.
func TestMaxSessions(t *testing.T) {
	each(t, func() *Server { return &Server{MaxSessions: 1} }, func(r *rig) {
		_, base := r.begin(polls)
		r.want(r.get(polls), 503, `{"code":4,"message":"too many sessions"}`)
		r.want(r.upgrade("GET", sockets, ""), 503, "too many sessions")
		r.post(base, "1")
		r.wantClosed("transport close")
		r.begin(polls)
	})
	r := newRig(t, plain())
	r.addr = onHTTP(t, r.s)
	shut(t, r.s)
	r.want(r.get(polls), 503, `{"code":4,"message":"the server is closed"}`)
}

// Close ends the sessions: a poll that waits is told, and WebSockets are closed.
func TestServerClose(t *testing.T) {
	each(t, plain, func(r *rig) {
		s, base := r.begin(polls)
		poll := r.pending(s, base)
		_, l := r.beginSocket(sockets)
		done := make(chan struct{})
		go func() { defer close(done); shut(t, r.s) }()
		if a := take(t, poll, "the poll's answer"); a.status != 200 || a.body != "1" {
			t.Errorf("the poll is answered %+v", a)
		}
		l.want("closed 1005")
		r.wantClosed("forced close")
		r.wantClosed("forced close")
		take(t, done, "the end of Close")
	})
}

// CVE-2022-41940: a reset while the refusal is written ends nothing.
func TestResetDuringRefusal(t *testing.T) {
	each(t, plain, func(r *rig) {
		for range 50 {
			resets(t, r.addr, "GET /engine.io/?EIO=4&transport=foo HTTP/1.1\r\n"+upgradeLines+"\r\n")
			resets(t, r.addr, "GET "+polls+" HTTP/1.1\r\nHost: a\r\n\r\n")
		}
		_, l := r.beginSocket(sockets)
		l.send("4alive")
		l.want("4alive")
	})
}

// CVE-2022-21676: bytes of a frame that is wrong, right behind the request.
func TestBytesBehindTheRequest(t *testing.T) {
	wrong, right := "\xf1\x80\x00\x00\x00\x00", "\x81\x83\x00\x00\x00\x004hi"
	each(t, plain, func(r *rig) {
		_, base := r.begin(polls)
		for _, target := range []string{sockets, strings.Replace(base, "polling", "websocket", 1), sockets + "&sid=x"} {
			if got := r.raw("GET " + target + " HTTP/1.1\r\n" + upgradeLines + "\r\n" + wrong); !strings.HasPrefix(got, "HTTP/1.1 ") {
				t.Errorf("%q came", got)
			}
		}
		r.wantClosed("transport error")
		got := r.raw("GET " + sockets + " HTTP/1.1\r\n" + upgradeLines + "\r\n" + right + "\x88\x80\x00\x00\x00\x00")
		if !strings.Contains(got, "\x81\x034hi") {
			t.Errorf("%q came", got)
		}
		r.want(r.post(base, "4x"), 200, "ok")
	})
}

// Nothing is retained of a handshake request: its context has no end.
func TestRequestOutlives(t *testing.T) {
	each(t, plain, func(r *rig) {
		s, _ := r.begin(polls + "&who=me")
		if s.Request().Context().Err() != nil || s.Request().URL.Query().Get("who") != "me" || s.RemoteAddr() == "" {
			t.Error("the request is over")
		}
		select {
		case <-s.Request().Context().Done():
			t.Error("the request's context ended with its answer")
		case <-time.After(time.Microsecond):
		}
	})
}
