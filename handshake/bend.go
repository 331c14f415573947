package handshake

import (
	"bytes"
	"slices"
)

// Bend changes a head on purpose, also against the rules: to test what others
// do about it. Nothing is checked. The zero value changes nothing.
type Bend struct {
	Method, Target, Proto string // parts of the first line; Proto of a response's too
	Status                int    // of a response
	Reason                string // of a response; "" is the status's own where Status is given

	Set   []Field  // each put where the first field of its name stands, or appended; a name that comes twice stands twice
	Add   []Field  // appended, also where the name is there
	Omit  []string // names of fields to leave out; goes before Set
	Order []string // names of the fields that come first, in this order

	LineEnd string // instead of CRLF, everywhere
}

// Apply bends the head.
func (b *Bend) Apply(h *Head) {
	b.bendLine(h)
	for _, name := range b.Omit {
		h.Omit(name)
	}
	setAll(h, b.Set)
	for _, f := range b.Add {
		h.AddField(f)
	}
	b.order(h)
	if b.LineEnd != "" {
		h.endLines([]byte(b.LineEnd))
	}
}

func (b *Bend) bendLine(h *Head) {
	switch {
	case !h.response && (b.Method != "" || b.Target != "" || b.Proto != ""):
		h.SetRequestLine(or(b.Method, string(h.Method)), or(b.Target, string(h.Target)), or(b.Proto, string(h.Proto)))
	case h.response && (b.Status != 0 || b.Reason != "" || b.Proto != ""):
		status, reason := h.Status, or(b.Reason, string(h.Reason))
		if b.Status != 0 {
			status, reason = b.Status, or(b.Reason, statusText(b.Status))
		}
		h.SetStatusLine(or(b.Proto, string(h.Proto)), status, reason)
	}
}

// order moves the named fields to the front.
func (b *Bend) order(h *Head) {
	if len(b.Order) == 0 {
		return
	}
	place := func(f Field) int {
		i := slices.IndexFunc(b.Order, func(name string) bool { return named(f.Name, name) })
		if i < 0 {
			return len(b.Order)
		}
		return i
	}
	slices.SortStableFunc(h.fields, func(f, g Field) int { return place(f) - place(g) })
	h.reindex()
}

// endLines ends every line of the head with end.
func (h *Head) endLines(end []byte) {
	lines := func(b []byte) []byte {
		b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
		return bytes.ReplaceAll(b, []byte("\n"), end)
	}
	h.line = append(h.AppendLine(nil), end...)
	for i := range h.fields {
		h.fields[i].Raw = lines(h.fields[i].AppendTo(nil))
	}
	h.Raw, h.lead, h.end = []byte{}, nil, end
}
