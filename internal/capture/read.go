package capture

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/tap"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// Options say how a file is read. The zero value works.
type Options struct {
	File       string     // its name, for the report
	Sink       trace.Sink // takes the records; nil: nobody
	Level      trace.Level
	KeyLog     io.Reader // secrets of TLS in the form of SSLKEYLOGFILE, read first; may be nil
	MaxMessage int64     // bytes of one message; 0 is 32 MiB
	Secrets    bool      // do not mask credentials in the report
	// OnOpen is called with each opening handshake, right or wrong; it may be nil.
	OnOpen func(trace.ID, *handshake.Exchange)
}

// reader is what one file is read with.
type reader struct {
	Options
	report *Report
	tracer *trace.Tracer
	now    time.Time
	io     *tap.SocketIO
	keys   keyLog
}

// Bounds of what is kept of connections.
const (
	mostKept = 4 << 20   // bytes of one direction's incomplete request or response
	mostHeld = 256 << 20 // bytes of all that is incomplete, ahead of a gap, or needed to inflate
	mostOpen = 10_000    // connections at once
)

// Read reads a file from front to back and makes records of it. The report
// covers all that could be read; the error says what ended that before the
// file's end, a *[FormatError] where the file is wrong.
func Read(ctx context.Context, from io.Reader, o Options) (*Report, error) {
	r := newReader(o)
	if o.KeyLog != nil {
		if err := r.keys.read(o.KeyLog); err != nil {
			return r.report, err
		}
	}
	s := source{r: bufio.NewReaderSize(&untilDone{ctx, from}, 256<<10)}
	err := r.read(s)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		r.report.Error = err.Error()
	}
	return r.report, err
}

func newReader(o Options) *reader {
	r := &reader{Options: o}
	r.report = &Report{Version: Version, Kind: Kind, File: o.File, Connections: []*Connection{}, secrets: o.Secrets, byID: map[trace.ID]*Connection{}}
	tee := trace.Tee{{Sink: r.report, Level: trace.Message}}
	if o.Sink != nil {
		tee = append(tee, trace.Branch{Sink: o.Sink, Level: o.Level})
	}
	r.tracer = trace.New(&stamped{r, tee}, tee.Level())
	r.io = tap.NewCaptured(r.tracer)
	return r
}

// stamped gives records the time of what is read.
type stamped struct {
	r  *reader
	to trace.Sink
}

// Record implements [trace.Sink].
func (s *stamped) Record(rec trace.Record) {
	rec.Time = s.r.now
	s.to.Record(rec)
}

// untilDone reads until a context is done.
type untilDone struct {
	ctx context.Context
	io.Reader
}

// Read implements [io.Reader].
func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.Reader.Read(p)
}

// read knows a file by what it begins with.
func (r *reader) read(s source) error {
	first, err := s.r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch {
	case len(first) == 0:
		return wrong(0, "the file is empty")
	case isPCAP(first):
		r.report.Format = "pcap"
		f, err := newPCAP(s)
		if err != nil {
			return err
		}
		defer func() { r.report.Size = f.at }()
		return r.packets(f)
	case isPCAPNG(first):
		r.report.Format = "pcapng"
		f := newPCAPNG(s, r.keys.add)
		defer func() { r.report.Size = f.at }()
		return r.packets(f)
	case first[0] == 0x1f && len(first) > 1 && first[1] == 0x8b:
		return r.packed(s)
	}
	return r.text(s)
}

// packets reads a file of packets.
func (r *reader) packets(f packets) error {
	a := newAssembler(r)
	for {
		p, err := f.next()
		if err != nil {
			a.finish()
			if err == io.EOF {
				return nil
			}
			return err
		}
		a.packet(p)
	}
}

func (r *reader) limits() ws.Limits {
	return ws.Limits{MaxMessage: cmp.Or(r.MaxMessage, 32<<20), MaxControlRate: -1} // the rate is the reading's
}

func (r *reader) emit(id trace.ID, e trace.Event) { r.tracer.Emit(id, e) }

func (r *reader) note(id trace.ID, text string) { r.emit(id, trace.Note{Text: text}) }

// follow has a connection followed.
func (r *reader) follow(id trace.ID, c *Connection) *tap.Follower {
	f := tap.Following{ID: id, Limits: r.limits(), Kept: mostKept, Now: func() time.Time { return r.now }}
	s := &streams{r: r, of: c, open: map[trace.ID]*Connection{}}
	f.OnStream, f.OnStreamEnd = s.begin, s.end
	if r.OnOpen != nil {
		f.OnOpen = func(x *handshake.Exchange) { r.OnOpen(id, x) }
	}
	return r.io.Follow(f)
}
