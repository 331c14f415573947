package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
)

// acknowledgement is that of one event: the first answer goes out, whichever
// handler gives it, and whenever. Nil is that of an event that asks for none.
type acknowledgement struct {
	sent atomic.Bool
	id   uint64
	to   acknowledger
}

// acknowledger sends the acknowledgement of a number, and reports itself what goes
// wrong with it later on.
type acknowledger interface {
	sendAck(id uint64, args []any) error
}

// ackFunc is an acknowledger for what has no number.
type ackFunc func(args ...any) error

func (f ackFunc) sendAck(_ uint64, args []any) error { return f(args...) }

// newAcknowledgement is one by a function; nil by nil.
func newAcknowledgement(send ackFunc) *acknowledgement {
	if send == nil {
		return nil
	}
	return &acknowledgement{to: send}
}

// send acknowledges the event, unless that has been done, or nobody asked.
func (a *acknowledgement) send(args ...any) error {
	if a == nil || !a.sent.CompareAndSwap(false, true) {
		return nil
	}
	return a.to.sendAck(a.id, args)
}

// handler is a function that an event is given to. Its parameters are, in this
// order: a context.Context, if it wants one; one for each argument; [Args] for all
// that are left over, if it wants them as they came; a function without results,
// which acknowledges, if it wants one; and, if it is variadic, one for the
// arguments that are left over.
type handler struct {
	invoke  invokeFunc
	context bool // it takes one
}

type invokeFunc = func(ctx context.Context, args []json.RawMessage, attachments [][]byte, ack *acknowledgement) error

// newHandler makes a handler of a function, or says why it cannot be one.
func newHandler(fn any) (handler, error) {
	if invoke := fastHandler(fn); invoke != nil {
		return handler{invoke: invoke}, nil
	}
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func || v.IsNil() {
		return handler{}, fmt.Errorf("handler is %T, want a function", fn)
	}
	shape, err := shapeOf(v.Type())
	if err != nil {
		return handler{}, fmt.Errorf("handler %T: %w", fn, err)
	}
	return handler{func(ctx context.Context, args []json.RawMessage, attachments [][]byte, ack *acknowledgement) error {
		in, err := shape.arguments(ctx, args, attachments, ack)
		if err == nil {
			v.Call(in)
		}
		return err
	}, shape.context}, nil
}

// call runs the function with the arguments of an event, without its name. What
// is missing is a zero value, what is left over is dropped; where an argument is
// of another type, the function is not called and the error is an
// [ArgumentError]. The acknowledgement goes out once, whenever the function
// gives it: later ones are ignored, and so are those that nobody asked for.
func (h handler) call(ctx context.Context, args []json.RawMessage, attachments [][]byte, ack *acknowledgement) error {
	return h.invoke(ctx, args, attachments, ack)
}

// handlerShape is what a type of function takes.
type handlerShape struct {
	context bool
	params  []handlerParam
	ack     reflect.Type  // or nil
	all     bool          // Args for those behind params
	rest    *handlerParam // of a variadic function
}

type handlerParam struct {
	typ    reflect.Type
	decode decodeFunc
}

// handlerShapes holds the *handlerShape of each type of function.
var handlerShapes sync.Map

func shapeOf(t reflect.Type) (*handlerShape, error) {
	if s, ok := handlerShapes.Load(t); ok {
		return s.(*handlerShape), nil
	}
	s, err := newShape(t)
	if err != nil {
		return nil, err
	}
	handlerShapes.Store(t, s)
	return s, nil
}

func newShape(t reflect.Type) (*handlerShape, error) {
	if t.NumOut() > 0 {
		return nil, errors.New("returns something")
	}
	s, first, last := &handlerShape{}, 0, t.NumIn()
	if last > 0 && t.In(0) == reflect.TypeFor[context.Context]() {
		s.context, first = true, 1
	}
	if t.IsVariadic() {
		last--
		element := t.In(last).Elem()
		if err := decodable(element); err != nil {
			return nil, fmt.Errorf("parameter %d: %w", last+1, err)
		}
		s.rest = &handlerParam{element, decoderOf(element)}
	}
	if last > first && t.In(last-1).Kind() == reflect.Func && t.In(last-1).NumOut() > 0 {
		return nil, fmt.Errorf("parameter %d: %s returns something: what acknowledges is a function without results", last, t.In(last-1))
	}
	if last > first && isAckType(t.In(last-1)) {
		last--
		s.ack = t.In(last)
	}
	if last > first && t.In(last-1) == reflect.TypeFor[Args]() && s.rest == nil {
		last--
		s.all = true
	}
	for i := first; i < last; i++ {
		if err := decodable(t.In(i)); err != nil {
			return nil, fmt.Errorf("parameter %d: %w", i+1, err)
		}
		s.params = append(s.params, handlerParam{t.In(i), decoderOf(t.In(i))})
	}
	return s, nil
}

func isAckType(t reflect.Type) bool { return t.Kind() == reflect.Func && t.NumOut() == 0 }

// decodable says why no argument can become a value of a type.
func decodable(t reflect.Type) error {
	if t == reflect.TypeFor[Args]() {
		return errors.New("Args are all that is left over: nothing but the acknowledgement stands behind them")
	}
	for t.Kind() == reflect.Pointer && t.Name() == "" {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil
	}
	switch t.Kind() {
	case reflect.Func:
		return fmt.Errorf("%s is a function, which only the last parameter may be, without results", t)
	case reflect.Chan, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return fmt.Errorf("no JSON becomes %s", t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return fmt.Errorf("no JSON becomes %s, an interface with methods", t)
		}
	}
	return nil
}

// arguments are what the function is called with.
func (s *handlerShape) arguments(ctx context.Context, args []json.RawMessage, attachments [][]byte, ack *acknowledgement) ([]reflect.Value, error) {
	in := make([]reflect.Value, 0, len(s.params)+2+max(0, len(args)-len(s.params)))
	if s.context {
		in = append(in, reflect.ValueOf(&ctx).Elem())
	}
	for i, p := range s.params {
		var raw json.RawMessage
		if i < len(args) {
			raw = args[i]
		}
		v, err := decodeArg(raw, attachments, p.typ, p.decode)
		if err != nil {
			return nil, numbered(err, i)
		}
		in = append(in, v)
	}
	if s.all {
		in = append(in, reflect.ValueOf(Args{args[min(len(s.params), len(args)):], attachments}))
	}
	if s.ack != nil {
		in = append(in, ackValue(s.ack, ack))
	}
	for i := len(s.params); s.rest != nil && i < len(args); i++ {
		v, err := decodeArg(args[i], attachments, s.rest.typ, s.rest.decode)
		if err != nil {
			return nil, numbered(err, i)
		}
		in = append(in, v)
	}
	return in, nil
}

// ackValue makes a function of a type that acknowledges with its arguments.
func ackValue(t reflect.Type, ack *acknowledgement) reflect.Value {
	send := func(args ...any) { _ = ack.send(args...) } // who sends it reports it
	if t == reflect.TypeFor[func(...any)]() {
		return reflect.ValueOf(send)
	}
	return reflect.MakeFunc(t, func(in []reflect.Value) []reflect.Value {
		args := make([]any, 0, len(in))
		for i, v := range in {
			if !t.IsVariadic() || i < len(in)-1 {
				args = append(args, v.Interface())
				continue
			}
			for j := range v.Len() {
				args = append(args, v.Index(j).Interface())
			}
		}
		send(args...)
		return nil
	})
}
