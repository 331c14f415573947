package cmd

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/explain"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// shake is one opening handshake on a connection that is open, as a client.
type shake struct {
	conn   net.Conn
	tracer *trace.Tracer
	id     trace.ID
	until  time.Time     // when it has to be over
	limit  time.Duration // how long that was
	target string

	x        handshake.Exchange
	findings []handshake.Finding
	began    time.Time
}

// Bounds of what is looked at around a response.
const (
	mostInterim = 16              // responses before the one that counts
	mostBehind  = 4096            // bytes of a body, or behind a 101
	bodyWait    = 2 * time.Second // for the body of a refusal
	closeWait   = time.Second     // for the peer to answer our close
)

// run sends the request, reads the response, judges both and closes the
// connection. The error is the connection's; what is wrong with the heads is in
// the findings.
func (c *shake) run(ctx context.Context, request []byte) error {
	defer c.conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = c.conn.SetDeadline(c.until)
	c.began = time.Now()
	c.x.Request = asSent(request, false)
	emitHead(c.tracer, c.id, trace.Out, c.x.Request, request)
	_, _ = c.conn.Write(request) // a server that has answered may well have closed before it had read all
	r := &handshake.Reader{Source: c.conn}
	err := timedOut(ctx, c.read(r), c.limit)
	if err == nil {
		c.behind(r)
	}
	if c.judge(err) {
		c.leave(r)
	}
	return err
}

// read reads the response that counts, past interim ones.
func (c *shake) read(r *handshake.Reader) error {
	c.x.Response = &handshake.Head{}
	for range mostInterim {
		err := r.ReadResponse(c.x.Response)
		emitHead(c.tracer, c.id, trace.In, c.x.Response, c.x.Response.Raw)
		if err != nil || !c.x.Response.Interim() {
			return c.plain(err)
		}
		c.x.Notes = append(c.x.Notes, string(c.x.Response.AppendLine(nil)))
	}
	return nil
}

// plain is nil for what findings say better: bytes that are no head, a head
// that is too large, a peer that ended the connection.
func (c *shake) plain(err error) error {
	var cut *handshake.CutError
	if errors.As(err, &cut) && cut.Err != io.EOF {
		return cut.Err
	}
	return nil
}

// behind looks at what came behind the response.
func (c *shake) behind(r *handshake.Reader) {
	status := c.x.Response.Status
	if status != 101 && status != 0 {
		_ = c.conn.SetReadDeadline(earlier(c.until, time.Now().Add(bodyWait)))
		c.x.Body, _ = r.Body(c.x.Response, mostBehind)
		return
	}
	c.x.Body = append(c.x.Body, r.Rest()...)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// leave closes the WebSocket that has opened, and collects what the server says
// until it has closed too.
func (c *shake) leave(r *handshake.Reader) {
	var mask [4]byte
	rand.Read(mask[:]) // never fails
	frame := []byte{0x88, 0x82, mask[0], mask[1], mask[2], mask[3], 0x03 ^ mask[0], 0xe8 ^ mask[1]}
	c.tracer.Emit(c.id, trace.WSClose{Dir: trace.Out, Code: 1000, Title: "Normal Closure"})
	if _, err := c.conn.Write(frame); err != nil {
		return
	}
	_ = c.conn.SetReadDeadline(earlier(c.until, time.Now().Add(closeWait)))
	_, _ = io.CopyN(io.Discard, r, int64(len(c.x.Body))) // is known already
	more, _ := io.ReadAll(io.LimitReader(r, int64(mostBehind)))
	c.x.Body = append(c.x.Body, more...)
	if again := handshake.Check(&c.x); len(again) > len(c.findings) { // what came then is no frame
		emitFindings(c.tracer, c.id, again[:len(again)-len(c.findings)])
		c.findings = again
	}
}

// judge holds both heads against the rules, records what comes of them, and
// reports whether a WebSocket has opened.
func (c *shake) judge(failure error) bool {
	c.findings = handshake.Check(&c.x)
	if isTimeout(failure) {
		explain.Late(c.findings, c.limit)
	}
	emitFindings(c.tracer, c.id, c.findings)
	verdict := explain.Judge(&c.x, c.findings)
	if failure == nil && verdict.Outcome == explain.Opens {
		c.tracer.Emit(c.id, c.upgrade(trace.Client))
		return true
	}
	e := trace.UpgradeFailed{Side: trace.Client, Status: c.x.Response.Status, Error: verdict.Summary}
	if failure != nil {
		e.Error = tcp.Reason(failure)
	}
	c.tracer.Emit(c.id, e)
	return false
}

// upgrade is the record of a handshake that has succeeded.
func (c *shake) upgrade(side string) trace.Upgrade {
	e := trace.Upgrade{Side: side, Target: c.target, Duration: time.Since(c.began)}
	if agreed, err := handshake.CheckResponse(&c.x); err == nil {
		e.Subprotocol = agreed.Subprotocol
	}
	e.Extensions = strings.Join(c.x.Response.Values("Sec-WebSocket-Extensions"), ", ")
	return e
}
