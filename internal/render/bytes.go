package render

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What is shown of a payload below the byte level.
const (
	shownBytes = 4 << 10
	shownLines = 24
	shownWidth = 512 // bytes of one line
)

// payload puts a message behind its head: on the same line if it has one line,
// else below.
func payload(head string, p []byte) []string {
	if len(p) == 0 {
		return one(head)
	}
	shown := p[:min(len(p), shownBytes)]
	parts := bytes.SplitAfter(shown, []byte("\n"))
	if len(parts[len(parts)-1]) == 0 {
		parts = parts[:len(parts)-1]
	}
	if len(parts) == 1 && len(shown) == len(p) && len(p) <= shownWidth {
		return one(head + " " + quoted(shown))
	}
	lines := one(head)
	rest := len(p)
	for _, part := range parts[:min(len(parts), shownLines)] {
		lines = append(lines, "  "+quoted(part[:min(len(part), shownWidth)]))
		rest -= min(len(part), shownWidth)
		if len(part) > shownWidth {
			break
		}
	}
	if rest > 0 {
		lines = append(lines, fmt.Sprintf("  … and %s more (-vvvv shows every byte)", bytesOf(rest)))
	}
	return lines
}

// quoted is p as a string in quotes, in which nothing can do harm to a
// terminal.
func quoted(p []byte) string {
	var b strings.Builder
	b.WriteByte('"')
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			escape(&b, r, p[:n])
		}
		p = p[n:]
	}
	b.WriteByte('"')
	return b.String()
}

// escape writes one rune, or the byte that is none.
func escape(b *strings.Builder, r rune, raw []byte) {
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		fmt.Fprintf(b, `\x%02x`, raw[0])
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case r == '\t':
		b.WriteString(`\t`)
	case r < 0x80 && !unicode.IsPrint(r):
		fmt.Fprintf(b, `\x%02x`, r)
	case !unicode.IsPrint(r):
		fmt.Fprintf(b, `\u{%x}`, r)
	default:
		b.WriteRune(r)
	}
}

// printable is s without control characters, which are escaped.
func printable(s string) string {
	var b strings.Builder
	for p := []byte(s); len(p) > 0; {
		r, n := utf8.DecodeRune(p)
		escape(&b, r, p[:n])
		p = p[n:]
	}
	return b.String()
}

// Printable is s with control characters, and bytes that are no UTF-8,
// escaped, so that it can be shown on a terminal.
func Printable(s string) string { return printable(s) }

// Hex is a dump of p: sixteen bytes a line, with offset and text.
func Hex(p []byte) []string {
	lines := make([]string, 0, len(p)/16+1)
	for at := 0; at < len(p); at += 16 {
		row := p[at:min(at+16, len(p))]
		lines = append(lines, fmt.Sprintf("  %04x  %-23s  %-23s  %s", at,
			spaced(row[:min(8, len(row))]), spaced(row[min(8, len(row)):]), ascii(row)))
	}
	return lines
}

func spaced(p []byte) string { return fmt.Sprintf("% x", p) }

func ascii(p []byte) string {
	text := make([]byte, len(p))
	for i, c := range p {
		if c < ' ' || c > '~' {
			c = '.'
		}
		text[i] = c
	}
	return string(text)
}

// counted is a number of things: 1 byte, 2 bytes.
func counted[N int | int64](n N, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.FormatInt(int64(n), 10) + " " + thing
}

func bytesOf[N int | int64](n N) string { return counted(n, "byte") }
