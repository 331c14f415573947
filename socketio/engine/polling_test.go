package engine

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Messages by polling, one and several in a payload, text and binary, and what
// becomes of payloads that are wrong.
func TestPayloads(t *testing.T) {
	const open = "" // the session goes on
	tests := []struct{ clause, body, echo, end string }{
		{"one packet", "4hello é✓😀", "4hello é✓😀", open},
		{"an empty message", "4", "4", open},
		{"several", "4a\x1e4b\x1e4c", "4a\x1e4b\x1e4c", open},
		{"text and binary", "4a\x1ebAQIDBA==", "4a\x1ebAQIDBA==", open},
		{"an empty binary message", "b", "b", open},
		{"no base64", "b!!!!\x1e4x", "b\x1e4x", open},
		{"noop, upgrade, open", "6\x1e5\x1e0{}\x1e4x", "4x", open},
		{"no packet", "abc", "", "parse error"},
		{"an empty payload", "", "", "parse error"},
		{"a separator at the end", "4a\x1e", "4a", "parse error"},
		{"an unknown type", "4a\x1e7\x1e4b", "4a", "parse error"},
		{"a ping of the client", "2", "", "transport error: invalid heartbeat direction"},
		{"close", "1", "", "transport close"},
		{"what comes behind close", "4a\x1e1\x1e4b", "4a", "transport close"},
	}
	each(t, plain, func(r *rig) {
		for _, test := range tests {
			s, base := r.begin(polls)
			var got []string
			s.OnMessage = func(b []byte, binary bool) {
				p := Packet{Type: Message, Data: b, Binary: binary}
				got = append(got, string(p.AppendText(nil)))
				s.Send(bytes.Clone(b), binary)
			}
			a := r.post(base, test.body)
			if a.status != 200 || a.body != "ok" || a.header.Get("Content-Type") != "text/html" || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: the POST is answered %+v", test.clause, a)
			}
			if echo := strings.Join(got, "\x1e"); echo != test.echo {
				t.Errorf("%s: %q was delivered, want %q", test.clause, echo, test.echo)
			}
			if test.end == open {
				r.want(r.get(base), 200, test.echo)
				continue
			}
			r.wantClosed(test.end)
			r.want(r.get(base), 400, `{"code":1,"message":"Session ID unknown"}`)
		}
	})
}

// Two polls at once end the session: the one that waits is told of it.
func TestPollOverlap(t *testing.T) {
	each(t, plain, func(r *rig) {
		s, base := r.begin(polls)
		first := r.pending(s, base)
		r.want(r.get(base), 400, "")
		r.want(take(t, first, "the first poll"), 200, "1")
		r.wantClosed("transport error: overlap from client")
		r.want(r.get(base), 400, `{"code":1,"message":"Session ID unknown"}`)
	})
}

// halfPost sends all of a POST but its last byte.
func (r *rig) halfPost(s *Session, base, body string) *bufio.Reader {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", base, len(body)+1, body)
	r.until("the POST is read", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		p, ok := s.transport.(*polling)
		return !ok || p.poster != nil
	})
	return bufio.NewReader(conn)
}

// Two POSTs at once end the session, and the one that is not complete.
func TestPostOverlap(t *testing.T) {
	each(t, plain, func(r *rig) {
		s, base := r.begin(polls)
		first := r.halfPost(s, base, "4ab")
		r.want(r.post(base, "4x"), 400, "")
		r.wantClosed("transport error: data request overlap from client")
		resp, err := http.ReadResponse(first, nil)
		if err == nil && resp.StatusCode == 200 {
			t.Error("the first POST is taken")
		}
	})
}

// The end of a session ends a POST that never becomes complete.
func TestSlowPost(t *testing.T) {
	each(t, plain, func(r *rig) {
		s, base := r.begin(polls)
		slow := r.halfPost(s, base, "4ab")
		s.Close(true)
		r.wantClosed("forced close")
		if _, err := io.ReadAll(slow); err != nil {
			t.Errorf("the connection goes on: %v", err)
		}
	})
}

// A poll or a POST that the client gives up ends the session.
func TestAborted(t *testing.T) {
	each(t, plain, func(r *rig) {
		s, base := r.begin(polls)
		conn, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", base)
		r.until("the poll is held", s.Writable)
		conn.Close()
		r.wantClosed("transport error: poll connection closed prematurely")

		_, base = r.begin(polls)
		if conn, err = net.Dial("tcp", r.addr); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n4ab", base)
		conn.Close()
		r.wantClosed("transport error: data request connection closed prematurely")
	})
}

