package socketio

import (
	"context"
	"encoding/json"
)

// fastHandler calls the kinds of functions that most handlers are without
// reflection. It returns nil for others, and for nil.
func fastHandler(fn any) invokeFunc {
	switch fn := fn.(type) {
	case func():
		return noneHandler(fn)
	case func(string):
		return oneHandler(fn, stringArg)
	case func([]byte):
		return oneHandler(fn, bytesArg)
	case func(any):
		return oneHandler(fn, anyArg)
	case func(json.RawMessage):
		return oneHandler(fn, rawArg)
	case func(string, func(string)):
		return answerHandler(fn, stringArg)
	case func(any, func(any)):
		return answerHandler(fn, anyArg)
	case func(json.RawMessage, func(json.RawMessage)):
		return answerHandler(fn, rawArg)
	case func(...any):
		return restHandler(fn)
	case func(Args):
		return allHandler(fn)
	}
	return nil
}

func allHandler(fn func(Args)) invokeFunc {
	if fn == nil {
		return nil
	}
	return func(_ context.Context, args []json.RawMessage, attachments [][]byte, _ *acknowledgement) error {
		fn(Args{args, attachments})
		return nil
	}
}

func noneHandler(fn func()) invokeFunc {
	if fn == nil {
		return nil
	}
	return func(context.Context, []json.RawMessage, [][]byte, *acknowledgement) error {
		fn()
		return nil
	}
}

// argFunc makes a value of the argument of a number, or the zero value.
type argFunc[T any] func(args []json.RawMessage, i int, attachments [][]byte) (T, error)

func oneHandler[T any](fn func(T), arg argFunc[T]) invokeFunc {
	if fn == nil {
		return nil
	}
	return func(_ context.Context, args []json.RawMessage, attachments [][]byte, _ *acknowledgement) error {
		v, err := arg(args, 0, attachments)
		if err == nil {
			fn(v)
		}
		return err
	}
}

func answerHandler[T any](fn func(T, func(T)), arg argFunc[T]) invokeFunc {
	if fn == nil {
		return nil
	}
	return func(_ context.Context, args []json.RawMessage, attachments [][]byte, ack *acknowledgement) error {
		v, err := arg(args, 0, attachments)
		if err == nil {
			fn(v, func(answer T) { _ = ack.send(answer) })
		}
		return err
	}
}

func restHandler(fn func(...any)) invokeFunc {
	if fn == nil {
		return nil
	}
	return func(_ context.Context, args []json.RawMessage, attachments [][]byte, _ *acknowledgement) error {
		values := make([]any, len(args))
		for i := range args {
			var err error
			if values[i], err = anyArg(args, i, attachments); err != nil {
				return err
			}
		}
		fn(values...)
		return nil
	}
}

// decodeStateAt stands in front of an argument. Where there is none, it stands in
// front of null.
func decodeStateAt(args []json.RawMessage, i int, attachments [][]byte) decodeState {
	d := decodeState{attachments: attachments}
	if i < len(args) {
		d.data = args[i]
		d.i = skipSpace(d.data, 0)
	}
	return d
}

func stringArg(args []json.RawMessage, i int, attachments [][]byte) (string, error) {
	d := decodeStateAt(args, i, attachments)
	switch d.peek() {
	case '"':
		return unquote(d.text()), nil
	case 'n', 0:
		return "", nil
	}
	return "", numbered(d.wrong("string"), i)
}

func bytesArg(args []json.RawMessage, i int, attachments [][]byte) ([]byte, error) {
	d := decodeStateAt(args, i, attachments)
	if d.peek() == 0 {
		return nil, nil
	}
	data, err := d.bytes()
	return data, numbered(err, i)
}

func anyArg(args []json.RawMessage, i int, attachments [][]byte) (any, error) {
	d := decodeStateAt(args, i, attachments)
	if d.peek() == 0 {
		return nil, nil
	}
	return d.value()
}

func rawArg(args []json.RawMessage, i int, _ [][]byte) (json.RawMessage, error) {
	if i >= len(args) {
		return nil, nil
	}
	return args[i], nil
}
