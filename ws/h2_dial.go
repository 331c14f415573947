package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws/internal/h2"
)

// openingHTTP2 is one opening handshake of a client over HTTP/2 (RFC 8441).
type openingHTTP2 struct {
	*Dialer
	url     string
	conn    net.Conn
	below   reporter // of the connection
	report  reporter // of the stream, once there is one
	session *h2.Session
	joined  bool // it was there before
	stream  *h2.Stream
	over    net.Conn // the stream, reported
	x       *handshake.Exchange
	info    *HTTP2Info
	begun   time.Time
}

// overHTTP2 opens a WebSocket as the only stream of an HTTP/2 connection, which
// ends with it. Head is the request as it would be over HTTP/1.1.
func (d *Dialer) overHTTP2(ctx context.Context, conn net.Conn, address string, head *handshake.Head) (*Conn, *handshake.Exchange, error) {
	if framed, ok := conn.(interface{ Framed() }); ok {
		framed.Framed()
	}
	return d.openHTTP2(ctx, conn, nil, address, head)
}

// onShared opens a WebSocket on a connection that others stand on. Where there is
// none that takes it the error is an ErrNoStream.
func (d *Dialer) onShared(ctx context.Context, u *url.URL, address string, head *handshake.Head) (*Conn, *handshake.Exchange, error) {
	session := d.HTTP2.shared.get(u.Scheme + "://" + u.Host)
	if session == nil {
		return nil, nil, h2.ErrNoStream
	}
	return d.openHTTP2(ctx, session.Conn(), session, address, head)
}

// ProbeHTTP2 asks a server, on a connection that is closed again, whether it takes
// WebSockets over HTTP/2: it waits for SETTINGS, and sends no request. The error
// is nil where it does, and a [*HandshakeError] that names the rule where it does
// not.
func (d *Dialer) ProbeHTTP2(ctx context.Context, address string) (*HTTP2Info, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", handshake.ErrURL, err)
	}
	probe := &Dialer{HTTP2: &HTTP2{}, TCP: d.TCP, NetDial: d.NetDial, TLSFor: d.TLSFor, Tracer: d.Tracer}
	conn, err := probe.open(ctx, u)
	if err != nil {
		return nil, err
	}
	o := &openingHTTP2{
		Dialer: probe, url: address, conn: conn, below: reporterFor(conn, d.Tracer),
		x: &handshake.Exchange{}, info: &HTTP2Info{Equivalent: &handshake.Exchange{}},
	}
	defer o.close()
	err = o.settings(ctx)
	return o.info, err
}

func (d *Dialer) openHTTP2(ctx context.Context, conn net.Conn, session *h2.Session, address string, head *handshake.Head) (*Conn, *handshake.Exchange, error) {
	o := &openingHTTP2{
		Dialer: d, url: address, conn: conn, session: session, below: reporterFor(conn, d.Tracer), begun: time.Now(),
		x: &handshake.Exchange{}, info: &HTTP2Info{Equivalent: &handshake.Exchange{Request: head}},
	}
	o.report = o.below
	agreed, err := o.run(ctx)
	if err != nil {
		if !o.joined || !errors.Is(err, h2.ErrNoStream) { // else a new connection takes it
			o.tell(err)
		}
		o.close()
		return nil, o.x, err
	}
	o.report.emit(trace.Upgrade{
		Side: trace.Client, Target: string(head.Target), Subprotocol: agreed.Subprotocol,
		Extensions: o.x.Response.Get("Sec-WebSocket-Extensions"), Duration: time.Since(o.begun),
	})
	c := NewConn(o.over, Config{
		Role: ClientRole, Agreed: agreed, Limits: d.Limits, CompressFrom: d.CompressFrom,
		CloseTimeout: d.CloseTimeout, PingInterval: d.PingInterval, Tracer: d.Tracer,
	})
	c.report, c.http2 = o.report, o.info
	return c, o.x, nil
}

// close gives up what was opened. A connection that others stand on stays.
func (o *openingHTTP2) close() {
	switch {
	case o.session == nil:
		o.conn.Close()
	case o.stream != nil && o.HTTP2.Share:
		o.stream.Reset(h2.Cancel, "the opening handshake failed")
	case !o.joined:
		o.session.Close()
	}
}

// run takes the steps of RFC 8441: the setting, the request, and the response.
func (o *openingHTTP2) run(ctx context.Context) (agreed handshake.Agreement, err error) {
	if err := o.settings(ctx); err != nil {
		return agreed, err
	}
	if err := o.request(); err != nil {
		return agreed, err
	}
	fields, ended, err := o.stream.Head(ctx)
	if err != nil {
		return agreed, o.noResponse(ctx, err)
	}
	o.info.ended = ended
	o.responded(fields)
	return o.judge(ended)
}

