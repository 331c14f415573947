package socketio

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// patience is more than anything takes.
const patience = 60 * time.Second

// What servers say of a refusal, in v4 and in v2.
func TestClientConnectError(t *testing.T) {
	for _, test := range []struct{ data, want string }{
		{`{"message":"no","data":{"a":1}}`, "no map[a:1]"},
		{`{"message":"no"}`, "no <nil>"},
		{`"no"`, "no <nil>"},
		{`{"a":1}`, `{"a":1} map[a:1]`},
		{`{"message":7}`, `{"message":7} map[message:7]`},
		{``, " <nil>"},
	} {
		e := connectError([]byte(test.data))
		if got := fmt.Sprint(e.Message, " ", e.Data); got != test.want {
			t.Errorf("%s: %s", test.data, got)
		}
	}
}

func TestClientSession(t *testing.T) {
	for _, test := range []struct{ auth, pid, offset, want string }{
		{"", "", "", ""},
		{`{"a":1}`, "", "x", `{"a":1}`},
		{"", "p", "", `{"pid":"p"}`},
		{"{}", "p", "o", `{"pid":"p","offset":"o"}`},
		{`{"a":1}`, "p", "o", `{"pid":"p","offset":"o","a":1}`},
	} {
		if got := string(withSession([]byte(test.auth), test.pid, test.offset)); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

// Handlers of "connect_error" take what they can; others are a mistake that is
// said at once.
func TestClientFailureHandlers(t *testing.T) {
	got := ""
	for _, fn := range []any{
		func() { got += "nothing " },
		func(err error) { got += err.Error() + " " },
		func(e *Error) { got += e.Message + " " },
	} {
		failureHandler(fn)(errors.New("why"))
	}
	if got != "nothing why why " {
		t.Error(got)
	}
	defer func() {
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "want a func(error)") {
			t.Errorf("it panicked with %v", v)
		}
	}()
	NewClient("http://x", nil).On("connect_error", func(int) {})
}

// The ways to send add up, and the manager's own handlers are told, too.
func TestClientWaysToSend(t *testing.T) {
	io := NewServer(nil)
	io.OnConnection(func(s *Socket) { s.On("message", func(text string, ack func(string)) { ack(text) }) })
	c := NewClient("http://"+closedPort(t), quick(ClientOptions{ReconnectionAttempts: 1}))
	got := newNotes()
	m := c.Manager()
	m.OnError(func(error) { got.add("error") })
	m.OnReconnectAttempt(func(n int) { got.add("attempt %d", n) })
	m.OnReconnectError(func(error) { got.add("reconnect error") })
	m.OnReconnectFailed(func() { got.add("failed") })
	m.OnReconnect(func(int) { got.add("never") })
	m.OnPing(func() { got.add("never") })
	if c.Connect(patient(t)) == nil {
		t.Error("connected")
	}
	if lines := got.count(t, 5); strings.Join(lines, ", ") != "error, attempt 1, error, reconnect error, failed" {
		t.Errorf("got %q", lines)
	}
	_ = m.Close()

	c = opened(t, running(t, io), &ClientOptions{Transports: []string{"websocket"}, AckTimeout: 1})
	way := c.Timeout(1).Volatile().Compress(true).Timeout(patience)
	for len(got.all()) < 6 { // a volatile event may find the way taken, and is dropped then
		_ = way.Send("text", func(err error, text string) { got.add("%v %s", err, text) })
		answer, err := c.Compress(false).Timeout(patience).EmitWithAck(patient(t), "message", "x")
		if err != nil || answer.Len() != 1 {
			t.Fatal(err)
		}
	}
	if lines := got.all(); lines[5] != "<nil> text" {
		t.Errorf("got %q", lines)
	}
}
