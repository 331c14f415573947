package engine

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// Server serves Engine.IO: as an [http.Handler] on any server, or on listeners
// of its own ([Server.Serve]). Its zero value has the official server's defaults.
// Fields must not change once it serves, and a Server must not be copied.
type Server struct {
	// Path is what the paths of requests begin with; "" is /engine.io/. A slash
	// stands at its end whether it is given or not. Requests for other paths are
	// answered 404, or go to NotFound.
	Path string
	// NoTrailingSlash takes the slash at the end of Path off (addTrailingSlash:
	// false).
	NoTrailingSlash bool
	// NotFound takes requests for other paths; nil answers 404.
	NotFound http.Handler

	// Transports are those that are offered; nil is polling and websocket.
	Transports []string
	// NoUpgrade keeps sessions on the transport that they began with
	// (allowUpgrades: false).
	NoUpgrade bool
	// PingInterval is the time between a pong and the next ping; 0 is 25 seconds.
	PingInterval time.Duration
	// PingTimeout bounds the wait for a pong; 0 is 20 seconds.
	PingTimeout time.Duration
	// UpgradeTimeout bounds an upgrade; 0 is 10 seconds.
	UpgradeTimeout time.Duration
	// MaxHTTPBufferSize bounds the body of a POST, and a message over WebSocket,
	// in bytes; 0 is 1,000,000. Clients are told (maxPayload).
	MaxHTTPBufferSize int64
	// MaxBuffered bounds what waits for a client that does not take it, in bytes,
	// and some for each packet; 0 is 16 MiB, less than 0 no bound. Beyond it the
	// session ends ("transport error").
	MaxBuffered int
	// MaxSessions bounds the sessions at once; 0 is 100,000, less than 0 no bound.
	// Beyond it a handshake is answered 503.
	MaxSessions int

	// AllowRequest decides about handshakes: the error's text is the message that
	// the client is sent, with code 4. Nil lets all in.
	AllowRequest func(r *http.Request) error
	// CORS says which pages of other origins may connect; nil is none.
	CORS *CORS
	// Cookie is set by the first answer of a session, a 101 too, with its id; nil
	// sets none.
	Cookie *http.Cookie
	// Deflate compresses WebSocket messages (perMessageDeflate); nil does not.
	Deflate *handshake.Deflate
	// HTTPCompression is the size in bytes from which on answers to polls are
	// compressed, by gzip or deflate; 0 is 1,024, less than 0 never.
	HTTPCompression int
	// AllowEIO3 lets clients of protocol 3 in.
	AllowEIO3 bool
	// InitialPacket is a message that each session begins with; nil is none.
	InitialPacket []byte
	// GenerateID makes the id of a session, which must be new; nil makes 20 random
	// characters. An error refuses the handshake, and so does an id in use.
	GenerateID func(r *http.Request) (string, error)

	// OnConnection is called for each new session, before anything of it is
	// read: set its callbacks here.
	OnConnection func(s *Session)
	// OnConnectionError is told of requests that are refused.
	OnConnectionError func(e *ConnectionError)
	// InitialHeaders may add to the headers of a session's first answer, Headers
	// to those of all answers, the 101 included.
	InitialHeaders, Headers func(h http.Header, r *http.Request)

	// TCP is what Serve stands on, see [ws.Server.TCP].
	TCP *tcp.Server
	// Tracer takes the records; nil costs nothing.
	Tracer *trace.Tracer

	once        sync.Once
	at          string // path
	ws          *ws.Server
	handler     http.Handler
	middlewares []func(http.Handler) http.Handler
	admitted    sync.Map // of upgrades that are being answered, by their heads

	mu       sync.Mutex
	sessions map[string]*Session
	draining bool // no session may come any more
	closed   bool
}

// The defaults of the official server.
const (
	defaultPath           = "/engine.io/"
	defaultPingInterval   = 25 * time.Second
	defaultPingTimeout    = 20 * time.Second
	defaultUpgradeTimeout = 10 * time.Second
	defaultMaxBuffer      = 1000000
	defaultMaxBuffered    = 16 << 20
	defaultMaxSessions    = 100000
	defaultCompressFrom   = 1024
)

