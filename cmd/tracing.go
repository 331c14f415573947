package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// tracing is where the records of one run go.
type tracing struct {
	tracer  *trace.Tracer
	tee     trace.Tee
	views   int // so many of the first branches of tee are shown to people
	closers []io.Closer
	json    *trace.JSON
}

// view says how records are shown.
type view struct {
	out   io.Writer
	level trace.Level
	tags  bool        // name the connection on each line
	times bool        // begin each line with its time
	json  io.Writer   // where JSON lines go; nil: standard output
	lost  func(error) // told of a line that could not be written; nil: nobody
	read  bool        // the records are those of a capture
	page  trace.Sink  // the page that shows them too, every byte; nil: none
}

// viewWriter tells of what could not be written.
type viewWriter struct {
	io.Writer
	lost func(error)
}

// Write implements [io.Writer].
func (w viewWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil && w.lost != nil {
		w.lost(err)
	}
	return n, err
}

// newTracing opens the sinks that the flags name.
func (o *common) newTracing(s *Streams, v view) (*tracing, error) {
	t := &tracing{}
	if o.json {
		if v.json == nil {
			v.json = s.Out
		}
		t.json = trace.NewJSON(viewWriter{v.json, v.lost})
		t.json.Secrets = o.showSecrets
		t.tee = append(t.tee, trace.Branch{Sink: masked(t.json, o.showSecrets), Level: max(trace.Message, v.level)})
	} else if v.level > trace.Off {
		t.tee = append(t.tee, trace.Branch{Level: v.level, Sink: &render.Text{
			W: viewWriter{v.out, v.lost}, Color: o.colored(v.out), Tags: v.tags, Times: v.times, ShowSecrets: o.showSecrets, Captured: v.read,
		}})
	}
	if v.page != nil {
		t.tee = append(t.tee, trace.Branch{Sink: masked(v.page, o.showSecrets), Level: trace.Byte})
	}
	t.views = len(t.tee)
	for _, name := range o.traceFiles {
		if err := t.openFile(name, v.level); err != nil {
			t.Close()
			return nil, err
		}
	}
	if len(o.traceFiles) > 0 && !o.quiet {
		fmt.Fprintf(s.Err, "note: %s will hold all that is sent, credentials and TLS keys with it\n", strings.Join(o.traceFiles, " and "))
	}
	if len(t.tee) > 0 {
		t.tracer = trace.New(t.tee, t.tee.Level())
	}
	return t, nil
}

// masked hides credentials from a view, unless they are to be shown.
func masked(view trace.Sink, show bool) trace.Sink {
	if show {
		return view
	}
	return render.Masked{Sink: view}
}

// level is the level that -v asks for.
func (o *common) level() trace.Level { return trace.Level(min(o.verbose, int(trace.Byte))) }

// openFile adds a trace file, readable to its owner only.
func (t *tracing) openFile(name string, level trace.Level) error {
	open := func() (*os.File, error) { return private(name) }
	switch {
	case strings.HasSuffix(name, ".jsonl"):
		f, err := open()
		if err != nil {
			return fmt.Errorf("--trace: %w", err)
		}
		sink := trace.NewJSON(f)
		sink.Secrets = true
		t.closers = append(t.closers, lostRecords{sink})
		t.add(sink, f, max(level, trace.Frame))
	case strings.HasSuffix(name, ".pcapng"):
		f, err := open()
		if err != nil {
			return fmt.Errorf("--trace: %w", err)
		}
		sink, err := trace.NewPCAPNG(f)
		if err != nil {
			return fmt.Errorf("--trace: %w", err)
		}
		t.closers = append(t.closers, sink)
		t.add(sink, f, trace.Byte)
	default:
		return usagef(fmt.Sprintf("--trace %q: the ending is neither .jsonl nor .pcapng", name), "the ending says which format is written")
	}
	return nil
}

// lostRecords says at the end whether a sink could write all of its records.
type lostRecords struct{ sink *trace.JSON }

// Close implements [io.Closer].
func (l lostRecords) Close() error { return l.sink.Err() }

// private opens a file for nobody else to read, also where it was there before
// with another permission.
func private(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		if err := f.Chmod(0o600); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

func (t *tracing) add(sink trace.Sink, f io.Closer, level trace.Level) {
	t.closers = append(t.closers, f)
	t.tee = append(t.tee, trace.Branch{Sink: sink, Level: level})
}

// keyLog is the file that SSLKEYLOGFILE names, or nil.
func (t *tracing) keyLog() io.Writer {
	if w := tcp.KeyLogFromEnv(); w != nil {
		t.closers = append(t.closers, w)
		return w
	}
	return nil
}

// Close ends the files. Its error says that records were lost.
func (t *tracing) Close() error {
	var errs []error
	for _, c := range t.closers {
		errs = append(errs, c.Close())
	}
	if t.json != nil {
		errs = append(errs, t.json.Err())
	}
	return errors.Join(errs...)
}

// colored reports whether what is shown on w is to be in color.
func (o *common) colored(w io.Writer) bool {
	switch {
	case o.color == "always":
		return true
	case o.color == "never", os.Getenv("NO_COLOR") != "":
		return false
	case os.Getenv("CLICOLOR_FORCE") != "" && os.Getenv("CLICOLOR_FORCE") != "0":
		return true
	}
	return isTerminal(w) && os.Getenv("TERM") != "dumb"
}

// isTerminal reports whether v is a file that is a terminal.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// closeInto closes t at the end of a run. That records were lost is an error
// where nothing else was.
func (t *tracing) closeInto(err *error) {
	if closeErr := t.Close(); closeErr != nil && *err == nil {
		*err = fmt.Errorf("--trace: %w", closeErr)
	}
}
