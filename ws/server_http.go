package ws

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// ServeHTTP implements [http.Handler]: it takes the connection over from the
// HTTP server, whose goroutine and buffers it leaves behind at once. What the
// HTTP server has let pass or has refused by itself is its own affair: package
// net/http accepts bare LF and folds header lines together, answers a missing or
// doubled Host with 400, and hides the order of headers.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.setUp()
	begun := time.Now()
	if r.ProtoMajor != 1 {
		http.Error(w, fmt.Sprintf("This is %s, and a WebSocket is opened over HTTP/1.1 here. Offer http/1.1 in TLS's ALPN.", r.Proto), http.StatusHTTPVersionNotSupported)
		s.refusedBy(stringAddr(r.RemoteAddr), "request-version-new", "the request came over "+r.Proto)
		return
	}
	req := &Request{Head: headOf(r), Remote: stringAddr(r.RemoteAddr), TLS: r.TLS, HTTP: r}
	if addr, err := net.ResolveTCPAddr("tcp", r.RemoteAddr); err == nil {
		req.Remote = addr
	}
	var ans handshake.Answer
	if err := s.accept(req, &ans); err != nil {
		s.refuseHTTP(w, req, &ans, err)
		return
	}
	conn, early, err := hijack(w)
	if err != nil {
		s.leave(req.seat)
		http.Error(w, "The connection cannot be taken over for a WebSocket: "+err.Error(), http.StatusInternalServerError)
		s.refusedBy(req.Remote, "hijack", err.Error())
		return
	}
	req.Remote = conn.RemoteAddr()
	if err := s.switchOver(conn, req, &ans, early, begun); err != nil {
		s.leave(req.seat)
		conn.Close()
	}
}

// refuseHTTP answers by the HTTP server.
func (s *Server) refuseHTTP(w http.ResponseWriter, req *Request, ans *handshake.Answer, err error) {
	h := ans.Head()
	for _, f := range h.Fields() {
		switch name := string(f.Name); {
		case containsToken("content-length, connection, date", name):
		default:
			w.Header().Add(name, string(f.Value))
		}
	}
	w.WriteHeader(ans.Status)
	_, _ = io.WriteString(w, ans.Body())
	rule, reason := whyRefused(ans, err)
	s.refusedBy(req.Remote, rule, reason)
}

// hijack takes the connection, without the deadlines of the HTTP server and
// with every byte that it has read ahead.
func hijack(w http.ResponseWriter) (net.Conn, []byte, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	if p, ok := conn.(*prefixed); ok && len(p.read) == 0 {
		conn = p.Conn
	}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	return conn, bytes.Clone(early), nil
}

// switchOver answers 101 and makes a WebSocket of the connection.
func (s *Server) switchOver(conn net.Conn, req *Request, ans *handshake.Answer, early []byte, begun time.Time) error {
	limit := s.handshakeTimeout()
	if limit > 0 {
		_ = conn.SetWriteDeadline(time.Now().Add(limit))
	}
	if _, err := conn.Write(ans.AppendTo(nil)); err != nil {
		return err
	}
	_ = conn.SetWriteDeadline(time.Time{})
	if s.Handler != nil {
		conn = tcp.Trace(conn, s.tcp.Tracer, trace.Server, 0)
		if framed, ok := conn.(interface{ Framed() }); ok {
			framed.Framed()
		}
		r := reporterFor(conn, nil)
		r.head(trace.In, req.Head)
		r.head(trace.Out, ans.Head())
		r.upgraded(trace.Server, req.Head, ans, time.Since(begun))
		s.begin(ans.Agreement)
		s.converse(conn, req, ans.Agreement, early)
		return nil
	}
	p := &Peer{srv: s, more: &seldom{adopted: &adopted{req: req, answer: ans, begun: begun}}}
	p.sit(req.seat)
	p.agree(ans.Agreement)
	err := s.tcp.Adopt(conn, early, p)
	if err != nil {
		s.end(req.seat, ans.Agreement, 0, 0)
		conn.Close()
	}
	return nil
}

// adopted is what a peer from net/http brings along.
type adopted struct {
	req    *Request
	answer *handshake.Answer
	begun  time.Time
	http2  *http2Opening // where it comes from HTTP/2
}

// begin is the opening of a peer that was adopted.
func (p *Peer) begin() {
	p.mu.Lock()
	a := p.more.adopted
	p.more.adopted = nil
	p.mu.Unlock()
	p.tcp.Framed()
	r := p.report()
	switch {
	case a.http2 != nil:
		a.http2.tell(r)
	case r.on(trace.Message):
		r.head(trace.In, a.req.Head)
		r.head(trace.Out, a.answer.Head())
	}
	r.upgraded(trace.Server, a.req.Head, a.answer, time.Since(a.begun))
	p.opened(a.req)
}

// headOf is a request of net/http as a head. Its order and spelling are lost.
func headOf(r *http.Request) *handshake.Head {
	h := &handshake.Head{}
	target := r.RequestURI
	if target == "" {
		target = r.URL.RequestURI()
	}
	h.SetRequestLine(r.Method, target, r.Proto)
	if r.Host != "" {
		h.Add("Host", r.Host)
	}
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			h.Add(name, value)
		}
	}
	if r.ContentLength > 0 && !h.Has("Content-Length") {
		h.Add("Content-Length", fmt.Sprint(r.ContentLength))
	}
	for _, coding := range r.TransferEncoding {
		h.Add("Transfer-Encoding", coding)
	}
	return h
}

// stringAddr is an address that is known as text only.
type stringAddr string

func (a stringAddr) Network() string { return "tcp" }
func (a stringAddr) String() string  { return string(a) }