func TestOtherMethods(t *testing.T) {
	each(t, plain, func(r *rig) {
		_, base := r.begin(polls)
		for _, method := range []string{"PUT", "DELETE", "HEAD", "OPTIONS"} {
			if a := r.do(method, base, ""); a.status != 500 {
				t.Errorf("%s: %d", method, a.status)
			}
		}
		r.want(r.post(base, "4x"), 200, "ok")
		r.want(r.post(base, "4x", "Content-Type", "application/octet-stream"), 400, "")
		r.wantClosed("transport error: invalid content")
	})
}

// A body over the limit is refused, and the session goes on.
func TestBodyLimit(t *testing.T) {
	each(t, func() *Server { return &Server{MaxHTTPBufferSize: 100} }, func(r *rig) {
		_, base := r.begin(polls)
		most := "4" + strings.Repeat("x", 99)
		r.want(r.post(base, most), 200, "ok")
		r.want(r.get(base), 200, most)
		r.want(r.post(base, most+"x"), 413, "")
		chunked := func(body string) int {
			req, _ := http.NewRequest("POST", "http://"+r.addr+base, io.MultiReader(strings.NewReader(body)))
			resp, err := r.web.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp.StatusCode
		}
		if a, b := chunked(most), chunked(most+"x"); a != 200 || b != 413 {
			t.Errorf("in chunks: %d and %d", a, b)
		}
		r.want(r.get(base), 200, most)
		_, l := r.beginSocket(sockets)
		l.send(most + "x")
		l.want("closed 1009")
		r.wantClosed("transport error")
	})
}

// The server's end: a poll that waits is told at once, else the next one is.
func TestCloseByServer(t *testing.T) {
	each(t, plain, func(r *rig) {
		s, base := r.begin(polls)
		poll := r.pending(s, base)
		s.Close(false)
		r.want(take(t, poll, "the poll"), 200, "1")
		r.wantClosed("forced close")

		s, base = r.begin(polls)
		s.Send([]byte("last"), false)
		s.Close(false)
		s.Send([]byte("too late"), false)
		r.want(r.get(base), 200, "4last")
		r.want(r.get(base), 200, "6\x1e1")
		r.wantClosed("forced close")

		s, base = r.begin(polls)
		s.Send([]byte("lost"), false)
		s.Close(true)
		r.wantClosed("forced close")
		r.want(r.get(base), 400, `{"code":1,"message":"Session ID unknown"}`)

		s, l := r.beginSocket(sockets)
		s.Send([]byte("last"), false)
		s.Close(false)
		l.want("4last", "closed 1005")
		r.wantClosed("forced close")
	})
}

// The client's end answers its poll.
func TestCloseByClient(t *testing.T) {
	each(t, plain, func(r *rig) {
		s, base := r.begin(polls)
		poll := r.pending(s, base)
		r.want(r.post(base, "1"), 200, "ok")
		r.want(take(t, poll, "the poll"), 200, "6")
		r.wantClosed("transport close")

		_, l := r.beginSocket(sockets)
		l.send("1")
		l.want("closed 1005")
		r.wantClosed("transport close")

		_, l = r.beginSocket(sockets)
		l.conn.CloseNow()
		r.wantClosed("transport close")
	})
}

// Answers are compressed from a size on, where the client takes it and a packet
// wants it.
func TestCompression(t *testing.T) {
	long := strings.Repeat("long ", 300)
	tests := []struct {
		accepts, text string
		never         bool
		coding        string
	}{
		{"gzip", long, false, "gzip"}, {"deflate", long, false, "deflate"}, {"deflate, gzip", long, false, "gzip"},
		{"gzip;q=0.5, deflate;q=0.8", long, false, "deflate"}, {"*", long, false, "gzip"}, {"*, gzip;q=0", long, false, "deflate"},
		{"br", long, false, ""}, {"gzip;q=0", long, false, ""}, {"", long, false, ""}, {"gzip", "short", false, ""}, {"gzip", long, true, ""},
	}
	each(t, plain, func(r *rig) {
		s, base := r.begin(polls)
		for _, test := range tests {
			s.SendPackets(Packet{Type: Message, Data: []byte(test.text), NoCompress: test.never})
			a := r.do("GET", base, "", "Accept-Encoding", test.accepts)
			if got := a.header.Get("Content-Encoding"); got != test.coding || unpacked(t, got, a.body) != "4"+test.text {
				t.Errorf("%+v: %q came, of %d bytes", test, got, len(a.body))
			}
		}
	})
	each(t, func() *Server { return &Server{HTTPCompression: -1} }, func(r *rig) {
		s, base := r.begin(polls)
		s.Send([]byte(long), false)
		r.want(r.do("GET", base, "", "Accept-Encoding", "gzip"), 200, "4"+long)
	})
}

