// Package demo tells lessons: short stories in steps, in which real sockets of
// this machine do what the words speak of. What the reader is shown is the
// trace of it, never something drawn by hand, and each figure in the words is
// one that was counted.
//
// A lesson is one file with one function that returns a [Lesson], named in
// [Lessons].
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Lesson is a story in steps. It is told once: its steps share what the first
// of them opened.
type Lesson struct {
	Name  string // one word: sockkit demo NAME
	Title string // one line, for a list
	Intro string // read before the first step
	Steps []Step
	Try   []Exercise // what the reader can do afterwards
	// Lab opens the sockets that a reader of the page plays with, and says what
	// can be done to them; nil where the page tells the steps alone.
	Lab func(*Stage) (Actions, error)
}

// Step is one step of a lesson: what is done, then what happened, then what it
// means.
//
// In the texts an empty line ends a paragraph, and a {word} in braces is a term
// where it is explained.
type Step struct {
	Title string
	Text  string // what is about to be done
	// Run does it on the stage, shows the trace and says what it means.
	Run func(*Stage) error
}

// Exercise is a few commands to run.
type Exercise struct {
	Text     string
	Commands []string
}

// Lessons returns the lessons there are, untold, in the order to learn them.
func Lessons() []Lesson {
	return []Lesson{tcpLesson(), udpLesson(), handshakeLesson(), framesLesson(), wssLesson(),
		fallbackLesson(), eventsLesson(), roomsLesson(), authLesson(), recoveryLesson()}
}

// Find returns the lesson of that name.
func Find(name string) (Lesson, bool) {
	for _, l := range Lessons() {
		if l.Name == name {
			return l, true
		}
	}
	return Lesson{}, false
}

// ErrLeave is returned by [Options.Wait] when the reader has had enough.
var ErrLeave = errors.New("the reader leaves")

// Options say how a lesson is told.
type Options struct {
	// Color colors the trace and sets terms in bold.
	Color bool
	// Width is that of the page in columns; 0 means 80, and more than 80 is 80.
	Width int
	// Height is that of the screen in lines; where it is known, Wait is called
	// too before something is pushed off the screen unread.
	Height int
	// Wait is called wherever the reader is given time, with what comes next.
	// An error ends the lesson; [ErrLeave] does so without being one. Nil goes
	// on at once.
	Wait func(ctx context.Context, next string) error
	// Watch is called while a lesson by hand waits for the reader's own program,
	// with what for: it returns [ErrLeave] when the reader leaves, and anything at
	// the end of ctx. Nobody writes meanwhile. Nil is a reader who stays.
	Watch func(ctx context.Context, what string) error

	normal func(string) string // puts stable words in the place of what varies
}

// Tell tells the lesson on w. It closes all that the lesson has opened. The end
// of ctx ends it between two steps, with the context's cause.
func (l Lesson) Tell(ctx context.Context, w io.Writer, o Options) error {
	_, err := l.tell(ctx, w, o)
	return err
}

func (l Lesson) tell(ctx context.Context, w io.Writer, o Options) (*Stage, error) {
	p := newPage(w, o)
	s := newStage(ctx, p, o.Wait)
	s.watch = o.Watch
	if o.Wait != nil {
		p.full = func() error { return s.pause("go on") }
	}
	err := l.told(s)
	if p.err != nil {
		err = p.err // whatever failed after that failed unseen
	}
	if errors.Is(err, ErrLeave) {
		return s, nil
	}
	return s, err
}

// told plays all of the lesson on s, and closes what it has opened.
func (l Lesson) told(s *Stage) error {
	err := errors.Join(l.steps(s), s.close())
	if err == nil {
		l.finish(s.teller)
	}
	return err
}

func (l Lesson) steps(s *Stage) error {
	s.teller.title(fmt.Sprintf("Lesson %s: %s", l.Name, l.Title))
	s.teller.text(l.Intro)
	for i, step := range l.Steps {
		if err := s.pause(fmt.Sprintf("step %d of %d", i+1, len(l.Steps))); err != nil {
			return err
		}
		s.teller.title(fmt.Sprintf("%d of %d · %s", i+1, len(l.Steps), step.Title))
		s.teller.text(step.Text)
		s.begin()
		if err := step.Run(s); err != nil {
			if !errors.Is(err, ErrLeave) {
				s.Show() // what had happened by then
				err = fmt.Errorf("step %d (%s): %w", i+1, step.Title, err)
			}
			return err
		}
	}
	return nil
}

// finish names what to do next. It is the end, so nobody waits behind it.
func (l Lesson) finish(t teller) {
	if len(l.Try) == 0 {
		return
	}
	t.title("Try it yourself")
	for _, e := range l.Try {
		t.text(e.Text)
		t.commands(e.Commands)
	}
}
