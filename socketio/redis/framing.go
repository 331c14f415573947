package redis

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// What an answer of Redis may have. Who reads one makes room for what a length
// announces before any of it has come, and goes one level deeper with each list.
const (
	maxLine   = 64 << 10  // bytes of a line
	maxString = 512 << 20 // bytes of a string: as Redis itself has it (proto-max-bulk-len)
	maxAnswer = 1 << 30   // bytes of a whole answer
	maxValues = 16 << 20  // values of an answer: the names of all channels are one
	maxNested = 1 << 20   // values of a list in a list
	maxDepth  = 32        // lists in one another
	maxHead   = 64        // bytes of a line that are looked at
)

// framingError says that what came is no answer of Redis, or beyond all bounds.
type framingError string

func (e framingError) Error() string { return string(e) }

// ofTLS reports whether it is an alert of TLS that came.
func (e framingError) ofTLS() bool { return strings.HasPrefix(string(e), `"\x15`) }

// framing follows the answers of Redis as they come, without keeping them: lines
// that begin with a type, strings of an announced length, lists of an announced
// number of values (RESP2 and RESP3).
type framing struct {
	endless bool // lines have any length: those of MONITOR

	head  []byte // the beginning of the line that is coming
	line  int    // bytes of it so far
	skip  int    // bytes of a string that are due
	lists []int  // values that are due, of each list that has begun
	size  int    // bytes of the answer so far
	whole bool   // an answer has come
	err   error
}

// begun reports whether a part of an answer has come.
func (f *framing) begun() bool { return f.size > 0 }

// take looks at what has come. An error stays.
func (f *framing) take(p []byte) error {
	for len(p) > 0 && f.err == nil {
		n := min(f.skip, len(p))
		switch f.skip -= n; {
		case n == 0:
			n = f.text(p)
		case f.skip == 0:
			f.ended()
		default:
			f.size += n
		}
		if p = p[n:]; f.size > maxAnswer {
			f.wrong("an answer of Redis has more than %d bytes", maxAnswer)
		}
	}
	return f.err
}

func (f *framing) wrong(format string, args ...any) {
	if f.err == nil {
		f.err = framingError(fmt.Sprintf(format, args...))
	}
}

// text takes a line, or what has come of it, and returns how much that is.
func (f *framing) text(p []byte) int {
	end := bytes.IndexByte(p, '\n') + 1
	n := end
	if end == 0 {
		n = len(p)
	}
	f.line, f.size = f.line+n, f.size+n
	f.head = append(f.head, p[:min(n, maxHead-len(f.head))]...)
	switch {
	case strings.IndexByte("+-:$*_,#!=(%~|>", f.head[0]) < 0:
		f.wrong("%s came where an answer of Redis is due", f.said())
	case f.line > maxLine && !f.endless:
		f.wrong("a line of more than %d bytes came where an answer of Redis is due: %s…", maxLine, f.said())
	case end > 0:
		f.value()
		f.head, f.line = f.head[:0], 0
	}
	return n
}

// said quotes the line.
func (f *framing) said() string { return strconv.Quote(strings.TrimRight(string(f.head), "\r\n")) }

// value takes a whole line: a value, or the announcement of one.
func (f *framing) value() {
	if f.line <= maxHead && !bytes.HasSuffix(f.head, []byte("\r\n")) {
		f.wrong("%s came, which does not end with CR LF, where an answer of Redis is due", f.said())
		return
	}
	kind := f.head[0]
	if strings.IndexByte("+-_,#(", kind) >= 0 {
		f.ended()
		return
	}
	n, err := strconv.ParseInt(string(bytes.TrimRight(f.head[1:], "\r\n")), 10, 64)
	switch {
	case err != nil:
		f.wrong("%s came, which is no number, where an answer of Redis is due", f.said())
	case kind == ':':
		f.ended()
	case n < -1:
		f.wrong("%s came, which announces less than nothing, where an answer of Redis is due", f.said())
	case strings.IndexByte("$!=", kind) >= 0:
		f.string(n)
	default:
		f.list(kind, n)
	}
}

func (f *framing) string(n int64) {
	switch {
	case n < 0:
		f.ended()
	case n > maxString:
		f.wrong("an answer of Redis announces %d bytes; up to %d are taken", n, maxString)
	default:
		f.skip = int(n) + 2
	}
}

// list begins one. A map has two values for each it announces, and behind
// attributes stands what they are of.
func (f *framing) list(kind byte, n int64) {
	limit := int64(maxValues)
	if len(f.lists) > 0 {
		limit = maxNested
	}
	if n > limit {
		f.wrong("an answer of Redis announces %d values; up to %d are taken", n, limit)
		return
	}
	due := int(n)
	switch kind {
	case '%':
		due *= 2
	case '|':
		due = 2*max(due, 0) + 1
	}
	if due <= 0 {
		f.ended()
		return
	}
	if len(f.lists) == maxDepth {
		f.wrong("an answer of Redis has lists in one another, more than %d deep", maxDepth)
		return
	}
	f.lists = append(f.lists, due)
}

// ended notes the end of a value, and of the lists whose last one it is.
func (f *framing) ended() {
	for i := len(f.lists) - 1; i >= 0; i-- {
		if f.lists[i]--; f.lists[i] > 0 {
			return
		}
		f.lists = f.lists[:i]
	}
	f.size, f.whole = 0, true
}
