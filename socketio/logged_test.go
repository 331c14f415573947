package socketio

import (
	"bytes"
	"log"
	"strings"
	"sync"
	"testing"
)

// logged takes what package log is told until the test ends.
func logged(t *testing.T) func() string {
	var mu sync.Mutex
	var b bytes.Buffer
	before := log.Writer()
	log.SetOutput(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(p)
	}))
	t.Cleanup(func() { log.SetOutput(before) })
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return b.String()
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestLogged: a panic, and an event that fits no handler, are seen though nobody
// has asked; the latter once.
func TestLogged(t *testing.T) {
	said := logged(t)
	io := NewServer(nil)
	io.OnConnection(func(s *Socket) {
		s.On("number", func(int) {})
		s.On("oops", func() { panic("a mistake") })
		s.On("all", func(args Args, ack func(any)) { v, _ := args.Values(); ack(v) })
		s.On("rest", func(first string, more Args, ack func(...any)) { v, _ := more.Values(); ack(append(v, first)...) })
	})
	p := dialWebSocket(t, onHTTP(t, io), "")
	p.join("/")
	p.send(`42["number","two"]`, `42["number","three"]`, `42["oops"]`, `421["all",1,{"a":[true]}]`, `422["rest","x",2,3]`)
	p.want(`431[[1,{"a":[true]}]]`, `432[2,3,"x"]`)
	got := said()
	if strings.Count(got, `socketio: the event "number": argument 1`) != 1 || !strings.Contains(got, "socketio: panic in handler: a mistake\ngoroutine") {
		t.Errorf("the log has:\n%s", got)
	}
}

// TestArgsLast: nothing but an acknowledgement stands behind Args.
func TestArgsLast(t *testing.T) {
	for _, fn := range []any{func(Args, string) {}, func(Args, ...any) {}, func(Args, Args) {}} {
		if _, err := newHandler(fn); err == nil || !strings.Contains(err.Error(), "Args are all") {
			t.Errorf("%T: %v", fn, err)
		}
	}
}
