package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/audit"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
)

// auditOptions are the flags of handshake audit, and what was made of them.
type auditOptions struct {
	common
	ask         askFlags
	client      string
	only        []string
	dryRun      bool
	all         bool
	junit       string
	baseline    string
	writeBase   string
	concurrency int
	rate        float64
	slow        duration
	source      string
	proxy       string
	resolve     []string
	answers     auditClientFlags

	probes  []*audit.Probe
	known   *audit.Report
	address endpoint.Address
	via     *url.URL
	hosts   map[string]string
	request *handshake.Head
}

func newHandshakeAudit(s *Streams) *cobra.Command {
	o := &auditOptions{slow: duration(audit.DefaultSlow)}
	c := &cobra.Command{
		Use:   "audit URL | --client ADDRESS",
		Short: "Hold a server, or a client, against every rule of the handshake",
		Long: `audit sends right and wrong opening handshakes to a server, and frames behind
them, one question on each connection, and reports rule by rule what was sent,
what was due, what came, why it matters and what to change. The questions are
about conformance to RFC 6455, RFC 7692 and HTTP, and about safety: what an
attacker would try. Ask only servers that are yours to ask.

The first request is a right one, made as -H, -s, --origin and --basic-auth say:
it has to be upgraded, and all others bend it. A refusal, a closed connection, a
reset and silence are told apart. What looks like a finding is asked three times;
an answer that changes is called flaky, and a connection that was not made is
none. What is stricter than it needs to be is a note.

With --client it is a server that answers the successive attempts of a client
rightly and wrongly, and reports what the client accepted.

The status is 3 where a MUST is broken or a finding is about safety, unless the
--baseline has it.`,
		Example: `  sockkit handshake audit ws://localhost:9000/chat
  sockkit handshake audit wss://localhost:9443/ -k --only safety
  sockkit handshake audit ws://localhost:9000/ --only 4.2.1 --only deflate-unknown
  sockkit handshake audit ws://localhost:9000/ --dry-run
  sockkit handshake audit ws://localhost:9000/ --write-baseline known.json --junit report.xml
  sockkit handshake audit ws://localhost:9000/ --baseline known.json
  sockkit handshake audit --client 9000`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.complete(c, args); err != nil {
				return err
			}
			if o.client != "" {
				return runHandshakeAuditClient(c.Context(), s, o)
			}
			return runHandshakeAudit(c.Context(), s, o)
		},
	}
	s.flags(c, o.add)
	return c
}

func (o *auditOptions) add(f *pflag.FlagSet) {
	f.SortFlags = false
	group(f, "The audit", func(f *pflag.FlagSet) {
		f.StringArrayVar(&o.only, "only", nil, "ask only these: a probe, a group (conformance, safety) or a clause such as 4.2.1, `WHAT` (repeatable)")
		f.BoolVar(&o.dryRun, "dry-run", false, "list what would be asked, and send nothing; with -v, every byte")
		f.BoolVar(&o.all, "all", false, "report what passed too")
		f.StringVar(&o.junit, "junit", "", "write the report for a build server, JUnit's XML, to `FILE`")
		f.StringVar(&o.baseline, "baseline", "", "accept the findings in `FILE`, which --write-baseline or --json has written")
		f.StringVar(&o.writeBase, "write-baseline", "", "write the report to `FILE`, for --baseline")
		f.IntVarP(&o.concurrency, "concurrency", "c", audit.DefaultConcurrency, "ask so many questions at once, `N`")
		f.Float64Var(&o.rate, "rate", 0, "ask at most `N` questions a second; 0: no bound")
		f.Var(&o.slow, "slow", "how long a request that never ends is kept up")
	})
	group(f, "The request that all others bend", o.addRequest)
	group(f, "Auditing a client", func(f *pflag.FlagSet) {
		f.StringVar(&o.client, "client", "", "answer clients on this `ADDRESS`, in place of asking a server")
		o.answers.add(f)
	})
	group(f, "Connecting", func(f *pflag.FlagSet) {
		f.StringVar(&o.source, "source", "", "dial from this address, `ADDR[:PORT]`")
		f.StringVar(&o.proxy, "proxy", "", "go through a proxy: socks5, http or https `URL`; HTTP_PROXY and the like count without it")
		f.StringArrayVar(&o.resolve, "resolve", nil, "use this address for a host and port, `HOST:PORT:ADDRESS`")
	})
	o.common.add(f)
	o.tls.add(f, func(f *pflag.FlagSet) { o.tls.client(f); o.tls.server(f) })
	f.Lookup("timeout").Usage = "how long the peer has for each answer (default 3s), and for a connection (default 10s)"
	f.Lookup("json").Usage = "print the report as one JSON object"
	f.Lookup("quiet").Usage = "print no report; the status tells"
	f.Lookup("color").Usage = "color the report and the trace: `WHEN` is auto, always or never"
	for _, name := range []string{"udp", "unix", "idle-timeout", "max-message"} {
		_ = f.MarkHidden(name)
	}
}