func or[T comparable](v, byDefault T) T {
	var zero T
	if v == zero {
		return byDefault
	}
	return v
}

func (s *Server) pingInterval() time.Duration   { return or(s.PingInterval, defaultPingInterval) }
func (s *Server) pingTimeout() time.Duration    { return or(s.PingTimeout, defaultPingTimeout) }
func (s *Server) upgradeTimeout() time.Duration { return or(s.UpgradeTimeout, defaultUpgradeTimeout) }
func (s *Server) maxBuffer() int64              { return or(s.MaxHTTPBufferSize, defaultMaxBuffer) }
func (s *Server) maxBuffered() int              { return or(s.MaxBuffered, defaultMaxBuffered) }
func (s *Server) compressFrom() int             { return or(s.HTTPCompression, defaultCompressFrom) }

func (s *Server) path() string {
	path := strings.TrimSuffix(or(s.Path, defaultPath), "/")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if s.NoTrailingSlash || strings.HasSuffix(path, "/") {
		return path
	}
	return path + "/"
}

// serves reports whether a path is the engine's.
func (s *Server) serves(path string) bool { return strings.HasPrefix(path, s.at) }

func (s *Server) offers(transport string) bool {
	switch transport {
	case "polling", "websocket":
	default:
		return false
	}
	if s.Transports == nil {
		return true
	}
	for _, t := range s.Transports {
		if t == transport {
			return true
		}
	}
	return false
}

func (s *Server) setUp() {
	s.once.Do(func() {
		s.sessions = map[string]*Session{}
		s.at = s.path()
		s.handler = s.around(http.HandlerFunc(s.serve))
		below := s.TCP
		if below == nil {
			below = &tcp.Server{}
		}
		below.Overflow = tcp.CloseSlow
		if below.WriteQueue == 0 {
			if below.WriteQueue = s.maxBuffered(); below.WriteQueue < 0 {
				below.WriteQueue = math.MaxInt
			}
		}
		s.ws = &ws.Server{
			Permit: s.permit, OnOpen: s.opened, OnMessage: took, OnRead: tookAll, OnClose: ended, HTTP: http.HandlerFunc(s.ServeHTTP), Plain: s.exchange,
			Deflate: s.Deflate, CompressFrom: s.compressFrom(), Limits: ws.Limits{MaxMessage: s.maxBuffer()},
			MaxConns: -1, TCP: below, Tracer: s.Tracer,
		}
	})
}

// around puts the middlewares around a handler, the first one outermost.
func (s *Server) around(h http.Handler) http.Handler {
	for i := len(s.middlewares) - 1; i >= 0; i-- {
		h = s.middlewares[i](h)
	}
	return h
}

// Use adds a handler around all requests of the engine, upgrades included: those
// go on where it calls the next handler, with the headers that it has set by
// then, and are refused with its answer where it does not. It has to be called
// before the first request.
func (s *Server) Use(middleware func(http.Handler) http.Handler) {
	s.middlewares = append(s.middlewares, middleware)
}

// Serve accepts connections on l until it fails, or Close is called. Requests
// for other paths go to NotFound.
func (s *Server) Serve(l net.Listener) error {
	s.setUp()
	return s.ws.Serve(l)
}

