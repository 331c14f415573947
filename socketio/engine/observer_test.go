package engine

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// watch is an observer with what it has said.
type watch struct {
	*Observer
	records *trace.Recorder
	mu      sync.Mutex
	packets []string
}

func newWatch() *watch {
	w := &watch{records: &trace.Recorder{}}
	w.Observer = &Observer{Tracer: trace.New(w.records, trace.Frame), OnPacket: func(p Observed) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.packets = append(w.packets, fmt.Sprintf("%s %s %s %q", p.Dir, p.Transport, p.Packet.Type, p.Packet.Data))
	}}
	return w
}

func (w *watch) findings() (ids []string) {
	for _, f := range trace.Events[trace.Finding](w.records.Records()) {
		ids = append(ids, f.Rule+" "+f.Fault)
	}
	return ids
}

// exchange feeds a request and its answer.
func (w *watch) exchange(method, target, request string, status int, answer string) {
	w.Request(1, method, target, nil, []byte(request)).Response(status, nil, []byte(answer))
}

const watched = `0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":50}`

// What the observer says of what passes.
func TestObserver(t *testing.T) {
	base := polls + "&sid=abc"
	begin := func(w *watch) { w.exchange("GET", polls, "", 200, watched) }
	tests := []struct {
		clause   string
		feed     func(w *watch)
		findings string
		packets  string // of the last few
	}{
		{"a handshake", begin, "", `in polling open "` + strings.ReplaceAll(watched[1:], `"`, `\"`) + `"`},
		{"messages both ways", func(w *watch) {
			begin(w)
			w.exchange("POST", base, "4a\x1ebAQ==", 200, "ok")
			w.exchange("GET", base, "", 200, "4b\x1e2")
		}, "", `out polling message "a";out polling message "\x01";in polling message "b";in polling ping ""`},
		{"a page in place of the engine", func(w *watch) { w.exchange("GET", polls, "", 200, "<html>") }, "eio-payload server", ""},
		{"a server of version 3", func(w *watch) { w.exchange("GET", polls, "", 200, `3:0{}2:40`) }, "eio-other-version server", ""},
		{"no open packet", func(w *watch) { w.exchange("GET", polls, "", 200, "4hello") }, "eio-open-first server", ""},
		{"an open packet that lacks something", func(w *watch) { w.exchange("GET", polls, "", 200, `0{"sid":"x"}`) }, "eio-open server", ""},
		{"a wrong payload", func(w *watch) { begin(w); w.exchange("POST", base, "4a\x1e", 200, "ok") }, "eio-payload client", `out polling message "a"`},
		{"a ping of the client", func(w *watch) { begin(w); w.exchange("POST", base, "2", 200, "ok") }, "eio-heartbeat client", ""},
		{"a pong of the server", func(w *watch) { begin(w); w.exchange("GET", base, "", 200, "3") }, "eio-heartbeat server", ""},
		{"an upgrade packet of the server", func(w *watch) { begin(w); w.exchange("GET", base, "", 200, "5") }, "eio-direction server", ""},
		{"an open packet of the client", func(w *watch) { begin(w); w.exchange("POST", base, "0{}", 200, "ok") }, "eio-direction client", ""},
		{"two polls", func(w *watch) {
			begin(w)
			first := w.Request(1, "GET", base, nil, nil)
			w.exchange("GET", base, "", 400, "")
			first.Response(200, nil, []byte("1"))
		}, "eio-two-polls client", `in polling close ""`},
		{"an upgrade beside a poll", func(w *watch) {
			begin(w)
			poll := w.Request(1, "GET", base, nil, nil)
			upgrade := w.Request(2, "GET", sockets+"&sid=abc", nil, nil)
			poll.Response(200, nil, []byte("6"))
			upgrade.Response(101, nil, nil)
		}, "", `in polling noop ""`},
		{"two POSTs", func(w *watch) {
			begin(w)
			first := w.Request(1, "POST", base, nil, []byte("4a"))
			w.exchange("POST", base, "4b", 400, "")
			first.Aborted()
			w.exchange("POST", base, "4c", 200, "ok")
		}, "eio-two-posts client", ""},
		{"more than maxPayload", func(w *watch) {
			begin(w)
			w.exchange("POST", base, "4"+strings.Repeat("x", 60), 413, "")
		}, "eio-max-payload client;eio-max-payload client", ""},
		{"code 1", func(w *watch) {
			begin(w)
			w.exchange("GET", base, "", 400, `{"code":1,"message":"Session ID unknown"}`)
			if len(w.sessions) != 0 {
				t.Error("the session is kept")
			}
		}, "eio-code-1 client", ""},
		{"code 5", func(w *watch) {
			w.exchange("GET", polls3, "", 400, `{"code":5,"message":"Unsupported protocol version"}`)
		}, "eio-code-5 client", ""},
		{"a refused upgrade", func(w *watch) { w.exchange("GET", sockets, "", 400, "Bad request") }, "eio-code-3 client", ""},
		{"another refusal", func(w *watch) { w.exchange("GET", polls, "", 502, "<html>") }, "", ""},
		{"a session by WebSocket", func(w *watch) {
			s := w.WebSocket(2, sockets)
			s.Message(trace.In, ws.Text, []byte(watched))
			s.Message(trace.In, ws.Text, []byte("2"))
			s.Message(trace.Out, ws.Text, []byte("3"))
			s.Message(trace.Out, ws.Binary, []byte{1})
			s.End()
		}, "", `in websocket ping "";out websocket pong "";out websocket message "\x01"`},
		{"another protocol by WebSocket", func(w *watch) { w.WebSocket(2, sockets).Message(trace.Out, ws.Text, []byte("hello")) }, "eio-packet client", ""},
		{"an upgrade", func(w *watch) {
			begin(w)
			s := w.WebSocket(2, sockets+"&sid=abc")
			s.Message(trace.Out, ws.Text, []byte("2probe"))
			s.Message(trace.In, ws.Text, []byte("3probe"))
			w.exchange("GET", base, "", 200, "6")
			s.Message(trace.Out, ws.Text, []byte("5"))
			s.Message(trace.In, ws.Text, []byte("4x"))
		}, "", `out websocket ping "probe";in websocket pong "probe";in polling noop "";out websocket upgrade "";in websocket message "x"`},
		{"no probe", func(w *watch) {
			begin(w)
			s := w.WebSocket(2, sockets+"&sid=abc")
			s.Message(trace.Out, ws.Text, []byte("4x"))
			s.Message(trace.In, ws.Text, []byte("6"))
		}, "eio-probe client;eio-probe server", ""},
		{"polling behind the upgrade", func(w *watch) {
			begin(w)
			w.WebSocket(2, sockets+"&sid=abc").Message(trace.Out, ws.Text, []byte("5"))
			w.exchange("GET", base, "", 400, `{"code":3,"message":"Bad request"}`)
		}, "eio-after-upgrade client;eio-code-3 client", ""},
		{"version 3", func(w *watch) {
			w.exchange("GET", polls3, "", 200, fmt.Sprint(len(watched), ":", watched, "2:40"))
			w.exchange("POST", polls3+"&sid=abc", "1:2", 200, "ok")
			w.Request(1, "GET", polls3+"&sid=abc", nil, nil).Response(200, http.Header{"Content-Type": {"application/octet-stream"}}, []byte("\x00\x01\xff3\x01\x02\xff\x04\x09"))
			s := w.WebSocket(2, sockets3+"&sid=abc")
			s.Message(trace.Out, ws.Text, []byte("2probe"))
			s.Message(trace.In, ws.Text, []byte("3probe"))
		}, "", `out polling ping "";in polling pong "";in polling message "\t";out websocket ping "probe";in websocket pong "probe"`},
		{"JSONP", func(w *watch) {
			w.exchange("GET", polls+"&j=0", "", 200, string(jsonp("0", []byte(watched))))
			w.exchange("POST", base+"&j=0", `d=4a%5Cnb`, 200, "ok")
		}, "", `out polling message "a\nb"`},
		{"compressed", func(w *watch) {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			_, _ = io.WriteString(z, watched)
			z.Close()
			w.Request(1, "GET", polls, nil, nil).Response(200, http.Header{"Content-Encoding": {"gzip"}}, b.Bytes())
			w.Request(1, "GET", base, nil, nil).Response(200, http.Header{"Content-Encoding": {"deflate"}}, []byte("no"))
		}, "eio-payload server", ""},
		{"begun in the middle", func(w *watch) { w.exchange("GET", base, "", 200, "4x") }, "", `in polling message "x"`},
		{"targets that are none", func(w *watch) {
			w.exchange("GET", "%", "", 200, "")
			w.WebSocket(1, "%").Message(trace.In, ws.Text, []byte("4x"))
		}, "eio-open-first server", ""},
	}
	for _, test := range tests {
		w := newWatch()
		test.feed(w)
		if got := strings.Join(w.findings(), ";"); got != test.findings {
			t.Errorf("%s: findings %s, want %s", test.clause, got, test.findings)
		}
		if got := strings.Join(w.packets, ";"); !strings.HasSuffix(got, test.packets) {
			t.Errorf("%s: packets\n%s, want\n%s", test.clause, got, test.packets)
		}
		if n := len(trace.Events[trace.EIOPacket](w.records.Records())); n != len(w.packets) {
			t.Errorf("%s: %d records of %d packets", test.clause, n, len(w.packets))
		}
	}
}

