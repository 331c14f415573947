package redis

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// follow reads what MONITOR shows, whatever happens to Redis. Started is closed
// once it does, or may not.
func (l *looking) follow(ctx context.Context, node *goredis.Client, started chan struct{}) {
	begun := func() {
		if started != nil {
			close(started)
			started = nil
		}
	}
	said := ""
	for tries := 0; ctx.Err() == nil; tries++ {
		err := l.monitorOnce(ctx, node, func() { tries = 0; begun() })
		wait := backoff(tries)
		if errors.As(err, new(refusal)) {
			begun()
			wait = askAgain
		}
		if err != nil && ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			l.note("MONITOR at %s: %v; sharded channels are not read", node.Options().Addr, at(node.Options().Addr, err))
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// askAgain is the wait before what was refused is asked for again.
const askAgain = time.Minute

// refusal is an error that Redis has answered.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) RedisError()     {}

// monitorOnce reads over one connection, of its own: what comes over it is no
// answer to anything.
func (l *looking) monitorOnce(ctx context.Context, node *goredis.Client, begun func()) error {
	o := node.Options()
	dial, cancel := context.WithTimeout(ctx, l.conn.options.Timeout)
	defer cancel()
	conn, err := o.Dialer(dial, o.Network, o.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if g, is := conn.(interface{ monitors() }); is {
		g.monitors()
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	_ = conn.SetDeadline(time.Now().Add(l.conn.options.Timeout))
	r := bufio.NewReaderSize(conn, 64<<10)
	if err := command(conn, r, authentication(o)...); err != nil {
		return err
	}
	if err := command(conn, r, "MONITOR"); err != nil {
		return err
	}
	_ = conn.SetDeadline(time.Time{})
	begun()
	return l.lines(r)
}

func authentication(o *goredis.Options) []string {
	switch {
	case o.Password == "":
		return nil
	case o.Username == "":
		return []string{"AUTH", o.Password}
	}
	return []string{"AUTH", o.Username, o.Password}
}

// command sends one, if there are words, and wants OK.
func command(w io.Writer, r *bufio.Reader, words ...string) error {
	if len(words) == 0 {
		return nil
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	answer, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	if text, is := strings.CutPrefix(strings.TrimSpace(answer), "-"); is {
		return refusal(text)
	}
	return nil
}

// lines takes one command after the other. One that is too long is left out.
func (l *looking) lines(r *bufio.Reader) error {
	var line []byte
	limit := 4*l.options.MaxMessage + 64<<10 // a byte takes up to four
	tooLong := false
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > limit {
			tooLong = true
		}
		if !tooLong {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return err
		}
		switch channel, raw, ok := monitored(line); {
		case tooLong:
			l.dropped.Add(1)
		case ok && strings.HasPrefix(channel, l.options.Prefix+"#"):
			l.see(sight{sharded: true, channel: channel, raw: raw})
		}
		line, tooLong = line[:0], false
		if cap(line) > 1<<20 {
			line = nil
		}
	}
}

// monitored takes the channel and the message out of a line of MONITOR, where it
// is that of an SPUBLISH.
func monitored(line []byte) (channel string, raw []byte, ok bool) {
	at := bytes.Index(line, []byte(`] "`))
	if at < 0 {
		return "", nil, false
	}
	rest := line[at+2:]
	const name = `"SPUBLISH" `
	if len(rest) < len(name) || !bytes.EqualFold(rest[:len(name)], []byte(name)) {
		return "", nil, false
	}
	first, rest, ok := unescaped(rest[len(name):])
	if !ok {
		return "", nil, false
	}
	text := bytes.TrimPrefix(rest, []byte(" "))
	raw, rest, ok = unescaped(text)
	if ok && len(bytes.TrimSpace(rest)) > 0 {
		raw = halfEscaped(text)
	}
	return string(first), raw, ok
}

// halfEscaped reads the last string in quotes of a line of Valkey 8.1.0 and 8.1.1,
// which escape neither quotes nor backslashes (its issue 2035). In JSON what is
// escaped by a letter is JSON's own.
func halfEscaped(text []byte) (raw []byte) {
	text = bytes.TrimSuffix(bytes.TrimSpace(text), []byte{'"'})[1:]
	isJSON := bytes.HasPrefix(text, []byte{'{'})
	for len(text) > 0 {
		if v, size, ok := escaped(text); ok && (size == len(`\x00`) || !isJSON && v < ' ') {
			raw, text = append(raw, v), text[size:]
			continue
		}
		size := 1
		if isJSON && bytes.HasPrefix(text, []byte(`\\`)) {
			size = 2
		}
		raw, text = append(raw, text[:size]...), text[size:]
	}
	return raw
}

// escapes are those of one letter that Redis writes.
var escapes = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', 'a': '\a', 'b': '\b', '"': '"', '\\': '\\'}

// unescaped reads a string in quotes, and returns what is behind it.
func unescaped(p []byte) (text, rest []byte, ok bool) {
	if len(p) == 0 || p[0] != '"' {
		return nil, nil, false
	}
	text = make([]byte, 0, len(p))
	for p = p[1:]; len(p) > 0; {
		switch c := p[0]; {
		case c == '"':
			return text, p[1:], true
		case c != '\\':
			text, p = append(text, c), p[1:]
		default:
			v, size, ok := escaped(p)
			if !ok {
				return nil, nil, false
			}
			text, p = append(text, v), p[size:]
		}
	}
	return nil, nil, false
}

// escaped reads a byte that a backslash begins, and says how long that is.
func escaped(p []byte) (v byte, size int, ok bool) {
	switch {
	case len(p) >= 4 && p[0] == '\\' && p[1] == 'x':
		n, err := strconv.ParseUint(string(p[2:4]), 16, 8)
		return byte(n), 4, err == nil
	case len(p) >= 2 && p[0] == '\\':
		v, ok = escapes[p[1]]
		return v, 2, ok
	}
	return 0, 0, false
}

// infoField is the value of a line of INFO.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
