package handshake

import (
	"bytes"
	"slices"
	"strconv"
)

// Head is the head of an HTTP request or response: its first line and its
// fields, in their order, spelling and raw bytes, and what was wrong with them.
//
// Read one with [Head.ParseRequest] or [Head.ParseResponse]: its slices are
// then views of the buffer, valid while that is. Or build one with
// [Head.SetRequestLine] or [Head.SetStatusLine] and [Head.Add]. A Head can be
// used again and again; it keeps what it has allocated. The zero value is an
// empty request.
type Head struct {
	Raw []byte // the whole head as it came, its last empty line included; nil where it was built

	Method []byte // of a request
	Target []byte // of a request
	Proto  []byte // "HTTP/1.1"
	Status int    // of a response; 0 where it has none that can be read
	Reason []byte // of a response

	response     bool
	major, minor int8 // of the version; -1 where it cannot be read

	lead   []byte // empty lines before the first line
	line   []byte // the first line with its end; nil where it was built
	end    []byte // the empty line that ends the head
	fields []Field
	first  [numFields]uint16 // 1 + the index of the first field of that name
	count  [numFields]uint16

	faults uint32
	at     [numFaults]int32 // where in Raw each fault was first met
}

// Reset empties the head, and keeps its memory.
func (h *Head) Reset() {
	*h = Head{fields: h.fields[:0]}
}

// IsResponse reports whether the head is a response's.
func (h *Head) IsResponse() bool { return h.response }

// Fields returns the fields in their order. They are views: change the head
// with Add, Set and Omit.
func (h *Head) Fields() []Field { return h.fields }

// Get returns the value of the first field of that name, whatever the case;
// empty where there is none.
func (h *Head) Get(name string) string {
	v, _ := h.lookup(name)
	return string(v)
}

// Has reports whether there is a field of that name, an empty one too.
func (h *Head) Has(name string) bool {
	_, ok := h.lookup(name)
	return ok
}

// Values returns the values of all fields of that name, in their order.
func (h *Head) Values(name string) (values []string) {
	for i := range h.fields {
		if named(h.fields[i].Name, name) {
			values = append(values, string(h.fields[i].Value))
		}
	}
	return values
}

func (h *Head) lookup(name string) ([]byte, bool) {
	for i := range h.fields {
		if named(h.fields[i].Name, name) {
			return h.fields[i].Value, true
		}
	}
	return nil, false
}

// named reports whether b and name are one name, in whatever case.
func named(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i := range b {
		if lower(b[i]) != lower(name[i]) {
			return false
		}
	}
	return true
}

// Add appends a field, spelled as given.
func (h *Head) Add(name, value string) { h.AddField(F(name, value)) }

// AddField appends a field.
func (h *Head) AddField(f Field) {
	f.id = identify(f.Name)
	h.fields = append(h.fields, f)
	h.enter(len(h.fields) - 1)
}

// enter puts field i into the index.
func (h *Head) enter(i int) {
	id := h.fields[i].id
	if h.first[id] == 0 {
		h.first[id] = uint16(i + 1)
	}
	h.count[id]++
}

// Set puts the field where the first one of its name stands, spelled as f is,
// and removes the others of that name. Where there is none it is appended.
func (h *Head) Set(f Field) {
	i := slices.IndexFunc(h.fields, func(g Field) bool { return named(g.Name, string(f.Name)) })
	if i < 0 {
		h.AddField(f)
		return
	}
	f.id = identify(f.Name)
	h.fields[i] = f
	h.keep(func(j int) bool { return j <= i || !named(h.fields[j].Name, string(f.Name)) })
}

// Omit removes every field of that name.
func (h *Head) Omit(name string) {
	h.keep(func(i int) bool { return !named(h.fields[i].Name, name) })
}

// keep removes the fields whose index wanted refuses, and makes a new index.
func (h *Head) keep(wanted func(int) bool) {
	kept := 0
	for i := range h.fields {
		if wanted(i) {
			h.fields[kept] = h.fields[i]
			kept++
		}
	}
	h.fields = h.fields[:kept]
	h.reindex()
}

