package cmd

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/session"
)

func (t *talkFlags) add(f *pflag.FlagSet) {
	f.StringArrayVarP(&t.send, "send", "x", nil, "send this `MESSAGE` in place of standard input (repeatable)")
	f.BoolVar(&t.sendOnly, "send-only", false, "send only; what comes is dropped")
	f.BoolVar(&t.recvOnly, "recv-only", false, "receive only; standard input is not read")
	f.BoolVarP(&t.crlf, "crlf", "C", false, "end lines with CR LF when they are sent")
	f.VarP(&t.quietPeriod, "quiet-period", "q", "after the peer's end: leave once input was silent so long (default 500ms)")
	t.linger = duration(defaultLinger)
	f.Var(&t.linger, "linger", "messages: after the end of input, the silence that ends it; 0 leaves at once")
	f.IntVar(&t.count, "count", 0, "leave after `N` received messages (lines, on a stream)")
	f.StringArrayVar(&t.expect, "expect", nil, "leave once a message matches `REGEX` (repeatable, in order); any other end is status 9")
	f.BoolVar(&t.binary, "binary", false, "messages: one read is one, sent as binary; with --send, add no newline")
	f.BoolVar(&t.null, "null", false, "messages: a NUL byte ends each, in and out")
	f.BoolVar(&t.lengthPrefix, "length-prefix", false, "messages: four bytes, big-endian, say the length of each, in and out")
}

const defaultLinger = 1e9 // nanoseconds

func (t *talkFlags) complete() error {
	framings := 0
	for _, set := range []bool{t.binary, t.null, t.lengthPrefix} {
		if set {
			framings++
		}
	}
	switch {
	case framings > 1:
		return usagef("--binary, --null and --length-prefix exclude each other", "")
	case t.sendOnly && t.recvOnly:
		return usagef("--send-only and --recv-only exclude each other", "")
	case t.recvOnly && len(t.send) > 0:
		return usagef("--send and --recv-only exclude each other", "")
	case t.sendOnly && (t.count > 0 || len(t.expect) > 0):
		return usagef("--send-only receives nothing that --count or --expect could see", "")
	case t.count < 0:
		return usagef(fmt.Sprintf("--count %d is negative", t.count), "")
	}
	for _, pattern := range t.expect {
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			return &usageError{fmt.Errorf("--expect %q: %w", pattern, err), ""}
		}
		t.patterns = append(t.patterns, compiled)
	}
	return nil
}

func (t *talkFlags) framing() session.Framing {
	switch {
	case t.binary:
		return session.Binary
	case t.null:
		return session.Null
	case t.lengthPrefix:
		return session.LengthPrefix
	}
	return session.Lines
}

// stream is what is to be sent on a stream of bytes, or nil for nothing.
func (t *talkFlags) stream(s *Streams) io.Reader {
	switch {
	case t.recvOnly:
		return nil
	case len(t.send) > 0:
		return t.sends()
	case t.crlf:
		return session.CRLF(s.input())
	}
	return s.input()
}

// messages is what is to be sent as messages, or nil for nothing.
func (t *talkFlags) messages(s *Streams, limit int) session.Source {
	switch {
	case t.recvOnly:
		return nil
	case len(t.send) > 0:
		list := session.List(t.send)
		return &list
	}
	in := session.NewReader(s.input(), t.framing(), limit)
	in.CRLF = t.crlf
	return in
}

// datagrams is messages, of which those that are pieces fit into datagrams.
func (t *talkFlags) datagrams(s *Streams, limit int) session.Source {
	if t.binary {
		limit = min(limit, largestDatagram)
	}
	return t.messages(s, limit)
}

// lines is messages with the newline left out of each line.
func (t *talkFlags) lines(s *Streams, limit int) session.Source {
	in := t.messages(s, limit)
	if r, ok := in.(*session.Reader); ok {
		r.Strip = true
	}
	return in
}

// sends is what --send puts on a stream: lines.
func (t *talkFlags) sends() io.Reader {
	end := "\n"
	if t.crlf {
		end = "\r\n"
	}
	if t.binary {
		end = ""
	}
	var b strings.Builder
	for _, message := range t.send {
		b.WriteString(message)
		b.WriteString(end)
	}
	return strings.NewReader(b.String())
}
