package tcp

import (
	"io"
	"net"
	"sync/atomic"

	"github.com/sockkit/sockkit/trace"
)

// wire is the connection under a TLS layer or a proxy's handshake: it reports
// the bytes that really pass. TLS calls Read, and Write, from one goroutine at
// a time. With a nil tracer it is silent.
type wire struct {
	net.Conn
	tracer *trace.Tracer
	id     trace.ID
	tls    bool // the bytes are TLS records

	in, out recordHeads
	first   [firstBytes]byte // the first bytes that came, for error messages
	came    int              // how many came; only the first ones are kept
	last    [alertSize]byte  // the last bytes that came
	ended   atomic.Bool      // the peer's FIN was seen
	ending  bool             // io.EOF came with bytes, and is still to be returned
}

const (
	firstBytes = 64
	alertSize  = recordHeadSize + 2
)

// below returns what a layer that is put under c's application stands on. Where
// c stands on a layer already, that one reports the bytes.
func (c *Conn) below() *wire {
	if !c.raw {
		return &wire{Conn: c.Conn}
	}
	return &wire{Conn: c.Conn, tracer: c.tracer, id: c.id}
}

// above returns the connection that the application uses once layer is put
// between it and c: it keeps c's number and time of opening. c itself must not
// be used any more.
func (c *Conn) above(layer net.Conn) *Conn {
	return &Conn{Conn: layer, tracer: c.tracer, id: c.id, opened: c.opened}
}

// NetConn returns the connection underneath.
func (w *wire) NetConn() net.Conn { return w.Conn }

// Read implements [net.Conn]. It returns io.EOF on its own, so that what TLS
// makes of the bytes before it is told apart from their end.
func (w *wire) Read(p []byte) (int, error) {
	if w.ending {
		w.ended.Store(true)
		return 0, io.EOF
	}
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.keep(p[:n])
		w.report(trace.In, &w.in, p[:n])
	}
	if err == io.EOF {
		if n > 0 {
			w.ending = true
			return n, nil
		}
		w.ended.Store(true)
	}
	return n, err
}

// Write implements [net.Conn].
func (w *wire) Write(p []byte) (int, error) {
	w.report(trace.Out, &w.out, p)
	return w.Conn.Write(p)
}

// Close implements [net.Conn]. What came and was not read is taken first: the
// kernel would answer a close over it with a reset, which can cost the peer the
// end of what we sent (RFC 2525 section 2.17). A TLS 1.3 server's session
// tickets are such bytes.
func (w *wire) Close() error {
	drain(w.Conn)
	return w.Conn.Close()
}

// keep keeps of p what error messages may need.
func (w *wire) keep(p []byte) {
	if w.came < len(w.first) {
		copy(w.first[w.came:], p)
	}
	w.came += len(p)
	if len(p) < len(w.last) {
		copy(w.last[:], w.last[len(p):])
	}
	copy(w.last[max(0, len(w.last)-len(p)):], p[max(0, len(p)-len(w.last)):])
}

// seen returns the first bytes that came.
func (w *wire) seen() []byte { return w.first[:min(w.came, len(w.first))] }

// report makes the records of p, which went dir. The heads of TLS records come
// before the bytes that complete them.
func (w *wire) report(dir trace.Dir, heads *recordHeads, p []byte) {
	if w.tls && w.tracer.On(trace.Frame) {
		w.reportHeads(dir, heads, p)
	}
	if len(p) > 0 && w.tracer.On(trace.Byte) {
		w.tracer.Emit(w.id, trace.Bytes{Dir: dir, Size: len(p), Payload: p})
	}
}

func (w *wire) reportHeads(dir trace.Dir, heads *recordHeads, p []byte) {
	for len(p) > 0 {
		var head recordHead
		var whole bool
		if p, head, whole = heads.next(p); whole {
			w.tracer.Emit(w.id, trace.TLSRecord{
				Dir: dir, Type: head.typeName(), Version: head.versionName(), Size: head.size(),
			})
		}
	}
}
