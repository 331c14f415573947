package socketio

import (
	enc "encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"sync"
	"time"
)

// encoders holds the encodeFunc of each type.
var encoders sync.Map

// encodeState is an encoding on the heap, for functions that are chosen by type.
type encodeState struct {
	encoding
	depth int
}

// encodeFunc writes a value of one type. Quoted asks for a number, a truth value
// or a string within a string, as the option "string" of a tag does.
type encodeFunc func(e *encodeState, v reflect.Value, quoted bool) error

// appendReflected writes a value of any type.
func appendReflected(e encoding, v any, depth int) (encoding, error) {
	state := &encodeState{encoding: e, depth: depth}
	value := reflect.ValueOf(v)
	err := encoderOf(value.Type())(state, value, false)
	return state.encoding, err
}

// encoderOf is the encoder of a type. A type that holds itself gets a function
// that waits for the one that is being made.
func encoderOf(t reflect.Type) encodeFunc {
	if f, ok := encoders.Load(t); ok {
		return f.(encodeFunc)
	}
	var made sync.WaitGroup
	var f encodeFunc
	made.Add(1)
	other, loaded := encoders.LoadOrStore(t, encodeFunc(func(e *encodeState, v reflect.Value, quoted bool) error {
		made.Wait()
		return f(e, v, quoted)
	}))
	if loaded {
		return other.(encodeFunc)
	}
	f = newEncoder(t, true)
	made.Done()
	encoders.Store(t, f)
	return f
}

// newEncoder asks first how a type wants to be written, in the order of
// encoding/json, and then what it is. Methods of the pointer count where there is
// an address.
func newEncoder(t reflect.Type, addressable bool) encodeFunc {
	switch t {
	case reflect.TypeFor[time.Time]():
		return encodeTime
	case reflect.TypeFor[json.RawMessage]():
		return encodeRaw
	case reflect.TypeFor[json.Number]():
		return encodeNumber
	}
	marshaler, text := reflect.TypeFor[json.Marshaler](), reflect.TypeFor[enc.TextMarshaler]()
	pointer := t.Kind() != reflect.Pointer && addressable
	if pointer && reflect.PointerTo(t).Implements(marshaler) && !t.Implements(marshaler) {
		return ifAddressable(encodeAddressMarshaler, newEncoder(t, false))
	}
	if t.Implements(marshaler) && t != reflect.TypeFor[*time.Time]() {
		return encodeMarshaler
	}
	if pointer && reflect.PointerTo(t).Implements(text) && !t.Implements(text) {
		return ifAddressable(encodeAddressText, newEncoder(t, false))
	}
	if t.Implements(text) && t != reflect.TypeFor[*time.Time]() {
		return encodeText
	}
	return newKindEncoder(t)
}

func newKindEncoder(t reflect.Type) encodeFunc {
	switch t.Kind() {
	case reflect.Bool:
		return encodeBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return encodeInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return encodeUint
	case reflect.Float32, reflect.Float64:
		return encodeFloat
	case reflect.String:
		return encodeString
	case reflect.Interface:
		return encodeInterface
	case reflect.Struct:
		return newStructEncoder(t)
	case reflect.Map:
		return newMapEncoder(t)
	case reflect.Slice:
		return newSliceEncoder(t)
	case reflect.Array:
		return newArrayEncoder(t)
	case reflect.Pointer:
		return newPointerEncoder(t)
	}
	return encodeUnsupported
}

func encodeUnsupported(_ *encodeState, v reflect.Value, _ bool) error {
	return encodeError(fmt.Sprintf("%s is of no JSON type", v.Type()))
}

func ifAddressable(yes, no encodeFunc) encodeFunc {
	return func(e *encodeState, v reflect.Value, quoted bool) error {
		if v.CanAddr() {
			return yes(e, v, quoted)
		}
		return no(e, v, quoted)
	}
}

func encodeTime(e *encodeState, v reflect.Value, _ bool) error {
	e.buf = appendTime(e.buf, v.Interface().(time.Time))
	return nil
}

