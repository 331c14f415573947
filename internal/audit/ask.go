package audit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/sockkit/sockkit/handshake"
)

// Bounds of one question.
const (
	mostInterim = 16                     // responses before the one that counts
	mostHead    = 64 << 10               // bytes of a response's head
	mostSent    = 4 << 10                // bytes of what was sent that are kept
	settle      = 300 * time.Millisecond // that a frame that is wrong has to take effect in
	dripEvery   = 500 * time.Millisecond
)

// asking is one connection with one question.
type asking struct {
	p     *Probe
	t     *Target
	conn  net.Conn
	r     *handshake.Reader
	a     *Answer
	end   time.Time
	wrote chan struct{}
}

// ask asks a server once. What it returns is never nil; where ctx ends, it is
// of no use.
func (t *Target) ask(ctx context.Context, p *Probe) *Answer {
	q := &asking{p: p, t: t, a: &Answer{End: Open, Wait: t.waitFor(p)}, wrote: make(chan struct{})}
	dialing, cancel := context.WithTimeout(ctx, t.dialWait())
	defer cancel()
	conn, err := t.Dial(dialing)
	if err != nil {
		q.a.Outcome, q.a.Err = Unreachable, err
		return q.a
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	q.conn, q.r, q.end = conn, &handshake.Reader{Source: conn, Limits: &handshake.Limits{MaxBytes: mostHead}}, time.Now().Add(q.a.Wait)
	_ = conn.SetDeadline(q.end)
	wire := t.wire(p)
	q.sent(wire)
	done := make(chan struct{})
	go q.write(wire, done)
	defer func() { close(done); conn.Close(); <-q.wrote }()
	q.read()
	if q.a.Outcome == Upgraded {
		q.talk()
	}
	return q.a
}

// waitFor is how long the server has for a probe.
func (t *Target) waitFor(p *Probe) time.Duration {
	if p.slow != atOnce {
		return t.slow()
	}
	return t.wait()
}

// wire is what is sent on a connection before anything comes.
func (t *Target) wire(p *Probe) []byte {
	h := t.Request.Clone()
	h.Set(handshake.F("Sec-WebSocket-Key", handshake.NewKey()))
	if p.head != nil {
		p.head(h)
	}
	wire := h.AppendTo(nil)
	if p.edit != nil {
		wire = p.edit(wire)
	}
	if p.slow != atOnce {
		return wire[:len(wire)-2] // without the empty line that ends it
	}
	return append(wire, p.tail...)
}

func (q *asking) sent(wire []byte) {
	q.a.Sent, q.a.Size = wire[:min(len(wire), mostSent)], len(wire)
	h := &handshake.Head{}
	_, _ = h.ParseRequest(wire, nil) // what is wrong with it is meant
	q.a.Exchange.Request = h
}

// write sends the request while the response is read: a server may answer
// before it has read all.
func (q *asking) write(wire []byte, done <-chan struct{}) {
	defer close(q.wrote)
	if !inPieces(q.conn, wire, q.p.parts, done) {
		return
	}
	for i := 0; q.p.slow == dripped && pause(dripEvery, done); i++ {
		if _, err := q.conn.Write([]byte("X-Drip: 0\r\n"[i%11 : i%11+1])); err != nil {
			return
		}
	}
}

// inPieces writes in so many pieces, with a moment between them, and reports
// whether all is written.
func inPieces(conn net.Conn, wire []byte, parts int, done <-chan struct{}) bool {
	size := (len(wire) + max(parts, 1) - 1) / max(parts, 1)
	for len(wire) > 0 {
		n := min(size, len(wire))
		if _, err := conn.Write(wire[:n]); err != nil {
			return false
		}
		if wire = wire[n:]; len(wire) > 0 && !pause(10*time.Millisecond, done) {
			return false
		}
	}
	return true
}

// pause waits, and reports whether there is more to do then.
func pause(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}

// read reads the response that counts, past interim ones.
func (q *asking) read() {
	for range mostInterim {
		h := &handshake.Head{}
		q.a.Exchange.Response = h
		if err := q.r.ReadResponse(h); err != nil {
			q.a.fail(err)
			return
		}
		if !h.Interim() {
			break
		}
	}
	switch {
	case q.a.Exchange.Response.Status == 101:
		q.a.Outcome = Upgraded
	case q.a.Exchange.Response.Status == 0 || q.a.Exchange.Response.Interim():
		q.a.Outcome = Garbage
	default:
		q.a.Outcome = Refused
	}
	q.a.Exchange.Body = bytes.Clone(q.r.Rest()[:min(len(q.r.Rest()), mostSent)])
}

// talk sends the frames and reads what comes of them.
func (q *asking) talk() {
	if q.p.frames == nil && q.p.tail == nil {
		return
	}
	fr := &frameReader{r: q.r}
	_, _ = q.conn.Write(bytes.Join(q.p.frames, nil))
	switch q.p.wait {
	case forEnd:
		q.collect(fr, q.end, func() bool { return false })
		return
	case forPong:
		q.collect(fr, q.end, func() bool { return q.a.Ended() || q.a.pong(q.p.pong) })
		_, _ = q.conn.Write(frame(fin|opClose, closing(1000, "")))
		return
	case forProof:
		if q.collect(fr, q.soon(), q.a.Ended) {
			return
		}
	}
	_, _ = q.conn.Write(frame(fin|opPing, marker))
	q.collect(fr, q.end, func() bool { return q.a.Ended() || q.a.pong(marker) })
	if q.p.wait == forProof && q.a.Alive() {
		q.collect(fr, q.soon(), q.a.Ended) // a server may end a connection a moment after it has answered
	}
	_, _ = q.conn.Write(frame(fin|opClose, closing(1000, "")))
}

// soon is a moment from now, and no later than the end.
func (q *asking) soon() time.Time {
	if t := time.Now().Add(settle); t.Before(q.end) {
		return t
	}
	return q.end
}

// collect reads frames until enough have come, and reports whether they have.
// Only time being over leaves the connection open.
func (q *asking) collect(fr *frameReader, until time.Time, enough func() bool) bool {
	_ = q.conn.SetReadDeadline(until)
	for !enough() {
		f, err := fr.next()
		switch {
		case err == nil:
			q.a.Frames = append(q.a.Frames, f)
		case errors.Is(err, errFlood):
			q.a.Flood = true
			return true
		case isTimeout(err):
			return false
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			q.a.End = ByClose
			return true
		default:
			q.a.End = ByReset
			return true
		}
	}
	return true
}