func (o *auditOptions) addRequest(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.ask.headers, "header", "H", nil, "send this header too, `'Name: value'` (repeatable)")
	f.StringArrayVarP(&o.ask.subprotocols, "subprotocol", "s", nil, "ask for this subprotocol, `NAME` (repeatable)")
	f.StringVar(&o.ask.origin, "origin", "", "send this `ORIGIN`, as a browser does for the page")
	f.StringVar(&o.ask.basicAuth, "basic-auth", "", "send a name and a password, `USER:PASS` or @FILE")
}

func (o *auditOptions) complete(c *cobra.Command, args []string) (err error) {
	if err := o.check(c); err != nil {
		return err
	}
	if o.concurrency < 1 || o.concurrency > 64 {
		return usagef(fmt.Sprintf("-c %d is out of bounds", o.concurrency), "1 to 64 questions at once")
	}
	if o.rate < 0 {
		return usagef(fmt.Sprintf("--rate %v is negative", o.rate), "")
	}
	if err := o.readBaseline(); err != nil {
		return err
	}
	if o.client != "" {
		return o.completeClient(c, args)
	}
	if name := o.answers.given(c); name != "" {
		return usagef("--"+name+" goes with --client", "")
	}
	if o.probes, err = audit.Pick(o.only); err != nil {
		return &usageError{fmt.Errorf("--only %w", err), "--dry-run lists the probes, with their groups and clauses"}
	}
	return o.completeServer(args)
}

func (o *auditOptions) completeServer(args []string) (err error) {
	if len(args) == 0 && o.dryRun {
		args = []string{"ws://localhost:9000/"} // of which nothing is asked
	}
	if o.address, err = oneURL("audit", args); err != nil {
		return err
	}
	dial := &shakeOptions{common: o.common, address: o.address, proxy: o.proxy}
	if err := dial.checkAddress(); err != nil {
		return err
	}
	if o.via, err = dial.proxyFor(); err != nil {
		return err
	}
	if o.hosts, err = (&dialOptions{resolve: o.resolve}).hosts(); err != nil {
		return err
	}
	if o.request, err = o.ask.head(o.address); err != nil {
		return err
	}
	o.address.User = "" // is in the request, and belongs in no error
	if len(o.tls.alpn) == 0 {
		o.tls.alpn = []string{"http/1.1"} // RFC 6455 knows no other
	}
	return nil
}

// readBaseline reads the findings that are accepted.
func (o *auditOptions) readBaseline() error {
	if o.baseline == "" {
		return nil
	}
	f, err := os.Open(o.baseline)
	if err != nil {
		return fmt.Errorf("--baseline %s: %s", o.baseline, reasonOfFile(err))
	}
	defer f.Close()
	if o.known, err = audit.ReadReport(f); err != nil {
		return &usageError{fmt.Errorf("--baseline %s: %w", o.baseline, err), "--write-baseline FILE writes one"}
	}
	return nil
}

// target is the server as the audit sees it.
func (o *auditOptions) target(s *Streams, t *tracing) *audit.Target {
	op := o.opener(s, t)
	op.Source, op.Proxy, op.Hosts = o.source, o.via, o.hosts
	return &audit.Target{
		URL: o.address.String(), Request: o.request, Ask: o.ask.subprotocols,
		Dial: func(ctx context.Context) (net.Conn, error) { return op.Dial(ctx, o.address) },
		Wait: time.Duration(o.timeout), DialWait: time.Duration(o.timeout), Slow: time.Duration(o.slow),
		Concurrency: o.concurrency, Rate: o.rate, Progress: o.progress(s),
	}
}

// progress keeps a line on a terminal up to date.
func (o *auditOptions) progress(s *Streams) func(done, of, findings int) {
	if !isTerminal(s.Err) || o.quiet || o.verbose > 0 {
		return nil
	}
	return func(done, of, findings int) {
		fmt.Fprintf(s.Err, "\r\x1b[K%d of %d asked, findings: %d", done, of, findings)
		if done == of {
			fmt.Fprint(s.Err, "\r\x1b[K")
		}
	}
}

