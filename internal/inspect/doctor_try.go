package inspect

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// http2Preface is how a client begins HTTP/2: its preface, and SETTINGS that set
// nothing (RFC 9113 3.4).
const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"

// ask is one thing to try.
type ask struct {
	id, what string
	kind     askKind
	address  endpoint.Address // ws, wss or ws+unix
	to       string           // the host to dial; "" is that of the inspection
	guarded  bool             // credentials and queries stay at home

	header       []handshake.Field
	subprotocols []string
	origin       string
	noDeflate    bool
	query        string // of Engine.IO, besides its own
	namespace    string // that is joined
}

type askKind uint8

const (
	asksUpgrade      askKind = iota // a WebSocket
	asksPage                        // the same request without its upgrade
	asksEngine                      // a session of Engine.IO, by polling
	asksEngineSocket                // the same by a WebSocket
	asksNothing                     // only listens
	asksHTTP2                       // the preface of HTTP/2
)

// version is that of Engine.IO.
func (a *ask) version() int {
	if a.id == TryEngine3 || a.id == TryEngineSocket3 {
		return 3
	}
	return 4
}

// url is what is asked.
func (a *ask) url() string {
	at := a.address
	path, query, _ := strings.Cut(at.Target, "?")
	if a.guarded {
		query = ""
	}
	switch a.kind {
	case asksEngine:
		query = a.engineQuery("polling")
	case asksEngineSocket:
		query = a.engineQuery("websocket")
	}
	at.Target, at.User = path, ""
	if query != "" {
		at.Target += "?" + query
	}
	return at.URL()
}

func (a *ask) engineQuery(transport string) string {
	q := query(a.version(), transport, "").Encode()
	if a.query != "" && !a.guarded {
		q += "&" + a.query
	}
	return q
}

// shown is the URL with the scheme that a person would type for it.
func (a *ask) shown() string {
	u := a.url()
	switch a.kind {
	case asksPage, asksEngine:
		return "http" + strings.TrimPrefix(u, "ws")
	case asksNothing, asksHTTP2:
		scheme := "tcp"
		if a.address.Secure() {
			scheme = "tls"
		}
		return scheme + "://" + a.address.HostPort()
	}
	return u
}

func (a *ask) key() string {
	return fmt.Sprint(a.kind, a.version(), a.url(), a.to, a.subprotocols, a.origin, a.noDeflate, len(a.header), a.namespace, a.host())
}

// host is the Host header that is sent in place of the URL's.
func (a *ask) host() string {
	for _, f := range a.header {
		if strings.EqualFold(string(f.Name), "Host") {
			return string(f.Value)
		}
	}
	return ""
}

// trial is an ask and what came of it.
type trial struct {
	ask
	dialled string
	reached string
	opens   bool
	status  int
	x       *handshake.Exchange // what passed, where HTTP did
	body    []byte
	cut     error  // why the body did not come to its end
	first   []byte // what came where HTTP was due
	err     error
	closed  *ws.CloseError // by the peer, as soon as it was open
	chosen  string         // the subprotocol
	opening *EngineOpening
	refused string // what a namespace was refused with
	took    time.Duration
}

// http reports whether an answer of HTTP came.
func (t *trial) http() bool { return t != nil && t.status != 0 }

// protocol names what was spoken in place of HTTP, where it can be told.
func (t *trial) protocol() string {
	if t == nil {
		return ""
	}
	return handshake.Sniff(t.first)
}

