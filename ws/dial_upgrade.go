package ws

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
)

// opening is one opening handshake of a client.
type opening struct {
	*Dialer
	url    string
	conn   net.Conn
	report reporter
	x      *handshake.Exchange
	reader handshake.Reader
	begun  time.Time
}

func (d *Dialer) upgrade(ctx context.Context, conn net.Conn, address string, head *handshake.Head) (*Conn, *handshake.Exchange, error) {
	o := &opening{
		Dialer: d, url: address, conn: conn, report: reporterFor(conn, d.Tracer),
		x: &handshake.Exchange{Request: head}, begun: time.Now(),
	}
	if framed, ok := conn.(interface{ Framed() }); ok {
		framed.Framed()
	}
	agreed, err := o.run(ctx)
	if err != nil {
		o.tell(err)
		conn.Close()
		return nil, o.x, err
	}
	o.report.emit(trace.Upgrade{
		Side: trace.Client, Target: string(head.Target), Subprotocol: agreed.Subprotocol,
		Extensions: o.x.Response.Get("Sec-WebSocket-Extensions"), Duration: time.Since(o.begun),
	})
	if len(d.Subprotocols) > 0 && agreed.Subprotocol == "" {
		o.report.emit(trace.Note{Text: "the server chose none of the subprotocols that were offered: RFC 6455 allows that (4.2.2 item 5), browsers give up then (WHATWG WebSockets)"})
	}
	c := NewConn(conn, Config{
		Role: ClientRole, Agreed: agreed, Limits: d.Limits, Early: o.reader.Rest(), CompressFrom: d.CompressFrom,
		CloseTimeout: d.CloseTimeout, PingInterval: d.PingInterval, Tracer: d.Tracer,
	})
	c.report = o.report
	return c, o.x, nil
}

// run sends the request, reads the response and judges it. The end of ctx ends
// it.
func (o *opening) run(ctx context.Context) (agreed handshake.Agreement, err error) {
	stop := context.AfterFunc(ctx, func() { _ = o.conn.SetDeadline(past) })
	defer func() {
		if !stop() && err == nil { // it came too late to matter
			err = o.failed(ctx, context.Cause(ctx))
		}
		_ = o.conn.SetDeadline(time.Time{})
	}()
	o.report.head(trace.Out, o.x.Request)
	if _, err := o.conn.Write(o.x.Request.AppendTo(nil)); err != nil {
		return agreed, o.failed(ctx, err)
	}
	if err := o.response(ctx); err != nil {
		return agreed, err
	}
	agreed, err = handshake.CheckResponse(o.x)
	if err == nil {
		return agreed, nil
	}
	if o.x.Response.Status != 101 {
		o.body()
	}
	failed := &HandshakeError{URL: o.url, Exchange: o.x}
	if !errors.As(err, &failed.Finding) {
		failed.Err = err
	}
	return agreed, failed
}

// response reads the response, and those that only say that it will come.
func (o *opening) response(ctx context.Context) error {
	o.reader = handshake.Reader{Source: o.conn, Limits: o.HeadLimits}
	for range maxInterim {
		h := &handshake.Head{}
		err := o.reader.ReadResponse(h)
		var cut *handshake.CutError
		if len(h.Raw) > 0 || err == nil {
			o.report.head(trace.In, h)
			o.x.Response = h
		} else if errors.As(err, &cut) && errors.Is(err, io.ErrUnexpectedEOF) {
			o.x.Response = h // nothing came, and that is what is wrong
		}
		if errors.As(err, &cut) {
			return o.failed(ctx, err)
		}
		if !h.Interim() {
			return nil // whatever is wrong with it, a rule says it
		}
	}
	return nil
}

// failed is a handshake that the connection or the time did not let end.
func (o *opening) failed(ctx context.Context, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	e := &HandshakeError{URL: o.url, Exchange: o.x, Err: err}
	var cut *handshake.CutError
	if ctx.Err() != nil || !errors.As(err, &cut) || !errors.Is(err, io.ErrUnexpectedEOF) {
		return e
	}
	if _, broken := handshake.CheckResponse(o.x); broken != nil {
		errors.As(broken, &e.Finding) // it broke off, and what did come says why
	}
	return e
}

// body reads the beginning of what goes with a refusal.
func (o *opening) body() {
	timer := time.AfterFunc(refusalBodyTime, func() { _ = o.conn.SetReadDeadline(past) })
	defer timer.Stop()
	o.x.Body, _ = o.reader.Body(o.x.Response, refusalBody)
}

// tell puts what went wrong into the trace: every rule that was broken.
func (o *opening) tell(err error) {
	var failed *HandshakeError
	if !o.report.on(trace.Connection) || !errors.As(err, &failed) {
		return
	}
	if failed.Err == nil {
		for _, f := range handshake.Check(o.x) {
			if f.Level == handshake.Must {
				o.report.emit(FindingEvent(&f))
			}
		}
	}
	reason := ""
	if cause := failed.Unwrap(); cause != nil {
		reason = cause.Error()
	}
	o.report.emit(trace.UpgradeFailed{Side: trace.Client, Status: failed.Status(), Error: reason})
}