func runHandshakeAudit(ctx context.Context, s *Streams, o *auditOptions) (err error) {
	if o.dryRun {
		return o.list(s)
	}
	ctx, cancel := o.within(ctx)
	defer cancel()
	records := o.common
	records.json = false // the report is what --json asks for
	t, err := records.newTracing(s, view{out: s.Err, level: o.level(), tags: true})
	if err != nil {
		return err
	}
	defer t.closeInto(&err)
	report, failure := audit.Run(ctx, o.target(s, t), o.probes)
	if signal, ok := context.Cause(ctx).(stopped); ok && report == nil {
		return signal
	}
	if report == nil {
		return o.noBaseline(failure)
	}
	if err := o.finish(s, report); err != nil {
		return err
	}
	if failure != nil {
		return failed("handshake audit", o.address, failure)
	}
	return auditVerdict("handshake audit "+o.address.String(), report)
}

// list is what --dry-run prints.
func (o *auditOptions) list(s *Streams) error {
	if o.verbose == 0 {
		return printLines(s.Out, audit.List(o.probes))
	}
	target := o.target(s, &tracing{})
	for _, p := range o.probes {
		lines := []string{audit.List([]*audit.Probe{p})[0]}
		wire := p.Bytes(target)
		for line := range strings.Lines(string(wire[:min(len(wire), 2048)])) {
			lines = append(lines, "    > "+printableValue(line))
		}
		if len(wire) > 2048 {
			lines = append(lines, fmt.Sprintf("    > … %d bytes in all", len(wire)))
		}
		if err := printLines(s.Out, append(lines, "")); err != nil {
			return err
		}
	}
	return nil
}

// finish prints and writes a report.
func (o *auditOptions) finish(s *Streams, r *audit.Report) error {
	if o.known != nil {
		r.Accept(o.known)
	}
	if err := writeFile(o.junit, "--junit", r.WriteJUnit); err != nil {
		return err
	}
	if err := writeFile(o.writeBase, "--write-baseline", func(w io.Writer) error { return writeJSON(w, r, true) }); err != nil {
		return err
	}
	switch {
	case o.json:
		return writeJSON(s.Out, r, true)
	case o.quiet:
		return nil
	}
	return printLines(s.Out, r.Lines(audit.TextOptions{Width: columns(s.Out), Color: o.colored(s.Out), All: o.all}))
}

// writeFile writes a file that a flag names, where one does. It is the owner's
// alone: a report may hold credentials.
func writeFile(name, flag string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	f, err := private(name)
	if err != nil {
		return fmt.Errorf("%s %s: %s", flag, name, reasonOfFile(err))
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return fmt.Errorf("%s %s: %w", flag, name, err)
	}
	return nil
}

// noBaseline is the error where the first request of all, which is right, came
// to nothing.
func (o *auditOptions) noBaseline(failure error) error {
	var b *audit.Baseline
	if !errors.As(failure, &b) {
		return failed("handshake audit", o.address, failure)
	}
	what := "handshake audit " + o.address.String()
	switch a := b.Answer; {
	case a.Outcome == audit.Unreachable:
		return a.Err
	case a.Outcome == audit.Refused:
		return refusedError(what, &a.Exchange)
	case a.Outcome == audit.Silence:
		return failed("handshake audit", o.address, &tcp.TimeoutError{After: a.Wait, By: "-w"})
	case a.Outcome == audit.Reset:
		return failed("handshake audit", o.address, a.Err)
	}
	return &verdictError{statusFindings, what + ": " + b.Error(), "sockkit handshake dial " + o.address.String() + " shows what comes"}
}

// auditVerdict is the error that a report makes, or nil.
func auditVerdict(what string, r *audit.Report) error {
	list := r.Findings()
	unasked := 0
	for i := range r.Probes {
		if r.Probes[i].Outcome == audit.Unreachable {
			unasked++
		}
	}
	switch {
	case r.Summary.Weighty > 0:
		text := fmt.Sprintf("%s: %s (%s): %s", what, list[0].ID, list[0].Clause, list[0].Says())
		if more := r.Summary.Weighty - 1; more > 0 {
			text += fmt.Sprintf("; %d more", more)
		}
		return &verdictError{statusFindings, text, list[0].Mend}
	case !r.Survived:
		return &verdictError{statusFindings, what + ": a right request is not upgraded any more", "look at the server's log"}
	case unasked > 0:
		return &verdictError{statusUnconnected, fmt.Sprintf("%s: no connection for %d of the probes", what, unasked), "-c 1 and --rate ask more gently"}
	}
	return nil
}
