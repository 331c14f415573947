package render

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/trace"
)

// webSocket words the records of a WebSocket connection; ok is false for those
// of others.
func webSocket(e trace.Event) (dir trace.Dir, lines []string, ok bool) {
	switch e := e.(type) {
	case trace.HTTPHead:
		return e.Dir, headLines(e), true
	case trace.Upgrade:
		return trace.None, one(upgraded(e)), true
	case trace.UpgradeFailed:
		return trace.None, one(upgradeFailed(e)), true
	case trace.Finding:
		return trace.None, findingLines(e), true
	case trace.WSFrame:
		return e.Dir, one(frame(e)), true
	case trace.HTTP2Frame:
		return e.Dir, one(http2Frame(e)), true
	case trace.WSMessage:
		return e.Dir, payload(message(e), e.Payload), true
	case trace.WSPing:
		return e.Dir, payload(ping(e), e.Payload), true
	case trace.WSClose:
		return e.Dir, one(closing(e)), true
	}
	return trace.None, nil, false
}

// mostHeadLines is how many lines of a head are shown. Heads have a hundred
// fields at most, unless somebody has raised the limit.
const mostHeadLines = 128

// headLines are the lines of a head as they passed, the empty one that ends it
// too.
func headLines(e trace.HTTPHead) []string {
	if len(e.Payload) == 0 {
		return one(printable(e.Line))
	}
	var lines []string
	rest := bytes.TrimSuffix(e.Payload, []byte("\n"))
	for part := range bytes.SplitSeq(rest, []byte("\n")) {
		if len(lines) == mostHeadLines {
			return append(lines, fmt.Sprintf("… and more lines; the head has %d bytes", e.Size))
		}
		lines = append(lines, headLine(bytes.TrimSuffix(part, []byte("\r"))))
	}
	return lines
}

func headLine(line []byte) string {
	if len(line) <= shownWidth {
		return printable(string(line))
	}
	return fmt.Sprintf("%s… and %s more", printable(string(line[:shownWidth])), bytesOf(len(line)-shownWidth))
}

func upgraded(e trace.Upgrade) string {
	s := "the WebSocket is open: " + printable(e.Target)
	if e.Subprotocol != "" {
		s += ", subprotocol " + printable(e.Subprotocol)
	}
	if e.Extensions != "" {
		s += ", " + printable(e.Extensions)
	}
	if e.Duration == 0 { // nobody has measured it
		return s
	}
	return s + " (" + Duration(e.Duration) + ")"
}

func upgradeFailed(e trace.UpgradeFailed) string {
	s := "the opening handshake failed"
	if e.Status != 0 {
		s += fmt.Sprintf(" with status %d", e.Status)
	}
	return s + ": " + printable(e.Error)
}

// findingLines say what rule was broken, and below it what came, what was due
// and what to do.
func findingLines(e trace.Finding) []string {
	head := fmt.Sprintf("%s (%s, %s, by the %s)", printable(strings.TrimSuffix(e.Summary, ".")), printable(e.Binding), printable(e.Clause), printable(e.Fault))
	lines := one("finding " + printable(e.Rule) + ": " + head)
	for _, more := range []struct{ label, text string }{{"came: ", e.Came}, {"due:  ", e.Due}, {"mend: ", e.Mend}} {
		if more.text != "" {
			lines = append(lines, "  "+more.label+printable(more.text))
		}
	}
	return lines
}

// frame words the head of a frame as RFC 6455 section 5.2 draws it.
func frame(e trace.WSFrame) string {
	s := fmt.Sprintf("frame %s (opcode %d)", printable(e.Type), e.Opcode)
	if e.Fin {
		s += ", FIN"
	}
	for i, bit := range []int{4, 2, 1} {
		if e.RSV&bit != 0 {
			s += fmt.Sprintf(", RSV%d", i+1)
		}
	}
	if e.Mask != "" {
		s += ", mask " + printable(e.Mask)
	} else {
		s += ", not masked"
	}
	s += fmt.Sprintf(", header %d, payload %s", e.Head, bytesOf(e.Size))
	if e.Compressed {
		s += ", compressed"
	}
	return s
}

// http2Frame words a frame of HTTP/2.
func http2Frame(e trace.HTTP2Frame) string {
	s := fmt.Sprintf("HTTP/2 %s, stream %d", printable(e.Type), e.Stream)
	if e.Flags != "" {
		s += ", " + printable(e.Flags)
	}
	s += fmt.Sprintf(", payload %s", bytesOf(e.Size))
	if e.Detail != "" {
		s += ": " + printable(e.Detail)
	}
	return s
}

func message(e trace.WSMessage) string {
	s := fmt.Sprintf("%s message, %s", printable(e.Type), bytesOf(e.Size))
	if e.Frames > 1 {
		s += fmt.Sprintf(" in %d frames", e.Frames)
	}
	if e.Compressed {
		s += fmt.Sprintf(", compressed to %d", e.Wire)
	}
	return s
}

func ping(e trace.WSPing) string {
	if !e.Pong {
		return "ping"
	}
	if e.RTT > 0 {
		return "pong after " + Duration(e.RTT)
	}
	return "pong"
}

// closing words a close frame: whose it is, its code and name, and the reason
// that its sender gave.
func closing(e trace.WSClose) string {
	who := "we close"
	if e.Dir == trace.In {
		who = "the peer closes"
	}
	if e.Code == noCode {
		return who + ", without a code (1005)"
	}
	s := fmt.Sprintf("%s with %d", who, e.Code)
	if e.Title != "" {
		s += ", " + printable(e.Title)
	}
	if e.Reason != "" {
		s += ": " + quoted([]byte(e.Reason))
	}
	return s
}

// noCode stands for a close frame that holds none (RFC 6455 section 7.1.5).
const noCode = 1005
