package socketio

import (
	"errors"
	"reflect"
	"strings"
)

type fieldDecoder struct {
	field
	decode decodeFunc
}

// structDecoder finds the fields of a struct by the names that came.
type structDecoder struct {
	fields []fieldDecoder
	byName map[string]*fieldDecoder
}

func newStructDecoder(t reflect.Type) decodeFunc {
	fields := structFields(t)
	s := &structDecoder{make([]fieldDecoder, len(fields)), make(map[string]*fieldDecoder, len(fields))}
	for i, f := range fields {
		s.fields[i] = fieldDecoder{f, decoderOf(f.typ)}
		if f.quoted {
			s.fields[i].decode = unquoted(s.fields[i].decode)
		}
		s.byName[f.name] = &s.fields[i]
	}
	return s.decode
}

// find looks for a field by its exact name, and then without regard to case, as
// encoding/json does.
func (s *structDecoder) find(key []byte) *fieldDecoder {
	name := key[min(1, len(key)):max(1, len(key)-1)]
	if hasEscape(name) {
		name = []byte(unquote(key))
	}
	if f := s.byName[string(name)]; f != nil {
		return f
	}
	for i := range s.fields {
		if strings.EqualFold(s.fields[i].name, string(name)) {
			return &s.fields[i]
		}
	}
	return nil
}

func (s *structDecoder) decode(d *decodeState, v reflect.Value) error {
	start := *d
	if ok, err := d.begin('{', v); !ok {
		return err
	}
	is := false
	for d.more('}') {
		key, from := d.key(), d.i
		if err := s.member(d, v, key); err != nil {
			return err
		}
		if stringIs(key, "_placeholder") {
			is = string(d.data[from:d.i]) == "true"
		}
	}
	d.depth--
	if is && len(d.attachments) > 0 {
		return start.wrong(v.Type().String())
	}
	return nil
}

// member sets the field that a key names, if there is one.
func (s *structDecoder) member(d *decodeState, v reflect.Value, key []byte) error {
	f := s.find(key)
	if f == nil {
		d.raw()
		return nil
	}
	target, err := fieldTarget(v, f.index)
	if err == nil {
		err = f.decode(d, target)
	}
	return atPath(err, f.name)
}

var errUnexported = errors.New("embeds a pointer to an unexported struct")

// fieldTarget follows a path, and makes what embedded pointers point to.
func fieldTarget(v reflect.Value, index []int) (reflect.Value, error) {
	for n, i := range index {
		if n > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() && !v.CanSet() {
				return v, &ArgumentError{Got: "object", Want: v.Type().String(), Err: errUnexported}
			}
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, nil
}

// unquoted reads a value within a string, for fields with the option "string".
func unquoted(decode decodeFunc) decodeFunc {
	return func(d *decodeState, v reflect.Value) error {
		if d.null() {
			return nil
		}
		if d.peek() != '"' {
			return d.wrong("string that holds " + v.Type().String())
		}
		inner := []byte(unquote(d.text()))
		if !validJSON(inner, 0) {
			return &ArgumentError{Got: "string", Want: "string that holds " + v.Type().String()}
		}
		return decode(&decodeState{data: trimSpace(inner)}, v)
	}
}
