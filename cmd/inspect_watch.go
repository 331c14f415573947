package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sockkit/sockkit/internal/inspect"
)

// watchConnection is inspect --watch: the samples as JSON lines, as a drawing
// that is redrawn in place, or as plain lines.
func watchConnection(ctx context.Context, s *Streams, o *inspectOptions, in *inspect.Inspection) error {
	each := func(sample inspect.Sample) error {
		_, err := fmt.Fprintln(s.Out, sample.Line())
		return outputError(err)
	}
	switch {
	case o.json:
		each = func(sample inspect.Sample) error { return writeJSON(s.Out, sample, false) }
	case o.drawn(s):
		d := &drawing{out: s.Out, o: o, board: inspect.Board{Every: time.Duration(o.interval), Of: o.count}}
		each = d.add
	}
	err := in.Watch(ctx, inspect.WatchOptions{
		Interval: time.Duration(o.interval), Count: o.count, Send: o.payload, Each: each,
	})
	if err != nil {
		return stoppedBy(ctx, failed("inspect", o.address, err))
	}
	return nil
}

// drawn reports whether samples are redrawn in place: on a terminal that can do
// that and that no trace is written to.
func (o *inspectOptions) drawn(s *Streams) bool {
	return isTerminal(s.Out) && os.Getenv("TERM") != "dumb" && o.verbose == 0
}

// drawing is a board on a terminal.
type drawing struct {
	out   *os.File
	o     *inspectOptions
	board inspect.Board
	lines int // on the screen
}

// add draws the board with one sample more, over what is there.
func (d *drawing) add(s inspect.Sample) error {
	d.board.Add(s)
	lines := d.board.Lines(d.o.look(d.out))
	var b strings.Builder
	if d.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", d.lines)
	} else {
		b.WriteByte('\n')
	}
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	d.lines = len(lines)
	_, err := io.WriteString(d.out, b.String())
	return outputError(err)
}
