package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sockkit/sockkit/demo"
	"github.com/sockkit/sockkit/internal/endpoint"
)

// demoOptions are the flags of demo, and the lesson that was asked for.
type demoOptions struct {
	common
	list   bool
	yes    bool
	byHand bool
	lesson *demo.Lesson
	page   pageOptions
}

func newDemo(s *Streams) *cobra.Command {
	o := &demoOptions{}
	c := &cobra.Command{
		Use:   "demo [LESSON]",
		Short: "Learn how sockets behave, in lessons told on live ones",
		Long: `demo serves a page with lessons and small applications, and prints its address.
Each lesson opens real sockets on this machine, and beside it stands the trace of
what they do. Leaving the page closes them.

With a LESSON it is told in the terminal. Each step waits for Enter there, and q
leaves; in a pipe, and with -y, it goes on by itself. With --by-hand your own nc
or curl is the other side: each command to run stands there, and the lesson waits
for you. Nothing leaves the loopback address.`,
		Example: `  sockkit demo
  sockkit demo --listen localhost:8080 --open
  sockkit demo --list
  sockkit demo tcp
  sockkit demo udp -y
  sockkit demo handshake
  sockkit demo frames
  sockkit demo fallback
  sockkit demo tcp --by-hand
  sockkit demo handshake --by-hand
  sockkit demo tcp | less`,
		ValidArgsFunction: completeLessons,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.complete(c, args); err != nil {
				return err
			}
			return runDemo(c.Context(), s, o)
		},
	}
	c.AddCommand(newDemoQuiz(s))
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&o.list, "list", false, "list the lessons")
	f.BoolVarP(&o.yes, "yes", "y", false, "go on by itself, without waiting for Enter")
	f.BoolVar(&o.byHand, "by-hand", false, "tell the lesson with your own nc or curl as the other side")
	f.StringVar(&o.color, "color", "auto", "color the trace: auto, always or never")
	o.page.add(c)
	return c
}

