package render

import (
	"github.com/sockkit/sockkit/trace"
)

// Lines words an event as [Text] does, without its marks and colors: where it
// went, and one line or more. An event that is not shown has none.
//
// Credentials are not masked here. Text leaves [trace.Listening] to the line
// that says so to the user; here it has words of its own.
func Lines(e trace.Event) (trace.Dir, []string) {
	if e, ok := e.(trace.Listening); ok {
		return trace.None, one("listening on " + printable(e.Address))
	}
	return describe(e)
}

// Mark is the sign in front of a line: > for what goes out, < for what comes
// in, * for notes.
func Mark(d trace.Dir) string { return marks[d] }

// Paint colors a line as [Text] does.
func Paint(d trace.Dir, line string) string { return colors[d] + line + "\x1b[0m" }
