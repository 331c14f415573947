package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sockkit/sockkit/demo/quiz"
)

// quizOptions are the flags of demo quiz.
type quizOptions struct {
	common
	choice   quiz.Choice
	list     bool
	serve    bool
	addrFile string
}

func newDemoQuiz(s *Streams) *cobra.Command {
	o := &quizOptions{}
	c := &cobra.Command{
		Use:   "quiz",
		Short: "Find out what is wrong with servers that each break one rule",
		Long: `quiz starts servers on free ports of the loopback address. Each breaks one rule
of the opening handshake, of frames or of Socket.IO, and is right in all else.
All that is known is what a colleague says about it. Find the rule, with
sockkit handshake dial, dial -vvv, inspect, curl or whatever you know better,
and give the answer here: its identifier, its clause, or a plain word for it.

Answers may come from a pipe, a line each. The status is 9 then where one was
wrong, or none was right.`,
		Example: `  sockkit demo quiz
  sockkit demo quiz --list
  sockkit demo quiz --only 5,6,7
  printf '3 response-connection-other\n' | sockkit demo quiz
  sockkit demo quiz --serve --addr-file addresses.txt`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.complete(c, args); err != nil {
				return err
			}
			return runQuiz(c.Context(), s, o)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.IntSliceVar(&o.choice.Only, "only", nil, "ask these `NUMBERS` only, with commas between them")
	f.Uint64Var(&o.choice.Seed, "seed", 0, "shuffle them, by this number always alike; 0 does not")
	f.BoolVar(&o.list, "list", false, "list the questions, and start nothing")
	f.BoolVar(&o.serve, "serve", false, "ask nothing, and keep the servers up until interrupted")
	f.StringVar(&o.addrFile, "addr-file", "", "write the servers' addresses to `FILE`, a line each, all at once")
	f.StringVar(&o.color, "color", "auto", "color the prompt: auto, always or never")
	return c
}

// complete checks the words and flags.
func (o *quizOptions) complete(c *cobra.Command, args []string) error {
	o.maxMessage = 1 // there is no such flag, and check wants a limit
	if err := o.check(c); err != nil {
		return err
	}
	switch _, err := quiz.Choose(o.choice); {
	case len(args) > 0:
		return usagef(fmt.Sprintf("demo quiz takes no arguments; %q came", args[0]), "answers come from standard input: printf '3 accept\\n' | sockkit demo quiz")
	case err != nil:
		return usagef("--only: "+err.Error(), "sockkit demo quiz --list has them")
	case o.list && (o.serve || o.addrFile != ""):
		return usagef("--list starts no servers, and --serve and --addr-file want some", "")
	}
	return nil
}

func runQuiz(ctx context.Context, s *Streams, o *quizOptions) (err error) {
	if o.list {
		list, _ := quiz.Choose(o.choice)
		_, err := s.Out.WriteString(quiz.List(list))
		return outputError(err)
	}
	q, err := quiz.Start(o.choice)
	if err != nil {
		return fmt.Errorf("demo quiz: %w", err)
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	if o.addrFile != "" {
		if err := writeAddr(o.addrFile, q.Addresses()); err != nil {
			return fmt.Errorf("--addr-file: %w", err)
		}
		defer os.Remove(o.addrFile)
	}
	if o.serve {
		return o.keepUp(ctx, s, q)
	}
	return o.ask(ctx, s, q)
}

// keepUp waits for the end of ctx.
func (o *quizOptions) keepUp(ctx context.Context, s *Streams, q *quiz.Quiz) error {
	if _, err := s.Out.WriteString(q.Table()); err != nil {
		return outputError(err)
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// ask takes answers until there are no more. At a terminal nothing is held
// against the reader.
func (o *quizOptions) ask(ctx context.Context, s *Streams, q *quiz.Quiz) error {
	atTerminal := isTerminal(s.In) && isTerminal(s.Out)
	if _, err := s.Out.WriteString(q.Welcome()); err != nil {
		return outputError(err)
	}
	talk := converse
	if atTerminal && os.Getenv("TERM") != "dumb" {
		talk = o.prompted
	}
	wrong, err := talk(ctx, s, q)
	if err != nil {
		return err
	}
	if _, err := s.Out.WriteString(q.Goodbye()); err != nil || atTerminal {
		return outputError(err)
	}
	switch {
	case wrong > 0:
		return &verdictError{statusUnmet, fmt.Sprintf("demo quiz: %s wrong", numbered(wrong, "answer was", "answers were")), ""}
	case q.Score() == 0:
		return &verdictError{statusUnmet, "demo quiz: no answer was right, for none came", "printf '3 accept\\n' | sockkit demo quiz, or sockkit demo quiz at a terminal"}
	}
	return nil
}

func numbered(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// prompted is converse at a prompt with history and editing.
func (o *quizOptions) prompted(ctx context.Context, s *Streams, q *quiz.Quiz) (wrong int, err error) {
	through, ctx, restore, err := prompt(ctx, s, &o.common)
	if err != nil {
		return 0, err
	}
	defer restore()
	wrong, err = converse(ctx, through, q)
	return wrong, asked(err)
}

// converse says what there is to say to each line, and counts wrong answers. Once
// all is found there is nothing more to ask.
func converse(ctx context.Context, s *Streams, q *quiz.Quiz) (wrong int, err error) {
	lines, out := quizLines(s.input()), io.Writer(s.Out)
	if s.console != nil {
		out = s.console.Notes()
	}
	for q.Score() < len(q.Questions) {
		select {
		case <-ctx.Done():
			return wrong, context.Cause(ctx)
		case line, ok := <-lines:
			if !ok {
				return wrong, nil
			}
			text, outcome := q.Say(line)
			if outcome == quiz.Over {
				return wrong, nil
			}
			if outcome == quiz.Wrong {
				wrong++
			}
			if _, err := io.WriteString(out, text); err != nil {
				return wrong, outputError(err)
			}
		}
	}
	return wrong, nil
}

// quizLines reads lines. The reading goroutine ends with the process where in
// has no end.
func quizLines(in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		r := bufio.NewReaderSize(in, 4096)
		for {
			line, err := r.ReadSlice('\n')
			if len(line) > 0 {
				lines <- strings.ToValidUTF8(string(line), "?")
			}
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				return
			}
		}
	}()
	return lines
}
