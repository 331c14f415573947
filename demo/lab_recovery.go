package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/trace"
)

// recoveryBench is the lab of the lesson on reconnection: a server that keeps
// what it sends, and a network that can be cut.
type recoveryBench struct{ *ioDoor }

// How long a lab's server remembers those who are away, in seconds.
const (
	leastWindow = 0.1
	usualWindow = 120
)

func recoveryLab(s *Stage) (Actions, error) {
	b := newRecoveryBench(s)
	return Actions{
		"note": act(b.note), "cut": do(b.cut), "mend": do(b.mend), "emit": act(b.emit), "restart": act(b.restart), "question": act(b.question),
	}, nil
}

func newRecoveryBench(s *Stage) *recoveryBench {
	b := &recoveryBench{s.ioDoor(nil)}
	b.starts(usualWindow)
	s.Push("network", "up")
	return b
}

// starts brings up a server that remembers for so long.
func (b *recoveryBench) starts(seconds float64) {
	window := time.Duration(seconds * float64(time.Second))
	b.serves(socketio.ServerOptions{Recovery: &socketio.Recovery{MaxDisconnection: window}}, func(io *socketio.Server) {
		io.OnConnection(b.connected)
	})
	b.stage.Push("window", seconds)
}

// connected puts a client into the room; one that has come back is there again.
func (b *recoveryBench) connected(c *socketio.Socket) {
	c.OnDisconnect(func(reason string) { b.stage.Note("server", "disconnect: %s", reason) })
	c.On("message", func(string) {})
	if c.Recovered() {
		b.stage.Note("server", "socket.recovered is true: its id and its rooms are those that it had")
		return
	}
	b.stage.Note("server", "a new client, which joins the room kitchen")
	_ = c.Join("kitchen") // one room is no limit's business
	// Who has heard nothing has no offset to come back with.
	_ = c.Emit("welcome", "you are in the kitchen") // whoever is gone will come again
}

// emit has the server say something to the room, whoever is there.
func (b *recoveryBench) emit(_ context.Context, a typed) (any, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	b.stage.Note("server", "emits to the room kitchen: %q", a.Text)
	return nil, b.server().To("kitchen").Emit("news", a.Text)
}

// window is for how long the next server is to remember, in seconds.
type window struct {
	Seconds float64 `json:"seconds"`
}

// restart puts a new server in the place of the old one.
func (b *recoveryBench) restart(_ context.Context, a window) (any, error) {
	if !(a.Seconds >= leastWindow && a.Seconds <= usualWindow) {
		return nil, fmt.Errorf("a server remembers for %g to %d seconds here", leastWindow, usualWindow)
	}
	b.stage.Note("server", "goes away, and is started anew; it remembers for %g s", a.Seconds)
	b.starts(a.Seconds)
	return nil, nil
}

// againAnswer is the reader's to the question: how many events came again?
type againAnswer struct {
	Count int `json:"count"`
}

// question looks for the last client that has come back, and for what it was
// sent before it was let in.
func (b *recoveryBench) question(_ context.Context, a againAnswer) (any, error) {
	var rows []int
	count, recovered, found := 0, false, false
	session, pid := "", ""
	for _, e := range b.records() {
		p, ok := e.Event.(trace.SIOPacket)
		switch {
		case !ok:
		case p.Type == "CONNECT" && p.Dir == trace.In:
			session, pid = p.Session, pidOf(p)
			if pid != "" {
				rows, count, found = []int{e.number}, 0, false
			}
		case pid == "" || p.Session != session || p.Dir != trace.Out:
		case p.Type == "EVENT":
			rows, count = append(rows, e.number), count+1
		case p.Type == "CONNECT":
			rows, found, recovered = append(rows, e.number), true, pidOf(p) == pid
			session = "" // what follows is new
		}
	}
	if !found {
		return nil, errors.New("nobody has come back yet: cut the network, have the server emit, and mend it")
	}
	said := fmt.Sprintf("%d, between the client's CONNECT, which names its pid and the last offset that it saw, and the server's.", count)
	if !recovered {
		said = "None. The server did not know the pid of the client's CONNECT, or not any more: its answer brings a new one."
	}
	return Verdict{a.Count == count, said, rows}, nil
}

// pidOf is the secret id in a CONNECT packet, or "".
func pidOf(p trace.SIOPacket) string {
	var data struct {
		PID string `json:"pid"`
	}
	_ = json.Unmarshal(p.Payload, &data) // a CONNECT without data has none
	return data.PID
}
