package socketio

import (
	"bytes"
	"encoding/binary"
	"io"
	"strconv"
	"time"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// msgpackReader makes JSON of MessagePack, with placeholders for what is binary.
// A length that was declared makes it allocate nothing: it is held against what
// there is.
type msgpackReader struct {
	*msgpack.Decoder
	r      *bytes.Reader
	frame  []byte
	limits msgpackDecoder

	out         []byte
	attachments [][]byte
	depth       int
	forged      bool // an object looks like a placeholder, and is none
}

func newMsgpackReader(frame []byte, limits msgpackDecoder) *msgpackReader {
	r := bytes.NewReader(frame)
	return &msgpackReader{Decoder: msgpack.NewDecoder(r), r: r, frame: frame, limits: limits}
}

// msgpackValues are the members of a packet, as JSON. What is undefined is nil.
type msgpackValues struct {
	kind, nsp, id, data []byte
	attachments         [][]byte
}

// packet reads the map that a packet is, and nothing behind it. Members that it
// does not know are dropped, such as the options that clients send along.
func (r *msgpackReader) packet() (v msgpackValues, err error) {
	code, err := r.PeekCode()
	if err != nil || !isMap(code) {
		return v, ErrInvalidType
	}
	n, err := r.DecodeMapLen()
	if err != nil || n > r.r.Len() {
		return v, ErrInvalidPayload
	}
	for range n {
		if err := r.member(&v); err != nil {
			return v, err
		}
	}
	if rest := r.r.Len(); rest > 0 {
		return v, ParseError(strconv.Itoa(rest) + " trailing bytes")
	}
	return v, nil
}

func (r *msgpackReader) member(v *msgpackValues) error {
	name, err := r.document()
	if err != nil {
		return err
	}
	value, err := r.document()
	if err != nil {
		return err
	}
	switch string(name) {
	case `"type"`:
		v.kind = value
	case `"nsp"`:
		v.nsp = value
	case `"id"`:
		v.id = value
	case `"data"`:
		if r.forged && len(r.attachments) > 0 {
			return ErrIllegalPlaceholder
		}
		v.data, v.attachments = value, r.attachments
	}
	return nil
}

// document reads one value, of its own attachments. It is nil for undefined.
func (r *msgpackReader) document() ([]byte, error) {
	r.out, r.attachments, r.forged = nil, nil, false
	defined, err := r.value()
	if err != nil || !defined {
		return nil, err
	}
	return r.out, nil
}

func isMap(code byte) bool {
	return msgpcode.IsFixedMap(code) || code == msgpcode.Map16 || code == msgpcode.Map32
}

func isArray(code byte) bool {
	return msgpcode.IsFixedArray(code) || code == msgpcode.Array16 || code == msgpcode.Array32
}

// value reads a value, and says whether it is defined. Where it is not, it wrote
// null.
func (r *msgpackReader) value() (defined bool, err error) {
	code, err := r.PeekCode()
	if err != nil {
		return false, ErrInvalidPayload
	}
	switch {
	case msgpcode.IsString(code):
		return true, r.string()
	case msgpcode.IsBin(code):
		return true, r.bin()
	case isArray(code):
		return true, r.array()
	case isMap(code):
		return true, r.object()
	case msgpcode.IsExt(code):
		return r.ext(code)
	}
	return true, r.scalar(code)
}

// scalar reads a number, a truth value or nil.
func (r *msgpackReader) scalar(code byte) error {
	var err error
	switch code {
	case msgpcode.Nil:
		r.out, err = append(r.out, "null"...), r.DecodeNil()
	case msgpcode.True, msgpcode.False:
		_, err = r.DecodeBool()
		r.out = strconv.AppendBool(r.out, code == msgpcode.True)
	case msgpcode.Float, msgpcode.Double:
		var f float64
		f, err = r.DecodeFloat64()
		r.out = appendFloat(r.out, f, 64)
	case msgpcode.Uint64:
		var n uint64
		n, err = r.DecodeUint64()
		r.out = strconv.AppendUint(r.out, n, 10)
	default:
		var n int64
		n, err = r.DecodeInt64()
		r.out = strconv.AppendInt(r.out, n, 10)
	}
	if err != nil {
		return ErrInvalidPayload
	}
	return nil
}

// take takes n bytes of the frame.
func (r *msgpackReader) take(n int) ([]byte, error) {
	if n < 0 || n > r.r.Len() {
		return nil, ErrInvalidPayload
	}
	start := len(r.frame) - r.r.Len()
	_, err := r.r.Seek(int64(n), io.SeekCurrent)
	return r.frame[start : start+n : start+n], err
}

// bytes takes what a length stands in front of.
func (r *msgpackReader) bytes() ([]byte, error) {
	n, err := r.DecodeBytesLen()
	if err != nil {
		return nil, ErrInvalidPayload
	}
	return r.take(n)
}

func (r *msgpackReader) string() error {
	text, err := r.bytes()
	r.out = appendQuoted(r.out, text)
	return err
}

func (r *msgpackReader) bin() error {
	data, err := r.bytes()
	if err != nil {
		return err
	}
	return r.attach(data)
}

// attach writes a placeholder.
func (r *msgpackReader) attach(data []byte) error {
	if len(r.attachments) >= r.limits.maxCount {
		return ErrTooManyAttachments
	}
	r.out = append(r.out, `{"_placeholder":true,"num":`...)
	r.out = strconv.AppendInt(r.out, int64(len(r.attachments)), 10)
	r.out = append(r.out, '}')
	r.attachments = append(r.attachments, data)
	return nil
}

// enter goes one deeper, to n values that have at least a byte each.
func (r *msgpackReader) enter(n int, err error) error {
	if err != nil || n > r.r.Len() || r.depth >= r.limits.maxDepth {
		return ErrInvalidPayload
	}
	r.depth++
	return nil
}

func (r *msgpackReader) array() error {
	n, err := r.DecodeArrayLen()
	if err := r.enter(n, err); err != nil {
		return err
	}
	r.out = append(r.out, '[')
	for i := range n {
		if i > 0 {
			r.out = append(r.out, ',')
		}
		if _, err := r.value(); err != nil {
			return err
		}
	}
	r.out = append(r.out, ']')
	r.depth--
	return nil
}

// object leaves out what is undefined, as JSON.stringify does.
func (r *msgpackReader) object() error {
	n, err := r.DecodeMapLen()
	if err := r.enter(n, err); err != nil {
		return err
	}
	r.out = append(r.out, '{')
	first := len(r.out)
	for range n {
		start := len(r.out)
		if start > first {
			r.out = append(r.out, ',')
		}
		defined, err := r.entry()
		if err != nil {
			return err
		}
		if !defined {
			r.out = r.out[:start]
		}
	}
	r.out = append(r.out, '}')
	r.depth--
	return nil
}

func (r *msgpackReader) entry() (defined bool, err error) {
	start := len(r.out)
	if err := r.key(); err != nil {
		return false, err
	}
	isPlaceholder := string(r.out[start:]) == `"_placeholder"`
	r.out = append(r.out, ':')
	value := len(r.out)
	defined, err = r.value()
	if isPlaceholder && string(r.out[value:]) == "true" {
		r.forged = true
	}
	return defined, err
}

// key reads a string, or a number, which is a string to JavaScript here.
func (r *msgpackReader) key() error {
	code, err := r.PeekCode()
	switch {
	case err != nil:
		return ErrInvalidPayload
	case msgpcode.IsString(code):
		return r.string()
	case msgpcode.IsBin(code) || isArray(code) || isMap(code) || msgpcode.IsExt(code):
		return ErrInvalidPayload
	}
	r.out = append(r.out, '"')
	err = r.scalar(code)
	r.out = append(r.out, '"')
	return err
}

// ext reads what MessagePack itself does not know: undefined, dates and buffers
// of notepack.io 2 and 3, and timestamps. What else there is becomes its type and
// its bytes, as notepack.io has it.
func (r *msgpackReader) ext(code byte) (defined bool, err error) {
	kind, n, err := r.DecodeExtHeader()
	if err != nil {
		return false, ErrInvalidPayload
	}
	data, err := r.take(n)
	if err != nil {
		return false, err
	}
	switch {
	case kind == 0 && code == msgpcode.FixExt1:
		r.out = append(r.out, "null"...)
		return false, nil
	case kind == 0 && code == msgpcode.FixExt8:
		r.out = appendTime(r.out, time.UnixMilli(int64(binary.BigEndian.Uint64(data))))
		return true, nil
	case kind == 0 && (code == msgpcode.Ext8 || code == msgpcode.Ext16 || code == msgpcode.Ext32):
		return true, r.attach(data)
	}
	if t, ok := timestamp(data); ok && kind == -1 {
		r.out = appendTime(r.out, t)
		return true, nil
	}
	r.out = append(r.out, '[')
	r.out = append(strconv.AppendInt(r.out, int64(kind), 10), ',')
	err = r.attach(data)
	r.out = append(r.out, ']')
	return true, err
}

// timestamp reads the three forms of MessagePack's own extension type -1.
func timestamp(data []byte) (time.Time, bool) {
	switch len(data) {
	case 4:
		return time.Unix(int64(binary.BigEndian.Uint32(data)), 0), true
	case 8:
		n := binary.BigEndian.Uint64(data)
		return time.Unix(int64(n&(1<<34-1)), int64(n>>34)), true
	case 12:
		nanos := binary.BigEndian.Uint32(data)
		return time.Unix(int64(binary.BigEndian.Uint64(data[4:])), int64(nanos)), true
	}
	return time.Time{}, false
}
