package app

import (
	"math/rand/v2"
	"testing"
)

// copies are what several people have, and what is on its way to each, by whom
// it was sent: what one sends arrives in its order, and nothing else is certain.
type copies struct {
	r     *rand.Rand
	texts []*Text
	ways  [][][]Op // [to][from]
}

func newCopies(r *rand.Rand, n int) *copies {
	c := &copies{r: r}
	for range n {
		c.texts = append(c.texts, &Text{})
		c.ways = append(c.ways, make([][]Op, n))
	}
	return c
}

// edit has one of them change its text.
func (c *copies) edit() {
	who := c.r.IntN(len(c.texts))
	t := c.texts[who]
	length := len([]rune(t.String()))
	var op Op
	if length > 0 && c.r.IntN(3) == 0 {
		at := c.r.IntN(length)
		op = t.Delete(at, 1+c.r.IntN(min(3, length-at)))
	} else {
		words := []string{"a", "ab", "é", "🎉x", "\n", "word "}
		op = t.Insert(c.r.IntN(length+1), words[c.r.IntN(len(words))], string(rune('a'+who)))
	}
	for to := range c.texts {
		if to != who {
			c.ways[to][who] = append(c.ways[to][who], op)
		}
	}
}

// deliver delivers something to somebody, if that knows what it speaks of.
func (c *copies) deliver(t *testing.T) {
	to, from := c.r.IntN(len(c.texts)), c.r.IntN(len(c.texts))
	way := c.ways[to][from]
	if len(way) == 0 || c.texts[to].Apply(way[0]) != nil {
		return
	}
	c.ways[to][from] = way[1:]
	if c.r.IntN(10) == 0 { // again: nothing changes
		before := c.texts[to].String()
		if err := c.texts[to].Apply(way[0]); err != nil || c.texts[to].String() != before {
			t.Fatalf("applied twice: %v; %q, and then %q", err, before, c.texts[to])
		}
	}
}

func (c *copies) waiting() (n int) {
	for _, ways := range c.ways {
		for _, way := range ways {
			n += len(way)
		}
	}
	return n
}

// Whatever is typed where, and arrives when: in the end all read the same.
func TestConvergence(t *testing.T) {
	for seed := range uint64(200) {
		c := newCopies(rand.New(rand.NewPCG(seed, 5)), 2+int(seed%4))
		for range 120 {
			c.edit()
			for range c.r.IntN(6) {
				c.deliver(t)
			}
		}
		for tries := 0; c.waiting() > 0; tries++ {
			if c.deliver(t); tries > 1_000_000 {
				t.Fatalf("seed %d: %d operations cannot be applied", seed, c.waiting())
			}
		}
		for _, text := range c.texts {
			if text.String() != c.texts[0].String() {
				t.Fatalf("seed %d: %q and %q", seed, c.texts[0], text)
			}
		}
	}
}

// Two who type at one place at once get two words, not a mixture.
func TestWordsStayWhole(t *testing.T) {
	a, b := &Text{}, &Text{}
	start := a.Insert(0, "[]", "a")
	if err := b.Apply(start); err != nil {
		t.Fatal(err)
	}
	one, two := a.Insert(1, "one", "a"), b.Insert(1, "two", "b")
	if err := a.Apply(two); err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(one); err != nil {
		t.Fatal(err)
	}
	if a.String() != "[twoone]" || b.String() != a.String() {
		t.Errorf("%q and %q", a, b)
	}
}

// Behind a character that somebody else has deleted meanwhile one can type.
func TestTombstones(t *testing.T) {
	a, b := &Text{}, &Text{}
	if err := b.Apply(a.Insert(0, "xyz", "a")); err != nil {
		t.Fatal(err)
	}
	gone, typed := a.Delete(0, 3), b.Insert(2, "!", "b")
	if err := a.Apply(typed); err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(gone); err != nil {
		t.Fatal(err)
	}
	if a.String() != "!" || b.String() != "!" {
		t.Errorf("%q and %q", a, b)
	}
	if err := a.Apply(Op{ID: ID{9, "c"}, After: ID{8, "nobody"}, Text: "x"}); err == nil {
		t.Error("it was inserted behind a character that never was")
	}
}
