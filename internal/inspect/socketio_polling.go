package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/tcp"
)

// polling speaks Engine.IO by requests of HTTP, each to the address that the
// report is about.
type polling struct {
	in   *Inspection
	path string
	http *http.Client
	jar  http.CookieJar

	mu    sync.Mutex
	first net.Conn // the connection that is open already, until it is taken
	count int
}

const (
	maxAnswer      = 1 << 20 // bytes of a body that are read
	stickyRequests = 5
)

func newPolling(in *Inspection, conn net.Conn) *polling {
	p := &polling{in: in, path: enginePath(in.o.SocketIO.Path), first: conn}
	p.jar, _ = cookiejar.New(nil)
	p.http = &http.Client{
		Jar:           p.jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: p.dial, DialTLSContext: p.dial, Proxy: nil, DisableCompression: true,
		},
	}
	return p
}

// enginePath completes the path of an engine.
func enginePath(path string) string {
	switch {
	case path == "":
		return usualEnginePath
	case !strings.HasSuffix(path, "/"):
		return path + "/"
	}
	return path
}

const usualEnginePath = "/socket.io/"

func (p *polling) close() { p.http.CloseIdleConnections() }

func (p *polling) transports() []string {
	if p.in.o.SocketIO.Transports != nil {
		return p.in.o.SocketIO.Transports
	}
	return []string{"polling", "websocket"}
}

// dial takes the connection that is open, and opens others to the same address.
func (p *polling) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.mu.Lock()
	conn := p.first
	p.first = nil
	p.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	d := &tcp.Dialer{Timeout: p.in.o.Timeout, LocalAddr: p.in.o.Source, Tracer: p.in.o.Tracer}
	if p.in.tls != nil { // the certificate has been judged
		d.TLS = p.in.tls.Clone()
		d.TLS.VerifyConnection, d.TLS.GetClientCertificate = nil, nil
		d.TLS.Certificates = p.in.tls.Certificates
	}
	return d.DialContext(ctx, "tcp", p.in.Report.Connection.Remote)
}

// url is the engine's, with a query.
func (p *polling) url(scheme string, query url.Values) string {
	_, extra := p.in.o.Address.Namespace()
	if values, err := url.ParseQuery(extra); err == nil {
		for name, list := range values {
			query[name] = append(query[name], list...)
		}
	}
	if p.in.o.Address.Secure() {
		scheme += "s"
	}
	at := p.in.o.Address
	at.Host = p.in.host()
	return scheme + "://" + at.HostPort() + p.path + "?" + query.Encode()
}

// polled is the answer to a request.
type polled struct {
	asked, version int // of Engine.IO; version 0 where it is none
	status         int
	header         http.Header
	body           []byte
	code           *engine.Code
	message        string
	opening        *EngineOpening
	broken         error // what an open packet lacks
	took           time.Duration
}

// query is that of a request of a session, or of one that opens it.
func query(eio int, transport, sid string) url.Values {
	q := url.Values{"EIO": {strconv.Itoa(eio)}, "transport": {transport}}
	if sid != "" {
		q.Set("sid", sid)
	}
	return q
}

