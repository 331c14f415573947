package socketio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// encodeArgs makes the data of an acknowledgement: a JSON array as JSON.stringify
// writes it, in which {"_placeholder":true,"num":i} stands for each binary value.
// Those are copied, in the order in which they stand. An error names the argument
// by its number, from 1.
//
// Binary is a []byte, and any type of bytes that does not say itself how it is
// written; a nil one is null. Tags of encoding/json count, as do its Marshaler and
// encoding.TextMarshaler. A time.Time is written as a Date is.
func encodeArgs(args ...any) (data []byte, attachments [][]byte, err error) {
	return encodeArgsBehind(0, args)
}

// encodeArgsBehind is encodeArgs with the data behind room for something else.
func encodeArgsBehind(room int, args []any) (buf []byte, attachments [][]byte, err error) {
	e := newEncoding(args, room, 2)
	e.buf = append(e.buf, '[')
	return e.arguments(args)
}

// encodeEvent makes the data of an event: its name, then its arguments. It does
// not ask whether the name is reserved.
func encodeEvent(name string, args []any) (data []byte, attachments [][]byte, err error) {
	return encodeEventBehind(0, name, args)
}

// encodeEventBehind is encodeEvent with the data behind room for something else.
func encodeEventBehind(room int, name string, args []any) (buf []byte, attachments [][]byte, err error) {
	e := newEncoding(args, room, len(name)+4)
	e.buf = append(e.buf, '[')
	e.buf = appendQuoted(e.buf, name)
	if len(args) > 0 {
		e.buf = append(e.buf, ',')
	}
	return e.arguments(args)
}

// encodeValue makes the JSON of one value, with placeholders for what is binary.
func encodeValue(v any) (data []byte, attachments [][]byte, err error) {
	e := newEncoding([]any{v}, 0, 0)
	e, err = appendValue(e, v, 0)
	return e.buf, e.attachments, err
}

// encoding is what was written so far. It goes by value, so that it stays on the
// stack where no reflection is needed.
type encoding struct {
	buf         []byte
	attachments [][]byte
	hops        int // pointers that were followed to where it is
}

// newEncoding makes room for what simple arguments take, behind room for something
// else.
func newEncoding(args []any, room, size int) encoding {
	for _, arg := range args {
		switch arg := arg.(type) {
		case string:
			size += len(arg) + 8
		case json.RawMessage:
			size += len(arg) + 1
		case []byte:
			size += len(`{"_placeholder":true,"num":10},`)
		default:
			size += 24
		}
	}
	return encoding{buf: make([]byte, room, room+size)}
}

func (e encoding) arguments(args []any) ([]byte, [][]byte, error) {
	for i, arg := range args {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		var err error
		if e, err = appendValue(e, arg, 1); err != nil {
			return nil, nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
	}
	return append(e.buf, ']'), e.attachments, nil
}

// appendValue writes a value that stands at a depth. The types that most events
// are made of need no reflection.
func appendValue(e encoding, v any, depth int) (encoding, error) {
	switch v := v.(type) {
	case nil:
		e.buf = append(e.buf, "null"...)
	case string:
		e.buf = appendQuoted(e.buf, v)
	case bool:
		e.buf = strconv.AppendBool(e.buf, v)
	case int:
		e.buf = strconv.AppendInt(e.buf, int64(v), 10)
	case int64:
		e.buf = strconv.AppendInt(e.buf, v, 10)
	case float64:
		e.buf = appendFloat(e.buf, v, 64)
	case []byte:
		return appendBinary(e, v), nil
	case time.Time:
		e.buf = appendTime(e.buf, v)
	case json.RawMessage:
		return appendRaw(e, v, depth)
	case map[string]any:
		return appendMap(e, v, depth)
	case []any:
		return appendSlice(e, v, depth)
	default:
		return appendReflected(e, v, depth)
	}
	return e, nil
}

// appendBinary writes the placeholder of binary data, and keeps a copy of that.
func appendBinary(e encoding, data []byte) encoding {
	if data == nil {
		e.buf = append(e.buf, "null"...)
		return e
	}
	e.buf = append(e.buf, `{"_placeholder":true,"num":`...)
	e.buf = strconv.AppendInt(e.buf, int64(len(e.attachments)), 10)
	e.buf = append(e.buf, '}')
	clone := make([]byte, len(data))
	copy(clone, data)
	e.attachments = append(e.attachments, clone)
	return e
}

// appendRaw writes JSON that was made by somebody else, as it is.
func appendRaw(e encoding, data json.RawMessage, depth int) (encoding, error) {
	if data == nil {
		e.buf = append(e.buf, "null"...)
		return e, nil
	}
	return appendJSON(e, data, depth)
}

func appendJSON(e encoding, data []byte, depth int) (encoding, error) {
	if !validJSON(data, defaultMaxDepth-depth) {
		return e, errBadJSON
	}
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\ufffd"))
	}
	e.buf = append(e.buf, trimSpace(data)...)
	return e, nil
}

const (
	errBadJSON encodeError = "not JSON, or too deep"
	errTooDeep encodeError = "refers to itself, or is more than 1000 deep"
)

// encodeError is why a value cannot be written.
type encodeError string

func (e encodeError) Error() string { return string(e) }

func appendSlice(e encoding, values []any, depth int) (encoding, error) {
	if values == nil {
		e.buf = append(e.buf, "null"...)
		return e, nil
	}
	if depth >= defaultMaxDepth {
		return e, errTooDeep
	}
	e.buf = append(e.buf, '[')
	for i, v := range values {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		var err error
		if e, err = appendValue(e, v, depth+1); err != nil {
			return e, err
		}
	}
	e.buf = append(e.buf, ']')
	return e, nil
}

func appendMap(e encoding, values map[string]any, depth int) (encoding, error) {
	if values == nil {
		e.buf = append(e.buf, "null"...)
		return e, nil
	}
	if depth >= defaultMaxDepth {
		return e, errTooDeep
	}
	var few [16]string
	keys := few[:0]
	for key := range values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	e.buf = append(e.buf, '{')
	for i, key := range keys {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.buf = appendQuoted(e.buf, key)
		e.buf = append(e.buf, ':')
		var err error
		if e, err = appendValue(e, values[key], depth+1); err != nil {
			return e, err
		}
	}
	e.buf = append(e.buf, '}')
	return e, nil
}
