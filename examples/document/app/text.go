package app

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Text is a text that many change at once, each on a copy, and whose copies
// become equal once all have applied the same operations: a replicated growable
// array. text.js is the same in JavaScript.
//
// Each character has a name for good, and stands behind another one, not at an
// index: an index means something else as soon as somebody else has typed. Of
// several behind the same one the youngest comes first, on every copy. What is
// deleted stays as a tombstone, since others may be typing behind it.
type Text struct {
	chars []char
	clock int // the highest that was seen
}

type char struct {
	id   ID
	r    rune
	gone bool
}

// ID names a character: a clock that is higher than all that its writer had seen,
// and the writer's site, which settles ties. Its JSON is [clock, "site"]. The
// zero value is the beginning of the text, null.
type ID struct {
	Clock int
	Site  string
}

// above reports whether id is younger.
func (id ID) above(other ID) bool {
	return id.Clock > other.Clock || id.Clock == other.Clock && id.Site > other.Site
}

func (id ID) String() string { return fmt.Sprintf("%d %s", id.Clock, id.Site) }

// MarshalJSON implements [json.Marshaler].
func (id ID) MarshalJSON() ([]byte, error) {
	if id == (ID{}) {
		return []byte("null"), nil
	}
	return json.Marshal([]any{id.Clock, id.Site})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (id *ID) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*id = ID{}
		return nil
	}
	parts := []any{&id.Clock, &id.Site}
	if err := json.Unmarshal(data, &parts); err != nil || len(parts) != 2 || *id == (ID{}) {
		return fmt.Errorf("the id %.50s is not a clock and a site", data)
	}
	return nil
}

// Op is one change: characters that come in, or some that go. Those that come in
// are named ID, and from there on by the clock's next numbers.
type Op struct {
	ID     ID     `json:"id,omitzero"`
	After  ID     `json:"after"`
	Text   string `json:"text,omitempty"`
	Delete []ID   `json:"delete,omitempty"`
}

// Insert changes the text, and returns what the other copies have to apply. At
// counts the characters before it.
func (t *Text) Insert(at int, text, site string) Op {
	op := Op{ID: ID{t.clock + 1, site}, Text: text}
	if at > 0 {
		op.After = t.chars[t.visible(at-1)].id
	}
	t.insert(op)
	return op
}

// Delete takes n characters out, and returns what the other copies have to apply.
func (t *Text) Delete(at, n int) Op {
	var op Op
	for range n {
		c := &t.chars[t.visible(at)]
		c.gone = true
		op.Delete = append(op.Delete, c.id)
	}
	return op
}

// Apply applies what somebody else did. It is an error where that speaks of
// characters that are not here yet; one that was applied before changes nothing.
func (t *Text) Apply(op Op) error {
	for _, id := range op.Delete {
		i := t.find(id)
		if i < 0 {
			return fmt.Errorf("the character %v that is to go is not here", id)
		}
		t.chars[i].gone = true
	}
	if op.Text == "" || t.find(op.ID) >= 0 {
		return nil
	}
	if op.After != (ID{}) && t.find(op.After) < 0 {
		return fmt.Errorf("the character %v to insert behind is not here", op.After)
	}
	t.insert(op)
	return nil
}

// insert is the heart of it. Those that are younger than the new one, and stand
// right behind its place, were put there by who did not know it, or stand behind
// such a one: they stay in front, here as everywhere.
func (t *Text) insert(op Op) {
	at := 0
	if op.After != (ID{}) {
		at = t.find(op.After) + 1
	}
	for at < len(t.chars) && t.chars[at].id.above(op.ID) {
		at++
	}
	var chars []char
	for i, r := range []rune(op.Text) {
		chars = append(chars, char{id: ID{op.ID.Clock + i, op.ID.Site}, r: r})
	}
	t.chars = slices.Insert(t.chars, at, chars...)
	t.clock = max(t.clock, op.ID.Clock+len(chars)-1)
}

// find is the place of a character, or -1.
func (t *Text) find(id ID) int {
	return slices.IndexFunc(t.chars, func(c char) bool { return c.id == id })
}

// visible is the place of the character that is the n-th of those not gone.
func (t *Text) visible(n int) int {
	for i, c := range t.chars {
		if c.gone {
			continue
		}
		if n == 0 {
			return i
		}
		n--
	}
	return -1
}

// String is the text as it reads.
func (t *Text) String() string {
	var runes []rune
	for _, c := range t.chars {
		if !c.gone {
			runes = append(runes, c.r)
		}
	}
	return string(runes)
}

// State is all of it, for a new copy: [clock, site, character] each; of a
// tombstone the character is "".
func (t *Text) State() [][3]any {
	state := [][3]any{}
	for _, c := range t.chars {
		text := string(c.r)
		if c.gone {
			text = ""
		}
		state = append(state, [3]any{c.id.Clock, c.id.Site, text})
	}
	return state
}

// compact drops the tombstones. It may be called only while there is no other
// copy; who comes back with changes of before is refused.
func (t *Text) compact() {
	t.chars = slices.DeleteFunc(t.chars, func(c char) bool { return c.gone })
}
