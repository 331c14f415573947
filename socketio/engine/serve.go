package engine

import (
	"net/http"
	"net/url"
	"strings"
)

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.setUp()
	if !s.serves(r.URL.Path) {
		if s.NotFound != nil {
			s.NotFound.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
		return
	}
	if isUpgrade(r) && s.offers("websocket") {
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
	for _, line := range r.Header.Values("Upgrade") {
		for token := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "websocket") {
				return true
			}
		}
	}
	return false
}

// serve answers a request that is no upgrade.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	q := queryOf(r)
	session, refusal := s.verify(r, q, false)
	switch {
	case refusal != nil:
		s.refuse(w, refusal)
	case session != nil:
		s.serveSession(w, r, q, session)
	default:
		s.serveHandshake(w, r, q)
	}
}

func (s *Server) serveSession(w http.ResponseWriter, r *http.Request, q query, session *Session) {
	p, ok := session.current().(*polling)
	if !ok { // it has moved meanwhile
		s.refuse(w, &ConnectionError{Code: BadRequest, Context: ContextTransportMismatch, Request: r})
		return
	}
	s.addHeaders(w.Header(), r)
	p.serve(w, r, q)
}

// serveHandshake begins a session by polling.
func (s *Server) serveHandshake(w http.ResponseWriter, r *http.Request, q query) {
	id, refusal := s.begins(r, q)
	var session *Session
	var p *polling
	if refusal == nil {
		session, refusal = s.newSession(r, s.headToKeep(w), q, id, func(session *Session) transport {
			p = &polling{session: session, binary: q.get("b64") == ""}
			return p
		})
	}
	if refusal != nil {
		s.refuse(w, refusal)
		return
	}
	s.firstHeaders(w.Header(), id, r)
	s.addHeaders(w.Header(), r)
	session.start()
	p.serveGet(w, r, q)
}

func (s *Server) addHeaders(h http.Header, r *http.Request) {
	if s.Headers != nil {
		s.Headers(h, r)
	}
}

// firstHeaders are those of a session's first answer.
func (s *Server) firstHeaders(h http.Header, id string, r *http.Request) {
	if s.Cookie != nil {
		h.Add("Set-Cookie", s.cookie(id).String())
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
	s.refused(e)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status())
	_, _ = w.Write(e.body())
}

// query are the parameters of a request. Of one that is given twice the last
// counts, as for the official server.
// They are read where they stand, as [url.ParseQuery] reads them: what it takes for
// an error is passed over.
type query string

func queryOf(r *http.Request) query { return query(r.URL.RawQuery) }

func (q query) get(name string) string {
	value, _ := q.find(name)
	return value
}

func (q query) has(name string) bool {
	_, ok := q.find(name)
	return ok
}

// find returns the last value of a name.
func (q query) find(name string) (value string, ok bool) {
	for rest, more := string(q), true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		key, v, _ := strings.Cut(pair, "=")
		if pair == "" || strings.Contains(pair, ";") {
			continue
		}
		if key, is := unescaped(key); !is || key != name {
			continue
		}
		if v, is := unescaped(v); is {
			value, ok = v, true
		}
	}
	return value, ok
}

// unescaped is a part of a query without its escapes. Most have none.
func unescaped(s string) (string, bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, true
	}
	s, err := url.QueryUnescape(s)
	return s, err == nil
}

// verify holds a request against what the official server checks, in its order.
// It returns the session that the request belongs to; nil where it is to begin
// one.
func (s *Server) verify(r *http.Request, q query, upgrade bool) (*Session, *ConnectionError) {
	refuse := func(code Code, context string) (*Session, *ConnectionError) {
		return nil, &ConnectionError{Code: code, Context: context, Request: r}
	}
	transport, id := q.get("transport"), q.get("sid")
	switch {
	case !s.offers(transport):
		return refuse(UnknownTransport, "")
	case illegal(r.Header.Get("Origin")):
		r.Header.Del("Origin")
		return refuse(BadRequest, ContextInvalidOrigin)
	case id != "":
		return s.verifySession(r, q, upgrade)
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

func (s *Server) verifySession(r *http.Request, q query, upgrade bool) (*Session, *ConnectionError) {
	session := s.Session(q.get("sid"))
	switch {
	case session == nil:
		return nil, &ConnectionError{Code: UnknownSID, Request: r}
	case !upgrade && session.Transport() != q.get("transport"):
		return nil, &ConnectionError{Code: BadRequest, Context: ContextTransportMismatch, Request: r}
	case session.protocol != version(q):
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