func completeLessons(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if len(args) == 0 {
		for _, l := range demo.Lessons() {
			names = append(names, l.Name+"\t"+l.Title)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// complete reads the words and checks the flags against each other.
func (o *demoOptions) complete(c *cobra.Command, args []string) error {
	o.maxMessage = 1 // demo has no such flag, and check wants a limit
	if err := o.check(c); err != nil {
		return err
	}
	switch {
	case len(args) > 1:
		return usagef(fmt.Sprintf("demo tells one lesson at a time, and %d came", len(args)), "sockkit demo lists them")
	case len(args) == 1 && o.list:
		return usagef("--list and a lesson exclude each other", "sockkit demo --list, or sockkit demo "+args[0])
	case len(args) == 1 && o.page.given(c) != "":
		return usagef(fmt.Sprintf("--%s is for the page, and a lesson is told in the terminal", o.page.given(c)), "leave out one of them")
	case len(args) == 0 && o.byHand:
		return usagef("--by-hand wants a lesson", byHandLessons())
	case len(args) == 0:
		return nil
	}
	return o.find(args[0])
}

// find takes the lesson of that name.
func (o *demoOptions) find(name string) error {
	lesson, ok := demo.Find(name)
	if !ok {
		return usagef(fmt.Sprintf("the lesson %q is unknown", name), nearLesson(name))
	}
	if o.byHand {
		if lesson, ok = demo.FindByHand(name); !ok {
			return usagef(fmt.Sprintf("the lesson %q cannot be followed by hand", name), byHandLessons())
		}
	}
	o.lesson = &lesson
	return nil
}

// byHandLessons is the hint that names the lessons with a form by hand.
func byHandLessons() string {
	var commands []string
	for _, l := range demo.LessonsByHand() {
		commands = append(commands, "sockkit demo "+l.Name+" --by-hand")
	}
	return strings.Join(commands, ", or ")
}

// nearLesson is the hint for a lesson that there is not.
func nearLesson(word string) string {
	switch strings.ToLower(word) {
	case "socketio", "socket.io", "sio":
		return "the lessons on Socket.IO are fallback, events, rooms, auth and recovery"
	}
	best, least := "", 3
	var names []string
	for _, l := range demo.Lessons() {
		names = append(names, l.Name)
		if d := endpoint.Distance(strings.ToLower(word), l.Name); d < least {
			best, least = l.Name, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean sockkit demo %s?", best)
	}
	last := len(names) - 1
	return "the lessons are " + strings.Join(names[:last], ", ") + " and " + names[last]
}

func runDemo(ctx context.Context, s *Streams, o *demoOptions) error {
	switch {
	case o.list:
		return o.listLessons(s)
	case o.lesson == nil:
		return runDemoPage(ctx, s, &o.page)
	}
	options := demo.Options{Color: o.colored(s.Out), Width: columns(s.Out)}
	if isTerminal(s.In) && isTerminal(s.Out) {
		p := &pager{streams: s, color: options.Color}
		options.Watch = p.watch
		if !o.yes {
			options.Height = rows(s.Out)
			options.Wait = p.wait
		}
	}
	return outputError(o.lesson.Tell(ctx, s.Out, options))
}

// rows is the height of the terminal at out, and 0 where it is not known.
func rows(out *os.File) int {
	_, height, err := term.GetSize(int(out.Fd()))
	if err != nil {
		return 0
	}
	return height
}

// listLessons prints a line for each lesson.
func (o *demoOptions) listLessons(s *Streams) error {
	var b strings.Builder
	for _, l := range demo.Lessons() {
		fmt.Fprintf(&b, "%-10s %s (%d steps)\n", l.Name, l.Title, len(l.Steps))
	}
	_, err := s.Out.WriteString(b.String())
	return outputError(err)
}

// pager waits for the reader at the terminal.
type pager struct {
	streams *Streams
	color   bool
	keys    chan pressed // nil before the first wait
}

// pressed is a key, or why there are no more.
type pressed struct {
	key byte
	err error
}

// What a key means. Whatever else is typed is passed over.
const (
	keyInterrupt = 3 // Ctrl-C
	keyEnd       = 4 // Ctrl-D
)

// wait waits for Enter or the space bar. Ctrl-C and the end of ctx are those of
// the run, q and Ctrl-D the reader's wish to leave.
func (p *pager) wait(ctx context.Context, next string) error {
	return p.until(ctx, "Enter: "+next+" · q: leave ", "\r\n ")
}

// watch waits for the reader's wish to leave, while something else is waited
// for.
func (p *pager) watch(ctx context.Context, what string) error {
	return p.until(ctx, "waiting for "+what+" · q: leave ", "")
}

// until waits for one of the keys, below a question.
func (p *pager) until(ctx context.Context, question, wanted string) error {
	old, err := term.MakeRaw(int(p.streams.In.Fd()))
	if err != nil {
		return fmt.Errorf("the terminal cannot be prepared: %w", err)
	}
	defer p.erase()
	defer func() { _ = term.Restore(int(p.streams.In.Fd()), old) }()
	p.ask(question)
	for {
		key, err := p.key(ctx)
		switch {
		case err != nil:
			return err
		case strings.IndexByte(wanted, key) >= 0:
			return nil
		case key == 'q', key == 'Q', key == keyEnd:
			return demo.ErrLeave
		case key == keyInterrupt:
			return stopped{statusInterrupted, "interrupted"}
		}
	}
}

func (p *pager) ask(question string) {
	if p.color {
		question = "\x1b[90m" + question + "\x1b[0m"
	}
	fmt.Fprint(p.streams.Out, question)
}

// erase takes the question away, where the terminal can.
func (p *pager) erase() {
	if os.Getenv("TERM") == "dumb" {
		fmt.Fprintln(p.streams.Out)
		return
	}
	fmt.Fprint(p.streams.Out, "\r\x1b[K")
}

// key takes one key, or returns the cause of ctx's end.
func (p *pager) key(ctx context.Context) (byte, error) {
	if p.keys == nil {
		p.keys = make(chan pressed)
		go p.read()
	}
	select {
	case k := <-p.keys:
		if k.err != nil {
			return 0, errors.Join(demo.ErrLeave, k.err)
		}
		return k.key, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// read reads keys, until the process ends: what is pressed between two waits is
// for the second.
func (p *pager) read() {
	for {
		var b [1]byte
		_, err := p.streams.In.Read(b[:])
		p.keys <- pressed{b[0], err}
	}
}
