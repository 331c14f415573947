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

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/capture"
	"github.com/sockkit/sockkit/internal/explain"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// checkOptions are the flags of handshake check, and the files.
type checkOptions struct {
	common
	explain bool
	files   []string
	keyLog  string
}

func newHandshakeCheck(s *Streams) *cobra.Command {
	o := &checkOptions{}
	c := &cobra.Command{
		Use:   "check [FILE…]",
		Short: "Hold captured heads against the rules, and say what to change",
		Long: `check reads a captured opening handshake from files or standard input and says
everything that is wrong with it: which rule, whose fault, what came and what
was due, the likely cause and how to mend it.

It reads raw heads, the output of curl -v, and what a browser's developer tools
copy as cURL, and finds the handshakes in captures: pcap, pcapng, a browser's
HAR export, hex dumps (sockkit inspect FILE shows all that is in them). A request and its response may stand in one file or in two; one
side is enough for the rules about that side.

The status is 3 where a MUST of a specification is broken.`,
		Example: `  sockkit handshake check request.txt response.txt
  curl -sv --max-time 2 -H 'Upgrade: websocket' http://localhost:9000/ 2>&1 | sockkit handshake check
  sockkit handshake request ws://localhost/ --omit Host | sockkit handshake check
  sockkit handshake check --json capture.txt
  sockkit handshake check traffic.pcapng --keylog keys.txt`,
		RunE: func(c *cobra.Command, args []string) error {
			o.files, o.maxMessage = args, mostCaptured
			if err := o.check(c); err != nil {
				return err
			}
			return runHandshakeCheck(c.Context(), s, o)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&o.explain, "explain", false, "list each rule that was asked, those that hold too")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	f.BoolVar(&o.quiet, "quiet", false, "print no report; the status tells")
	f.BoolVar(&o.showSecrets, "show-secrets", false, "do not mask credentials in what is shown")
	f.StringVar(&o.keyLog, "keylog", "", "decrypt TLS in captures by the secrets in `FILE` (default: what SSLKEYLOGFILE names)")
	f.StringVar(&o.color, "color", "auto", "color the report: `WHEN` is auto, always or never")
	return c
}

// mostCaptured bounds a file that is read.
const mostCaptured = 16 << 20

func runHandshakeCheck(ctx context.Context, s *Streams, o *checkOptions) error {
	exchanges, err := o.exchanges(ctx, s)
	if err != nil {
		return err
	}
	report := explain.Report{Version: explain.Version, Kind: explain.Kind}
	for i := range exchanges {
		report.Exchanges = append(report.Exchanges, *explain.New(&exchanges[i], o.showSecrets))
	}
	if err := o.print(s, &report, exchanges); err != nil {
		return err
	}
	return found(o.name(), broken(report.Exchanges))
}

// exchanges are those in captures, one after the other, and those in texts,
// where a request and its response may stand in two.
func (o *checkOptions) exchanges(ctx context.Context, s *Streams) (list []handshake.Exchange, err error) {
	names := o.files
	if len(names) == 0 {
		names = []string{"-"}
	}
	var texts [][]byte
	for _, name := range names {
		in, err := o.open(s, name)
		if err != nil {
			return nil, err
		}
		defer in.Close()
		first := bufio.NewReaderSize(in, 64<<10)
		if begin, _ := first.Peek(4096); capture.IsCapture(begin) {
			found, err := o.readCapture(ctx, name, first)
			if err != nil {
				return nil, err
			}
			list = append(list, found...)
			continue
		}
		text, err := readBounded(ctx, first)
		if err != nil {
			return nil, fmt.Errorf("handshake check %s: %w", name, err)
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return list, nil
	}
	more, err := handshake.ReadCapture(texts...)
	if err != nil {
		return nil, &verdictError{statusFailure, o.name() + ": " + plainError(err).Error(), "raw heads are read, the output of curl -v, what a browser copies as cURL, and captures"}
	}
	return append(list, more...), nil
}

// mostExchanges bounds the handshakes of one capture that are reported.
const mostExchanges = 1000

// readCapture finds the opening handshakes in a capture.
func (o *checkOptions) readCapture(ctx context.Context, name string, in io.Reader) (list []handshake.Exchange, err error) {
	options := capture.Options{File: shownName(name), OnOpen: func(_ trace.ID, x *handshake.Exchange) {
		if len(list) < mostExchanges {
			list = append(list, *x)
		}
	}}
	keys, err := openKeyLog(o.keyLog)
	if err != nil {
		return nil, err
	}
	if keys != nil {
		defer keys.Close()
		options.KeyLog = keys
	}
	report, err := capture.Read(ctx, in, options)
	switch {
	case err != nil:
		return nil, fileVerdict("handshake check "+name, report, err)
	case len(list) == 0 && over2(report) > 0:
		return nil, &verdictError{statusFailure, fmt.Sprintf("handshake check %s: no opening handshake of a WebSocket over HTTP/1.1 is in this %s, but %d over HTTP/2", name, report.Format, over2(report)),
			"sockkit inspect " + name + " holds those against the rules"}
	case len(list) == 0:
		return nil, &verdictError{statusFailure, fmt.Sprintf("handshake check %s: no opening handshake of a WebSocket is in this %s", name, report.Format), "sockkit inspect " + name + " shows what is in it"}
	}
	return list, nil
}

// over2 counts the WebSockets that stand on streams of HTTP/2.
func over2(report *capture.Report) (n int) {
	for _, c := range report.Connections {
		if c.Stream != 0 {
			n++
		}
	}
	return n
}

// broken are the findings that break a MUST.
func broken(list []explain.Judgement) (musts []handshake.Finding) {
	for _, j := range list {
		for _, f := range j.Findings {
			if f.Level == handshake.Must {
				musts = append(musts, f)
			}
		}
	}
	return musts
}

// name is what was done to which files.
func (o *checkOptions) name() string {
	if len(o.files) == 0 {
		return "handshake check"
	}
	return "handshake check " + strings.Join(o.files, " ")
}

// open opens a file, or standard input by the name -.
func (o *checkOptions) open(s *Streams, name string) (io.ReadCloser, error) {
	if name == "-" && isTerminal(s.In) && !o.quiet {
		fmt.Fprintln(s.Err, "note: what is to be checked is read here; Ctrl-D ends it")
	}
	return openCapture(s, "handshake check", name)
}

// reasonOfFile is an error of a file without the file's name.
func reasonOfFile(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return tcp.Reason(path.Err)
	}
	return err.Error()
}

// readBounded reads all of a file, or nothing where it is too large. The end of
// ctx frees it; the reading goroutine ends with the process then.
func readBounded(ctx context.Context, in io.Reader) ([]byte, error) {
	type read struct {
		text []byte
		err  error
	}
	done := make(chan read, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(in, mostCaptured+1))
		done <- read{text, err}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-done:
		if r.err == nil && len(r.text) > mostCaptured {
			return nil, fmt.Errorf("more than %d MiB; cut out what belongs to the handshake", mostCaptured>>20)
		}
		return r.text, r.err
	}
}

// print writes the report to standard output.
func (o *checkOptions) print(s *Streams, report *explain.Report, exchanges []handshake.Exchange) error {
	if o.json {
		return writeJSON(s.Out, report, true)
	}
	if o.quiet {
		return nil
	}
	var lines []string
	for i := range report.Exchanges {
		if len(exchanges) > 1 {
			lines = append(lines, fmt.Sprintf("── handshake %d of %d ──", i+1, len(exchanges)))
		}
		lines = append(lines, report.Exchanges[i].Lines(o.words(s))...)
		if o.explain {
			lines = append(append(lines, ""), explain.Verdicts(handshake.Judge(&exchanges[i]), o.words(s))...)
		}
		if i < len(exchanges)-1 {
			lines = append(lines, "")
		}
	}
	return printLines(s.Out, lines)
}
