package engine

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/ws"
)

// admission is what was decided about an upgrade before it is answered.
type admission struct {
	request *http.Request
	head    []byte // of the request, where nobody else has seen it
	id      string // of the session that begins; "" where one moves
}

type admissionKey struct{}

// serveUpgrade hands a request of net/http to the WebSocket server. What permit
// decides comes back by its context: the connection is taken over in between.
func (s *Server) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close") // of a refusal; a 101 is not written by w
	if r.Method != http.MethodGet && queryOf(r).get("sid") == "" {
		refusal := &ConnectionError{Code: BadHandshakeMethod, Request: r}
		s.refused(refusal)
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, refusal.Message())
		return
	}
	ctx := context.WithValue(r.Context(), admissionKey{}, &admission{})
	s.ws.ServeHTTP(w, r.WithContext(ctx))
}

// keep keeps what was decided until the request is answered.
func (s *Server) keep(r *ws.Request, a admission) {
	if r.HTTP != nil {
		if kept, ok := r.HTTP.Context().Value(admissionKey{}).(*admission); ok {
			*kept = a
			return
		}
	}
	s.admitted.Store(r.Head, a)
}

// kept is what keep was given. Without net/http it comes at once, and with the
// same head.
func (s *Server) kept(r *ws.Request) (a admission, ok bool) {
	if r.HTTP != nil {
		if kept, ok := r.HTTP.Context().Value(admissionKey{}).(*admission); ok {
			return *kept, kept.request != nil
		}
	}
	v, ok := s.admitted.LoadAndDelete(r.Head)
	if !ok {
		return admission{}, false
	}
	return v.(admission), true
}

// permit decides about a WebSocket.
func (s *Server) permit(r *ws.Request) error {
	hr, head, err := s.httpRequest(r)
	if err != nil {
		return &handshake.Refusal{Status: 400, Body: err.Error()}
	}
	if !s.serves(hr.URL.Path) {
		return &handshake.Refusal{Status: 404, Body: "there is no Engine.IO at this path\n"}
	}
	header := http.Header{}
	if !s.allowOrigin(header, hr) {
		return s.refuseUpgrade(&ConnectionError{Code: Forbidden, Text: originText(hr), Request: hr})
	}
	rec := &recorder{header: header}
	passed := s.passes(rec, hr)
	if passed == nil {
		s.refused(&ConnectionError{Code: BadRequest, Context: ContextMiddlewareFailure, Request: hr})
		return rec.refusal()
	}
	a, refusal := s.admit(passed)
	if refusal != nil {
		return s.refuseUpgrade(refusal)
	}
	if a.head = head; a.id != "" {
		s.firstHeaders(header, a.id, passed)
	}
	s.addHeaders(header, passed)
	r.Answer = append(r.Answer, fields(header)...)
	s.keep(r, a)
	return nil
}

// passes runs the middlewares. It returns the request as they pass it on; nil
// where one of them did not.
func (s *Server) passes(w http.ResponseWriter, r *http.Request) (passed *http.Request) {
	if len(s.middlewares) == 0 {
		return r
	}
	s.around(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { passed = r })).ServeHTTP(w, r)
	return passed
}

// admit verifies an upgrade, and decides on the id of a session that begins by
// it: its cookie goes with the 101.
func (s *Server) admit(r *http.Request) (a admission, refusal *ConnectionError) {
	q := queryOf(r)
	session, refusal := s.verify(r, q, true)
	if refusal != nil {
		return a, refusal
	}
	a.request = r
	if session == nil {
		a.id, refusal = s.begins(r, q)
	}
	return a, refusal
}

// refuseUpgrade is the official server's answer: 400 whatever the code is, and
// nothing but the message.
func (s *Server) refuseUpgrade(e *ConnectionError) error {
	s.refused(e)
	status := http.StatusBadRequest
	if e.status != 0 {
		status = e.status
	}
	return &handshake.Refusal{Status: status, Body: e.Message(), Header: []handshake.Field{handshake.F("Content-Type", "text/html")}}
}

// fields are headers in the order of their names.
func fields(h http.Header) (list []handshake.Field) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		switch name {
		case "Connection", "Content-Length", "Content-Type", "Transfer-Encoding", "Upgrade":
			continue // the answer's own
		}
		for _, v := range h[name] {
			list = append(list, handshake.F(name, v))
		}
	}
	return list
}

// recorder takes what a middleware answers to an upgrade.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements [http.ResponseWriter], as do the others.
func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

// refusal is what a middleware answered, or the official answer where that was
// no refusal.
func (r *recorder) refusal() *handshake.Refusal {
	if r.status < 300 {
		return &handshake.Refusal{Status: http.StatusBadRequest, Body: BadRequest.Message(),
			Header: []handshake.Field{handshake.F("Content-Type", "text/html")}}
	}
	list := fields(r.header)
	if kind := r.header.Get("Content-Type"); kind != "" {
		list = append(list, handshake.F("Content-Type", kind))
	}
	return &handshake.Refusal{Status: r.status, Body: r.body.String(), Header: list}
}

// httpRequest is a request of the WebSocket server's as package net/http has it.
// Head is what to keep of it where nobody else gets to see it: nobody can have
// changed it then.
func (s *Server) httpRequest(r *ws.Request) (hr *http.Request, head []byte, err error) {
	if r.HTTP != nil {
		return r.HTTP, nil, nil
	}
	head = r.AppendTo(make([]byte, 0, 1024))
	if hr, err = readHead(head); err != nil {
		return nil, nil, err
	}
	hr.RemoteAddr, hr.TLS = r.Remote.String(), r.TLS
	if s.shows() {
		return hr, nil, nil
	}
	return hr, bytes.Clone(head), nil
}

// shows reports whether somebody else gets to see requests.
func (s *Server) shows() bool {
	return len(s.middlewares) > 0 || s.AllowRequest != nil || s.GenerateID != nil || s.InitialHeaders != nil || s.Headers != nil
}

// opened takes a WebSocket: for a new session, or for one that moves.
func (s *Server) opened(p *ws.Peer, r *ws.Request) {
	a, ok := s.kept(r)
	if !ok {
		p.Close(ws.StatusInternalError, "")
		return
	}
	q := queryOf(a.request)
	if q.get("transport") != "websocket" { // the official server says no more either
		p.Close(ws.StatusNoStatus, "")
		return
	}
	if id := q.get("sid"); id != "" {
		s.upgrades(p, q, id)
		return
	}
	var t *socket
	session, refusal := s.newSession(a.request, a.head, q, a.id, func(session *Session) transport {
		t = newSocket(session, p, q)
		return t
	})
	if refusal != nil { // another has taken the last place meanwhile
		s.refused(refusal)
		p.Close(ws.StatusTryAgainLater, refusal.Message())
		return
	}
	p.SetValue(t)
	session.start()
}

// upgrades begins a session's move to a WebSocket.
func (s *Server) upgrades(p *ws.Peer, q query, id string) {
	session := s.Session(id)
	if session == nil {
		p.Close(ws.StatusNoStatus, "")
		return
	}
	t := newSocket(session, p, q)
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

func tookAll(p *ws.Peer) {
	if t, _ := p.Value().(*socket); t != nil {
		t.tookAll()
	}
}

func ended(p *ws.Peer, err error) {
	if t, _ := p.Value().(*socket); t != nil {
		t.ended(err)
	}
}
