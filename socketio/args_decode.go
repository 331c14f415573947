package socketio

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// ArgumentError says that a handler could not be called, because an argument is
// of another type than it takes.
type ArgumentError struct {
	// Number is that of the argument, from 1. Behind an event its name does not
	// count.
	Number int
	// Path leads to the place within the argument, such as "user.tags[2]"; it
	// is empty for the argument itself.
	Path string
	// Got is what came and Want what was due, as in "string" and "int".
	Got, Want string
	// Err is why a value of the right type was refused, or nil.
	Err error
}

// Error says all of it in one line.
func (e *ArgumentError) Error() string {
	text := fmt.Sprintf("argument %d", e.Number)
	if e.Path != "" {
		text += ", " + e.Path
	}
	text += fmt.Sprintf(": got %s, want %s", e.Got, e.Want)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (e *ArgumentError) Unwrap() error { return e.Err }

// atPath puts a step in front of the path of an error.
func atPath(err error, step string) error {
	e, ok := err.(*ArgumentError)
	if !ok {
		return err
	}
	if e.Path != "" && !strings.HasPrefix(e.Path, "[") {
		step += "."
	}
	e.Path = step + e.Path
	return e
}

// numbered says which argument an error is about.
func numbered(err error, i int) error {
	if e, ok := err.(*ArgumentError); ok {
		e.Number = i + 1
	}
	return err
}

// decodeArgs makes values of JSON that is known to be valid, one of each type.
// What is missing is a zero value, what is left over is dropped, and null is a
// zero value, too. A wrong type is an [ArgumentError]. Binary values share the
// memory of the attachments, and json.RawMessage that of the arguments.
func decodeArgs(args []json.RawMessage, attachments [][]byte, targets []reflect.Type) ([]reflect.Value, error) {
	values := make([]reflect.Value, len(targets))
	for i, t := range targets {
		var raw json.RawMessage
		if i < len(args) {
			raw = args[i]
		}
		v, err := decodeArg(raw, attachments, t, decoderOf(t))
		if err != nil {
			return nil, numbered(err, i)
		}
		values[i] = v
	}
	return values, nil
}

// decodeArg makes a value of one argument, or the zero value of none.
func decodeArg(raw json.RawMessage, attachments [][]byte, t reflect.Type, decode decodeFunc) (reflect.Value, error) {
	v := reflect.New(t).Elem()
	if raw == nil {
		return v, nil
	}
	d := &decodeState{data: raw, attachments: attachments}
	d.i = skipSpace(raw, 0)
	return v, decode(d, v)
}

// decodeValue makes a value of JSON that is known to be valid: v is a pointer to
// where it goes.
func decodeValue(data []byte, attachments [][]byte, v any) error {
	target := reflect.ValueOf(v).Elem()
	d := &decodeState{data: data, attachments: attachments}
	d.i = skipSpace(data, 0)
	return numbered(decoderOf(target.Type())(d, target), 0)
}

// decodeState stands in JSON that is known to be valid. Bytes that are not cannot
// lead it out of them.
type decodeState struct {
	data        []byte
	i           int // where the next value begins
	attachments [][]byte
	depth       int
	bad         error // of a placeholder within the value that is being built
}

func (d *decodeState) peek() byte { return at(d.data, d.i) }

// raw takes the next value as it stands.
func (d *decodeState) raw() []byte {
	start := d.i
	d.i = skipValue(d.data, start)
	return d.data[start:d.i:d.i]
}

// text takes the next string, quotes and all.
func (d *decodeState) text() []byte {
	start := d.i
	d.i = skipString(d.data, start)
	return d.data[start:d.i:d.i]
}

// more goes to the next element of an array or an object, behind its opening
// bracket or behind an element, and says whether there is one. Otherwise it goes
// behind the closing bracket.
func (d *decodeState) more(closing byte) bool {
	d.i = skipSpace(d.data, d.i)
	if d.peek() == ',' {
		d.i = skipSpace(d.data, d.i+1)
	}
	if d.i < len(d.data) && d.data[d.i] != closing {
		return true
	}
	d.i = min(d.i+1, len(d.data))
	return false
}

// key takes the name of a member, quotes and all, and the colon.
func (d *decodeState) key() []byte {
	key := d.text()
	d.i = skipSpace(d.data, d.i)
	if d.i < len(d.data) {
		d.i = skipSpace(d.data, d.i+1)
	}
	return key
}

// null takes null, and says whether it stood there.
func (d *decodeState) null() bool {
	if d.peek() != 'n' {
		return false
	}
	d.raw()
	return true
}

// wrong is the error for a value of another type than the one that is due.
func (d *decodeState) wrong(want string) error {
	return &ArgumentError{Got: d.kind(), Want: want}
}

// kind names what stands next.
func (d *decodeState) kind() string {
	switch d.peek() {
	case '"':
		return "string"
	case '{':
		if d.placeholder() {
			return "binary"
		}
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}

// placeholder says whether the object that stands next stands for binary data.
// It reads the object, and leaves the place as it is.
func (d *decodeState) placeholder() bool {
	_, is := d.binary()
	return is
}

// binary reads the object that stands next, and returns the num of a placeholder.
// The last of equal keys counts.
func (d *decodeState) binary() (num []byte, is bool) {
	if len(d.attachments) == 0 {
		return nil, false
	}
	look := *d
	look.i++
	for look.more('}') {
		switch key := look.key(); {
		case stringIs(key, "_placeholder"):
			is = string(look.raw()) == "true"
		case stringIs(key, "num"):
			num = look.raw()
		default:
			look.raw()
		}
	}
	return num, is
}

// attachment is what a placeholder stands for: nil where its num is no whole
// number.
func (d *decodeState) attachment(num []byte) ([]byte, error) {
	n, ok := attachmentNumber(num, len(d.attachments))
	if !ok {
		return nil, ErrIllegalPlaceholder
	}
	if n < 0 {
		return nil, nil
	}
	if data := d.attachments[n]; len(data) > 0 {
		return data[:len(data):len(data)], nil
	}
	return []byte{}, nil // and not nil: it is there
}
