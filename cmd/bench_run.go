package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/load"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

func runBench(ctx context.Context, s *Streams, o *benchOptions) error {
	ctx, cancel := o.within(ctx)
	defer cancel()
	target := o.address
	plan := o.plan()
	dial, err := o.benchDialer(s)
	if err != nil {
		return err
	}
	plan.Dial = dial
	o.address.User = "" // is in the request, and belongs in no error
	if !loopback(o.address) && !o.json {
		o.note(s)("the load goes to another machine: load servers that are yours only")
	}
	line := &liveLine{out: s.Err, on: isTerminal(s.Err) && !o.quiet && os.Getenv("TERM") != "dumb"}
	if line.on {
		plan.Progress = line.show
	}
	report, err := plan.Run(ctx)
	line.clear()
	if report == nil {
		return stoppedBy(ctx, failed("bench", target, unconnected(err)))
	}
	report.Address = o.address.String()
	comparison := o.compared(report)
	if err := o.print(s, report, comparison); err != nil {
		return err
	}
	if err != nil {
		return stoppedBy(ctx, failed("bench", o.address, err))
	}
	return o.judge(report, comparison)
}

// loopback reports whether an address is on this machine, as far as it says so.
func loopback(a endpoint.Address) bool {
	ip := net.ParseIP(a.Host)
	return a.Path != "" || a.Host == "" || a.Host == "localhost" || ip != nil && ip.IsLoopback()
}

// unconnected is the failure of a dial without the words that say so.
func unconnected(err error) error {
	var operation *tcp.Error
	if errors.As(err, &operation) && operation.Op == "dial" {
		return operation.Err
	}
	return err
}

// benchDialer opens connections as the flags say.
func (o *benchOptions) benchDialer(s *Streams) (func(context.Context) (*load.Link, error), error) {
	asJSON := o.json
	o.json = false // the report is JSON; a load has no trace
	t, err := o.newTracing(s, view{out: io.Discard})
	o.json = asJSON
	if err != nil {
		return nil, err
	}
	op := o.opener(s, t)
	if op.Hosts, err = o.hosts(); err != nil {
		return nil, err
	}
	dial := o.dialBare
	switch {
	case o.address.WebSocket():
		dial = o.dialWebSocket
	case o.address.SocketIO():
		dial = o.dialSocketIO
	}
	return func(ctx context.Context) (*load.Link, error) {
		ctx, cancel := o.openingWithin(ctx)
		defer cancel()
		return dial(ctx, op)
	}, nil
}

func (o *benchOptions) dialBare(ctx context.Context, op *endpoint.Opener) (*load.Link, error) {
	conn, err := op.Dial(ctx, o.address)
	if err != nil {
		return nil, err
	}
	return &load.Link{Conn: conn}, nil
}

func (o *benchOptions) dialWebSocket(ctx context.Context, op *endpoint.Opener) (*load.Link, error) {
	conn, _, err := o.dialer(op).Dial(ctx, o.address.URL())
	if err != nil {
		return nil, err
	}
	return load.Detach(conn), nil
}

// dialSocketIO opens a WebSocket of Engine.IO and joins the namespace on it.
func (o *benchOptions) dialSocketIO(ctx context.Context, op *endpoint.Opener) (*load.Link, error) {
	namespace, query := o.address.Namespace()
	a := o.address
	a.Scheme, a.Target = endpoint.WS, strings.TrimSuffix(orDefault(o.sio.path, "/socket.io/"), "/")+"/?EIO=4&transport=websocket"
	if o.address.Scheme == endpoint.SIOS {
		a.Scheme = endpoint.WSS
	}
	if query != "" {
		a.Target += "&" + query
	}
	conn, _, err := o.dialer(op).Dial(ctx, a.URL())
	if err != nil {
		return nil, err
	}
	if err := load.Join(ctx, conn, strings.TrimSuffix(namespace, "/"), o.sio.credentials); err != nil {
		_ = conn.CloseNow()
		return nil, notEngine(ctx, err)
	}
	return load.Detach(conn), nil
}

func orDefault(s, byDefault string) string {
	if s == "" {
		return byDefault
	}
	return s
}

