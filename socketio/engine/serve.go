package engine

import (
	"bufio"
	"bytes"
	"net/http"
	"net/url"
	"strings"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/ws"
)

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.setUp()
	if !strings.HasPrefix(r.URL.Path, strings.TrimSuffix(s.path(), "/")) {
		if s.NotFound != nil {
			s.NotFound.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
		return
	}
	if isUpgrade(r) {
		s.serveUpgrade(w, r)
		return
	}
	if !s.allowOrigin(w.Header(), r) {
		s.refuse(w, &ConnectionError{Code: Forbidden, Text: originText(r), Request: r})
		return
	}
	if r.Method == http.MethodOptions && s.CORS != nil && !s.CORS.PreflightContinue {
		s.CORS.preflight(w, r)
		return
	}
	s.handler.ServeHTTP(w, r)
}

func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// serveUpgrade runs the middlewares, and hands the request to the WebSocket
// server where none of them has answered.
func (s *Server) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	if len(s.middlewares) == 0 {
		s.ws.ServeHTTP(w, r)
		return
	}
	next := http.Handler(s.ws)
	for i := len(s.middlewares) - 1; i >= 0; i-- {
		next = s.middlewares[i](next)
	}
	next.ServeHTTP(w, r)
}

// serve answers a request that is no upgrade.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	session, refusal := s.verify(r, false)
	if refusal != nil {
		s.refuse(w, refusal)
		return
	}
	if s.Headers != nil {
		s.Headers(w.Header(), r)
	}
	if session != nil {
		if p, ok := session.current().(*polling); ok {
			p.serve(w, r)
			return
		}
		s.refuse(w, &ConnectionError{Code: BadRequest, Context: ContextTransportMismatch, Request: r})
		return
	}
	session, refusal = s.handshake(r, func(session *Session) transport { return &polling{session: session} })
	if refusal != nil {
		s.refuse(w, refusal)
		return
	}
	s.firstHeaders(w.Header(), session, r)
	s.start(session)
	session.current().(*polling).serveGet(w, r)
}

// firstHeaders are those of a session's first answer.
func (s *Server) firstHeaders(h http.Header, session *Session, r *http.Request) {
	if s.Cookie != nil {
		h.Add("Set-Cookie", s.cookie(session.id).String())
	}
	if s.InitialHeaders != nil {
		s.InitialHeaders(h, r)
	}
}

