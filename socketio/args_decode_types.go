package socketio

import (
	enc "encoding"
	"encoding/json"
	"reflect"
	"sync"
)

// decoders holds the decodeFunc of each type.
var decoders sync.Map

// decodeFunc takes the next value and sets v, which has an address.
type decodeFunc func(d *decodeState, v reflect.Value) error

// decoderOf is the decoder of a type. A type that holds itself gets a function
// that waits for the one that is being made.
func decoderOf(t reflect.Type) decodeFunc {
	if f, ok := decoders.Load(t); ok {
		return f.(decodeFunc)
	}
	var made sync.WaitGroup
	var f decodeFunc
	made.Add(1)
	other, loaded := decoders.LoadOrStore(t, decodeFunc(func(d *decodeState, v reflect.Value) error {
		made.Wait()
		return f(d, v)
	}))
	if loaded {
		return other.(decodeFunc)
	}
	f = newDecoder(t)
	made.Done()
	decoders.Store(t, f)
	return f
}

// newDecoder asks first whether a type reads itself, and then what it is.
func newDecoder(t reflect.Type) decodeFunc {
	switch pointer := reflect.PointerTo(t); {
	case t == reflect.TypeFor[json.RawMessage]():
		return decodeRaw
	case t == reflect.TypeFor[json.Number]():
		return decodeNumber
	case t == reflect.TypeFor[map[string]any]():
		return decodeAnyMap
	case t == reflect.TypeFor[[]any]():
		return decodeAnySlice
	case pointer.Implements(reflect.TypeFor[json.Unmarshaler]()):
		return decodeUnmarshaler
	case pointer.Implements(reflect.TypeFor[enc.TextUnmarshaler]()):
		return decodeText
	}
	return newKindDecoder(t)
}

func newKindDecoder(t reflect.Type) decodeFunc {
	switch t.Kind() {
	case reflect.Bool:
		return decodeBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return decodeInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return decodeUint
	case reflect.Float32, reflect.Float64:
		return decodeFloat
	case reflect.String:
		return decodeString
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return decodeAny
		}
	case reflect.Struct:
		return newStructDecoder(t)
	case reflect.Map:
		return newMapDecoder(t)
	case reflect.Slice:
		return newSliceDecoder(t)
	case reflect.Array:
		return newArrayDecoder(t)
	case reflect.Pointer:
		return newPointerDecoder(t)
	}
	return decodeUnsupported
}

func decodeUnsupported(d *decodeState, v reflect.Value) error {
	if d.null() {
		return nil
	}
	return d.wrong(v.Type().String())
}

func decodeAny(d *decodeState, v reflect.Value) error {
	value, err := d.value()
	if err == nil && value != nil {
		v.Set(reflect.ValueOf(value))
	}
	return err
}

// decodeAnyMap and decodeAnySlice do without reflection for each member.
func decodeAnyMap(d *decodeState, v reflect.Value) error {
	return d.valueOf(v, '{')
}

func decodeAnySlice(d *decodeState, v reflect.Value) error {
	return d.valueOf(v, '[')
}

func (d *decodeState) valueOf(v reflect.Value, opening byte) error {
	if d.null() {
		v.SetZero()
		return nil
	}
	if d.peek() != opening || opening == '{' && d.placeholder() {
		return d.wrong(v.Type().String())
	}
	value, err := d.value()
	if err == nil {
		v.Set(reflect.ValueOf(value))
	}
	return err
}

func decodeRaw(d *decodeState, v reflect.Value) error {
	v.SetBytes(d.raw())
	return nil
}

func decodeNumber(d *decodeState, v reflect.Value) error {
	switch c := d.peek(); {
	case d.null():
		return nil
	case c != '-' && !isDigit(c):
		return d.wrong("number")
	}
	v.SetString(string(d.raw()))
	return nil
}

// decodeUnmarshaler lets a type read itself. Placeholders stay what they are.
func decodeUnmarshaler(d *decodeState, v reflect.Value) error {
	start := *d
	err := v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(d.raw())
	if err != nil {
		return &ArgumentError{Got: start.kind(), Want: v.Type().String(), Err: err}
	}
	return nil
}

func decodeText(d *decodeState, v reflect.Value) error {
	if d.null() {
		return nil
	}
	if d.peek() != '"' {
		return d.wrong("string")
	}
	err := v.Addr().Interface().(enc.TextUnmarshaler).UnmarshalText([]byte(unquote(d.text())))
	if err != nil {
		return &ArgumentError{Got: "string", Want: v.Type().String(), Err: err}
	}
	return nil
}

func decodeBool(d *decodeState, v reflect.Value) error {
	switch c := d.peek(); {
	case d.null():
		return nil
	case c != 't' && c != 'f':
		return d.wrong("boolean")
	default:
		d.raw()
		v.SetBool(c == 't')
	}
	return nil
}

func decodeString(d *decodeState, v reflect.Value) error {
	switch {
	case d.null():
		return nil
	case d.peek() != '"':
		return d.wrong("string")
	}
	v.SetString(unquote(d.text()))
	return nil
}

// number takes a number. Without an error it is nil for null.
func (d *decodeState) number(v reflect.Value) ([]byte, error) {
	switch c := d.peek(); {
	case d.null():
		return nil, nil
	case c != '-' && !isDigit(c):
		return nil, d.wrong(v.Type().String())
	}
	return d.raw(), nil
}

// refused is the error for a number that a type does not hold.
func refused(text []byte, v reflect.Value, err error) error {
	if len(text) > 40 {
		text = append(text[:40:40], "..."...)
	}
	return &ArgumentError{Got: string(text), Want: v.Type().String(), Err: err}
}

func decodeInt(d *decodeState, v reflect.Value) error {
	text, err := d.number(v)
	if text == nil {
		return err
	}
	n, err := parseInt(text, v.Type().Bits())
	if err != nil {
		return refused(text, v, err)
	}
	v.SetInt(n)
	return nil
}

func decodeUint(d *decodeState, v reflect.Value) error {
	text, err := d.number(v)
	if text == nil {
		return err
	}
	n, err := parseUint(text, v.Type().Bits())
	if err != nil {
		return refused(text, v, err)
	}
	v.SetUint(n)
	return nil
}

func decodeFloat(d *decodeState, v reflect.Value) error {
	text, err := d.number(v)
	if text == nil {
		return err
	}
	f := parseFloat(text)
	if v.OverflowFloat(f) {
		return refused(text, v, errOutOfRange)
	}
	v.SetFloat(f)
	return nil
}
