package tap

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// exchangeOf is a connection whose bytes a test passes on by hand.
func exchangeOf(io *SocketIO) *exchanges {
	near, _ := net.Pipe()
	return &exchanges{watched: watched{Conn: near, tracer: io.tracer, id: 1}, io: io}
}

func request(method, query, body string) string {
	return fmt.Sprintf("%s /socket.io/?EIO=4&transport=polling%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, query, len(body), body)
}

func answer(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

const openPacket = `0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000}`

// packets are what a test has recorded of Socket.IO.
func packets(s *seen) (list []string) {
	for _, e := range trace.Events[trace.SIOPacket](s.Records()) {
		list = append(list, fmt.Sprintf("%s %s %s %s %d", e.Dir, e.Type, e.Namespace, e.EventName, e.Attachments))
	}
	return list
}

// TestExchanges has a session decoded whatever pieces it comes in.
func TestExchanges(t *testing.T) {
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n40{\"s\r\n9\r\nid\":\"x\"}\x1e\r\n7\r\n42[\"e\"]\r\n0\r\n\r\n"
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, `42["packed"]`)
	z.Close()
	gzipped := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", packed.Len(), packed.String())
	steps := []struct {
		from ws.Role
		text string
	}{
		{ws.ClientRole, request("GET", "", "")}, {ws.ServerRole, answer(openPacket)},
		{ws.ClientRole, request("POST", "&sid=abc", `40`)}, {ws.ServerRole, "HTTP/1.1 100 Continue\r\n\r\n" + answer("ok")},
		{ws.ClientRole, request("GET", "&sid=abc", "")}, {ws.ServerRole, chunked},
		{ws.ClientRole, request("POST", "&sid=abc", "451-[\"up\",{\"_placeholder\":true,\"num\":0}]\x1ebAQID")}, {ws.ServerRole, answer("ok")},
		{ws.ClientRole, request("GET", "&sid=abc", "")}, {ws.ServerRole, gzipped},
		{ws.ClientRole, "GET /other HTTP/1.1\r\nHost: x\r\n\r\n"}, {ws.ServerRole, answer("page")},
	}
	want := []string{"out CONNECT / ", "in CONNECT / ", "in EVENT / e", "out EVENT / up", "in EVENT / packed"}
	for _, size := range []int{1, 7, 1 << 20} {
		s := newSeen()
		x := exchangeOf(NewSocketIO(s.tracer(trace.Byte)))
		for _, step := range steps {
			for piece := range slices.Chunk([]byte(step.text), size) {
				x.feed(step.from, piece)
			}
		}
		for i, got := range packets(s) {
			if i >= len(want) || !strings.HasPrefix(got, want[i]) {
				t.Errorf("pieces of %d: packet %d is %q", size, i, got)
			}
		}
		if got := len(packets(s)); got != len(want) {
			t.Errorf("pieces of %d: %d packets", size, got)
		}
		if heads := len(trace.Events[trace.HTTPHead](s.Records())); heads != 13 {
			t.Errorf("pieces of %d: %d heads", size, heads)
		}
		if found := trace.Events[trace.Finding](s.Records()); len(found) != 0 {
			t.Errorf("%+v", found)
		}
	}
}

// TestExchangeEnds reads a body that the end of the connection ends.
func TestExchangeEnds(t *testing.T) {
	s := newSeen()
	x := exchangeOf(NewSocketIO(s.tracer(trace.Message)))
	x.feed(ws.ClientRole, []byte(request("GET", "&sid=abc", "")))
	x.feed(ws.ServerRole, []byte("HTTP/1.0 200 OK\r\n\r\n42[\"last\"]"))
	if got := packets(s); len(got) != 0 {
		t.Fatalf("%q before the end", got)
	}
	x.end(ws.ServerRole)
	if got := packets(s); len(got) != 1 || got[0] != "in EVENT / last 0" {
		t.Fatalf("%q", got)
	}
}

func TestExchangeFindings(t *testing.T) {
	post := func(body string) string { return request("POST", "&sid=abc", body) }
	for name, test := range map[string]struct {
		client, server string
		is             func(trace.Finding) bool
	}{
		"no packet":      {post(`42{"a"`), answer("ok"), isRule("socketio-packet")},
		"11 attachments": {post(`4511-["x"]`), answer("ok"), isRule("socketio-packet")},
		"no session": {post("3"), "HTTP/1.1 400 Bad Request\r\nContent-Length: 41\r\n\r\n" + `{"code":1,"message":"Session ID unknown"}`,
			func(f trace.Finding) bool { return strings.Contains(f.Came, "Session ID unknown") }},
	} {
		s := newSeen()
		x := exchangeOf(NewSocketIO(s.tracer(trace.Connection)))
		x.feed(ws.ClientRole, []byte(test.client))
		x.feed(ws.ServerRole, []byte(test.server))
		if _, ok := find(s, test.is); !ok {
			t.Errorf("%s: %+v", name, trace.Events[trace.Finding](s.Records()))
		}
	}
}

// TestExchangeNot gives up on what is no HTTP, and goes on passing it.
func TestExchangeNot(t *testing.T) {
	for name, test := range map[string]struct{ client, server, says string }{
		"client": {"\x16\x03\x01 hello\r\n\r\n", "", "the client sends is no HTTP"},
		"server": {request("GET", "", ""), "SSH-2.0-x\r\n\r\n", "the server sends is no HTTP"},
		"early":  {"", answer("too early"), "answers before"},
	} {
		s := newSeen()
		x := exchangeOf(NewSocketIO(s.tracer(trace.Message)))
		x.feed(ws.ClientRole, []byte(test.client))
		x.feed(ws.ServerRole, []byte(test.server))
		if _, ok := find(s, saysNote(test.says)); !ok {
			t.Errorf("%s: nothing says %q: %+v", name, test.says, s.Records())
		}
	}
}

func FuzzExchanges(f *testing.F) {
	f.Add([]byte(request("POST", "&sid=abc", "40")), []byte(answer("ok")))
	f.Add([]byte(request("GET", "", "")), []byte(answer(openPacket)))
	f.Fuzz(func(t *testing.T, client, server []byte) {
		x := exchangeOf(NewSocketIO(newSeen().tracer(trace.Byte)))
		x.feed(ws.ClientRole, client)
		x.feed(ws.ServerRole, server)
		x.end(ws.ServerRole)
	})
}

// TestExchangeLeft holds that a poll without an answer does not count for ever.
func TestExchangeLeft(t *testing.T) {
	s := newSeen()
	io := NewSocketIO(s.tracer(trace.Message))
	for range 3 {
		x := exchangeOf(io)
		x.feed(ws.ClientRole, []byte(request("GET", "&sid=abc", "")))
		x.Close()
	}
	if found := trace.Events[trace.Finding](s.Records()); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	x := exchangeOf(io)
	for range mostWaiting + 1 {
		x.feed(ws.ClientRole, []byte(request("GET", "", "")))
	}
	if _, ok := find(s, saysNote("gets no answers")); !ok {
		t.Error("it never gave up")
	}
}
