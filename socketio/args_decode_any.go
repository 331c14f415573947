package socketio

// value makes of the next value what JavaScript would make of it: nil, bool,
// float64, string, []byte, []any or map[string]any.
func (d *decodeState) value() (any, error) {
	d.bad = nil
	v := d.build()
	return v, d.bad
}

// build is value that goes on behind a placeholder that is wrong, and notes it.
func (d *decodeState) build() any {
	switch c := d.peek(); c {
	case '"':
		return unquote(d.text())
	case '{':
		return d.object()
	case '[':
		return d.array()
	case 't', 'f':
		d.raw()
		return c == 't'
	case 'n':
		d.raw()
		return nil
	}
	return parseFloat(d.raw())
}

func (d *decodeState) array() any {
	if err := d.enter(); err != nil {
		return d.skipBad(err)
	}
	values := []any{}
	for d.i++; d.more(']'); {
		values = append(values, d.build())
	}
	d.depth--
	return values
}

// skipBad passes over a value that is not wanted.
func (d *decodeState) skipBad(err error) any {
	d.bad = err
	d.raw()
	return nil
}

// object makes a map, or the binary data that a placeholder stands for. That is
// known only at the end: its keys may come in any order.
func (d *decodeState) object() any {
	was := d.bad
	if err := d.enter(); err != nil {
		return d.skipBad(err)
	}
	var p placeholder
	values := map[string]any{}
	for d.i++; d.more('}'); {
		key := unquote(d.key())
		start := d.i
		values[key] = d.build()
		p.member(key, d.data[start:d.i])
	}
	d.depth--
	if !p.is || len(d.attachments) == 0 {
		return values
	}
	data, err := d.attachment(p.num)
	if d.bad = was; err != nil { // what else a placeholder holds does not count
		d.bad = err
	}
	if data == nil {
		return nil
	}
	return data
}

// placeholder is what an object's members say of it so far.
type placeholder struct {
	is  bool
	num []byte
}

func (p *placeholder) member(key string, value []byte) {
	switch key {
	case "_placeholder":
		p.is = string(value) == "true"
	case "num":
		p.num = value
	}
}

// enter goes one deeper. Decoders of packets let in nothing as deep as that.
func (d *decodeState) enter() error {
	if d.depth >= 10*defaultMaxDepth {
		return ErrInvalidPayload
	}
	d.depth++
	return nil
}