// Sessions that never end are bounded.
func TestObserverForgets(t *testing.T) {
	w := &watch{Observer: &Observer{}}
	for i := range maxObserved + 100 {
		w.exchange("GET", fmt.Sprint(polls, "&sid=", i), "", 200, "6")
	}
	if n := len(w.sessions); n > maxObserved {
		t.Errorf("%d sessions are kept", n)
	}
}

// An observer between a client and a server of ours finds nothing, and sees what
// both say that they have sent.
func TestObserverBetween(t *testing.T) {
	for _, protocol := range []int{4, 3} {
		w := newWatch()
		mine := &trace.Recorder{}
		s := echoing()
		s.AllowEIO3, s.Tracer = true, trace.New(mine, trace.Frame)
		h := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			x := w.Request(0, r.Method, r.URL.RequestURI(), r.Header, body)
			rec := httptest.NewRecorder()
			s.ServeHTTP(rec, r)
			x.Response(rec.Code, rec.Header(), rec.Body.Bytes())
			for name, values := range rec.Header() {
				rw.Header()[name] = values
			}
			rw.WriteHeader(rec.Code)
			_, _ = rw.Write(rec.Body.Bytes())
		}))
		var sent []trace.EIOPacket
		in := newInbox()
		d := &Dialer{Transports: []string{"polling"}, Protocol: protocol, Tracer: trace.New(mine, trace.Frame)}
		c, err := d.Dial(t.Context(), h.URL, in.events())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			c.Send([]byte(strings.Repeat("é😀", i)), i%7 == 0)
		}
		in.await(t, "all", func() bool { return len(in.messages) == 50 })
		if f := w.findings(); len(f) != 0 {
			t.Errorf("version %d: %q", protocol, f)
		}
		c.Close() // from here on a poll may come too late
		take(t, c.Done(), "the end")
		shut(t, s)
		h.CloseClientConnections()
		h.Close()
		sent = trace.Events[trace.EIOPacket](mine.Records())
		count := func(list []trace.EIOPacket, dir trace.Dir) (n int) {
			for _, p := range list {
				if p.Dir == dir && p.Type == "message" && p.Session == c.ID() {
					n++
				}
			}
			return n
		}
		seen := trace.Events[trace.EIOPacket](w.records.Records())
		if a, b := count(seen, trace.Out), count(seen, trace.In); a != 50 || b != 50 {
			t.Errorf("version %d: %d and %d messages were observed", protocol, a, b)
		}
		if a, b := count(sent, trace.Out), count(sent, trace.In); a != 100 || b != 100 { // at both ends
			t.Errorf("version %d: %d and %d messages were recorded", protocol, a, b)
		}
	}
}