func unpacked(t *testing.T, coding, body string) string {
	t.Helper()
	var r io.Reader = strings.NewReader(body)
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "deflate":
		r, err = zlib.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// JSONP: the answer is a call of JavaScript, and the data comes as a form's d.
func TestJSONP(t *testing.T) {
	each(t, plain, func(r *rig) {
		a := r.get(polls + "&j=0a1")
		if !strings.HasPrefix(a.body, `___eio[01]("0{\"sid\":`) || !strings.HasSuffix(a.body, `");`) {
			t.Errorf("the handshake is %q", a.body)
		}
		base := polls + "&sid=" + (<-r.sessions).ID() + "&j=3"
		form := func(d string) string { return url.Values{"d": {d}}.Encode() }
		tests := []struct{ body, text, script string }{
			{form("4a b"), "4a b", `"4a b"`},
			{form(`4one\ntwo`), "4one\ntwo", `"4one\ntwo"`},
			{form(`4one\\ntwo`), `4one\ntwo`, `"4one\\ntwo"`},
			{form("4\u2028\u2029\a</script>😀\U000e0001"), "", `"4\u2028\u2029\u0007\u003c/script\u003e😀` + "\U000e0001" + `"`},
			{"x=1&d=4%zz+%41&y", "", `"4%zz A"`},
			{"%64=4;b", "", `"4;b"`},
		}
		for _, test := range tests {
			r.want(r.post(base, test.body, "Content-Type", "application/x-www-form-urlencoded"), 200, "ok")
			if a := r.get(base); a.body != "___eio[3]("+test.script+");" || a.header.Get("Content-Type") != "text/javascript; charset=UTF-8" {
				t.Errorf("%q: %q came", test.body, a.body)
			}
		}
		r.want(r.post(base, "nothing=1"), 200, "ok")
		r.want(r.post(base, "d=4a&d=4b"), 200, "ok")
		r.want(r.post(base, form("4still there")), 200, "ok")
	})
}

// The answers say that no filter is to look for attacks in them.
func TestOldBrowsers(t *testing.T) {
	each(t, plain, func(r *rig) {
		if a := r.do("GET", polls, "", "User-Agent", "Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0)"); a.header.Get("X-XSS-Protection") != "0" {
			t.Errorf("%v", a.header)
		}
	})
}

// A client that does not read is ended, with a reason, and what waits for it is
// bounded.
func TestMaxBuffered(t *testing.T) {
	const most = 100000
	each(t, func() *Server { return &Server{MaxBuffered: most} }, func(r *rig) {
		s, base := r.begin(polls)
		huge := strings.Repeat("x", 2*most)
		s.Send([]byte(huge), false) // one message always may
		r.want(r.get(base), 200, "4"+huge)
		for s.sends() {
			s.Send([]byte("some"), false)
			if n := s.Buffered(); n > most/(4+packetCost)+1 {
				t.Fatalf("%d packets wait", n)
			}
		}
		r.wantClosed("transport error: " + tooSlow)

		s, _ = r.beginSocket(sockets)
		for s.sends() {
			s.Send([]byte(huge[:most/2]), false)
		}
		r.wantClosed("transport error: " + tooSlow)
	})
}

// sends reports whether the session is open.
func (s *Session) sends() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateOpen
}

// Packets that are sent together leave together, in their order.
func TestSendPackets(t *testing.T) {
	each(t, plain, func(r *rig) {
		s, base := r.begin(polls)
		poll := r.pending(s, base)
		if !s.Writable() {
			t.Error("a poll waits, and the session is not writable")
		}
		s.SendPackets(Packet{Type: Message, Data: []byte("a")}, Packet{Type: Message, Data: []byte{1}, Binary: true})
		r.want(take(t, poll, "the poll"), 200, "4a\x1ebAQ==")
		s.Send([]byte("b"), false)
		s.Send([]byte("c"), false)
		if s.Writable() || s.Buffered() != 2 {
			t.Errorf("%d packets are buffered", s.Buffered())
		}
		r.want(r.get(base), 200, "4b\x1e4c")
	})
}

// A poll whose answer is not read ends by its own time.
func TestUnreadAnswer(t *testing.T) {
	returned := make(chan struct{}, 100)
	make := func() *Server {
		s := hasty()
		s.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r)
				returned <- struct{}{}
			})
		})
		return s
	}
	each(t, make, func(r *rig) {
		s, base := r.begin(polls)
		take(t, returned, "the end of the handshake")
		s.Send(bytes.Repeat([]byte("x"), 64<<20), false)
		conn, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", base)
		take(t, returned, "the end of the poll")
		r.wantClosed("")
	})
}
