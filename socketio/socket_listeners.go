package socketio

import (
	"fmt"
	"reflect"
	"slices"
)

func mustHandler(event string, fn any) handler {
	h, err := newHandler(fn)
	if err != nil {
		panic(fmt.Sprintf("socketio: the handler of %q: %v", event, err))
	}
	return h
}

// On adds a handler for an event: a function whose parameters are the arguments.
// It may take a [context.Context] first, which ends with the socket, and a
// function last, which acknowledges. On panics where fn cannot be a handler.
//
// Of "disconnect" and "disconnecting" the arguments are the reason and a
// description, both strings; of "error" it is an error.
func (s *Socket) On(event string, fn any) { s.listen(event, fn, false) }

// Once is On for one event only.
func (s *Socket) Once(event string, fn any) { s.listen(event, fn, true) }

func (s *Socket) listen(event string, fn any, once bool) {
	if s.listenReserved(event, fn) {
		return
	}
	l := &listener{event, mustHandler(event, fn), once, fn}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers = append(s.handlers, l)
}

// listenReserved takes handlers of the events that the server itself makes. A
// client may send an "error", which other functions take.
func (s *Socket) listenReserved(event string, fn any) bool {
	switch event {
	case "disconnect":
		s.OnDisconnect(s.reasonHandler(event, fn))
	case "disconnecting":
		s.OnDisconnecting(s.reasonHandler(event, fn))
	case "error":
		f, ok := fn.(func(error))
		if ok {
			s.OnError(f)
		}
		return ok
	default:
		return false
	}
	return true
}

func (s *Socket) reasonHandler(event string, fn any) func(reason string) {
	switch f := fn.(type) {
	case func():
		return func(string) { f() }
	case func(string):
		return f
	case func(string, string):
		return func(reason string) {
			_, description := s.Disconnection()
			f(reason, description)
		}
	}
	panic(fmt.Sprintf("socketio: the handler of %q is %T, want a func(reason, description string)", event, fn))
}

// Off removes the handlers of an event: all, or those that are fn. Closures of
// one function literal are the same here.
func (s *Socket) Off(event string, fn ...any) {
	s.removeHandlers(func(l *listener) bool {
		return l.event == event && (len(fn) == 0 || slices.ContainsFunc(fn, func(f any) bool {
			return reflect.ValueOf(f).Pointer() == reflect.ValueOf(l.fn).Pointer()
		}))
	})
}

// removeHandlers makes another list, for the one that there is may be read.
func (s *Socket) removeHandlers(is func(*listener) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers = slices.DeleteFunc(slices.Clone(s.handlers), is)
}

// OnDisconnect adds a handler for the end of the socket, which has left its rooms
// by then. The reason is one of the Reason constants.
func (s *Socket) OnDisconnect(f func(reason string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disconnected = append(s.disconnected, f)
}

// OnDisconnecting adds a handler that still sees the socket's rooms.
func (s *Socket) OnDisconnecting(f func(reason string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hooked()
	h.leaving = append(h.leaving, f)
}

// OnError adds a handler for errors of the socket's middlewares, for arguments
// that a handler cannot take, and for a packet of the client that is none, behind
// which the connection is closed.
func (s *Socket) OnError(f func(err error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hooked()
	h.onError = append(h.onError, f)
}

// Use adds a middleware for the events that come. An error keeps the event from
// the handlers; OnError is told.
func (s *Socket) Use(middleware func(e *Event) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hooked()
	h.middlewares = append(h.middlewares, middleware)
}

// ListenerCount returns how many handlers of an event there are.
func (s *Socket) ListenerCount(event string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, l := range s.handlers {
		if l.event == event {
			n++
		}
	}
	return n
}

// OnAny adds a handler for every event that comes, before its own. The function
// that it returns removes it.
func (s *Socket) OnAny(f func(event string, args Args)) (off func()) {
	return s.addAny((*socketHooks).caught, f, false)
}

// PrependAny is OnAny before all others.
func (s *Socket) PrependAny(f func(event string, args Args)) (off func()) {
	return s.addAny((*socketHooks).caught, f, true)
}

// OnAnyOutgoing adds a handler for every event that is sent. It runs where that is
// done, and must not wait: other events would wait, too.
func (s *Socket) OnAnyOutgoing(f func(event string, args Args)) (off func()) {
	return s.addAny((*socketHooks).sent, f, false)
}

// PrependAnyOutgoing is OnAnyOutgoing before all others.
func (s *Socket) PrependAnyOutgoing(f func(event string, args Args)) (off func()) {
	return s.addAny((*socketHooks).sent, f, true)
}

// caught and sent are the lists of OnAny and of OnAnyOutgoing.
func (h *socketHooks) caught() *[]*anyListener { return &h.any }
func (h *socketHooks) sent() *[]*anyListener   { return &h.anyOut }

func (s *Socket) addAny(of func(*socketHooks) *[]*anyListener, f func(string, Args), first bool) func() {
	l := &anyListener{f}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hooked()
	list := of(h)
	if first {
		*list = append([]*anyListener{l}, *list...)
	} else {
		*list = append(slices.Clip(*list), l)
	}
	s.hasOutgoing.Store(len(h.anyOut) > 0)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		*list = slices.DeleteFunc(slices.Clone(*list), func(other *anyListener) bool { return other == l })
	}
}

// OffAny removes all handlers of OnAny.
func (s *Socket) OffAny() { s.removeAny((*socketHooks).caught) }

// OffAnyOutgoing removes all handlers of OnAnyOutgoing.
func (s *Socket) OffAnyOutgoing() { s.removeAny((*socketHooks).sent) }

func (s *Socket) removeAny(of func(*socketHooks) *[]*anyListener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hooks != nil {
		*of(s.hooks) = nil
	}
}

// ListenersAny returns how many handlers of OnAny there are, and
// ListenersAnyOutgoing how many of OnAnyOutgoing.
func (s *Socket) ListenersAny() int {
	return len(s.allHooks().any)
}

// ListenersAnyOutgoing returns how many handlers of OnAnyOutgoing there are.
func (s *Socket) ListenersAnyOutgoing() int {
	return len(s.allHooks().anyOut)
}