// A refusal says in the trace what it means.
func TestRefusalInTrace(t *testing.T) {
	records := &trace.Recorder{}
	r := newRig(t, &Server{Tracer: trace.New(records, trace.Connection)})
	r.addr = onHTTP(t, r.s)
	r.get(polls3)
	r.get(polls + "&sid=x")
	got := trace.Events[trace.Finding](records.Records())
	if len(got) != 2 || got[0].Rule != "eio-code-5" || got[1].Rule != "eio-code-1" || !strings.Contains(got[0].Mend, "allowEIO3") {
		t.Errorf("%+v", got)
	}
}

// The identifiers of rules are unique, and their texts complete.
func TestRules(t *testing.T) {
	all := []rule{rulePayload, rulePacket, ruleOtherVersion, ruleOpenFirst, ruleOpen, ruleHeartbeat, ruleDirection, ruleMaxPayload, ruleTwoPolls, ruleTwoPosts, ruleAfterUpgrade, ruleProbe}
	for code := range codeMessages {
		all = append(all, codeRules[Code(code)])
	}
	var ids []string
	for _, r := range all {
		if slices.Contains(ids, r.id) || !strings.HasSuffix(r.summary, ".") || !strings.HasSuffix(r.mend, ".") || r.due == "" || r.clause == "" || r.binding == "" {
			t.Errorf("%+v", r)
		}
		ids = append(ids, r.id)
	}
}
