package demo

import (
	"context"
	"errors"
	"strings"
	"sync"
)

// telling is a lesson as it is told to a page: the same steps as in the
// terminal, whose records are in the timeline anyway.
type telling struct {
	visit *visit
	stage *Stage
	next  chan struct{}
	end   context.CancelFunc
	done  chan struct{}

	mu   sync.Mutex
	said []passage // for a tab that comes later
}

// passage is a piece of a story. Kind is title, text, commands, wait, end or
// error.
type passage struct {
	Kind  string   `json:"kind"`
	Text  string   `json:"text,omitempty"`
	Lines []string `json:"lines,omitempty"`
	Rows  []int    `json:"rows,omitempty"` // the first and the last record of what is meant
	First bool     `json:"first,omitempty"`
}

// begin tells the story from its first step. One that is being told ends.
func (v *visit) begin() error {
	lesson, ok := Find(v.of)
	if !ok {
		return errors.New("there is nothing to tell here")
	}
	v.mu.Lock()
	old := v.story
	v.story = nil
	v.mu.Unlock()
	if old != nil {
		old.end()
		<-old.done
	}
	ctx, end := context.WithCancel(v.ctx)
	t := &telling{visit: v, next: make(chan struct{}), end: end, done: make(chan struct{})}
	t.stage = newStageOf(ctx, t, t.wait, &v.cast)
	t.stage.visit, t.stage.tracer = v, v.lab.tracer // one count of connections for both
	v.mu.Lock()
	v.story = t
	v.mu.Unlock()
	lesson.Intro = "" // the page has it
	v.gone.Go(func() {
		defer close(t.done)
		defer end()
		t.tell(lesson)
	})
	return nil
}

func (t *telling) tell(l Lesson) {
	err := l.told(t.stage)
	switch {
	case t.stage.ctx.Err() != nil: // the reader has left, or begins anew
	case err != nil:
		t.say(passage{Kind: "error", Text: err.Error()})
	default:
		t.say(passage{Kind: "end"})
	}
}

// next goes on with the story.
func (v *visit) next() error {
	v.mu.Lock()
	t := v.story
	v.mu.Unlock()
	if t == nil {
		return v.begin()
	}
	select {
	case t.next <- struct{}{}:
		return nil
	case <-t.done:
		return nil
	case <-v.ctx.Done():
		return context.Cause(v.ctx)
	}
}

// wait is for [Options.Wait].
func (t *telling) wait(ctx context.Context, next string) error {
	t.say(passage{Kind: "wait", Text: next})
	select {
	case <-t.next:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t *telling) say(p passage) {
	t.mu.Lock()
	p.First = len(t.said) == 0
	t.said = append(t.said, p)
	t.mu.Unlock()
	t.visit.tell(said{Story: &p})
}

// again tells a tab what was told already.
func (t *telling) again(to *tab) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.said {
		to.post(said{Story: &p}.encode())
	}
}

// title and those that follow implement [teller].
func (t *telling) title(s string) { t.say(passage{Kind: "title", Text: s}) }

func (t *telling) text(s string) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(s), "\n\n") {
		if words := strings.Join(strings.Fields(paragraph), " "); words != "" {
			t.say(passage{Kind: "text", Text: words})
		}
	}
}

func (t *telling) commands(lines []string) { t.say(passage{Kind: "commands", Lines: lines}) }
func (t *telling) rested()                 {}
func (t *telling) failure() error          { return nil }

// records has nothing to show, since the page has its timeline; it says what is
// meant.
func (t *telling) records(list []entry) {
	if len(list) == 0 {
		return
	}
	t.say(passage{Kind: "records", Rows: []int{list[0].number, list[len(list)-1].number}})
}
