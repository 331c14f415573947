package capture

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
)

// mostText bounds a file that is no capture of packets.
const mostText = 64 << 20

// IsCapture knows, by its first bytes, a file that is more than the text of
// heads: packets, a HAR export, a hex dump, trace records.
func IsCapture(first []byte) bool {
	if isPCAP(first) || isPCAPNG(first) || isHAR(first) || bytes.HasPrefix(first, []byte{0x1f, 0x8b}) || IsTrace(first) {
		return true
	}
	_, dump := readDump(first)
	return dump
}

// IsTrace knows a trace of our own, by its first bytes.
func IsTrace(first []byte) bool { return bytes.HasPrefix(first, []byte(`{"time":`)) }

// text reads what is no file of packets.
func (r *reader) text(s source) error {
	first, _ := s.r.Peek(4096)
	switch {
	case isHAR(first):
		return r.har(s)
	case IsTrace(first):
		return r.records(s)
	}
	b, err := io.ReadAll(io.LimitReader(s.r, mostText+1))
	r.report.Size = int64(len(b))
	switch {
	case err != nil:
		return err
	case len(b) > mostText:
		return wrong(mostText, "the file goes on; %d MiB are the most of what is no pcap, pcapng or HAR", mostText>>20)
	}
	return r.bytes(b)
}

// bytes reads what is there whole.
func (r *reader) bytes(b []byte) error {
	switch dump, ok := readDump(b); {
	case ok:
		r.report.Format = "hex"
		return r.dump(dump)
	case isRaw(b):
		r.report.Format = "bytes"
		r.raw(b)
		return nil
	}
	exchanges, err := handshake.ReadCapture(b)
	if err != nil {
		return wrong(0, "this is no capture that is known here: pcap, pcapng, HAR, curl -v, a hex dump, trace records, a head of HTTP or frames; it begins with %.40q", b[:min(len(b), 40)])
	}
	r.report.Format = "heads"
	for i := range exchanges {
		r.exchange(&exchanges[i])
	}
	return nil
}

// exchange shows an opening handshake that was found in a text.
func (r *reader) exchange(x *handshake.Exchange) {
	id := r.tracer.NewID()
	c := &Connection{ID: id, Network: "tcp", Client: "client", Server: "server", Whole: true}
	r.report.add(c)
	if x.Request != nil {
		r.head(id, trace.Out, x.Request)
	}
	if x.Response != nil {
		r.head(id, trace.In, x.Response)
	}
	if r.OnOpen != nil {
		r.OnOpen(id, x)
	}
	r.io.Judge(id, x)
}

// records reads a trace of our own, which has the records already.
func (r *reader) records(s source) error {
	r.report.Format = "sockkit"
	if _, err := s.r.Peek(1); err != nil {
		return err
	}
	seen := counter{r: s.r}
	defer func() { r.report.Size = seen.n }()
	for rec, err := range trace.ReadJSON(&seen) {
		var line *trace.LineError
		switch {
		case errors.As(err, &line):
			return wrong(seen.n, "line %d: %v", line.Line, line.Err)
		case err != nil:
			return err
		}
		r.record(rec)
	}
	return nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// record passes on a record of a trace.
func (r *reader) record(rec trace.Record) {
	r.now = rec.Time
	if r.report.First.IsZero() {
		r.report.First = rec.Time
	}
	r.report.Last = rec.Time
	switch e := rec.Event.(type) {
	case trace.Open:
		c := &Connection{ID: rec.Conn, Network: e.Network, Client: e.Local, Server: e.Remote, Opened: rec.Time, End: EndOpen, Whole: true}
		if c.served = e.Side == trace.Server; c.served {
			c.Client, c.Server = e.Remote, e.Local
		}
		r.report.add(c)
	case trace.Close:
		if c := r.report.byID[rec.Conn]; c != nil {
			c.Out, c.In, c.Duration, c.End = e.Out, e.In, e.Duration, EndClosed
			if c.served {
				c.Out, c.In = e.In, e.Out
			}
			if e.Reset {
				c.End = EndReset
			}
		}
	}
	r.tracer.Emit(rec.Conn, rec.Event)
}

// packed reads a file that is compressed by gzip.
func (r *reader) packed(s source) error {
	z, err := gzip.NewReader(s.r)
	if err != nil {
		return wrong(0, "no gzip: %v", err)
	}
	inner := source{r: bufio.NewReaderSize(z, 256<<10)}
	if first, _ := inner.r.Peek(2); len(first) == 2 && first[0] == 0x1f && first[1] == 0x8b {
		return wrong(0, "gzip within gzip")
	}
	err = r.read(inner)
	if errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) {
		return fmt.Errorf("the file's gzip is broken: %w", err)
	}
	return err
}
