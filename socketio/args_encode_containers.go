package socketio

import (
	"cmp"
	enc "encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
)

// enter goes one deeper. It ends what refers to itself, too.
func (e *encodeState) enter() error {
	if e.depth >= defaultMaxDepth {
		return errTooDeep
	}
	e.depth++
	return nil
}

func newPointerEncoder(t reflect.Type) encodeFunc {
	encode := encoderOf(t.Elem())
	return func(e *encodeState, v reflect.Value, quoted bool) error {
		if v.IsNil() {
			e.buf = append(e.buf, "null"...)
			return nil
		}
		if e.hops >= defaultMaxDepth { // type T *T refers to itself with no JSON between
			return errTooDeep
		}
		e.hops++
		err := encode(e, v.Elem(), quoted)
		e.hops--
		return err
	}
}

func newSliceEncoder(t reflect.Type) encodeFunc {
	if isBinaryType(t) {
		return func(e *encodeState, v reflect.Value, _ bool) error {
			e.encoding = appendBinary(e.encoding, v.Bytes())
			return nil
		}
	}
	array := newArrayEncoder(t)
	return func(e *encodeState, v reflect.Value, _ bool) error {
		if v.IsNil() {
			e.buf = append(e.buf, "null"...)
			return nil
		}
		return array(e, v, false)
	}
}

// isBinaryType says whether a slice is binary data: its elements are bytes that
// do not say themselves how they are written.
func isBinaryType(t reflect.Type) bool {
	if t.Kind() != reflect.Slice || t.Elem().Kind() != reflect.Uint8 {
		return false
	}
	element := reflect.PointerTo(t.Elem())
	return !element.Implements(reflect.TypeFor[json.Marshaler]()) && !element.Implements(reflect.TypeFor[enc.TextMarshaler]())
}

func newArrayEncoder(t reflect.Type) encodeFunc {
	encode := encoderOf(t.Elem())
	return func(e *encodeState, v reflect.Value, _ bool) error {
		if err := e.enter(); err != nil {
			return err
		}
		e.buf = append(e.buf, '[')
		for i := range v.Len() {
			if i > 0 {
				e.buf = append(e.buf, ',')
			}
			if err := encode(e, v.Index(i), false); err != nil {
				return err
			}
		}
		e.buf = append(e.buf, ']')
		e.depth--
		return nil
	}
}

func newMapEncoder(t reflect.Type) encodeFunc {
	encode, name := encoderOf(t.Elem()), mapKeyName(t.Key())
	if name == nil {
		return encodeUnsupported
	}
	return func(e *encodeState, v reflect.Value, _ bool) error {
		if v.IsNil() {
			e.buf = append(e.buf, "null"...)
			return nil
		}
		entries, err := sortedEntries(v, name)
		if err == nil {
			err = e.enter()
		}
		if err != nil {
			return err
		}
		e.buf = append(e.buf, '{')
		for i, entry := range entries {
			if i > 0 {
				e.buf = append(e.buf, ',')
			}
			e.buf = append(appendQuoted(e.buf, entry.name), ':')
			if err := encode(e, entry.value, false); err != nil {
				return err
			}
		}
		e.buf = append(e.buf, '}')
		e.depth--
		return nil
	}
}

type mapEntry struct {
	name  string
	value reflect.Value
}

func sortedEntries(v reflect.Value, name func(reflect.Value) (string, error)) ([]mapEntry, error) {
	entries := make([]mapEntry, 0, v.Len())
	for key, value := range v.Seq2() {
		s, err := name(key)
		if err != nil {
			return nil, err
		}
		entries = append(entries, mapEntry{s, value})
	}
	slices.SortFunc(entries, func(a, b mapEntry) int { return cmp.Compare(a.name, b.name) })
	return entries, nil
}

// mapKeyName is how keys of a type are written, or nil where they cannot be.
func mapKeyName(t reflect.Type) func(reflect.Value) (string, error) {
	switch {
	case t.Kind() == reflect.String:
		return func(v reflect.Value) (string, error) { return v.String(), nil }
	case t.Implements(reflect.TypeFor[enc.TextMarshaler]()):
		return textKey
	case reflect.Int <= t.Kind() && t.Kind() <= reflect.Int64:
		return func(v reflect.Value) (string, error) { return strconv.FormatInt(v.Int(), 10), nil }
	case reflect.Uint <= t.Kind() && t.Kind() <= reflect.Uintptr:
		return func(v reflect.Value) (string, error) { return strconv.FormatUint(v.Uint(), 10), nil }
	}
	return nil
}

func textKey(v reflect.Value) (string, error) {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return "", nil
	}
	text, err := v.Interface().(enc.TextMarshaler).MarshalText()
	return string(text), err
}
