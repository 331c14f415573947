package ws

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws/internal/h2"
)

// preface is what a client of HTTP/2 begins with, as far as it looks like a head
// (RFC 9113 section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\n"

// toHTTP2 hands a peer that speaks HTTP/2 to a session, with all that it has
// sent.
func (p *Peer) toHTTP2(read []byte) {
	read = append([]byte(nil), read...)
	p.waiting = nil
	secure := p.tcp.TLS()
	conn, more, err := p.tcp.Detach()
	if err != nil {
		return
	}
	p.srv.http2.serve(p.srv, conn, append(read, more...), secure)
}

// http2Set are the HTTP/2 connections of a server.
type http2Set struct {
	mu       sync.Mutex
	sessions map[*h2.Session]struct{}
	over     bool
}

func (h *http2Set) serve(s *Server, conn net.Conn, read []byte, secure *tls.ConnectionState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		conn.Close()
		return
	}
	cfg := s.HTTP2.config(s.handshakeTimeout(), reporterFor(conn, nil))
	cfg.Handle = func(st *h2.Stream) { s.http2Request(st, secure) }
	cfg.OnEnd = h.remove
	if h.sessions == nil {
		h.sessions = map[*h2.Session]struct{}{}
	}
	h.sessions[h2.Server(conn, read, cfg)] = struct{}{}
}

func (h *http2Set) remove(session *h2.Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, session)
}

// stop lets none in any more, and returns those there are.
func (h *http2Set) stop() (all []*h2.Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	for session := range h.sessions {
		all = append(all, session)
	}
	return all
}

