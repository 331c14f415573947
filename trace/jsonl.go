package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// jsonTime is RFC 3339 with all nine digits, so that lines sort as text.
const jsonTime = "2006-01-02T15:04:05.000000000Z"

// keepBuffer bounds the buffer, in bytes, that a sink keeps between records.
const keepBuffer = 1 << 20

// JSON is a sink that writes JSON lines (docs/events.md): one object a record,
// one Write call a line. It is safe for concurrent use.
//
// After the first failed Write nothing more is written, so that no line follows
// a torn one; [JSON.Err] tells.
type JSON struct {
	// Secrets lets TLS key log lines ([Secret]) through. The default leaves
	// them out. Set it before the first record.
	Secrets bool

	mu       sync.Mutex
	w        io.Writer
	line     bytes.Buffer
	encoder  *json.Encoder // into line
	payloads map[reflect.Type]int
	err      error
	dead     bool // a write failed
}

// NewJSON returns a sink that writes JSON lines to w, which it does not buffer.
func NewJSON(w io.Writer) *JSON {
	j := &JSON{w: w, payloads: map[reflect.Type]int{}}
	j.encoder = json.NewEncoder(&j.line)
	j.encoder.SetEscapeHTML(false)
	return j
}

// Err returns the first error: of a write, or of an event that has no JSON form.
func (j *JSON) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// Record implements [Sink].
func (j *JSON) Record(r Record) {
	if r.Event == nil || !j.Secrets && r.Event.Name() == (Secret{}).Name() {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dead {
		return
	}
	if err := j.write(r); err != nil && j.err == nil {
		j.err = err
	}
	if j.line.Cap() > keepBuffer {
		j.line = bytes.Buffer{} // the encoder keeps pointing here
	}
}

// write makes the line of r and hands it on in one piece.
func (j *JSON) write(r Record) error {
	if err := j.encode(r); err != nil {
		return fmt.Errorf("trace: event %q as JSON: %w", r.Event.Name(), err)
	}
	if _, err := j.w.Write(j.line.Bytes()); err != nil {
		j.dead = true
		return fmt.Errorf("trace: writing JSON lines: %w", err)
	}
	return nil
}

// encode leaves the line of r in j.line.
func (j *JSON) encode(r Record) error {
	event, payload, carries := j.payload(r.Event)
	j.line.Reset()
	if err := j.head(r); err != nil {
		return err
	}
	if err := j.fields(event); err != nil {
		return err
	}
	if carries && utf8.Valid(payload) {
		return j.member("text", string(payload))
	}
	return nil
}

// head writes what every line begins with, up to the event's own fields.
func (j *JSON) head(r Record) error {
	b := j.line.AvailableBuffer()
	b = append(b, `{"time":"`...)
	b = r.Time.UTC().AppendFormat(b, jsonTime)
	b = append(b, '"')
	if r.Conn != 0 {
		b = append(b, `,"conn":`...)
		b = strconv.AppendUint(b, uint64(r.Conn), 10)
	}
	b = append(b, "}\n"...)
	j.line.Write(b)
	if err := j.member("event", r.Event.Name()); err != nil {
		return err
	}
	return j.member("level", r.Event.Level().String())
}

// member adds one member to the finished object in j.line.
func (j *JSON) member(name string, value any) error {
	j.line.Truncate(j.line.Len() - len("}\n"))
	j.line.WriteString(`,"` + name + `":`)
	if err := j.encoder.Encode(value); err != nil {
		return err
	}
	j.line.Truncate(j.line.Len() - len("\n"))
	j.line.WriteString("}\n")
	return nil
}

// fields adds the members of e to the finished object in j.line.
func (j *JSON) fields(e Event) error {
	j.line.Truncate(j.line.Len() - len("}\n"))
	start := j.line.Len()
	if err := j.encoder.Encode(e); err != nil {
		return err
	}
	object := j.line.Bytes()[start:]
	switch {
	case object[0] != '{':
		return errors.New("its JSON form is not an object")
	case object[1] == '}':
		j.line.Truncate(start)
		j.line.WriteString("}\n")
	default:
		object[0] = ','
	}
	return nil
}

// payload returns the bytes of e's field base64, if it has one, and e itself
// with that field never nil, so that it reads "" and not null.
func (j *JSON) payload(e Event) (Event, []byte, bool) {
	v := reflect.Indirect(reflect.ValueOf(e))
	if v.Kind() != reflect.Struct {
		return e, nil, false
	}
	i := j.payloadField(v.Type())
	if i < 0 {
		return e, nil, false
	}
	if payload := v.Field(i).Bytes(); payload != nil {
		return e, payload, true
	}
	filled := reflect.New(v.Type())
	filled.Elem().Set(v)
	filled.Elem().Field(i).SetBytes([]byte{})
	return filled.Interface().(Event), nil, true
}

// payloadField returns the index of the field that JSON calls base64, or -1.
func (j *JSON) payloadField(t reflect.Type) int {
	if i, known := j.payloads[t]; known {
		return i
	}
	found := -1
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "base64" && f.IsExported() && f.Type == reflect.TypeFor[[]byte]() {
			found = i
		}
	}
	j.payloads[t] = found
	return found
}