// try does what is asked.
func (d *doctor) try(ctx context.Context, t *trial) {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	started := time.Now()
	defer func() { t.took = time.Since(started) }()
	t.reached = ReachedNothing
	conn, err := d.dial(ctx, t)
	if err != nil {
		t.err = err
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	switch t.kind {
	case asksUpgrade, asksEngineSocket:
		t.upgrade(ctx, d, conn)
	case asksNothing:
		t.listen(conn, nil)
	case asksHTTP2:
		t.listen(conn, []byte(http2Preface))
	default:
		t.request(conn)
	}
}

// dial opens the connection, up to TLS.
func (d *doctor) dial(ctx context.Context, t *trial) (net.Conn, error) {
	dialer := &tcp.Dialer{Timeout: d.patience, LocalAddr: d.o.Source, NoLookup: d.o.NoLookup, Resolver: d.o.Resolver, Tracer: d.o.Tracer}
	if t.address.Scheme == endpoint.WSUnix {
		dialer.LocalAddr = ""
		conn, err := dialer.DialContext(ctx, "unix", t.address.Path)
		if err == nil {
			t.reached = ReachedConnection
		}
		return conn, err
	}
	host := t.to
	if host == "" {
		host = d.host()
	}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, t.address.Port))
	if err != nil {
		t.dialled = net.JoinHostPort(host, t.address.Port)
		return nil, err
	}
	t.reached, t.dialled = ReachedConnection, conn.RemoteAddr().String()
	if !t.address.Secure() {
		return conn, nil
	}
	return d.secured(ctx, t, conn)
}

// secured speaks TLS, with whoever is there: the certificate is not what is
// looked at.
func (d *doctor) secured(ctx context.Context, t *trial, conn net.Conn) (net.Conn, error) {
	o := d.o.TLS
	o.Insecure, o.Pins, o.CA, o.MinVersion = true, nil, "", tls.VersionTLS10
	if len(o.ALPN) == 0 {
		o.ALPN = []string{"http/1.1"}
	}
	config, err := o.Client(t.address.Host)
	if err == nil {
		conn, err = tcp.ClientTLS(ctx, conn, config, d.o.Tracer)
	}
	if err != nil {
		var notTLS tls.RecordHeaderError
		if errors.As(err, &notTLS) {
			t.first = notTLS.RecordHeader[:]
		}
		return nil, err
	}
	t.reached = ReachedTLS
	return conn, nil
}

// fields are the headers that are sent.
func (t *trial) fields() []handshake.Field {
	if t.guarded {
		return withoutCredentials(t.header)
	}
	return t.header
}

func secretField(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "cookie", "proxy-authorization":
		return true
	}
	return false
}

// upgrade asks for a WebSocket, and sees whether it stays open.
func (t *trial) upgrade(ctx context.Context, d *doctor, conn net.Conn) {
	dialer := &ws.Dialer{Header: t.fields(), Subprotocols: t.subprotocols, Origin: t.origin, Timeout: -1, CloseTimeout: pongTime / 2, Tracer: d.o.Tracer}
	if !t.noDeflate {
		dialer.Deflate = &handshake.Deflate{ClientMaxWindowBits: handshake.Unvalued}
	}
	c, x, err := dialer.Upgrade(ctx, conn, t.url())
	t.keep(x)
	if err != nil {
		t.err = err
		return
	}
	defer c.CloseNow()
	t.reached, t.chosen = ReachedWebSocket, c.Subprotocol()
	if t.kind == asksEngineSocket {
		t.session(ctx, c)
	} else {
		t.stays(ctx, c)
	}
	_ = c.Close(ws.StatusNormal, "")
}

// keep keeps what passed.
func (t *trial) keep(x *handshake.Exchange) {
	if t.x = x; x == nil || x.Response == nil {
		return
	}
	t.body = x.Body
	if t.status = x.Response.Status; t.status == 0 {
		t.first = x.Response.Raw
		return
	}
	t.reached = ReachedHandshake
}

// pongTime is how long the pong is waited for that shows that a connection stays.
const pongTime = time.Second

// stays reports whether the connection outlives a ping: servers that have
// something against a client often open first, and close with a code.
func (t *trial) stays(ctx context.Context, c *ws.Conn) {
	ended := make(chan error, 1)
	go func() {
		for {
			if _, _, err := c.Read(ctx); err != nil {
				ended <- err
				return
			}
		}
	}()
	pinging, cancel := context.WithTimeout(ctx, pongTime)
	defer cancel()
	_, err := c.Ping(pinging)
	if err != nil { // who reads knows why; a close is waited for less long than a pong
		select {
		case err = <-ended:
		default:
			if pinging.Err() == nil {
				err = <-ended
			}
		}
	}
	var closed *ws.CloseError
	if errors.As(err, &closed) && !closed.Local && !closed.Orderly() {
		t.closed = closed
		return
	}
	t.opens = true
}

