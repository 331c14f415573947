package ws

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"

	"github.com/sockkit/sockkit/handshake"
)

// deflateTail is what a sender cuts off and a receiver puts back (RFC 7692
// sections 7.2.1 and 7.2.2), and an empty last block, at which the inflater ends.
const deflateTail = "\x00\x00\xff\xff" + "\x01\x00\x00\xff\xff"

const (
	syncMarker = 4 // bytes: 00 00 FF FF
	lastBlock  = 5
	maxWindow  = 15 // bits
)

// mostStreams bounds the streams in one message. A sender ends a stream with
// each final block, of two bytes at least, and each stream costs this end a
// window's worth of work.
const mostStreams = 256

var (
	errTooLong     = errors.New("it is longer than the limit")
	errManyStreams = fmt.Errorf("it has more than %d final blocks", mostStreams)
)

// windowOf is what was agreed on for one end: the bits of its window, and
// whether it keeps its context from message to message.
func windowOf(who Role, d handshake.Deflate) (bits int, takeover bool) {
	if who == ClientRole {
		return d.ClientWindowBits(), !d.ClientNoContextTakeover
	}
	return d.ServerWindowBits(), !d.ServerNoContextTakeover
}

// inflater inflates the messages of one end. Between messages it holds no more
// than the window, and nothing where no context is kept.
type inflater struct {
	takeover bool
	lost     bool   // the context: what comes cannot be inflated
	size     int    // of the window in bytes
	window   []byte // the end of what has come, at most size
}

func newInflater(who Role, d handshake.Deflate) *inflater {
	bits, takeover := windowOf(who, d)
	if !takeover {
		return &plainInflater
	}
	return &inflater{takeover: takeover, size: 1 << bits}
}

// plainInflater keeps no context, and so nothing: one is enough.
var plainInflater inflater

// lose says that a message was not inflated, and the context is not the
// sender's any more.
func (f *inflater) lose() { f.lost = f.takeover }

// inflating is a decompressor with the reader that feeds it.
type inflating struct {
	in  bytes.Reader
	out io.ReadCloser // a [flate.Resetter] too
}

var inflaters = sync.Pool{New: func() any { return &inflating{out: flate.NewReader(eof{})} }}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
func (eof) ReadByte() (byte, error)  { return 0, io.EOF }

// inflate returns the message in a pooled buffer. It may write behind the end
// of packed, whose capacity has room for the tail or is made.
func (f *inflater) inflate(packed []byte, limit int64) (plain []byte, rule int, err error) {
	p := inflaters.Get().(*inflating)
	defer inflaters.Put(p)
	p.in.Reset(append(packed, deflateTail...))
	defer p.in.Reset(nil)
	plain, err = p.run(f.window, int64(len(packed)), limit)
	switch {
	case err == errTooLong:
		rule = ruleInflated
	case err != nil:
		rule = ruleDeflate
	case f.takeover:
		f.remember(plain)
	}
	if err != nil {
		f.lose()
	}
	return plain, rule, err
}

// run inflates all that is in p.in, which may be several streams: a sender may
// end one within a message (RFC 7692 section 7.2.3.4). One that does not begin
// another behind the last leaves nothing for the tail to complete.
func (p *inflating) run(window []byte, packed, limit int64) ([]byte, error) {
	out := getBuffer(int(min(4*packed+512, limit+1, firstGuess)))
	dict := window
	for range mostStreams {
		if err := p.out.(flate.Resetter).Reset(&p.in, dict); err != nil {
			return out, err
		}
		var err error
		if out, err = p.stream(out, limit); err != nil {
			return out, err
		}
		if left := p.in.Len(); left == 0 || left == len(deflateTail) {
			return out, nil
		}
		dict = lastBytes(window, out)
	}
	return out, errManyStreams
}

// stream inflates one stream to its end.
func (p *inflating) stream(out []byte, limit int64) ([]byte, error) {
	for {
		if int64(len(out)) > limit {
			return out, errTooLong
		}
		out = roomier(out, limit)
		room := int(min(int64(cap(out)), limit+1))
		n, err := p.out.Read(out[len(out):max(room, len(out))])
		out = out[:len(out)+n]
		switch {
		case int64(len(out)) > limit:
			return out, errTooLong
		case err == io.EOF:
			return out, nil
		case err != nil:
			return out, err
		}
	}
}

// roomier doubles a buffer that is nearly full, but not beyond the limit and
// the byte behind it that shows that it is exceeded.
func roomier(b []byte, limit int64) []byte {
	if cap(b)-len(b) >= 512 || int64(cap(b)) > limit {
		return b
	}
	bigger := append(getBuffer(int(min(2*int64(cap(b))+512, limit+1))), b...)
	putBuffer(b)
	return bigger
}

// lastBytes is the end of a and b, one behind the other, as far as any window
// reaches.
func lastBytes(a, b []byte) []byte {
	const most = 1 << maxWindow
	if len(b) >= most {
		return b[len(b)-most:]
	}
	a = a[max(0, len(a)+len(b)-most):]
	return append(append(make([]byte, 0, len(a)+len(b)), a...), b...)
}

// remember keeps the end of what has come.
func (f *inflater) remember(b []byte) {
	if len(b) >= f.size {
		f.window = append(f.window[:0], b[len(b)-f.size:]...)
		return
	}
	if over := len(f.window) + len(b) - f.size; over > 0 {
		f.window = f.window[:copy(f.window, f.window[over:])]
	}
	f.window = append(f.window, b...)
}

// deflater deflates the messages of one end.
type deflater struct {
	takeover bool
	bits     int
	own      *deflating // with takeover: it holds the context
}

func newDeflater(who Role, d handshake.Deflate) *deflater {
	bits, takeover := windowOf(who, d)
	if !takeover {
		return &plainDeflaters[bits-8]
	}
	return &deflater{takeover: takeover, bits: bits}
}

// plainDeflaters keep no context, and so nothing: one for each window is enough.
var plainDeflaters = func() (all [maxWindow - 8 + 1]deflater) {
	for i := range all {
		all[i].bits = 8 + i
	}
	return all
}()

// deflating is a compressor with the buffer that it writes to.
type deflating struct {
	w   *flate.Writer
	out appender
}

type appender struct{ b []byte }

// Write implements [io.Writer].
func (a *appender) Write(p []byte) (int, error) {
	a.b = append(grown(a.b, len(p)), p...)
	return len(p), nil
}

// deflaters are pooled by the bits of their window, from 8 on.
var deflaters [maxWindow - 8 + 1]sync.Pool

func getDeflating(bits int) *deflating {
	if d, _ := deflaters[bits-8].Get().(*deflating); d != nil {
		return d
	}
	d := &deflating{}
	if bits == maxWindow {
		d.w, _ = flate.NewWriter(&d.out, flate.BestSpeed)
	} else {
		d.w, _ = flate.NewWriterWindow(&d.out, 1<<bits)
	}
	return d
}

// deflate returns p deflated, in a pooled buffer: without the last four bytes
// of the flush (RFC 7692 section 7.2.1).
func (f *deflater) deflate(p []byte) []byte {
	d := f.own
	if d == nil {
		d = getDeflating(f.bits)
		d.w.Reset(&d.out)
	}
	if f.takeover {
		f.own = d
	}
	d.out.b = getBuffer(min(len(p)/2+64, firstGuess))
	_, _ = d.w.Write(p) // an appender cannot fail
	_ = d.w.Flush()
	out := d.out.b
	d.out.b = nil
	if !f.takeover {
		deflaters[f.bits-8].Put(d)
	}
	return out[:len(out)-syncMarker]
}
