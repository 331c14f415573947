package app

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/examples/internal/rig"
	"github.com/sockkit/sockkit/socketio"
)

type object = map[string]any

func start(t *testing.T) (url string) {
	io := socketio.NewServer(nil)
	return rig.Serve(t, io, New(io))
}

// open opens the document, and makes a copy of it.
func open(t *testing.T, c *rig.Client, name string) *Text {
	t.Helper()
	text := &Text{}
	for _, v := range c.Ask("open", object{"name": name})["state"].([]any) {
		v := v.([]any)
		text.chars = append(text.chars, char{id: ID{int(v[0].(float64)), v[1].(string)}, r: []rune(v[2].(string) + "\x00")[0], gone: v[2] == ""})
		text.clock = max(text.clock, int(v[0].(float64)))
	}
	return text
}

// next applies the next change of somebody else.
func next(t *testing.T, c *rig.Client, text *Text) {
	t.Helper()
	var op Op
	data, _ := json.Marshal(c.Next("edit", func(any) bool { return true }))
	if err := json.Unmarshal(data, &op); err != nil {
		t.Fatal(err)
	}
	if err := text.Apply(op); err != nil {
		t.Fatal(err)
	}
}

func TestDocument(t *testing.T) {
	url := start(t)
	ann, bob := rig.Join(t, url), rig.Join(t, url)
	a, b := open(t, ann, "Ann"), open(t, bob, "Bob")
	// Both change what the other does not know of yet.
	one, two := a.Insert(0, "My ", "anns"), b.Delete(0, 8)
	ann.Ask("edit", one)
	bob.Ask("edit", two)
	next(t, ann, a)
	next(t, bob, b)
	if a.String() != "My  list\n\n- bread\n- coffee\n" || b.String() != a.String() {
		t.Errorf("%q and %q", a, b)
	}
	bob.Ask("edit", two) // sent again: nothing changes
	third := open(t, rig.Join(t, url), "Third")
	if third.String() != a.String() {
		t.Errorf("a newcomer reads %q", third)
	}
	ann.Next("people", func(v any) bool { return len(v.([]any)) == 3 })
	bob.Ask("cursor", b.chars[2].id)
	ann.NextJSON("cursor", fmt.Sprintf(`{"at":[%d,%q],"who":%q}`, b.chars[2].id.Clock, b.chars[2].id.Site, bob.ID()))
}

func TestRefusals(t *testing.T) {
	c := rig.Join(t, start(t))
	edit := func(clock, after int, text string) object {
		return object{"id": []any{clock, "site"}, "after": []any{after, "server"}, "text": text}
	}
	c.Refused("open the document first", "edit", edit(1000, 1, "x"))
	c.Refused("open the document first", "cursor", nil)
	c.Refused("what to open with has to be an object, and nothing came", "open")
	c.Ask("open", object{"name": "Ann"})
	c.Refused("a change has either a text or something to delete", "edit", object{})
	c.Refused("a change is of at most 500 characters", "edit", edit(1000, 1, strings.Repeat("x", 501)))
	c.Refused("the site of a change is 4 to 20 letters and digits", "edit", object{"id": []any{1, "?"}, "after": nil, "text": "x"})
	c.Refused("the character 99 server to insert behind is not here", "edit", edit(1000, 99, "x"))
	c.Refused("the clock 1 of a change has to be above that of what it stands behind, and near 32", "edit", edit(1, 1, "x"))
	c.Refused("the clock 90000 of a change has to be above that of what it stands behind, and near 32", "edit", edit(90000, 1, "x"))
	for _, wrong := range []any{nil, 7, "text", []any{1}, object{"id": "x"}, object{"id": []any{1, 2, 3}, "text": "x"}, object{"delete": []any{[]any{"a", 1}}}} {
		if got, _ := c.Ask("edit", wrong)["error"].(string); got == "" {
			t.Errorf("%v was taken", wrong)
		}
	}
	c.Refused("a cursor is the [clock, site] of a character, or null", "cursor", "here")
	c.Ask("edit", edit(100, 1, "abc"))
	c.Refused("a change names characters as others are named already", "edit", edit(99, 1, "abc"))
}

func TestBounds(t *testing.T) {
	a := New(socketio.NewServer(nil))
	op := Op{ID: ID{1000, "site"}, Text: strings.Repeat("x", maxText)}
	for a.judge(op) == nil {
		if err := a.text.Apply(op); err != nil {
			t.Fatal(err)
		}
		op.ID.Clock += maxText
	}
	if err := a.judge(op); fmt.Sprint(err) != "the text has at most 10000 characters" {
		t.Error(err)
	}
	for len(a.text.String()) > 0 {
		a.text.Delete(0, min(1000, len(a.text.String())))
	}
	if a.left("the last"); len(a.text.chars) != 0 {
		t.Errorf("%d tombstones are left", len(a.text.chars))
	}
}
