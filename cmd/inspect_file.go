package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sockkit/sockkit/internal/capture"
	"github.com/sockkit/sockkit/trace"
)

// captureEndings are those of files that are captures whatever else they might
// be.
var captureEndings = []string{".pcap", ".pcapng", ".har", ".cap"}

// isCaptureName reports whether a word can only be a capture.
func isCaptureName(args []string) bool {
	return len(args) == 1 && (args[0] == "-" || slices.Contains(captureEndings, strings.ToLower(filepath.Ext(args[0]))) && !strings.Contains(args[0], "://"))
}

// completeFile checks the flags against a file.
func (o *inspectOptions) completeFile(c *cobra.Command) error {
	for _, name := range []string{"watch", "count", "interval", "send", "send-hex", "first", "source", "resolve"} {
		if c.Flags().Changed(name) {
			return usagef(fmt.Sprintf("--%s goes with an address, and %s is a file", name, o.file), "")
		}
	}
	if o.tls.given() {
		return usagef(o.file+" is a file, and no connection is opened", "--keylog FILE gives the secrets of TLS")
	}
	in, err := os.Stat(o.file)
	for _, name := range o.traceFiles {
		if out, missing := os.Stat(name); err == nil && missing == nil && os.SameFile(in, out) {
			return usagef(fmt.Sprintf("--trace %s would write over what is read", name), "name another file")
		}
	}
	return nil
}

// runInspectFile reads a capture, shows what passed and sums it up.
func runInspectFile(ctx context.Context, s *Streams, o *inspectOptions) (err error) {
	ctx, cancel := o.within(ctx)
	defer cancel()
	file, err := openCapture(s, "inspect", o.file)
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewReader(interruptible(ctx, file))
	first, _ := in.Peek(64)
	t, err := o.fileTracing(s, !capture.IsTrace(first))
	if err != nil {
		return err
	}
	defer t.closeInto(&err)
	options := capture.Options{File: shownName(o.file), MaxMessage: int64(o.maxMessage), Secrets: o.showSecrets}
	if t.tracer != nil {
		options.Sink, options.Level = t.tracer.Sink, t.tracer.Level
	}
	keys, err := openKeyLog(o.keyLog)
	if err != nil {
		return err
	}
	if keys != nil {
		defer keys.Close()
		options.KeyLog = keys
	}
	report, failure := capture.Read(ctx, in, options)
	if err := o.printFile(s, report); err != nil {
		return err
	}
	return fileVerdict("inspect "+o.file, report, failure)
}

// fileTracing opens the sinks: what passed is shown on standard output, as with
// -vv where no level is asked for. In a trace of ours one end is ours.
func (o *inspectOptions) fileTracing(s *Streams, others bool) (*tracing, error) {
	v := view{out: s.Out, level: o.level(), tags: true, read: others}
	switch {
	case o.json:
		v.out = s.Err // standard output has the report
	case o.quiet:
	case v.level == trace.Off:
		v.level = trace.Message
	}
	records := o.common
	records.json = false
	return records.newTracing(s, v)
}

func (o *inspectOptions) printFile(s *Streams, r *capture.Report) error {
	switch {
	case o.json:
		return writeJSON(s.Out, r, true)
	case o.quiet, r.Format == "": // nothing could be read
		return nil
	}
	return printLines(s.Out, append([]string{""}, r.Lines()...))
}

// fileVerdict is the error that a report comes to.
func fileVerdict(op string, r *capture.Report, failure error) error {
	var format *capture.FormatError
	switch {
	case errors.As(failure, &format):
		return &verdictError{statusFailure, op + ": " + format.Error(), ""}
	case failure != nil:
		return fmt.Errorf("%s: %w", op, failure)
	case r.Musts > 0:
		f := r.Must()
		text := fmt.Sprintf("%s: %s (%s)", op, strings.TrimSuffix(f.Summary, "."), f.Clause)
		if r.Musts > 1 {
			text += fmt.Sprintf("; %d more", r.Musts-1)
		}
		return &verdictError{statusFindings, text, f.Mend}
	}
	return nil
}

// openCapture opens a file, or standard input by the name -.
func openCapture(s *Streams, op, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(s.In), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %s", op, name, reasonOfFile(err))
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, fmt.Errorf("%s %s: this is a directory", op, name)
	}
	return f, nil
}

// interruptible reads what may be a pipe that is silent; the end of ctx ends the
// reading. The goroutine ends with the process then.
func interruptible(ctx context.Context, in io.Reader) io.Reader {
	r, w := io.Pipe()
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{in}, make([]byte, 256<<10))
		w.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { w.CloseWithError(context.Cause(ctx)) })
	return r
}

// openKeyLog opens the file with secrets of TLS that --keylog or SSLKEYLOGFILE
// names; nil where there is none.
func openKeyLog(name string) (io.ReadCloser, error) {
	asked := name != ""
	if !asked {
		name = os.Getenv("SSLKEYLOGFILE")
	}
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	switch {
	case err == nil:
		return f, nil
	case !asked && errors.Is(err, fs.ErrNotExist):
		return nil, nil
	}
	return nil, fmt.Errorf("--keylog %s: %s", name, reasonOfFile(err))
}

func shownName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}