func (s *Server) cookie(id string) *http.Cookie {
	c := *s.Cookie
	c.Value = id
	if c.Name == "" {
		c.Name = "io"
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if c.SameSite == 0 {
		c.SameSite = http.SameSiteLaxMode
	}
	return &c
}

// refuse answers a request with an error.
func (s *Server) refuse(w http.ResponseWriter, e *ConnectionError) {
	if s.OnConnectionError != nil {
		s.OnConnectionError(e)
	}
	w.Header().Set("Content-Type", "application/json")
	status := e.Status()
	if e.Text == errTooManySessions.Error() {
		status = http.StatusServiceUnavailable
	}
	w.WriteHeader(status)
	_, _ = w.Write(e.body())
}

// verify holds a request against what the official server checks, in its order.
// It returns the session that the request belongs to; nil where it is to begin
// one.
func (s *Server) verify(r *http.Request, upgrade bool) (*Session, *ConnectionError) {
	q := r.URL.Query()
	refuse := func(code Code, context string) (*Session, *ConnectionError) {
		return nil, &ConnectionError{Code: code, Context: context, Request: r}
	}
	transport, id := q.Get("transport"), q.Get("sid")
	switch {
	case !s.offers(transport):
		return refuse(UnknownTransport, "")
	case illegal(r.Header.Get("Origin")):
		r.Header.Del("Origin")
		return refuse(BadRequest, ContextInvalidOrigin)
	case q.Has("sid"):
		return s.verifySession(r, id, transport, upgrade)
	case r.Method != http.MethodGet:
		return refuse(BadHandshakeMethod, "")
	case transport == "websocket" && !upgrade:
		return refuse(BadRequest, ContextTransportHandshake)
	}
	if s.AllowRequest != nil {
		if err := s.AllowRequest(r); err != nil {
			return nil, &ConnectionError{Code: Forbidden, Text: err.Error(), Request: r}
		}
	}
	return nil, nil
}

func (s *Server) verifySession(r *http.Request, id, transport string, upgrade bool) (*Session, *ConnectionError) {
	session := s.Session(id)
	eio := 3
	if r.URL.Query().Get("EIO") == "4" {
		eio = 4
	}
	switch {
	case session == nil:
		return nil, &ConnectionError{Code: UnknownSID, Request: r}
	case !upgrade && session.Transport() != transport:
		return nil, &ConnectionError{Code: BadRequest, Context: ContextTransportMismatch, Request: r}
	case session.protocol != eio:
		return nil, &ConnectionError{Code: BadRequest, Context: ContextProtocolMismatch, Request: r}
	}
	return session, nil
}

// illegal reports whether a header's value holds what none may hold.
func illegal(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}

// permit decides about a WebSocket. The request is kept for opened.
func (s *Server) permit(r *ws.Request) error {
	hr, err := httpRequest(r)
	if err != nil {
		return &handshake.Refusal{Status: 400, Body: err.Error()}
	}
	if !strings.HasPrefix(hr.URL.Path, strings.TrimSuffix(s.path(), "/")) {
		return &handshake.Refusal{Status: 404, Body: "there is no Engine.IO at this path\n"}
	}
	header := http.Header{}
	refusal := (*ConnectionError)(nil)
	var session *Session
	if !s.allowOrigin(header, hr) {
		refusal = &ConnectionError{Code: Forbidden, Text: originText(hr), Request: hr}
	} else {
		session, refusal = s.verify(hr, true)
	}
	if refusal == nil && session == nil && !s.AllowEIO3 && hr.URL.Query().Get("EIO") != "4" {
		refusal = &ConnectionError{Code: UnsupportedProtocolVersion, Request: hr}
	}
	if refusal != nil {
		if s.OnConnectionError != nil {
			s.OnConnectionError(refusal)
		}
		return &handshake.Refusal{Status: 400, Body: refusal.Message(), Header: []handshake.Field{handshake.F("Content-Type", "text/html")}}
	}
	s.upgradeHeaders(r, hr, header, session)
	return nil
}

// upgradeHeaders adds to the 101 what is to be added.
func (s *Server) upgradeHeaders(r *ws.Request, hr *http.Request, header http.Header, session *Session) {
	if s.Headers != nil {
		s.Headers(header, hr)
	}
	if session == nil && s.InitialHeaders != nil {
		s.InitialHeaders(header, hr)
	}
	for name, values := range header {
		for _, v := range values {
			r.Answer = append(r.Answer, handshake.F(name, v))
		}
	}
}

// httpRequest is a request of the WebSocket server's as package net/http has it.
func httpRequest(r *ws.Request) (*http.Request, error) {
	if r.HTTP != nil {
		return r.HTTP, nil
	}
	hr, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(r.AppendTo(nil))))
	if err != nil {
		return nil, err
	}
	hr.RemoteAddr, hr.TLS = r.Remote.String(), r.TLS
	return hr, nil
}

// opened takes a WebSocket: for a new session, or for one that moves.
func (s *Server) opened(p *ws.Peer, r *ws.Request) {
	hr, err := httpRequest(r)
	if err != nil {
		p.Close(ws.StatusInternalError, "")
		return
	}
	if id := hr.URL.Query().Get("sid"); id != "" {
		s.upgrades(p, id)
		return
	}
	session, refusal := s.handshake(hr, func(session *Session) transport { return &socket{session: session, peer: p} })
	if refusal != nil {
		p.Close(ws.StatusTryAgainLater, refusal.Message())
		return
	}
	p.SetValue(session.transport)
	s.start(session)
}

// upgrades begins a session's move to a WebSocket.
func (s *Server) upgrades(p *ws.Peer, id string) {
	session := s.Session(id)
	if session == nil {
		p.Close(ws.StatusNoStatus, "")
		return
	}
	t := &socket{session: session, peer: p}
	p.SetValue(t)
	if s.NoUpgrade || !session.beginUpgrade(t) {
		p.Close(ws.StatusNoStatus, "")
	}
}

func took(p *ws.Peer, kind ws.MessageType, b []byte) {
	if t, _ := p.Value().(*socket); t != nil {
		t.took(kind, b)
	}
}

func ended(p *ws.Peer, err error) {
	if t, _ := p.Value().(*socket); t != nil {
		t.ended(err)
	}
}

// formData is the field d of a form, with the line ends that a browser's form
// has changed put back.
func formData(body []byte) []byte {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil
	}
	d := strings.ReplaceAll(values.Get("d"), `\\n`, "\x00")
	d = strings.ReplaceAll(d, `\n`, "\n")
	return []byte(strings.ReplaceAll(d, "\x00", `\n`))
}