// shutdown ends each connection with its last stream: GOAWAY says so now.
func (h *http2Set) shutdown(ctx context.Context) error {
	all := h.stop()
	for _, session := range all {
		session.Drain(true)
	}
	for _, session := range all {
		if err := session.Shutdown(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (h *http2Set) close() {
	var all sync.WaitGroup
	for _, session := range h.stop() {
		all.Go(func() { session.Close() })
	}
	all.Wait()
}

// http2Opening is one opening request over HTTP/2.
type http2Opening struct {
	srv    *Server
	stream *h2.Stream
	fields []h2.Field
	req    *Request
	answer handshake.Answer
	begun  time.Time
}

// http2Request takes what comes on a stream: a WebSocket, or what HTTP serves.
func (s *Server) http2Request(st *h2.Stream, secure *tls.ConnectionState) {
	fields, ended, err := st.Head(context.Background())
	if err != nil {
		return
	}
	protocol, extended := h2.Get(fields, ":protocol")
	switch {
	case protocol == "websocket":
		req := &Request{Head: requestOfHTTP1(fields), Remote: st.RemoteAddr(), TLS: secure, HTTP2: true}
		o := &http2Opening{srv: s, stream: st, fields: fields, req: req, begun: time.Now()}
		o.run()
	case extended: // RFC 9220 section 3
		s.refuseHTTP2(st, fields, 501, ":protocol is "+strconv.Quote(protocol)+", and websocket is what is spoken here.")
	case s.HTTP != nil && methodOf(fields) != "CONNECT":
		s.http2Web(st, fields, ended, secure)
	default:
		s.refuseHTTP2(st, fields, 405, "This listener takes WebSockets only: CONNECT with :protocol websocket (RFC 8441 section 4).")
	}
}

func methodOf(fields []h2.Field) string {
	method, _ := h2.Get(fields, ":method")
	return method
}

// refuseHTTP2 refuses what is no WebSocket.
func (s *Server) refuseHTTP2(st *h2.Stream, fields []h2.Field, status int, reason string) {
	answer := []h2.Field{
		{Name: ":status", Value: strconv.Itoa(status)}, {Name: "content-type", Value: "text/plain; charset=utf-8"},
		{Name: "x-content-type-options", Value: "nosniff"}, {Name: "content-length", Value: strconv.Itoa(len(reason) + 1)},
	}
	if status == 405 { // RFC 9110 section 15.5.6
		answer = append(answer, h2.Field{Name: "allow", Value: "CONNECT"})
	}
	r := reporterFor(st.Session().Conn(), nil)
	r.http2Head(trace.In, fields)
	r.http2Head(trace.Out, answer)
	r.emit(trace.UpgradeFailed{Side: trace.Server, Status: status, Error: reason})
	if st.Respond(answer, methodOf(fields) == "HEAD") == nil {
		_, _ = st.Write([]byte(reason + "\n"))
	}
	_ = st.Finish()
	s.refusedBy(st.RemoteAddr(), strconv.Itoa(status), reason)
}

// run judges the request, and makes a WebSocket of its stream.
func (o *http2Opening) run() {
	if err := o.srv.accept(o.req, &o.answer); err != nil {
		o.refuse(err)
		return
	}
	if err := o.stream.Respond(o.accepted(), false); err != nil {
		o.srv.leave(o.req.seat)
		o.stream.Close()
		return
	}
	if o.srv.Handler != nil {
		o.converse()
		return
	}
	p := &Peer{srv: o.srv, more: &seldom{adopted: &adopted{req: o.req, answer: &o.answer, begun: o.begun, http2: o}}}
	p.sit(o.req.seat)
	p.agree(o.answer.Agreement)
	if err := o.srv.tcp.Adopt(o.stream, nil, p); err != nil {
		o.srv.end(o.req.seat, o.answer.Agreement, 0, 0)
		o.stream.Close()
	}
}

// converse runs Handler.
func (o *http2Opening) converse() {
	s := o.srv
	conn := tcp.Trace(o.stream, s.tcp.Tracer, trace.Server, 0)
	if framed, ok := conn.(interface{ Framed() }); ok {
		framed.Framed()
	}
	r := reporterFor(conn, nil)
	o.tell(r)
	r.upgraded(trace.Server, o.req.Head, &o.answer, time.Since(o.begun))
	s.begin(o.answer.Agreement)
	s.converse(conn, o.req, o.answer.Agreement, nil)
}

// tell reports both heads.
func (o *http2Opening) tell(r reporter) {
	if r.on(trace.Connection) {
		r.emit(trace.Note{Text: "stream " + strconv.FormatUint(uint64(o.stream.ID()), 10) + " of an HTTP/2 connection"})
	}
	r.http2Head(trace.In, o.fields)
	r.http2Head(trace.Out, o.accepted())
}

// accepted are the fields of the answer: 200 in place of 101, and nothing that
// belongs to an Upgrade (RFC 8441 section 5).
func (o *http2Opening) accepted() []h2.Field {
	return append([]h2.Field{{Name: ":status", Value: "200"}}, restOf(o.answer.Head())...)
}

// refuse answers with what the request is refused with. HTTP/2 has no Upgrade,
// and so no 426 (RFC 9110 section 15.5.22).
func (o *http2Opening) refuse(err error) {
	status := o.answer.Status
	if status == 426 {
		status = 400
	}
	answer := append([]h2.Field{{Name: ":status", Value: strconv.Itoa(status)}}, restOf(o.answer.Head())...)
	r := reporterFor(o.stream.Session().Conn(), nil)
	r.http2Head(trace.In, o.fields)
	r.http2Head(trace.Out, answer)
	r.refusal(trace.Server, &o.answer, err)
	if o.stream.Respond(answer, false) == nil {
		_, _ = o.stream.Write([]byte(o.answer.Body()))
	}
	_ = o.stream.Finish()
	rule, reason := whyRefused(&o.answer, err)
	o.srv.refusedBy(o.req.Remote, rule, reason)
}

// withHTTP2 has TLS offer HTTP/2 and HTTP/1.1, where it offers nothing.
func withHTTP2(config *tls.Config) *tls.Config {
	if config == nil || len(config.NextProtos) > 0 {
		return config
	}
	config = config.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	return config
}

// choseHTTP2 reports whether ALPN has chosen it (RFC 9113 section 3.2): whatever
// comes is of HTTP/2 then.
func (p *Peer) choseHTTP2() bool {
	secure := p.tcp.TLS()
	return secure != nil && secure.NegotiatedProtocol == "h2"
}

// isPreface reports whether a head is the beginning of HTTP/2.
func (s *Server) isPreface(b []byte) bool {
	return s.HTTP2 != nil && len(b) >= len(preface) && string(b[:len(preface)]) == preface
}