// ClientsCount returns how many sessions there are.
func (s *Server) ClientsCount() int {
	s.setUp()
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Session returns the session of that id, or nil.
func (s *Server) Session(id string) *Session {
	s.setUp()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

// Stats are those of the WebSockets, and of the listeners of Serve.
func (s *Server) Stats() ws.Stats {
	s.setUp()
	return s.ws.Stats()
}

// Refuse has new sessions be refused (503), so that their clients go elsewhere.
// Those that there are go on, with all their requests: Serve still accepts.
func (s *Server) Refuse() {
	s.setUp()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
}

// Close ends all sessions ("forced close"), and the listeners of Serve. It waits
// for the sessions' ends until ctx is done.
func (s *Server) Close(ctx context.Context) error {
	s.setUp()
	s.mu.Lock()
	s.closed = true
	all := make([]*Session, 0, len(s.sessions))
	for _, session := range s.sessions {
		all = append(all, session)
	}
	s.mu.Unlock()
	for _, session := range all {
		session.Close(true)
	}
	return s.ws.Shutdown(ctx)
}

// version is the version of the protocol that a request is made by.
func version(q query) int {
	if q.get("EIO") == "4" {
		return 4
	}
	return 3
}

// begins says whether a request may begin a session, and with which id.
func (s *Server) begins(r *http.Request, q query) (id string, refusal *ConnectionError) {
	if version(q) == 3 && !s.AllowEIO3 {
		return "", &ConnectionError{Code: UnsupportedProtocolVersion, Request: r}
	}
	id, err := s.newID(r)
	if err == nil {
		err = s.room(id)
	}
	if err == nil {
		return id, nil
	}
	return "", refusalFor(err, r)
}

// newSession makes a session that a request begins, of which the head is given
// where that is enough to keep.
func (s *Server) newSession(r *http.Request, head []byte, q query, id string, first func(*Session) transport) (*Session, *ConnectionError) {
	session := &Session{srv: s, id: id, protocol: version(q)}
	if o := &session.opening; head != nil {
		o.head, o.remote, o.tls = head, r.RemoteAddr, r.TLS
	} else {
		o.lasting(r)
	}
	session.transport = first(session)
	if err := s.register(session); err != nil {
		return nil, refusalFor(err, r)
	}
	return session, nil
}

var (
	errTooManySessions = errors.New("too many sessions")
	errServerClosed    = errors.New("the server is closed")
	errServerDrains    = errors.New("the server is about to close")
)

// refusalFor is what a client is told of an error that no rule names.
func refusalFor(err error, r *http.Request) *ConnectionError {
	if errors.Is(err, errTooManySessions) || errors.Is(err, errServerClosed) || errors.Is(err, errServerDrains) {
		return &ConnectionError{Code: Forbidden, Text: err.Error(), Request: r, status: http.StatusServiceUnavailable}
	}
	return &ConnectionError{Code: BadRequest, Context: ContextIDGeneration, Request: r}
}

func (s *Server) register(session *Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.roomLocked(session.id); err != nil {
		return err
	}
	s.sessions[session.id] = session
	return nil
}

func (s *Server) room(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roomLocked(id)
}

// roomLocked reports why there is no room for a session of that id.
func (s *Server) roomLocked(id string) error {
	most := or(s.MaxSessions, defaultMaxSessions)
	switch {
	case s.closed:
		return errServerClosed
	case s.draining:
		return errServerDrains
	case most > 0 && len(s.sessions) >= most:
		return errTooManySessions
	case id == "" || s.sessions[id] != nil:
		return errors.New("the id is empty, or in use")
	}
	return nil
}

func (s *Server) forget(session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[session.id] == session {
		delete(s.sessions, session.id)
	}
}

func (s *Server) newID(r *http.Request) (string, error) {
	if s.GenerateID != nil {
		return s.GenerateID(r)
	}
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.URLEncoding.EncodeToString(b[:]), nil
}

// openPacket is what a session begins with.
func (s *Server) openPacket(session *Session) []byte {
	upgrades := []string{}
	if !s.NoUpgrade && session.transport.name() == "polling" && s.offers("websocket") {
		upgrades = append(upgrades, "websocket")
	}
	b, _ := json.Marshal(struct {
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int64    `json:"pingInterval"`
		PingTimeout  int64    `json:"pingTimeout"`
		MaxPayload   int64    `json:"maxPayload"`
	}{session.id, upgrades, s.pingInterval().Milliseconds(), s.pingTimeout().Milliseconds(), s.maxBuffer()})
	return b
}