// settings waits for the server's SETTINGS: without one of them no :protocol may
// be sent (RFC 8441 section 3).
func (o *openingHTTP2) settings(ctx context.Context) error {
	state, secure := tcp.TLSState(o.conn)
	if o.info.Secure, o.info.ALPN = secure, state.NegotiatedProtocol; secure && state.NegotiatedProtocol != "h2" {
		return o.failed(ctx, nil)
	}
	if o.joined = o.session != nil; !o.joined {
		o.session = h2.Client(o.conn, o.HTTP2.config(untilEnd(ctx), o.below))
	}
	list, err := o.session.Settings(ctx)
	var other *h2.NotHTTP2
	if errors.As(err, &other) {
		o.info.first = other.Line()
	}
	if err != nil {
		return o.failed(ctx, err)
	}
	o.info.Spoken, o.info.Connect = true, o.session.TakesConnect()
	for _, s := range list {
		o.info.Settings = append(o.info.Settings, HTTP2Setting(s))
	}
	if !o.joined {
		o.below.emit(trace.Note{Text: "the server's HTTP/2 SETTINGS: " + o.info.settingsText()})
	}
	if !o.info.Connect {
		return o.failed(ctx, nil)
	}
	return nil
}

// untilEnd is how long the session may wait: ctx ends first.
func untilEnd(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return max(defaultHandshakeTimeout, time.Until(end)+time.Second)
	}
	return defaultHandshakeTimeout
}

// request sends the request on a stream of its own.
func (o *openingHTTP2) request() (err error) {
	fields := fieldsOf(o.info.Equivalent.Request, o.info.Secure || isSecure(o.url))
	o.x.Request = headOfHTTP2(fields)
	if o.stream, err = o.session.Open(fields, false); err != nil {
		return &HandshakeError{URL: o.url, Exchange: o.x, HTTP2: o.info, Err: err}
	}
	if o.HTTP2.Share && !o.joined {
		o.share()
	}
	o.session.Drain(false) // it ends with its last stream
	o.info.Stream = o.stream.ID()
	o.over = tcp.Trace(o.stream, o.below.tracer, trace.Client, 0)
	if framed, ok := o.over.(interface{ Framed() }); ok {
		framed.Framed()
	}
	o.report = reporterFor(o.over, o.Tracer)
	o.report.http2Head(trace.Out, fields)
	return nil
}

// share lets others on the connection.
func (o *openingHTTP2) share() {
	if u, err := url.Parse(o.url); err == nil {
		o.HTTP2.shared.put(u.Scheme+"://"+u.Host, o.session)
	}
}

func isSecure(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "wss" || u.Scheme == "https")
}

func (o *openingHTTP2) responded(fields []h2.Field) {
	o.x.Response = headOfHTTP2(fields)
	o.info.Equivalent.Response = responseOfHTTP1(fields, o.info.Equivalent.Request.Get("Sec-WebSocket-Key"))
	o.report.head(trace.In, o.x.Response)
}

// noResponse is a stream that ended without a response that is right.
func (o *openingHTTP2) noResponse(ctx context.Context, err error) error {
	var reset *h2.StreamError
	if errors.As(err, &reset) && reset.Local {
		o.info.malformed = reset.Reason
		if fields := o.stream.Refused(); fields != nil {
			o.responded(fields)
		}
	}
	return o.failed(ctx, err)
}

// judge holds the response against the rules: those of HTTP/2, and then those
// that are the same over HTTP/1.1.
func (o *openingHTTP2) judge(ended bool) (handshake.Agreement, error) {
	if f := http2Broken(o.x, o.info); f != nil {
		return handshake.Agreement{}, &HandshakeError{URL: o.url, Exchange: o.x, HTTP2: o.info, Finding: f}
	}
	same := o.info.Equivalent
	agreed, err := handshake.CheckResponse(same)
	if err == nil {
		return agreed, nil
	}
	if same.Response.Status != 101 && !ended {
		o.body()
	}
	failed := &HandshakeError{URL: o.url, Exchange: o.x, HTTP2: o.info}
	if !errors.As(err, &failed.Finding) {
		failed.Err = err
	}
	return agreed, failed
}

// body reads the beginning of what goes with a refusal.
func (o *openingHTTP2) body() {
	_ = o.stream.SetReadDeadline(time.Now().Add(refusalBodyTime))
	o.x.Body, _ = io.ReadAll(io.LimitReader(o.stream, refusalBody))
	o.info.Equivalent.Body = o.x.Body
}

// failed is a handshake that ended before its response.
func (o *openingHTTP2) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	e := &HandshakeError{URL: o.url, Exchange: o.x, HTTP2: o.info, Err: err}
	if ctx.Err() == nil {
		e.Finding = http2Broken(o.x, o.info)
	}
	return e
}

// tell puts what went wrong into the trace.
func (o *openingHTTP2) tell(err error) {
	var failed *HandshakeError
	if !o.report.on(trace.Connection) || !errors.As(err, &failed) {
		return
	}
	if failed.Finding != nil && failed.Finding.Level == handshake.Must {
		o.report.emit(FindingEvent(failed.Finding))
	}
	reason := ""
	if cause := failed.Unwrap(); cause != nil {
		reason = cause.Error()
	}
	o.report.emit(trace.UpgradeFailed{Side: trace.Client, Status: failed.Status(), Error: reason})
}
