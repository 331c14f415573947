package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/explain"
	"github.com/sockkit/sockkit/trace"
)

func newHandshake(s *Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "handshake COMMAND",
		Short: "Make, send and judge the opening handshake of a WebSocket",
		Long: `handshake is about the two HTTP heads with which a WebSocket connection begins
(RFC 6455 section 4): it writes them by hand, right or wrong on purpose, sends
them, answers them, and says what is wrong with those of others, in which
program, and what to change.`,
		Example: `  sockkit handshake check curl-output.txt
  sockkit handshake dial ws://localhost:9000/chat
  sockkit handshake listen -k 9000
  sockkit handshake key dGhlIHNhbXBsZSBub25jZQ==`,
		Args: unknownHandshake,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.SetUsageFunc(func(c *cobra.Command) error {
		if c.HasSubCommands() {
			return listHandshake(c)
		}
		return usage(c)
	})
	c.AddCommand(newHandshakeCheck(s), newHandshakeDial(s), newHandshakeListen(s), newHandshakeRequest(s), newHandshakeResponse(s), newHandshakeKey(s), newHandshakeAudit(s))
	return c
}

// listHandshake prints what follows the description in the help of handshake.
func listHandshake(c *cobra.Command) error {
	w := c.OutOrStdout()
	fmt.Fprintf(w, "Usage:\n  %s\n\nExamples:\n%s\n\nCommands (sockkit handshake COMMAND --help says more):\n", c.UseLine(), c.Example)
	for _, sub := range c.Commands() {
		fmt.Fprintf(w, "  %-12s %s\n", sub.Name(), sub.Short)
	}
	return nil
}

// unknownHandshake refuses words that are no command of handshake.
func unknownHandshake(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "sockkit handshake --help lists them"
	if near := nearCommand(args[0], c); near != "" {
		hint = "did you mean sockkit handshake " + near + "?"
	} else if strings.Contains(args[0], "://") {
		hint = "did you mean sockkit handshake dial " + args[0] + "?"
	}
	return usagef(fmt.Sprintf("the command handshake %q is unknown", args[0]), hint)
}

// bendFlags change a head on purpose, also against the rules.
type bendFlags struct {
	set    []string
	omit   []string
	method string
	target string
	proto  string
	status string
	accept string

	accepts bool // --accept was given, perhaps empty
}

func (b *bendFlags) add(f *pflag.FlagSet) {
	f.StringArrayVar(&b.set, "set", nil, "send this header, as it is spelled, in place of the one of its name, `'Name: value'` (repeatable)")
	f.StringArrayVar(&b.omit, "omit", nil, "leave the header of this `NAME` out (repeatable)")
	f.StringVar(&b.proto, "http-version", "", "the `VERSION` in the first line, as in 1.0")
}

func (b *bendFlags) addRequest(f *pflag.FlagSet) {
	b.add(f)
	f.StringVar(&b.method, "method", "", "the `METHOD` in place of GET")
	f.StringVar(&b.target, "target", "", "the `PATH` in the first line, whatever the URL says")
}

func (b *bendFlags) addResponse(f *pflag.FlagSet) {
	b.add(f)
	f.StringVar(&b.status, "status", "", "answer with this status, `'CODE [REASON]'`; 101 accepts what should be refused")
	f.StringVar(&b.accept, "accept", "", "the `VALUE` of Sec-WebSocket-Accept")
}

