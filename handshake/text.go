package handshake

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is the status and the reason of a response as they came, safe to print:
// 404 Not Found.
func (h *Head) Text() string {
	line := h.AppendLine(nil)
	if len(h.Proto) > 0 && len(line) > len(h.Proto) {
		line = line[len(h.Proto)+1:]
	}
	return show(line)
}

// Sentence is the finding in the middle of a line: what is wrong, by which
// clause, and what came.
func (f *Finding) Sentence() string {
	summary := strings.TrimSuffix(f.Summary, ".")
	if first, n := utf8.DecodeRuneInString(summary); strings.HasPrefix(summary, "The ") || strings.HasPrefix(summary, "A ") {
		summary = string(unicode.ToLower(first)) + summary[n:]
	}
	s := summary + " (" + f.Clause + ")"
	if f.Came != "" && !strings.HasPrefix(f.Came, "no ") && f.Came != "nothing" {
		s += ": " + f.Came
	}
	return s
}
