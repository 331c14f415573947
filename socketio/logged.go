package socketio

import (
	"log"
	"sync"

	"github.com/sockkit/sockkit/tcp"
)

// misfits are the events that did not fit a handler and are in the log: once, for
// it is the other side who says how often.
type misfits struct{ logged sync.Map }

func (m *misfits) log(event string, err error) {
	if _, known := m.logged.LoadOrStore(event, nil); !known {
		log.Printf("socketio: the event %q: %v (this is not said again; OnHandlerError is told each time)", event, err)
	}
}

func logPanic(err *tcp.PanicError) { log.Printf("socketio: %v\n%s", err, err.Stack) }
