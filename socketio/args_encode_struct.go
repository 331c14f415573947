package socketio

import "reflect"

// fieldEncoder writes one field of a struct.
type fieldEncoder struct {
	field
	key    []byte // its name as JSON, with the colon
	encode encodeFunc
	isZero func(reflect.Value) bool // where zero values are left out
}

func newStructEncoder(t reflect.Type) encodeFunc {
	fields := structFields(t)
	encoders := make([]fieldEncoder, len(fields))
	for i, f := range fields {
		encoders[i] = fieldEncoder{field: f, key: append(appendQuoted(nil, f.name), ':'), encode: encoderOf(f.typ)}
		if f.omitZero {
			encoders[i].isZero = zeroTest(f.typ)
		}
	}
	return func(e *encodeState, v reflect.Value, _ bool) error {
		return e.structure(encoders, v)
	}
}

func (e *encodeState) structure(fields []fieldEncoder, v reflect.Value) error {
	if err := e.enter(); err != nil {
		return err
	}
	e.buf = append(e.buf, '{')
	first := true
	for i := range fields {
		f := &fields[i]
		value, ok := fieldValue(v, f.index)
		if !ok || f.omitEmpty && isEmpty(value) || f.isZero != nil && f.isZero(value) {
			continue
		}
		if !first {
			e.buf = append(e.buf, ',')
		}
		first = false
		e.buf = append(e.buf, f.key...)
		if err := f.encode(e, value, f.quoted); err != nil {
			return err
		}
	}
	e.buf = append(e.buf, '}')
	e.depth--
	return nil
}

// fieldValue follows a path. Behind an embedded pointer that is nil there is
// nothing.
func fieldValue(v reflect.Value, index []int) (reflect.Value, bool) {
	for n, i := range index {
		if n > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, true
}

// isEmpty is what omitempty leaves out.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

type zeroer interface{ IsZero() bool }

// zeroTest is what omitzero leaves out: what says so itself, or else the zero
// value.
func zeroTest(t reflect.Type) func(reflect.Value) bool {
	z := reflect.TypeFor[zeroer]()
	switch {
	case t.Implements(z):
		return func(v reflect.Value) bool {
			nilable := v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer
			return nilable && v.IsNil() || v.Interface().(zeroer).IsZero()
		}
	case reflect.PointerTo(t).Implements(z):
		return func(v reflect.Value) bool {
			if !v.CanAddr() {
				copied := reflect.New(v.Type()).Elem()
				copied.Set(v)
				v = copied
			}
			return v.Addr().Interface().(zeroer).IsZero()
		}
	}
	return reflect.Value.IsZero
}
