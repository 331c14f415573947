package cmd

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/render"
)

// editor lets a person at the terminal change answers, line by line.
type editor struct {
	streams *Streams
	lines   chan string
}

// newEditor reads standard input from now on. The reading goroutine ends with
// the process.
func newEditor(s *Streams) *editor {
	e := &editor{streams: s, lines: make(chan string)}
	go func() {
		defer close(e.lines)
		for in := bufio.NewScanner(s.In); in.Scan(); {
			e.lines <- in.Text()
		}
	}()
	return e
}

const editHelp = `  Enter                  send it
  set Name: value        put this header in place of the one of its name
  omit NAME              leave a header out
  status CODE [REASON]   answer with another status
  accept VALUE           another Sec-WebSocket-Accept
  show                   the answer as it is now
  reset                  the answer as it was
  drop                   close the connection without an answer
`

// edit returns the answer that is to be sent; nil where none is.
func (e *editor) edit(ctx context.Context, original *reply, broken *handshake.Finding) *reply {
	if broken != nil {
		e.say("It has to be refused: %s\n", sentence(*broken))
	}
	changed := original.copy()
	e.show(changed)
	for {
		e.say("answer (Enter sends it, help says what else)> ")
		line, ok := e.line(ctx)
		command, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case !ok || command == "drop":
			return nil
		case command == "":
			return changed
		case command == "reset":
			changed = original.copy()
		case command != "show" && !e.change(changed, command, strings.TrimSpace(rest)):
			continue
		}
		e.show(changed)
	}
}

// change does what a line says, and reports whether the answer is another one.
func (e *editor) change(r *reply, command, rest string) bool {
	flags := bendFlags{}
	switch command {
	case "set":
		flags.set = []string{rest}
	case "omit":
		flags.omit = []string{rest}
	case "status":
		flags.status = rest
	case "accept":
		r.head.Set(handshake.F("Sec-WebSocket-Accept", rest))
	default:
		e.say(editHelp)
		return false
	}
	bend, err := flags.bend()
	if err != nil {
		e.say("%s\n", oneLine(err))
		return false
	}
	bend.Apply(r.head)
	return true
}

func (e *editor) say(format string, args ...any) { fmt.Fprintf(e.streams.Err, format, args...) }

// show prints the answer as it would be sent.
func (e *editor) show(r *reply) {
	for line := range strings.SplitSeq(strings.TrimSuffix(string(r.wire()), "\r\n"), "\r\n") {
		e.say("  < %s\n", render.Printable(line))
	}
}

// line is the next line that is typed; ok is false at the end of input or of
// ctx.
func (e *editor) line(ctx context.Context) (line string, ok bool) {
	select {
	case <-ctx.Done():
		return "", false
	case line, ok = <-e.lines:
		return line, ok
	}
}

// copy is the reply, to be changed without changing the original.
func (r *reply) copy() *reply { return &reply{r.head.Clone(), r.body} }
