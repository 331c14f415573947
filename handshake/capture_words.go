package handshake

import (
	"strconv"
	"strings"
)

// splitCommands splits text into commands of curl and those into words, as the
// shell would that they were copied for: a POSIX shell, or cmd.exe with its ^.
func splitCommands(text string) (commands [][]string) {
	if isCmd(text) {
		text = fromCmd(text)
	}
	l := shellWords{rest: strings.ReplaceAll(text, "\r\n", "\n")}
	var words []string
	for {
		word, end := l.next()
		if word != nil {
			words = append(words, *word)
		}
		if end != 0 {
			if len(words) > 0 && (words[0] == "curl" || words[0] == "curl.exe") {
				commands = append(commands, words)
			}
			words = nil
		}
		if end < 0 {
			return commands
		}
	}
}

// isCmd knows text that was copied for cmd.exe.
func isCmd(text string) bool {
	return strings.Contains(text, `^"`) || strings.Contains(text, "^\n") || strings.Contains(text, "^\r\n")
}

// fromCmd takes the carets away: each makes the next character an ordinary one, and
// at the end of a line it joins the next.
func fromCmd(text string) string {
	var b strings.Builder
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for i := 0; i < len(text); i++ {
		if text[i] == '^' && i+1 < len(text) {
			if i++; text[i] == '\n' {
				b.WriteByte(' ')
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// shellWords splits a command line.
type shellWords struct{ rest string }

// next returns the next word, nil where there is none before an end: 1 for the
// end of a command, -1 for the end of the text.
func (l *shellWords) next() (word *string, end int) {
	var b strings.Builder
	some := false
	for len(l.rest) > 0 {
		c := l.rest[0]
		l.rest = l.rest[1:]
		switch {
		case c == '\\' && strings.HasPrefix(l.rest, "\n"):
			l.rest = l.rest[1:]
		case c == ' ' || c == '\t':
			if some {
				return result(b.String()), 0
			}
		case c == '\n' || c == ';' || c == '|' || c == '&':
			if some {
				return result(b.String()), 1
			}
			return nil, 1
		default:
			some = true
			l.part(c, &b)
		}
	}
	if some {
		return result(b.String()), -1
	}
	return nil, -1
}

func result(s string) *string { return &s }

// part reads one character, or what stands between quotation marks.
func (l *shellWords) part(c byte, b *strings.Builder) {
	switch {
	case c == '\'':
		l.until('\'', b, nil)
	case c == '"':
		l.until('"', b, func() { l.escaped(b, "\"\\$`") })
	case c == '$' && strings.HasPrefix(l.rest, "'"):
		l.rest = l.rest[1:]
		l.until('\'', b, func() { l.ansi(b) })
	case c == '\\' && len(l.rest) > 0:
		b.WriteByte(l.rest[0])
		l.rest = l.rest[1:]
	default:
		b.WriteByte(c)
	}
}

// until reads to the closing mark. Behind a backslash, where it means
// something, escape is called.
func (l *shellWords) until(mark byte, b *strings.Builder, escape func()) {
	for len(l.rest) > 0 {
		c := l.rest[0]
		l.rest = l.rest[1:]
		switch {
		case c == mark:
			return
		case c == '\\' && escape != nil && len(l.rest) > 0:
			escape()
		default:
			b.WriteByte(c)
		}
	}
}

// escaped reads what stands behind a backslash, which counts before some
// characters only.
func (l *shellWords) escaped(b *strings.Builder, some string) {
	c := l.rest[0]
	l.rest = l.rest[1:]
	switch {
	case c == '\n':
	case strings.IndexByte(some, c) >= 0:
		b.WriteByte(c)
	default:
		b.WriteByte('\\')
		b.WriteByte(c)
	}
}

// ansi reads what stands behind a backslash in $'...'.
func (l *shellWords) ansi(b *strings.Builder) {
	c := l.rest[0]
	l.rest = l.rest[1:]
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	n := 0
	for n < digits && n < len(l.rest) && isHex(l.rest[n]) {
		n++
	}
	if n > 0 {
		code, _ := strconv.ParseUint(l.rest[:n], 16, 32)
		l.rest = l.rest[n:]
		if c == 'x' {
			b.WriteByte(byte(code))
		} else {
			b.WriteRune(rune(code))
		}
		return
	}
	if i := strings.IndexByte("nrtabfve", c); i >= 0 {
		c = "\n\r\t\a\b\f\v\x1b"[i]
	}
	b.WriteByte(c)
}