// headerNames complete --omit, and --set with what belongs behind the name.
func headerNames(names ...string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeBends registers the completions of the flags that bend a head.
func completeBends(c *cobra.Command, names ...string) {
	lines := make([]string, len(names))
	for i, name := range names {
		lines[i] = name + ": "
	}
	_ = c.RegisterFlagCompletionFunc("omit", headerNames(names...))
	_ = c.RegisterFlagCompletionFunc("set", headerNames(lines...))
	_ = c.RegisterFlagCompletionFunc("http-version", headerNames("1.0", "1.1", "2"))
}

// The headers of an opening handshake, as they are completed.
var (
	requestHeaders  = []string{"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Origin"}
	responseHeaders = []string{"Upgrade", "Connection", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"}
)

// bend reads the flags.
func (b *bendFlags) bend() (handshake.Bend, error) {
	bend := handshake.Bend{Method: b.method, Target: b.target, Proto: httpVersion(b.proto), Omit: b.omit}
	for _, line := range b.set {
		field, err := rawField("--set", line)
		if err != nil {
			return bend, err
		}
		bend.Set = append(bend.Set, field)
	}
	var err error
	bend.Status, bend.Reason, err = statusFlag(b.status)
	return bend, err
}

// httpVersion completes a version such as 1.0; what is none stays as it is.
func httpVersion(s string) string {
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return s
	}
	return "HTTP/" + s
}

// statusFlag reads CODE [REASON].
func statusFlag(s string) (code int, reason string, err error) {
	if s == "" {
		return 0, "", nil
	}
	number, reason, _ := strings.Cut(s, " ")
	if _, err := fmt.Sscanf(number+"\n", "%d\n", &code); err != nil || code < 1 || code > 999 {
		return 0, "", usagef(fmt.Sprintf("--status %q is no status", s), "a number, and perhaps its reason: --status '403 Not for you'")
	}
	return code, reason, nil
}

// rawField reads a header that is sent as it was typed.
func rawField(flag, line string) (handshake.Field, error) {
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return handshake.Field{}, usagef(fmt.Sprintf("%s %q is no header", flag, line), "write it as 'Name: value'; --omit NAME leaves one out")
	}
	field := handshake.F(name, strings.TrimSpace(value))
	if value != " "+string(field.Value) {
		field.Raw = []byte(line + "\r\n")
	}
	return field, nil
}

// webSocketAddress reads the address of a WebSocket; http and https are taken
// for ws and wss, as a browser does.
func webSocketAddress(command, word string) (endpoint.Address, error) {
	lowered := strings.ToLower(word)
	for _, scheme := range []struct{ from, to string }{{"http://", "ws://"}, {"https://", "wss://"}} {
		if strings.HasPrefix(lowered, scheme.from) {
			word = scheme.to + word[len(scheme.from):]
		}
	}
	if !strings.Contains(word, "://") && !strings.HasPrefix(lowered, "ws+unix:") {
		word = "ws://" + word
	}
	a, err := endpoint.Parse([]string{word}, endpoint.Options{})
	if err != nil {
		return a, &usageError{err, hintFor(err)}
	}
	if !a.WebSocket() {
		return a, usagef(fmt.Sprintf("%s is no address of a WebSocket", a), fmt.Sprintf("sockkit handshake %s ws://HOST:PORT/PATH, wss://… or ws+unix:/PATH", command))
	}
	return a, nil
}

// framed says that what passes over a connection has records of its own.
func framed(conn net.Conn) net.Conn {
	if c, ok := conn.(interface{ Framed() }); ok {
		c.Framed()
	}
	return conn
}

// traceID is the number of a connection in the trace.
func traceID(conn any) trace.ID {
	if c, ok := conn.(interface{ TraceID() trace.ID }); ok {
		return c.TraceID()
	}
	return 0
}

// emitHead records a head that passed.
func emitHead(t *trace.Tracer, id trace.ID, dir trace.Dir, h *handshake.Head, wire []byte) {
	if t.On(trace.Message) && len(wire) > 0 {
		t.Emit(id, trace.HTTPHead{Dir: dir, Line: string(h.AppendLine(nil)), Size: len(wire), Payload: wire})
	}
}

// emitFindings records what was found.
func emitFindings(t *trace.Tracer, id trace.ID, findings []handshake.Finding) {
	for _, f := range findings {
		t.Emit(id, trace.Finding{
			Rule: f.ID, Clause: f.Clause, Binding: string(f.Level), Fault: string(f.Fault),
			Summary: f.Summary, Came: f.Came, Due: f.Due, Mend: f.Mend,
		})
	}
}

// printLines writes lines to an output.
func printLines(w io.Writer, lines []string) error {
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return outputError(err)
}

// words says how a handshake is explained on standard output.
func (o *common) words(s *Streams) explain.Options {
	return explain.Options{Width: columns(s.Out), Color: o.colored(s.Out), ShowSecrets: o.showSecrets}
}

// found is the error that findings make, or nil: status 3.
func found(what string, findings []handshake.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	f := findings[0]
	text := what + ": " + sentence(f)
	if more := len(findings) - 1; more > 0 {
		text += fmt.Sprintf("; %d more", more)
	}
	return &verdictError{statusFindings, text, f.Mend}
}

// sentence is a finding in the middle of a line, without what came.
func sentence(f handshake.Finding) string {
	f.Came = ""
	s := strings.TrimPrefix(f.Error(), "handshake: ")
	return strings.ToLower(s[:1]) + s[1:]
}

// causeOf prefers what ended ctx to the error that it caused.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil && err != nil {
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			return cause
		}
	}
	return err
}
