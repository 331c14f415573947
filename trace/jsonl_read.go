package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"time"
)

// DefaultMaxLine is the longest JSON line, in bytes, that is read by default.
const DefaultMaxLine = 64 << 20

// ErrLineTooLong says that a line is longer than [JSONReader.MaxLine].
var ErrLineTooLong = errors.New("line too long")

// LineError is a line that is no trace record, and why.
type LineError struct {
	Line int // from 1
	Err  error
}

// Error implements [error].
func (e *LineError) Error() string { return fmt.Sprintf("trace: line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// JSONReader reads back what a [JSON] sink wrote. The zero value is ready.
type JSONReader struct {
	// MaxLine is the longest line in bytes; 0 means [DefaultMaxLine].
	MaxLine int
	// Events are zero values of the event types of other packages, which are
	// then given back typed too. Those of this package are always known.
	Events []Event
}

// ReadJSON reads JSON lines with the defaults of [JSONReader].
func ReadJSON(r io.Reader) iter.Seq2[Record, error] { return (&JSONReader{}).Read(r) }

// Read returns the records of r in order, their times in UTC. Events of an
// unknown name become [Unknown]; unknown fields of known events are dropped.
//
// A line that is no record yields a [*LineError] (one with [ErrLineTooLong]
// where it is longer than MaxLine) and the next line follows; an error of r
// itself is the last thing that is yielded. Empty lines are passed over. What
// has not been consumed has not been read, but for a buffer.
func (j *JSONReader) Read(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		d := decoder{types: j.types()}
		lines := lineReader{r: bufio.NewReader(r), most: j.MaxLine}
		if lines.most <= 0 {
			lines.most = DefaultMaxLine
		}
		for {
			rec, err := d.next(&lines)
			if err == io.EOF || !yield(rec, err) || lines.broken {
				return
			}
		}
	}
}

// types returns the known event types by name.
func (j *JSONReader) types() map[string]reflect.Type {
	known := map[string]reflect.Type{}
	for _, e := range append(AllEvents(), j.Events...) {
		known[e.Name()] = reflect.TypeOf(e)
	}
	return known
}

// lineReader cuts a reader into lines of a bounded length.
type lineReader struct {
	r      *bufio.Reader
	most   int
	number int
	line   []byte
	broken bool // the reader failed
}

// next returns the next line without its end, valid until the following call.
func (l *lineReader) next() ([]byte, error) {
	l.number++
	l.line = l.line[:0]
	long := false
	for {
		piece, err := l.r.ReadSlice('\n')
		long = long || len(l.line)+len(bytes.TrimSuffix(piece, []byte("\n"))) > l.most
		if !long {
			l.line = append(l.line, piece...)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err != nil && err != io.EOF:
			l.broken = true
			return nil, fmt.Errorf("trace: reading line %d: %w", l.number, err)
		case long:
			return nil, &LineError{l.number, fmt.Errorf("%w: more than %d bytes", ErrLineTooLong, l.most)}
		case err == io.EOF && len(l.line) == 0:
			return nil, io.EOF
		}
		return bytes.TrimSpace(l.line), nil
	}
}

// decoder makes records of lines.
type decoder struct {
	types map[string]reflect.Type
}

// next returns the record of the next line that is not empty.
func (d *decoder) next(lines *lineReader) (Record, error) {
	for {
		line, err := lines.next()
		if err != nil {
			return Record{}, err
		}
		if len(line) == 0 {
			continue
		}
		rec, err := d.decode(line)
		if err != nil {
			return Record{}, &LineError{lines.number, err}
		}
		return rec, nil
	}
}

// decode returns the record of one line.
func (d *decoder) decode(line []byte) (Record, error) {
	head, fields, err := split(line)
	if err != nil {
		return Record{}, err
	}
	rec := Record{Time: head.Time.UTC(), Conn: head.Conn}
	switch year := rec.Time.Year(); {
	case head.Event == "":
		return Record{}, errors.New(`no "event"`)
	case head.Time.IsZero() && !head.timed:
		return Record{}, errors.New(`no "time"`)
	case year < 0 || year > 9999:
		return Record{}, fmt.Errorf("the time has the year %d in UTC", year)
	}
	rec.Event, err = d.event(head, fields)
	return rec, err
}

// event returns the typed event, or an [Unknown].
func (d *decoder) event(head jsonHead, fields []byte) (Event, error) {
	known, ok := d.types[head.Event]
	if !ok {
		return Unknown{EventName: head.Event, EventLevel: levelNamed(head.Level), Raw: fields}, nil
	}
	e := reflect.New(known)
	if err := json.Unmarshal(fields, e.Interface()); err != nil {
		return nil, fmt.Errorf("event %q: %w", head.Event, err)
	}
	return e.Elem().Interface().(Event), nil
}

// levelNamed returns the level of that name. A name from a later version is
// taken for Connection, so that its events are shown rather than lost.
func levelNamed(name string) Level {
	for i, known := range levelNames {
		if known == name {
			return Level(i)
		}
	}
	return Connection
}

// jsonHead is what every line begins with.
type jsonHead struct {
	Time  time.Time
	Conn  ID
	Event string
	Level string
	timed bool
}

// split parts a line into its head and an object of the event's own fields,
// compact and in their order.
func split(line []byte) (head jsonHead, fields []byte, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return head, nil, errors.Join(errors.New("not a JSON object"), err)
	}
	own := []byte{'{'}
	for d.More() {
		name, value, err := member(d)
		if err != nil {
			return head, nil, err
		}
		if taken, err := head.take(name, value); err != nil {
			return head, nil, fmt.Errorf("%q: %w", name, err)
		} else if !taken {
			own = appendMember(own, name, value)
		}
	}
	if err := ended(d); err != nil {
		return head, nil, err
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, append(own, '}'))
	return head, compact.Bytes(), err
}

// member reads the next member of the object that d stands in.
func member(d *json.Decoder) (name string, value json.RawMessage, err error) {
	key, err := d.Token()
	if err != nil {
		return "", nil, whole(err)
	}
	name, ok := key.(string)
	if !ok {
		return "", nil, fmt.Errorf("%v where the name of a field was due", key)
	}
	return name, value, whole(d.Decode(&value))
}

// ended reads the end of the object and checks that nothing follows it.
func ended(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return whole(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the object")
	}
	return nil
}

// whole turns the end of a line inside its object into an error that says so.
func whole(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// take keeps value if name belongs to the head.
func (h *jsonHead) take(name string, value []byte) (bool, error) {
	switch name {
	case "time":
		h.timed = true
		return true, json.Unmarshal(value, &h.Time)
	case "conn":
		return true, json.Unmarshal(value, &h.Conn)
	case "event":
		return true, json.Unmarshal(value, &h.Event)
	case "level":
		return true, json.Unmarshal(value, &h.Level)
	}
	return false, nil
}

// appendMember adds one member to an unfinished object. Invalid UTF-8 becomes
// the replacement character, as it does everywhere in encoding/json.
func appendMember(b []byte, name string, value []byte) []byte {
	if len(b) > 1 {
		b = append(b, ',')
	}
	key, _ := json.Marshal(name) // a string always has a JSON form
	b = append(append(b, key...), ':')
	return append(b, bytes.ToValidUTF8(value, []byte("\uFFFD"))...)
}
