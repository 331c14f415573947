package session

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
)

// errEnough ends a conversation whose expectations are met.
var errEnough = errors.New("all that was expected has come")

// Unmet says which expectations were not met, and what came last.
type Unmet struct {
	Missing []string // what had not come: patterns, or a count
	Last    string   // the last message, shortened
	Err     error    // how the conversation ended; nil: in order
}

// Error implements error.
func (u *Unmet) Error() string {
	s := "expected " + strings.Join(u.Missing, ", then ") + "; "
	if u.Last == "" {
		s += "nothing came"
	} else {
		s += fmt.Sprintf("what came last was %q", u.Last)
	}
	if u.Err != nil {
		s += " (" + u.Err.Error() + ")"
	}
	return s
}

// Unwrap returns how the conversation ended.
func (u *Unmet) Unwrap() error { return u.Err }

// Expectation says when a conversation is done: after Count messages, and once
// each of Patterns has matched, in order. The zero value expects nothing.
type Expectation struct {
	Count    int
	Patterns []*regexp.Regexp

	mu   sync.Mutex
	seen int
	met  int
	last string
}

// Wanted reports whether anything is expected.
func (e *Expectation) Wanted() bool { return e.Count > 0 || len(e.Patterns) > 0 }

// Saw takes one message and reports whether all has come.
func (e *Expectation) Saw(message []byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen++
	e.last = shorten(message)
	if e.met < len(e.Patterns) && e.Patterns[e.met].Match(message) {
		e.met++
	}
	return e.done()
}

// done reports whether all has come. The patterns are enough where there are
// any; a count then bounds how many messages they may take.
func (e *Expectation) done() bool {
	if len(e.Patterns) > 0 && e.met == len(e.Patterns) {
		return true
	}
	return e.Count > 0 && e.seen >= e.Count
}

// Result is nil where what was expected has come, and where nothing was; else
// it is an [*Unmet] that says how the conversation ended.
func (e *Expectation) Result(err error) error {
	if !e.Wanted() {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	u := &Unmet{Last: e.last, Err: err}
	if errors.Is(err, errEnough) {
		u.Err = nil
	}
	if e.met < len(e.Patterns) {
		for _, p := range e.Patterns[e.met:] {
			u.Missing = append(u.Missing, fmt.Sprintf("/%s/", p))
		}
		return u
	}
	if len(e.Patterns) == 0 && e.seen < e.Count {
		u.Missing = []string{fmt.Sprintf("%d messages (%d came)", e.Count, e.seen)}
		return u
	}
	return nil
}

const maxShown = 120

func shorten(message []byte) string {
	s := strings.TrimRight(string(message[:min(len(message), maxShown)]), "\r\n")
	if len(message) > maxShown {
		s += "…"
	}
	return s
}

// lines is a writer that passes a stream on and shows its lines to an
// expectation. Nothing is passed on behind the line that met it.
type lines struct {
	out    io.Writer
	expect *Expectation
	rest   []byte // the beginning of a line whose end has not come
}

// maxLine bounds what is kept of a line that does not end.
const maxLine = 1 << 20

// Write implements [io.Writer].
func (l *lines) Write(p []byte) (int, error) {
	passed := 0
	for passed < len(p) {
		i := bytes.IndexByte(p[passed:], '\n')
		if i < 0 {
			l.keep(p[passed:])
			break
		}
		end := passed + i + 1
		line := p[passed:end]
		if len(l.rest) > 0 {
			l.keep(line)
			line = l.rest
		}
		passed = end
		enough := l.expect.Saw(bytes.TrimRight(line, "\r\n"))
		l.rest = l.rest[:0]
		if enough {
			return l.last(p[:passed])
		}
	}
	return l.out.Write(p)
}

func (l *lines) last(p []byte) (int, error) {
	n, err := l.out.Write(p)
	if err == nil {
		err = errEnough
	}
	return n, err
}

func (l *lines) keep(p []byte) {
	l.rest = append(l.rest, p[:min(len(p), maxLine-len(l.rest))]...)
}

// flush shows a last line that did not end.
func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.expect.Saw(l.rest)
		l.rest = nil
	}
}
