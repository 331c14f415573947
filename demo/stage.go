package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/internal/live"
	"github.com/sockkit/sockkit/trace"
)

// Stage is where a lesson's sockets are: it hands out tracers, one for each
// part, keeps what they report, and shows it to the reader.
type Stage struct {
	ctx    context.Context
	teller teller
	wait   func(ctx context.Context, next string) error
	watch  func(ctx context.Context, what string) error
	cast   *cast
	tracer *trace.Tracer
	visit  *visit // where a page shows the stage; nil in the terminal
	step   int    // the first record of this step
	shown  int    // the first record that the reader has not seen
	mu     sync.Mutex
	kept   []io.Closer
}

// teller is what a lesson is told on.
type teller interface {
	title(s string)
	text(s string)           // paragraphs
	commands(lines []string) // command lines
	records(list []entry)    // a piece of the trace
	rested()                 // the reader had time
	failure() error          // of the teller itself: nobody hears it any more
}

// entry is a record, and the part whose it is.
type entry struct {
	who string
	trace.Record
	number int
}

// cast keeps the records of all parts in one order.
type cast struct{ live.Timeline }

// sideOf is the end of a connection at which a part stands whose records do not
// say so: an observer's.
func sideOf(who string) string {
	if strings.Contains(who, "server") {
		return trace.Server
	}
	return trace.Client
}

func (c *cast) entries() []entry { return c.since(0) }

func (c *cast) since(n int) []entry { return named(c.Since(n)) }

func named(list []live.Entry) []entry {
	entries := make([]entry, len(list))
	for i, e := range list {
		entries[i] = entry{e.Who, e.Record, e.Number}
	}
	return entries
}

func newStage(ctx context.Context, t teller, wait func(context.Context, string) error) *Stage {
	return newStageOf(ctx, t, wait, &cast{})
}

func newStageOf(ctx context.Context, t teller, wait func(context.Context, string) error, c *cast) *Stage {
	return &Stage{ctx: ctx, teller: t, wait: wait, cast: c, tracer: trace.New(c.Sink("", ""), trace.Message)}
}

// begin makes what comes from here on the records of a new step.
func (s *Stage) begin() {
	s.step = s.cast.Next()
	s.shown = s.step
}

// pause gives the reader time, and says what comes next.
func (s *Stage) pause(next string) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	if err := s.teller.failure(); err != nil {
		return err
	}
	s.teller.rested()
	if s.wait == nil {
		return nil
	}
	return s.wait(s.ctx, next)
}

// close ends what is open, the latest first.
func (s *Stage) close() error {
	s.mu.Lock()
	kept := s.kept
	s.kept = nil
	s.mu.Unlock()
	var errs []error
	for _, c := range slices.Backward(kept) {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Keep has c closed at the end of the lesson, however it ends. What is closed
// before has to bear being closed twice.
func (s *Stage) Keep(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, once(c.Close))
}

// Context is the lesson's.
func (s *Stage) Context() context.Context { return s.ctx }

// As returns a tracer for the part that is called who in what is shown.
func (s *Stage) As(who string) *trace.Tracer { return s.at(who, trace.Message) }

// at is As with more, or less, detail.
func (s *Stage) at(who string, level trace.Level) *trace.Tracer {
	return s.tracer.View(s.sink(who), level)
}

// sink takes the records of the part that is called who.
func (s *Stage) sink(who string) trace.Sink { return s.cast.Sink(who, sideOf(who)) }

// Note puts a note of who's into the trace.
func (s *Stage) Note(who, format string, args ...any) {
	s.As(who).Emit(0, trace.Note{Text: fmt.Sprintf(format, args...)})
}

// Tell narrates: it says what something means.
func (s *Stage) Tell(format string, args ...any) { s.teller.text(fmt.Sprintf(format, args...)) }

// Show shows what has happened since the last Show of this step.
func (s *Stage) Show() {
	list := s.cast.Since(s.shown)
	if len(list) > 0 {
		s.shown = list[len(list)-1].Number + 1
		s.teller.records(named(list))
	}
}

// Again shows records of an earlier step.
func (s *Stage) Again(list []entry) { s.teller.records(list) }

// Ask puts a question to the reader and gives time to think.
func (s *Stage) Ask(question string) error {
	s.teller.text(question)
	return s.pause("the answer")
}

// patience bounds everything that a step waits for. On loopback all of it is
// there at once.
const patience = 10 * time.Second

// Await waits until ok holds for the records of this step; what says what that
// is.
func (s *Stage) Await(what string, ok func([]entry) bool) error {
	return s.awaitFor(patience, what, ok)
}

func (s *Stage) awaitFor(limit time.Duration, what string, ok func([]entry) bool) error {
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	if s.cast.Await(ctx.Done(), s.step, func(list []live.Entry) bool { return ok(named(list)) }) {
		return nil
	}
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return fmt.Errorf("%s: it did not come within %v", what, limit)
}

// entries are the records of this step.
func (s *Stage) entries() []entry { return s.cast.since(s.step) }

// sent and received are the pieces of a stream that who wrote and read.
func sent(list []entry, who string) []trace.Data     { return data(list, who, trace.Out) }
func received(list []entry, who string) []trace.Data { return data(list, who, trace.In) }

func data(list []entry, who string, way trace.Dir) []trace.Data {
	return slices.DeleteFunc(events[trace.Data](list, who), func(e trace.Data) bool { return e.Dir != way })
}

// datagrams are those that who sent, or received.
func datagrams(list []entry, who string, way trace.Dir) []trace.Datagram {
	return slices.DeleteFunc(events[trace.Datagram](list, who), func(e trace.Datagram) bool { return e.Dir != way })
}

// events are those of one type that are who's.
func events[E trace.Event](list []entry, who string) []E {
	var found []E
	for _, e := range list {
		if event, ok := e.Event.(E); ok && e.who == who {
			found = append(found, event)
		}
	}
	return found
}

// total is the number of bytes in pieces of a stream.
func total(pieces []trace.Data) (bytes int) {
	for _, p := range pieces {
		bytes += p.Size
	}
	return bytes
}

// closerFunc is a function that closes something.
type closerFunc func() error

// Close implements [io.Closer].
func (f closerFunc) Close() error { return f() }

// once makes closing what is closed already no error.
func once(f func() error) io.Closer {
	return closerFunc(func() error {
		if err := f(); !isClosed(err) {
			return err
		}
		return nil
	})
}
