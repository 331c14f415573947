package socketio

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// textDecoder reads what [TextParser] writes, as the official decoder reads it:
// with its quirks, and with bounds on what a peer can make it hold.
type textDecoder struct {
	maxCount, maxSize, maxDepth int

	pending *Packet // waits for attachments
	due     int     // how many it has in all
	size    int     // of those that came
	last    string  // the namespace of the last packet, which the next shares
}

// Add takes a text frame, or an attachment of the one before.
func (d *textDecoder) Add(f Frame) (*Packet, bool, error) {
	p := &Packet{}
	if done, err := d.add(f, p); !done {
		return nil, false, err
	}
	return p, true, nil
}

// add is Add to a packet that is there, and counts once it is done.
func (d *textDecoder) add(f Frame, p *Packet) (done bool, err error) {
	if f.Binary {
		return d.attachment(f.Data, p)
	}
	if d.pending != nil {
		return false, ErrUnexpectedText
	}
	due, err := d.text(f.Data, p)
	if err != nil {
		return false, err
	}
	if due > 0 {
		kept := *p
		d.pending, d.due, d.size = &kept, due, 0
	}
	return due == 0, nil
}

func (d *textDecoder) attachment(data []byte, to *Packet) (done bool, err error) {
	p := d.pending
	if p == nil {
		return false, ErrUnexpectedBinary
	}
	if d.size += len(data); d.size > d.maxSize {
		return false, ErrAttachmentsTooLarge
	}
	p.Attachments = append(p.Attachments, data)
	if len(p.Attachments) < d.due {
		return false, nil
	}
	d.pending = nil
	if !checkPlaceholders(p.Data, d.due) {
		return false, ErrIllegalPlaceholder
	}
	*to = *p
	return true, nil
}

// text reads a packet, and how many attachments follow it.
func (d *textDecoder) text(data []byte, p *Packet) (due int, err error) {
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\ufffd")) // as JavaScript does where it decodes a body
	}
	kind, rest, err := readType(data)
	if err != nil {
		return 0, err
	}
	*p = Packet{Type: kind.plain()}
	if kind != p.Type {
		if due, rest, err = d.count(rest); err != nil {
			return 0, err
		}
	}
	rest = d.namespace(p, rest)
	if rest, err = readID(p, rest); err != nil {
		return 0, err
	}
	return due, d.payload(p, rest)
}

// readType reads the digit that a packet begins with. To JavaScript space is the
// number zero, and so is the end.
func readType(data []byte) (PacketType, []byte, error) {
	if len(data) == 0 {
		return PacketConnect, nil, nil
	}
	r, size := utf8.DecodeRune(data)
	switch {
	case r >= '0' && r <= '6':
		return PacketType(r - '0'), data[size:], nil
	case isJSSpace(r):
		return PacketConnect, data[size:], nil
	case r >= '7' && r <= '9':
		return 0, nil, ParseError("unknown packet type " + string(r))
	}
	return 0, nil, ParseError("unknown packet type NaN")
}

// count reads the number of attachments, which ends in a hyphen.
func (d *textDecoder) count(data []byte) (int, []byte, error) {
	text, rest, ok := bytes.Cut(data, []byte("-"))
	n := jsNumber(string(text))
	switch {
	case !ok || n != math.Trunc(n) || math.IsInf(n, 0) || n < 1:
		return 0, nil, ErrIllegalCount // one that is not a number is unlike itself
	case n > float64(d.maxCount):
		return 0, nil, ErrTooManyAttachments
	}
	return int(n), rest, nil
}

// jsNumber is what Number of JavaScript makes of a decimal number, and NaN for
// all else. Hexadecimal, which it takes too, is written by nobody.
func jsNumber(s string) float64 {
	s = strings.TrimFunc(s, isJSSpace)
	if s == "" {
		return 0
	}
	if strings.Trim(s, "0123456789.eE+-") != "" {
		return math.NaN()
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && f == 0 {
		return math.NaN() // what is out of range is not 0 but infinite
	}
	return f
}

// isJSSpace says whether JavaScript takes r for white space or the end of a line.
func isJSSpace(r rune) bool {
	return r == '\ufeff' || r != '\u0085' && unicode.IsSpace(r)
}

// namespace reads what begins with a slash and ends with a comma, or at the end
// of the packet.
func (d *textDecoder) namespace(p *Packet, data []byte) (rest []byte) {
	p.Namespace = "/"
	if len(data) == 0 || data[0] != '/' {
		return data
	}
	name, rest, _ := bytes.Cut(data, []byte(","))
	switch {
	case len(name) == 1:
	case string(name) == d.last:
		p.Namespace = d.last
	default:
		p.Namespace = string(name)
		d.last = p.Namespace
	}
	return rest
}

// readID reads digits. To JavaScript space is a digit, and numbers above 2^53
// are doubles.
func readID(p *Packet, data []byte) (rest []byte, err error) {
	n := 0
	for n < len(data) {
		r, size := utf8.DecodeRune(data[n:])
		if (r < '0' || r > '9') && !isJSSpace(r) {
			break
		}
		n += size
	}
	if n == 0 {
		return data, nil
	}
	if id, ok := smallID(data[:n]); ok {
		p.ID, p.HasID = id, true
		return data[n:], nil
	}
	id := jsNumber(string(data[:n]))
	if !(id < 1<<64) { // NaN, of digits with space between, or more than it holds
		return nil, ErrInvalidPayload
	}
	p.ID, p.HasID = uint64(id), true
	return data[n:], nil
}

// smallID reads the digits of a number that a double holds exactly.
func smallID(digits []byte) (id uint64, ok bool) {
	if len(digits) > 15 {
		return 0, false
	}
	for _, c := range digits {
		if !isDigit(c) {
			return 0, false
		}
		id = id*10 + uint64(c-'0')
	}
	return id, true
}

// payload takes what is left, where there is anything, for data.
func (d *textDecoder) payload(p *Packet, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if !validJSON(data, d.maxDepth) || !payloadFits(p.Type, trimSpace(data)) {
		return ErrInvalidPayload
	}
	p.Data = trimSpace(data)
	return nil
}

// payloadFits says whether JSON is what a packet of this type may carry.
func payloadFits(kind PacketType, data []byte) bool {
	switch c := at(data, 0); kind {
	case PacketConnect:
		return c == '{'
	case PacketConnectError:
		return c == '{' || c == '"'
	case PacketAck:
		return c == '['
	case PacketEvent:
		return c == '[' && eventNameFits(firstElement(data))
	}
	return false
}

// eventNameFits says whether JSON names an event that a peer may send: a string
// or a number, and no reserved name.
func eventNameFits(name []byte) bool {
	if c := at(name, 0); c != '"' {
		return c == '-' || isDigit(c)
	}
	if !hasEscape(name) {
		return !isReservedEvent(string(name[1 : len(name)-1]))
	}
	return !isReservedEvent(unquote(name))
}
