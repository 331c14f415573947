package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sort"
	"strconv"
	"sync"
	"syscall"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// Mismatch says that what came back is not what was sent.
type Mismatch struct {
	Message int64 // its number on its connection, from 0
	At      int   // the first byte that differs
	Size    int   // of the message that was due
	Came    int   // bytes of what came; 0 where it came in pieces
}

// Error implements error.
func (m *Mismatch) Error() string {
	switch {
	case m.Message < 0:
		return "something came that was never sent"
	case m.Came != 0 && m.Came != m.Size:
		return fmt.Sprintf("message %d came back with %d bytes, and %d were sent", m.Message, m.Came, m.Size)
	}
	return fmt.Sprintf("message %d came back with another byte %d", m.Message, m.At)
}

// Errors of a load.
var (
	ErrLate    = error(late{})
	ErrStopped = errors.New("the run was stopped before the answer came")
	ErrClosed  = errors.New("the server closed the connection")
	ErrUnsent  = errors.New("due, and not sent until the end")
)

type late struct{}

func (late) Error() string { return "no answer in time" }

// Timeout says that it is one.
func (late) Timeout() bool { return true }

// Failures are errors of one kind.
type Failures struct {
	Kind    string `json:"kind"`
	Count   int64  `json:"count"`
	Example string `json:"example"`
}

// failures counts errors by their kind.
type failures struct {
	mu    sync.Mutex
	kinds map[string]*Failures
	first error
	all   int64
}

func (f *failures) add(err error, count int64) {
	if count == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kinds == nil {
		f.kinds = map[string]*Failures{}
	}
	kind := kindOf(err)
	if f.kinds[kind] == nil {
		f.kinds[kind] = &Failures{Kind: kind, Example: tcp.Reason(err)}
	}
	f.kinds[kind].Count += count
	f.all += count
	if m := new(*Mismatch); f.first == nil || errors.As(err, m) && !errors.As(f.first, m) {
		f.first = err // a mismatch says most
	}
}

func (f *failures) total() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all
}

// list has the most frequent kind first.
func (f *failures) list() []Failures {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Failures, 0, len(f.kinds))
	for _, kind := range f.kinds {
		list = append(list, *kind)
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].Count != list[j].Count {
			return list[i].Count > list[j].Count
		}
		return list[i].Kind < list[j].Kind
	})
	return list
}

// kindOf names the kind of an error.
func kindOf(err error) string {
	var (
		mismatch *Mismatch
		opening  *ws.HandshakeError
		broken   *ws.Violation
		closed   *ws.CloseError
		refused  *socketio.Error
		security *tcp.TLSError
		dns      *net.DNSError
		timeout  interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &mismatch):
		return "mismatch"
	case errors.Is(err, ErrUnsent):
		return "not sent"
	case errors.Is(err, ErrStopped):
		return "not waited for"
	case errors.As(err, &opening) && opening.Refused():
		return "answered " + strconv.Itoa(opening.Status())
	case errors.As(err, &broken), errors.As(err, &opening) && opening.Finding != nil:
		return "broken rule"
	case errors.As(err, &closed) && closed.Code != ws.StatusAbnormal:
		return "closed with " + strconv.Itoa(int(closed.Code))
	case errors.As(err, &refused):
		return "namespace refused"
	case errors.As(err, &dns):
		return "name not resolved"
	case errors.Is(err, ErrLate), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	case errors.As(err, &security):
		return "TLS"
	}
	return systemKind(err)
}

// systemKind names the kind of an error of the system.
func systemKind(err error) string {
	switch {
	case tcp.IsRefused(err):
		return "refused"
	case tcp.IsReset(err):
		return "reset"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no port left"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "no file left"
	case errors.Is(err, ErrClosed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, tcp.ErrSlowPeer):
		return "closed"
	}
	return "other"
}
