package socketio

import (
	"math"
	"strconv"

	"github.com/vmihailenco/msgpack/v5"
)

// msgpackWriter makes MessagePack of JSON that is known to be valid, in one pass,
// as notepack.io makes it of what the JSON stands for.
type msgpackWriter struct {
	*msgpack.Encoder
	data        []byte
	i           int
	attachments [][]byte
	counts      []int // of the members of arrays and objects that are still to come
	err         error
}

// try keeps the first error.
func (w *msgpackWriter) try(err error) {
	if w.err == nil {
		w.err = err
	}
}

// packet writes the map that a packet is.
func (w *msgpackWriter) packet(p *Packet) {
	size := 2
	if p.Data != nil {
		size++
	}
	if p.HasID {
		size++
	}
	w.try(w.EncodeMapLen(size))
	w.try(w.EncodeString("type"))
	w.try(w.EncodeUint(uint64(p.Type.plain())))
	w.try(w.EncodeString("nsp"))
	if p.Namespace == "" {
		w.try(w.EncodeString("/"))
	} else {
		w.try(w.EncodeString(p.Namespace))
	}
	if p.Data != nil {
		w.try(w.EncodeString("data"))
		w.document()
	}
	if p.HasID {
		w.try(w.EncodeString("id"))
		w.try(w.EncodeUint(p.ID))
	}
}

// document writes all of data.
func (w *msgpackWriter) document() {
	w.counts = countMembers(w.data)
	w.i = skipSpace(w.data, 0)
	w.value()
}

// countMembers counts the members of each array and object, in the order in which
// they begin: MessagePack wants to know them first.
func countMembers(data []byte) []int {
	var counts, open []int
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = skipString(data, i) - 1
		case '[', '{':
			open = append(open, len(counts))
			if c := at(data, skipSpace(data, i+1)); c == ']' || c == '}' {
				counts = append(counts, 0)
			} else {
				counts = append(counts, 1)
			}
		case ',':
			counts[open[len(open)-1]]++
		case ']', '}':
			open = open[:len(open)-1]
		}
	}
	return counts
}

// take takes the next count.
func (w *msgpackWriter) take() int {
	n := w.counts[0]
	w.counts = w.counts[1:]
	return n
}

func (w *msgpackWriter) value() {
	switch start := w.i; at(w.data, start) {
	case '"':
		w.string()
	case '[':
		n := w.take()
		w.try(w.EncodeArrayLen(n))
		w.members(n, false)
	case '{':
		n := w.take()
		if w.binary() {
			return
		}
		w.try(w.EncodeMapLen(n))
		w.members(n, true)
	case 't', 'f':
		w.i = skipBare(w.data, start)
		w.try(w.EncodeBool(w.data[start] == 't'))
	case 'n':
		w.i = skipBare(w.data, start)
		w.try(w.EncodeNil())
	default:
		w.i = skipBare(w.data, start)
		w.number(w.data[start:w.i])
	}
}

func (w *msgpackWriter) string() {
	start := w.i
	w.i = skipString(w.data, start)
	w.try(w.EncodeString(unquote(w.data[start:w.i])))
}

// members writes n values, each behind its key where they have keys, and goes
// behind the closing bracket.
func (w *msgpackWriter) members(n int, keys bool) {
	w.i = skipSpace(w.data, w.i+1)
	for range n {
		if keys {
			w.string()
			w.i = skipSpace(w.data, skipSpace(w.data, w.i)+1) // the colon
		}
		w.value()
		w.i = skipSpace(w.data, skipSpace(w.data, w.i)+1) // the comma, or the end
	}
	if n == 0 {
		w.i++ // the end
	}
}

// binary writes what a placeholder stands for. Looking ahead ends at the first
// array or object within, so that no depth makes it slow; no encoder puts those
// in placeholders.
func (w *msgpackWriter) binary() bool {
	d := decodeState{data: w.data, i: w.i + 1, attachments: w.attachments}
	if len(w.attachments) == 0 {
		return false
	}
	var p placeholder
	for d.more('}') {
		key := d.key()
		if c := d.peek(); c == '{' || c == '[' {
			return false
		}
		p.member(unquote(key), d.raw())
	}
	if !p.is {
		return false
	}
	data, err := d.attachment(p.num)
	w.try(err)
	w.try(w.EncodeBytes(data))
	w.i = d.i
	return true
}

// number writes a whole number as an integer, if one of 64 bits holds it, and
// all else as a double.
func (w *msgpackWriter) number(text []byte) {
	if n, ok := smallInt(text); ok {
		w.try(w.EncodeInt(n))
		return
	}
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		w.try(w.EncodeInt(n))
		return
	}
	if n, err := strconv.ParseUint(string(text), 10, 64); err == nil {
		w.try(w.EncodeUint(n))
		return
	}
	switch f := parseFloat(text); {
	case f != math.Trunc(f) || f >= 1<<64 || f < -1<<63:
		w.try(w.EncodeFloat64(f))
	case f >= 0:
		w.try(w.EncodeUint(uint64(f)))
	default:
		w.try(w.EncodeInt(int64(f)))
	}
}