// session wants the packet that opens a session of Engine.IO, and may join a
// namespace.
func (t *trial) session(ctx context.Context, c *ws.Conn) {
	_, b, err := c.Read(ctx)
	if err != nil {
		t.err = err
		return
	}
	p, err := engine.ParseText(append([]byte{}, b...))
	if err == nil && p.Type == engine.Open {
		t.opening, err = readOpening(p.Data)
	}
	if err != nil || t.opening == nil {
		t.first, t.status = append([]byte{}, b...), 0
		return
	}
	t.reached = ReachedEngine
	if t.namespace == "" {
		t.opens = true
		return
	}
	n := newNamespace(&socketSession{c}, t.namespace)
	if t.err = n.send(ctx, &socketio.Packet{Type: socketio.PacketConnect, Namespace: t.namespace}); t.err != nil {
		return
	}
	answer, err := n.answer(ctx)
	switch {
	case err != nil:
		t.err = err
	case answer.Type == socketio.PacketConnect:
		t.opens = true
	default:
		t.refused = string(answer.Data)
	}
}

// request sends a request without an upgrade, and reads the answer.
func (t *trial) request(conn net.Conn) {
	r := &handshake.Request{URL: t.url(), Header: t.fields(), Origin: t.origin}
	head, err := r.Head()
	if err != nil {
		t.err = err
		return
	}
	for _, name := range []string{"Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"} {
		head.Omit(name)
	}
	head.Add("Connection", "close")
	if _, err := conn.Write(head.AppendTo(nil)); err != nil {
		t.err = err
		return
	}
	t.answer(conn, &handshake.Exchange{Request: head})
}

func (t *trial) answer(conn net.Conn, x *handshake.Exchange) {
	reader := handshake.Reader{Source: conn}
	for range 3 { // interim responses come first
		h := &handshake.Head{}
		if t.err = reader.ReadResponse(h); t.err == nil || len(h.Raw) > 0 {
			x.Response = h
		}
		if t.err != nil || !h.Interim() {
			break
		}
	}
	if x.Response != nil && x.Response.Status != 0 {
		x.Body, t.cut = reader.Body(x.Response, maxAnswerKept)
	}
	t.keep(x)
	if t.http() {
		t.err = nil
		t.reached = ReachedHTTP
		t.opens = t.kind == asksPage && t.status < 400
	}
	if t.kind == asksEngine {
		t.readOpening()
	}
}

const maxAnswerKept = 16 << 10

// readOpening reads an answer as that of Engine.IO to its first request.
func (t *trial) readOpening() {
	p := &polled{status: t.status, body: t.body}
	p.readOpening()
	t.opening = p.opening
	if t.opens = p.opening != nil && p.version == t.version() && t.cut == nil; t.opens {
		t.reached = ReachedEngine
	}
}

// listen sends what is to be sent, and keeps what comes first.
func (t *trial) listen(conn net.Conn, first []byte) {
	if len(first) > 0 {
		if _, err := conn.Write(first); err != nil {
			t.err = err
			return
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(bannerTime))
	buf := make([]byte, bannerSize)
	n, err := conn.Read(buf)
	if t.first = buf[:n]; n == 0 && !isTimeout(err) {
		t.err = err
	}
	t.opens = t.kind == asksHTTP2 && t.protocol() == "HTTP/2"
}

// bannerTime is how long somebody who speaks first is waited for.
const bannerTime = 700 * time.Millisecond

// resolveLocation reads where a redirect leads, as the address of a WebSocket.
func resolveLocation(from, location string) (to endpoint.Address, ok bool) {
	base, err := url.Parse("http" + strings.TrimPrefix(from, "ws"))
	if err != nil || location == "" {
		return to, false
	}
	u, err := base.Parse(location)
	if err != nil || u.Host == "" {
		return to, false
	}
	u.Fragment, u.User = "", nil
	u.Scheme = map[string]string{"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}[u.Scheme]
	to, err = endpoint.Parse([]string{u.String()}, endpoint.Options{})
	return to, err == nil
}

func withoutHost(list []handshake.Field) []handshake.Field {
	return slices.DeleteFunc(slices.Clone(list), func(f handshake.Field) bool { return strings.EqualFold(string(f.Name), "Host") })
}
