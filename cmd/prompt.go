package cmd

import (
	"context"
	"errors"
	"os"

	"github.com/sockkit/sockkit/internal/console"
)

// errAsked is the end that the user asked for at the prompt.
var errAsked = errors.New("closed at the prompt")

// asked makes an end that was asked for no error.
func asked(err error) error {
	if errors.Is(err, errAsked) {
		return nil
	}
	return err
}

// prompts reports whether there is to be a prompt: never where either side is
// not a terminal.
func (t *talkFlags) prompts(s *Streams, o *common) bool {
	return isTerminal(s.In) && isTerminal(s.Out) && !o.json && !t.recvOnly && len(t.send) == 0 &&
		os.Getenv("TERM") != "dumb"
}

// prompt makes the terminal a console. The streams that it returns go through
// it, and the context ends by /close and Ctrl-C.
func prompt(ctx context.Context, s *Streams, o *common) (*Streams, context.Context, func(), error) {
	c, err := console.New(s.In, s.Out)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	interrupted := false
	c.Interrupt = func() {
		if interrupted {
			c.Restore()
			os.Exit(statusInterrupted)
		}
		interrupted = true
		cancel(stopped{statusInterrupted, "interrupted"})
	}
	c.Close = func([]string) { cancel(errAsked) }
	c.Color = o.colored(s.Out)
	through := *s
	through.console = c
	if isTerminal(s.Err) {
		through.Err = c.Notes()
	}
	return &through, ctx, c.Restore, nil
}
