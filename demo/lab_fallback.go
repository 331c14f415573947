package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/trace"
)

// fallbackBench is the lab of the lesson on the fallback: a server, and what may
// stand before it.
type fallbackBench struct {
	*ioDoor
	mu  sync.Mutex
	way string // what stands there: "" is nothing
}

func fallbackLab(s *Stage) (Actions, error) {
	b := newFallbackBench(s)
	return Actions{"note": act(b.note), "proxy": act(b.proxy), "emit": act(b.emit), "question": act(b.question)}, nil
}

func newFallbackBench(s *Stage) *fallbackBench {
	b := &fallbackBench{ioDoor: s.ioDoor(nil)}
	b.around = b.stands
	b.serves(socketio.ServerOptions{}, func(io *socketio.Server) {
		io.OnConnection(func(c *socketio.Socket) {
			c.On("message", func(text string) { _ = c.Emit("message", "you said: "+text) }) // it may have left
		})
	})
	s.Push("proxy", proxies[""])
	return b
}

// proxies are what may stand before the server, in words.
var proxies = map[string]string{
	"":        "nothing",
	"deaf":    "a proxy that drops the header Upgrade",
	"refuses": "a proxy that answers 400 to an upgrade",
}

// proxyWay says what is to stand before the server.
type proxyWay struct {
	Way string `json:"way"`
}

func (b *fallbackBench) proxy(_ context.Context, a proxyWay) (any, error) {
	words, ok := proxies[a.Way]
	if !ok {
		return nil, fmt.Errorf("there is no proxy called %.20q", a.Way)
	}
	b.mu.Lock()
	b.way = a.Way
	b.mu.Unlock()
	b.stage.Note("network", "before the server stands %s", words)
	b.stage.Push("proxy", words)
	return "A WebSocket that is open stays so. Connect again.", nil
}

// stands is what stands before the server.
func (b *fallbackBench) stands(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		way := b.way
		b.mu.Unlock()
		switch {
		case way == "" || r.Header.Get("Upgrade") == "":
		case way == "refuses":
			b.stage.Note("proxy", "answers the upgrade by 400, and the server never hears of it")
			http.Error(w, "This proxy knows no upgrades.", http.StatusBadRequest)
			return
		default:
			b.stage.Note("proxy", "passes the request on without Upgrade and Connection")
			r = r.Clone(r.Context())
			r.Header.Del("Upgrade")
			r.Header.Del("Connection")
		}
		next.ServeHTTP(w, r)
	})
}

// typed is a text of the reader's.
type typed struct {
	Text string `json:"text"`
}

// mostText bounds a text that is sent on.
const mostText = 2000

func (a typed) check() error {
	if len(a.Text) > mostText {
		return fmt.Errorf("at most %s bytes can be sent, not %s", grouped(mostText), grouped(len(a.Text)))
	}
	return nil
}

// emit has the server speak first.
func (b *fallbackBench) emit(_ context.Context, a typed) (any, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	if len(b.server().Sockets()) == 0 {
		return nil, errors.New("nobody is connected: connect first")
	}
	return nil, b.server().Emit("message", a.Text)
}

// lastAnswer is the reader's to the question: which packet was the last one by
// polling?
type lastAnswer struct {
	Last string `json:"last"`
}

// question looks for the last session that has moved, and for its last packet by
// polling.
func (b *fallbackBench) question(_ context.Context, a lastAnswer) (any, error) {
	last := map[string]entry{}
	var before, moved *entry
	for _, e := range b.records() {
		p, ok := e.Event.(trace.EIOPacket)
		switch {
		case !ok:
		case p.Transport == "polling":
			last[p.Session] = e
		case p.Type == "upgrade":
			l := last[p.Session]
			before, moved = &l, &e
		}
	}
	if moved == nil {
		return nil, errors.New("no session has moved to a WebSocket yet: connect by polling first, with nothing before the server")
	}
	p := before.Event.(trace.EIOPacket)
	return Verdict{a.Last == p.Type, lastWords(p), []int{before.number, moved.number}}, nil
}

// lastWords explain what the last packet by polling is.
func lastWords(p trace.EIOPacket) string {
	way := "from the server"
	if p.Dir == trace.In {
		way = "to the server"
	}
	said := fmt.Sprintf("It was a %s, %s. ", p.Type, way)
	switch {
	case p.Dir == trace.In:
		return said + "The request that waited had its answer before that."
	case p.Type == "noop":
		return said + "It says nothing, and that is what it is for: it ends the request that waits, so that no message can leave by the old way behind the client's upgrade."
	}
	return said + "It ended the request that waited, so that no message can leave by the old way behind the client's upgrade. Had there been nothing to say, the server would have sent a noop."
}