func encodeRaw(e *encodeState, v reflect.Value, _ bool) (err error) {
	e.encoding, err = appendRaw(e.encoding, v.Interface().(json.RawMessage), e.depth)
	return err
}

func encodeNumber(e *encodeState, v reflect.Value, quoted bool) error {
	number := v.String()
	if number == "" {
		number = "0" // as encoding/json has it
	}
	if scanNumber([]byte(number), 0) != len(number) {
		return encodeError(fmt.Sprintf("json.Number %q is no number", number))
	}
	e.quoted(quoted, func() { e.buf = append(e.buf, number...) })
	return nil
}

// quoted puts quotation marks around what write writes, where they are asked for.
func (e *encodeState) quoted(quoted bool, write func()) {
	if !quoted {
		write()
		return
	}
	e.buf = append(e.buf, '"')
	write()
	e.buf = append(e.buf, '"')
}

func encodeMarshaler(e *encodeState, v reflect.Value, _ bool) error {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		e.buf = append(e.buf, "null"...)
		return nil
	}
	m, ok := v.Interface().(json.Marshaler)
	if !ok {
		e.buf = append(e.buf, "null"...) // a nil interface
		return nil
	}
	return e.marshal(m)
}

func encodeAddressMarshaler(e *encodeState, v reflect.Value, _ bool) error {
	return e.marshal(v.Addr().Interface().(json.Marshaler))
}

func (e *encodeState) marshal(m json.Marshaler) error {
	data, err := m.MarshalJSON()
	if err != nil {
		return fmt.Errorf("%T: %w", m, err)
	}
	if e.encoding, err = appendJSON(e.encoding, data, e.depth); err != nil {
		return fmt.Errorf("%T: %w", m, err)
	}
	return nil
}

func encodeText(e *encodeState, v reflect.Value, _ bool) error {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		e.buf = append(e.buf, "null"...)
		return nil
	}
	m, ok := v.Interface().(enc.TextMarshaler)
	if !ok {
		e.buf = append(e.buf, "null"...)
		return nil
	}
	return e.marshalText(m)
}

func encodeAddressText(e *encodeState, v reflect.Value, _ bool) error {
	return e.marshalText(v.Addr().Interface().(enc.TextMarshaler))
}

func (e *encodeState) marshalText(m enc.TextMarshaler) error {
	text, err := m.MarshalText()
	if err != nil {
		return fmt.Errorf("%T: %w", m, err)
	}
	e.buf = appendQuoted(e.buf, text)
	return nil
}

func encodeBool(e *encodeState, v reflect.Value, quoted bool) error {
	e.quoted(quoted, func() { e.buf = strconv.AppendBool(e.buf, v.Bool()) })
	return nil
}

func encodeInt(e *encodeState, v reflect.Value, quoted bool) error {
	e.quoted(quoted, func() { e.buf = strconv.AppendInt(e.buf, v.Int(), 10) })
	return nil
}

func encodeUint(e *encodeState, v reflect.Value, quoted bool) error {
	e.quoted(quoted, func() { e.buf = strconv.AppendUint(e.buf, v.Uint(), 10) })
	return nil
}

func encodeFloat(e *encodeState, v reflect.Value, quoted bool) error {
	f := v.Float()
	finite := !math.IsNaN(f) && !math.IsInf(f, 0)
	e.quoted(quoted && finite, func() { e.buf = appendFloat(e.buf, f, v.Type().Bits()) })
	return nil
}

func encodeString(e *encodeState, v reflect.Value, quoted bool) error {
	if quoted {
		e.buf = appendQuoted(e.buf, appendQuoted(nil, v.String()))
		return nil
	}
	e.buf = appendQuoted(e.buf, v.String())
	return nil
}

func encodeInterface(e *encodeState, v reflect.Value, _ bool) (err error) {
	if v.IsNil() {
		e.buf = append(e.buf, "null"...)
		return nil
	}
	e.encoding, err = appendValue(e.encoding, v.Elem().Interface(), e.depth)
	return err
}