func (h *Head) reindex() {
	h.first, h.count = [numFields]uint16{}, [numFields]uint16{}
	for i := range h.fields {
		h.enter(i)
	}
}

// SetRequestLine makes the head a request with this first line, which may be
// anything at all.
func (h *Head) SetRequestLine(method, target, proto string) {
	h.response, h.line = false, nil
	h.Method, h.Target = []byte(method), []byte(target)
	h.setProto([]byte(proto))
}

// SetStatusLine makes the head a response with this first line.
func (h *Head) SetStatusLine(proto string, status int, reason string) {
	h.response, h.line = true, nil
	h.Status, h.Reason = status, []byte(reason)
	h.setProto([]byte(proto))
}

// setProto takes the version, and reads it (RFC 9112 2.3). The name is case-sensitive.
func (h *Head) setProto(proto []byte) {
	h.Proto, h.major, h.minor = proto, -1, -1
	version, ok := bytes.CutPrefix(proto, []byte("HTTP/"))
	switch {
	case !ok:
	case len(version) == 3 && version[1] == '.' && isDigits(version[:1]) && isDigits(version[2:]):
		h.major, h.minor = int8(version[0]-'0'), int8(version[2]-'0')
	case len(version) == 1 && (version[0] == '2' || version[0] == '3'): // as tools write it
		h.major, h.minor = int8(version[0]-'0'), 0
	}
}

// AppendTo appends the head as it goes over the wire, through the empty line
// that ends it. What was read and not changed since is written byte for byte.
func (h *Head) AppendTo(b []byte) []byte {
	b = append(b, h.lead...)
	if h.line != nil {
		b = append(b, h.line...)
	} else {
		b = append(h.AppendLine(b), "\r\n"...)
	}
	for i := range h.fields {
		b = h.fields[i].AppendTo(b)
	}
	if h.Raw != nil {
		return append(b, h.end...)
	}
	return append(b, "\r\n"...)
}

// AppendLine appends the first line, without its end.
func (h *Head) AppendLine(b []byte) []byte {
	switch {
	case h.line != nil:
		return append(b, trimEOL(h.line)...)
	case h.response:
		b = append(append(b, h.Proto...), ' ')
		b = append(strconv.AppendInt(b, int64(h.Status), 10), ' ')
		return append(b, h.Reason...)
	}
	b = append(append(b, h.Method...), ' ')
	b = append(append(b, h.Target...), ' ')
	return append(b, h.Proto...)
}

// Clone returns a copy that shares no memory with the buffer the head was read from.
func (h *Head) Clone() *Head {
	c := *h
	for _, p := range []*[]byte{&c.Raw, &c.Method, &c.Target, &c.Proto, &c.Reason, &c.lead, &c.line, &c.end} {
		*p = bytes.Clone(*p)
	}
	c.fields = slices.Clone(h.fields)
	for i := range c.fields {
		f := &c.fields[i]
		f.Name, f.Value, f.Raw = bytes.Clone(f.Name), bytes.Clone(f.Value), bytes.Clone(f.Raw)
	}
	return &c
}

// has counts the fields of a name; value is the first one's.
func (h *Head) has(id fieldID) int { return int(h.count[id]) }

func (h *Head) value(id fieldID) []byte {
	if i := h.first[id]; i > 0 {
		return h.fields[i-1].Value
	}
	return nil
}

// after is the index of the next field of a name behind index i, or -1. Begin
// with -1. It is a loop's step that allocates nothing.
func (h *Head) after(id fieldID, i int) int {
	if i < 0 {
		return int(h.first[id]) - 1
	}
	for i++; i < len(h.fields); i++ {
		if h.fields[i].id == id {
			return i
		}
	}
	return -1
}

// lists reports whether the list that the fields of a name make up together
// (RFC 9110 5.3) holds the token s, given in lower case.
func (h *Head) lists(id fieldID, s string) bool {
	for i := h.after(id, -1); i >= 0; i = h.after(id, i) {
		l := list{rest: h.fields[i].Value}
		for item, ok := l.next(); ok; item, ok = l.next() {
			if foldEqual(item, s) {
				return true
			}
		}
	}
	return false
}

// trimEOL cuts the end off a line.
func trimEOL(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}