// notEngine advises on what joined no namespace.
func notEngine(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	var closed *ws.CloseError
	if errors.Is(err, load.ErrNotEngine) || errors.As(err, &closed) || isTimeout(err) {
		return &endpoint.Hint{Err: err, Text: notSocketIO}
	}
	return err
}

// readBefore reads the report of --compare, before a load is put on.
func (o *benchOptions) readBefore() error {
	if o.compare == "" {
		return nil
	}
	f, err := os.Open(o.compare)
	if err != nil {
		return fmt.Errorf("--compare: %w", err)
	}
	defer f.Close()
	if o.before, err = load.ReadReport(f); err != nil {
		return &usageError{fmt.Errorf("--compare %s: %w", o.compare, err), "sockkit bench --json > FILE writes one"}
	}
	return nil
}

func (o *benchOptions) compared(r *load.Report) *load.Comparison {
	if o.before == nil {
		return nil
	}
	return r.Compare(o.before)
}

// benchReport is the report object of bench.
type benchReport struct {
	*load.Report
	Comparison *load.Comparison `json:"comparison,omitempty"`
}

func (o *benchOptions) print(s *Streams, r *load.Report, c *load.Comparison) error {
	if o.json {
		return writeJSON(s.Out, benchReport{r, c}, true)
	}
	text := r.Text(columns(s.Out))
	if c != nil {
		text += c.Text()
	}
	_, err := io.WriteString(s.Out, text)
	return outputError(err)
}

// judge is the error of a load that was measured; nil where all went well and
// nothing has become worse.
func (o *benchOptions) judge(r *load.Report, c *load.Comparison) error {
	if r.First != nil {
		return failed("bench", o.address, &benchFailed{r})
	}
	if c == nil || o.failOver == 0 {
		return nil
	}
	var worse []string
	for _, one := range c.Over(o.failOver) {
		worse = append(worse, fmt.Sprintf("%s by %.1f %%", one.Name, one.Worse))
	}
	if len(worse) == 0 {
		return nil
	}
	return failed("bench", o.address, &slower{o.failOver, strings.Join(worse, ", ")})
}

// benchFailed is a load of which not all went well.
type benchFailed struct{ report *load.Report }

func (b *benchFailed) Error() string {
	var kinds []string
	for _, f := range b.report.Errors {
		kinds = append(kinds, load.Thousands(f.Count)+" "+f.Kind)
	}
	if b.report.Failed == 1 {
		return tcp.Reason(b.report.First)
	}
	return fmt.Sprintf("%s errors: %s; the first: %s", load.Thousands(b.report.Failed), strings.Join(kinds, ", "), tcp.Reason(b.report.First))
}

func (b *benchFailed) Unwrap() error { return b.report.First }

// slower says that a load went worse than the one before.
type slower struct {
	percent float64
	what    string
}

func (s *slower) Error() string {
	return fmt.Sprintf("worse than before by more than %g %%: %s", s.percent, s.what)
}

// liveLine is the line that says how far a load is.
type liveLine struct {
	out   io.Writer
	on    bool
	shown bool
}

func (l *liveLine) show(s load.Snapshot) {
	l.shown = true
	if s.Opening {
		fmt.Fprintf(l.out, "\r\x1b[Kopening: %s open, %s errors", load.Thousands(int64(s.Open)), load.Thousands(s.Failed))
		return
	}
	text := fmt.Sprintf("%.0f s: %s open, %s/s", s.Elapsed.Seconds(), load.Thousands(int64(s.Open)), load.Thousands(int64(s.PerSecond)))
	if s.Half > 0 {
		text += fmt.Sprintf(", 50 %% %s, 99 %% %s", load.Duration(s.Half), load.Duration(s.Few))
	}
	fmt.Fprintf(l.out, "\r\x1b[K%s, %s errors", text, load.Thousands(s.Failed))
}

func (l *liveLine) clear() {
	if l.shown {
		fmt.Fprint(l.out, "\r\x1b[K")
	}
}

// isBenchUnmet reports whether a load has shown what it should not.
func isBenchUnmet(err error) bool {
	var mismatch *load.Mismatch
	var worse *slower
	return errors.As(err, &mismatch) || errors.As(err, &worse) || errors.Is(err, load.ErrUnsent)
}
