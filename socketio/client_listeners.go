package socketio

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
)

// listeners are the handlers of a client.
type listeners struct {
	mu          sync.Mutex
	byEvent     map[string][]*clientListener
	any, anyOut []*anyListener
}

type clientListener struct {
	handler handler
	failure func(error) // in place of handler, for "connect_error"
	once    bool
	fn      any
}

func (s *listeners) add(event string, fn any, once bool) {
	l := &clientListener{once: once, fn: fn}
	if event == "connect_error" {
		l.failure = failureHandler(fn)
	} else {
		l.handler = mustHandler(event, fn)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byEvent == nil {
		s.byEvent = map[string][]*clientListener{}
	}
	s.byEvent[event] = append(slices.Clip(s.byEvent[event]), l)
}

// failureHandler is a handler of an error that never was JSON.
func failureHandler(fn any) func(error) {
	switch f := fn.(type) {
	case func():
		return func(error) { f() }
	case func(error):
		return f
	case func(*Error):
		return func(err error) { f(asError(err)) }
	}
	panic(fmt.Sprintf("socketio: the handler of \"connect_error\": it is %T, want a func(error)", fn))
}

// asError is what a server said, or would have.
func asError(err error) *Error {
	if e, ok := err.(*Error); ok {
		return e
	}
	return &Error{Message: err.Error()}
}

// remove removes the handlers of an event: all, or those given.
func (s *listeners) remove(event string, fns []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(fns) == 0 {
		delete(s.byEvent, event)
		return
	}
	s.byEvent[event] = slices.DeleteFunc(slices.Clone(s.byEvent[event]), func(l *clientListener) bool {
		return slices.ContainsFunc(fns, func(f any) bool { return reflect.ValueOf(f).Pointer() == reflect.ValueOf(l.fn).Pointer() })
	})
}

// take returns the handlers of an event, and removes those that are for one only.
func (s *listeners) take(event string) []*clientListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.byEvent[event]
	if slices.ContainsFunc(all, func(l *clientListener) bool { return l.once }) {
		s.byEvent[event] = slices.DeleteFunc(slices.Clone(all), func(l *clientListener) bool { return l.once })
	}
	return all
}

func (s *listeners) addAny(list *[]*anyListener, f func(string, Args), first bool) (off func()) {
	l := &anyListener{f}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first {
		*list = append([]*anyListener{l}, *list...)
	} else {
		*list = append(slices.Clip(*list), l)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		*list = slices.DeleteFunc(slices.Clone(*list), func(other *anyListener) bool { return other == l })
	}
}

func (s *listeners) count(list *[]*anyListener) int { return len(s.get(list)) }

// get returns a list that nothing changes any more.
func (s *listeners) get(list *[]*anyListener) []*anyListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *list
}
