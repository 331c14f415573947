// Package cmd is the command line of sockkit: one file a command, each with its
// flags, its run function and nothing else.
package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockkit/sockkit/internal/console"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/render"
)

// Streams are the standard streams that the commands use.
type Streams struct {
	In, Out *os.File
	Err     io.Writer

	children *endpoint.Children
	console  *console.Console // takes the place of In and Out where there is a prompt
	later    laterFlags
}

// input is where what is to be sent is read.
func (s *Streams) input() io.Reader {
	if s.console != nil {
		return s.console
	}
	return s.In
}

// output is where what came is written.
func (s *Streams) output() io.Writer {
	if s.console != nil {
		return s.console
	}
	return s.Out
}

// logged is the log of the packages below. What net/http says there of answers
// that are longer than their Content-Length is an error elsewhere already.
type logged struct{ io.Writer }

func (l *logged) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("Unsolicited response received on idle HTTP channel")) {
		return len(p), nil
	}
	return l.Writer.Write(p)
}

// refused says at the prompt that a line was not sent; nil where there is none.
func (s *Streams) refused() func(error) {
	if s.console == nil {
		return nil
	}
	return func(err error) {
		fmt.Fprintf(s.console.Notes(), "* not sent: %s\n", render.Printable(err.Error()))
	}
}

// Main runs the command line args and returns the exit status.
func Main(args []string, s Streams) int {
	log.SetOutput(&logged{s.Err})
	s.children = &endpoint.Children{}
	ctx, stop := onSignals(s.children)
	defer stop()
	root := newRoot(&s)
	args, err := rewrite(args, root)
	if err == nil {
		s.later.of(root, args)
		root.SetArgs(args)
		out := &helpWriter{w: s.Out}
		root.SetOut(out)
		if err = root.ExecuteContext(ctx); err == nil {
			err = out.result()
		}
	}
	return report(s.Err, err)
}

// report says what went wrong, if anything, and returns the exit status.
func report(w io.Writer, err error) int {
	code := Status(err)
	if code == 0 || errors.As(err, new(stopped)) {
		return code
	}
	fmt.Fprintf(w, "sockkit: %s\n", oneLine(err))
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
	return code
}

// oneLine words err so that it stays on its line and does nothing to a
// terminal, whatever a peer or a user put into it.
func oneLine(err error) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '.'
		}
		return r
	}, strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; "))
}

// onSignals returns a context that SIGINT and SIGTERM end, so that sockets are
// closed properly. A second one, not just behind the first, ends the process at once.
func onSignals(children *endpoint.Children) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	ignorePipe()
	go func() {
		cancel(asStopped(<-ch))
		last := asStopped(secondOf(ch))
		children.Kill()
		os.Exit(last.status)
	}()
	return ctx, func() { cancel(nil) }
}

// sameSignal is for how long a signal may be the one before it once more: timeout(1)
// signals its child and then the group that it is in, and npm hands on what the
// terminal has sent to everybody. Nobody presses Ctrl-C twice as fast.
const sameSignal = 50 * time.Millisecond

// secondOf waits for a signal that is not the first one once more.
func secondOf(ch <-chan os.Signal) os.Signal {
	for first := time.Now(); ; {
		if s := <-ch; time.Since(first) >= sameSignal {
			return s
		}
	}
}

// stopped is the end by a signal.
type stopped struct {
	status int
	name   string
}

func (s stopped) Error() string { return s.name }

func asStopped(s os.Signal) stopped {
	if s == syscall.SIGTERM {
		return stopped{statusTerminated, "terminated"}
	}
	return stopped{statusInterrupted, "interrupted"}
}

// NewRoot returns the command tree with all flags, for the manual pages.
func NewRoot(s *Streams) *cobra.Command {
	root := newRoot(s)
	s.later.all()
	return root
}

// newRoot returns the command tree, whose flags are defined later.
func newRoot(s *Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "sockkit",
		Short: "Open, listen on and inspect sockets",
		Long: `sockkit opens, listens on and inspects TCP, TLS, UDP, Unix, WebSocket and
Socket.IO sockets, and shows what passed.

  sockkit listen 9000              wait for a connection, as nc -l does
  sockkit dial example.com 80      connect, as nc does
  sockkit tap :8080 localhost:80   stand in the middle and show the traffic
  sockkit inspect tls://host:443   say what can be known about an address
  sockkit handshake check FILE     say why a WebSocket will not open
  sockkit demo handshake           learn how sockets behave, on live ones

nc's letters work: sockkit -lvnp 4444, sockkit -u host 53.`,
		Example: `  printf 'hello\n' | sockkit dial localhost 9000
  sockkit listen -k --echo tls://:9443 --self-signed
  sockkit dial -vvv tls://localhost:9443 -k`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return flagError(c, err) })
	root.AddCommand(newListen(s), newDial(s), newInspect(s), newTap(s), newReplay(s), newBench(s), newHandshake(s), newDemo(s), newVersion(s))
	root.AddCommand(topics()...)
	root.SetHelpCommand(newHelp())
	root.SetUsageFunc(usage)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) {
		s.later.define(c)
		help(c)
	})
	return root
}
