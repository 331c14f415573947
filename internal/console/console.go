// Package console is the prompt: a line to type on, with history and editing,
// and what arrives above it.
package console

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/sockkit/sockkit/internal/render"
)

// Console is a terminal with a prompt. What it reads is what was typed, line by
// line; what is written to it came from the peer.
type Console struct {
	// Interrupt is called for each Ctrl-C.
	Interrupt func()
	// Close is called for /close, with the words behind it.
	Close func(words []string)
	// Ping is called for /ping; nil where the socket has none.
	Ping func()
	// Color shows directions by color too.
	Color bool

	term    *term.Terminal
	restore func()
	typed   []byte // of a line that was not read to its end

	mu      sync.Mutex
	arrived []byte // the beginning of a line from the peer
	flush   *time.Timer
}

// partialWait is how long the beginning of a line is held back for its rest.
const partialWait = 150 * time.Millisecond

// maxArrived bounds the line that is held back.
const maxArrived = 64 << 10

// New makes the terminal at in and out a console. Restore has to be called.
func New(in, out *os.File) (*Console, error) {
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("the terminal cannot be prepared: %w", err)
	}
	c := &Console{}
	var once sync.Once
	stopSize := func() {}
	c.restore = func() {
		once.Do(func() {
			stopSize()
			_, _ = io.WriteString(out, "\r\x1b[K") // the prompt goes, and whoever comes next begins a line
			_ = term.Restore(int(in.Fd()), old)
		})
	}
	c.term = term.NewTerminal(&device{Reader: in, Writer: out, console: c}, "> ")
	stopSize = followSize(out, c.term)
	return c, nil
}

// Restore gives the terminal back as it was. What arrived is shown first.
func (c *Console) Restore() {
	c.showPartial()
	c.restore()
}

// device is the terminal's files; it sees Ctrl-C before the line editor does,
// which cannot tell it from the end of input.
type device struct {
	io.Reader
	io.Writer
	console *Console
}

const ctrlC = 3

// Read implements [io.Reader].
func (d *device) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	if bytes.IndexByte(p[:n], ctrlC) >= 0 && d.console.Interrupt != nil {
		d.console.Interrupt()
	}
	return n, err
}

// Read implements [io.Reader]: it gives what was typed, with newlines.
func (c *Console) Read(p []byte) (int, error) {
	for len(c.typed) == 0 {
		line, err := c.term.ReadLine()
		if err == term.ErrPasteIndicator {
			err = nil
		}
		if err != nil {
			return 0, err
		}
		if send, ok := c.command(line); ok {
			c.typed = append([]byte(send), '\n')
		}
	}
	n := copy(p, c.typed)
	c.typed = c.typed[n:]
	return n, nil
}

// command obeys a line that begins with a slash. It returns the line to send,
// and whether there is one.
func (c *Console) command(line string) (string, bool) {
	if !strings.HasPrefix(line, "/") {
		return line, true
	}
	if strings.HasPrefix(line, "//") {
		return line[1:], true
	}
	words := strings.Fields(line)
	switch {
	case words[0] == "/close" && c.Close != nil:
		c.Close(words[1:])
	case words[0] == "/ping" && c.Ping != nil:
		c.Ping()
	case words[0] == "/help":
		c.help()
	default:
		c.Notes().Write([]byte("* " + render.Printable(words[0]) + " is no command here; /help lists them, and // sends a slash\n"))
	}
	return "", false
}

func (c *Console) help() {
	lines := []string{"/close   close the connection and leave", "/help    this list", "//TEXT   send /TEXT", "Ctrl-D   end the input, Ctrl-C leave"}
	if c.Ping != nil {
		lines = append([]string{"/ping    ask for a pong"}, lines...)
	}
	c.Notes().Write([]byte("* " + strings.Join(lines, "\n* ") + "\n"))
}

// Write implements [io.Writer]: p came from the peer, and is shown line by
// line above the prompt.
func (c *Console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flush != nil {
		c.flush.Stop()
	}
	c.arrived = append(c.arrived, p...)
	for {
		i := bytes.IndexByte(c.arrived, '\n')
		if i < 0 && len(c.arrived) < maxArrived {
			break
		}
		if i < 0 {
			i = len(c.arrived) - 1
		}
		if err := c.show(c.arrived[:i+1]); err != nil {
			return 0, err
		}
		c.arrived = c.arrived[i+1:]
	}
	if len(c.arrived) > 0 {
		c.flush = time.AfterFunc(partialWait, c.showPartial)
	}
	return len(p), nil
}

// showPartial shows a line whose end has not come: it may be a question.
func (c *Console) showPartial() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.arrived) > 0 {
		_ = c.show(c.arrived)
		c.arrived = nil
	}
}

func (c *Console) show(line []byte) error {
	text := render.Printable(strings.TrimRight(string(line), "\r\n"))
	if c.Color {
		text = "\x1b[32m< " + text + "\x1b[0m\n"
	} else {
		text = "< " + text + "\n"
	}
	_, err := c.term.Write([]byte(text))
	return err
}

// Notes is a writer of whole lines of our own, which are shown above the
// prompt as they are.
func (c *Console) Notes() io.Writer { return c.term }
