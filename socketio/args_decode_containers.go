package socketio

import (
	enc "encoding"
	"fmt"
	"reflect"
	"strconv"
)

func newPointerDecoder(t reflect.Type) decodeFunc {
	decode := decoderOf(t.Elem())
	return func(d *decodeState, v reflect.Value) error {
		if d.null() {
			v.SetZero()
			return nil
		}
		if err := d.enter(); err != nil { // type T *T would never end
			return err
		}
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		err := decode(d, v.Elem())
		d.depth--
		return err
	}
}

func newSliceDecoder(t reflect.Type) decodeFunc {
	if isBinaryType(t) {
		return decodeBinary
	}
	decode := decoderOf(t.Elem())
	return func(d *decodeState, v reflect.Value) error {
		if ok, err := d.begin('[', v); !ok {
			return err
		}
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		for i := 0; d.more(']'); i++ {
			v.Grow(1)
			v.SetLen(i + 1)
			if err := decode(d, v.Index(i)); err != nil {
				return atPath(err, fmt.Sprintf("[%d]", i))
			}
		}
		d.depth--
		return nil
	}
}

// begin goes behind the opening bracket of an array or an object. Where it returns
// false null stood there, which sets v to its zero value, or something else.
func (d *decodeState) begin(opening byte, v reflect.Value) (bool, error) {
	if d.null() {
		if k := v.Kind(); k == reflect.Slice || k == reflect.Map {
			v.SetZero()
		}
		return false, nil
	}
	if d.peek() != opening {
		return false, d.wrong(v.Type().String())
	}
	err := d.enter()
	d.i++
	return err == nil, err
}

// decodeBinary takes binary data. Nothing else is bytes: not text either.
func decodeBinary(d *decodeState, v reflect.Value) error {
	data, err := d.bytes()
	if err == nil {
		v.SetBytes(data)
	}
	return err
}

// bytes takes binary data, or null.
func (d *decodeState) bytes() ([]byte, error) {
	if d.null() {
		return nil, nil
	}
	if d.peek() != '{' {
		return nil, d.wrong("binary")
	}
	num, is := d.binary()
	if !is {
		return nil, d.wrong("binary")
	}
	d.raw()
	return d.attachment(num)
}

// newArrayDecoder fills an array: what is missing is zero, what is too much is
// dropped.
func newArrayDecoder(t reflect.Type) decodeFunc {
	decode := decoderOf(t.Elem())
	return func(d *decodeState, v reflect.Value) error {
		if ok, err := d.begin('[', v); !ok {
			return err
		}
		v.SetZero()
		for i := 0; d.more(']'); i++ {
			if i >= v.Len() {
				d.raw()
				continue
			}
			if err := decode(d, v.Index(i)); err != nil {
				return atPath(err, fmt.Sprintf("[%d]", i))
			}
		}
		d.depth--
		return nil
	}
}

func newMapDecoder(t reflect.Type) decodeFunc {
	decode, parseKey := decoderOf(t.Elem()), mapKeyParser(t.Key())
	if parseKey == nil {
		return decodeUnsupported
	}
	return func(d *decodeState, v reflect.Value) error {
		start := *d
		if ok, err := d.begin('{', v); !ok {
			return err
		}
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		var p placeholder
		for d.more('}') {
			name := unquote(d.key())
			key, err := parseKey(name)
			if err != nil {
				return atPath(&ArgumentError{Got: strconv.Quote(name), Want: t.Key().String(), Err: err}, name)
			}
			element, from := reflect.New(t.Elem()).Elem(), d.i
			if err := decode(d, element); err != nil {
				return atPath(err, name)
			}
			v.SetMapIndex(key, element)
			p.member(name, d.data[from:d.i])
		}
		d.depth--
		if p.is && len(d.attachments) > 0 {
			return start.wrong(t.String())
		}
		return nil
	}
}

// mapKeyParser reads keys of a type, or is nil where there can be none.
func mapKeyParser(t reflect.Type) func(string) (reflect.Value, error) {
	set := func(f func(v reflect.Value, s string) error) func(string) (reflect.Value, error) {
		return func(s string) (reflect.Value, error) {
			v := reflect.New(t).Elem()
			return v, f(v, s)
		}
	}
	switch k := t.Kind(); {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[enc.TextUnmarshaler]()):
		return set(func(v reflect.Value, s string) error {
			return v.Addr().Interface().(enc.TextUnmarshaler).UnmarshalText([]byte(s))
		})
	case k == reflect.String:
		return set(func(v reflect.Value, s string) error { v.SetString(s); return nil })
	case reflect.Int <= k && k <= reflect.Int64:
		return set(func(v reflect.Value, s string) error {
			n, err := strconv.ParseInt(s, 10, v.Type().Bits())
			v.SetInt(n)
			return err
		})
	case reflect.Uint <= k && k <= reflect.Uintptr:
		return set(func(v reflect.Value, s string) error {
			n, err := strconv.ParseUint(s, 10, v.Type().Bits())
			v.SetUint(n)
			return err
		})
	}
	return nil
}