// request sends one request. Alone it has a connection of its own.
func (p *polling) request(ctx context.Context, eio int, sid, body string, alone bool) (*polled, error) {
	ctx, cancel := p.in.within(ctx)
	defer cancel()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, p.url("http", query(eio, "polling", sid)), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body == "" {
		r.Body, r.GetBody = http.NoBody, nil
	} else {
		r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	for _, f := range p.in.o.WebSocket.Header {
		r.Header.Add(string(f.Name), string(f.Value))
	}
	if p.in.o.WebSocket.Origin != "" {
		r.Header.Set("Origin", p.in.o.WebSocket.Origin)
	}
	r.Close = alone
	started := time.Now()
	answer, err := p.http.Do(r)
	if err != nil {
		return nil, overdue(ctx, unanswered(err))
	}
	defer answer.Body.Close()
	a := &polled{asked: eio, status: answer.StatusCode, header: answer.Header}
	a.body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	a.took = time.Since(started)
	if err != nil {
		return nil, overdue(ctx, err)
	}
	a.readCode()
	return a, nil
}

// unanswered is a request that failed, without its URL.
func unanswered(err error) error {
	if e, ok := err.(*url.Error); ok {
		err = e.Err
	}
	if err = engine.Readable(err); errors.Is(err, engine.ErrParse) {
		return &engine.TransportError{Message: "server error", Err: err}
	}
	return &engine.TransportError{Message: "no answer came to the request", Err: err}
}

// open sends a handshake.
func (p *polling) open(ctx context.Context, eio int) (*polled, error) {
	a, err := p.request(ctx, eio, "", "", false)
	if err != nil {
		return nil, err
	}
	a.readOpening()
	e := p.in.Report.Engine
	e.answers[eio] = a
	v := EngineVersion{EIO: eio, Spoken: a.version, Status: a.status, Message: a.message, Duration: a.took}
	if a.code != nil {
		code := int(*a.code)
		v.Code = &code
	}
	e.Versions = append(e.Versions, v)
	if eio == 4 {
		e.Server, e.Via = a.header.Get("Server"), strings.Join(a.header.Values("Via"), ", ")
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			e.Cookies = append(e.Cookies, c.Name)
		}
	}
	return a, nil
}

func (a *polled) readCode() {
	var told struct {
		Code    *engine.Code
		Message string
	}
	if a.status >= 400 && json.Unmarshal(a.body, &told) == nil {
		a.code, a.message = told.Code, told.Message
	}
}

// readOpening reads the packet that opens a session: 0{…} in version 4, and
// LENGTH:0{…} in version 3.
func (a *polled) readOpening() {
	body, version := a.body, 4
	if before, after, ok := bytes.Cut(a.body, []byte(":0{")); ok && len(bytes.Trim(before, "0123456789")) == 0 {
		body, version = append([]byte("0{"), after...), 3
	}
	if a.status != http.StatusOK || !bytes.HasPrefix(body, []byte("0{")) {
		return
	}
	o, err := readOpening(body[1:])
	if a.broken = err; err != nil {
		return
	}
	a.opening, a.version = o, version
}

var (
	errNoSID  = errors.New("the open packet has no sid")
	errCutOff = errors.New("the open packet is cut off")
)

func readOpening(data []byte) (*EngineOpening, error) {
	var told struct {
		SID                       string
		Upgrades                  []string
		PingInterval, PingTimeout int64
		MaxPayload                int64
	}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&told); errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errCutOff
	} else if err != nil {
		return nil, fmt.Errorf("the open packet is no such JSON: %w", err)
	}
	if told.SID == "" {
		return nil, errNoSID
	}
	return &EngineOpening{
		SID: told.SID, Upgrades: append([]string{}, told.Upgrades...), MaxPayload: told.MaxPayload,
		PingInterval: time.Duration(told.PingInterval) * time.Millisecond, PingTimeout: time.Duration(told.PingTimeout) * time.Millisecond,
	}, nil
}

// sticky sends requests of one session, each on a connection of its own: behind
// a balancer without sticky sessions they reach servers that do not know it. A
// pong nobody asked for does nothing at any server.
func (p *polling) sticky(ctx context.Context, sid string) (*EngineSticky, error) {
	s := &EngineSticky{}
	started := time.Now()
	defer func() { s.took = time.Since(started) }()
	for range stickyRequests {
		a, err := p.request(ctx, 4, sid, "3", true)
		if err != nil {
			return s, err
		}
		s.Requests++
		if a.code != nil && *a.code == engine.UnknownSID {
			s.Unknown++
		}
	}
	return s, nil
}

// leave ends a session.
func (p *polling) leave(ctx context.Context, a *polled) {
	body := "1"
	if a.version == 3 {
		body = "1:1"
	}
	_, _ = p.request(ctx, a.asked, a.opening.SID, body, false)
}

// patient is p with requests that may take so long: a poll waits for what comes.
func (p *polling) patient(long time.Duration) *polling {
	in := *p.in
	in.o.Timeout = long + p.in.o.Timeout
	return newPolling(&in, nil)
}
