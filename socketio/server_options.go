package socketio

import (
	"io/fs"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// ServerOptions configure a [Server]. The zero value has the official server's
// defaults; nil is the zero value.
type ServerOptions struct {
	// Path is what requests begin with; "" is /socket.io/.
	Path string
	// CORS says which pages of other origins may connect; nil is none.
	CORS *engine.CORS
	// Engine has the options of Engine.IO: transports, heartbeat, sizes, cookies,
	// AllowRequest. Path and CORS here count before its own; its OnConnection is
	// the server's. Nil is the zero value.
	Engine *engine.Server
	// ServeClient has the files that browsers load, such as socket.io.min.js: they
	// are served below Path. Nil serves none, for none come with this package.
	ServeClient fs.FS

	// Adapter makes the adapter of each namespace; nil makes memory adapters.
	Adapter AdapterFactory
	// Parser puts packets on the wire; nil is [TextParser].
	Parser Parser
	// ConnectTimeout bounds the time until a client has joined a namespace; 0 is
	// 45 seconds. Beyond it the connection is closed ("forced server close").
	ConnectTimeout time.Duration
	// Recovery lets clients that were lost for a short time come back as they
	// were; nil does not.
	Recovery *Recovery
	// CleanupEmptyChildNamespaces drops children of dynamic namespaces when their
	// last socket leaves.
	CleanupEmptyChildNamespaces bool

	// The fields that follow bound what clients can make a server hold. Of each, 0
	// is the default, and less than 0 no bound. Where nothing else is said, a client
	// that goes beyond one is disconnected ("forced server close").

	// MaxPending bounds the events of one socket that wait for its handlers; the
	// default is 4,096. MaxPendingBytes bounds their size; the default is 16 MiB.
	MaxPending, MaxPendingBytes int
	// MaxNamespaces bounds the namespaces that one client is in, or is about to
	// join, at once; the default is 1,000.
	MaxNamespaces int
	// MaxChildNamespaces bounds the namespaces that clients can make of dynamic
	// ones, of all clients together; the default is 10,000. Beyond it a client is
	// told "Invalid namespace".
	MaxChildNamespaces int
	// MaxRooms bounds the rooms that one socket is in; the default is 10,000.
	// Beyond it [Socket.Join] is an error.
	MaxRooms int
	// MaxAcks bounds the acknowledgements that one socket is waited for; the
	// default is 10,000. Beyond it [Socket.Emit] with one is an error.
	MaxAcks int
	// MaxName bounds the names of events, namespaces and rooms, in bytes; the
	// default is 1,024.
	MaxName int
	// AttachmentTimeout bounds the wait for the attachments of a packet; the
	// default is 45 seconds. Beyond it the connection is closed ("forced close").
	AttachmentTimeout time.Duration

	// OnHandlerError is told of events whose arguments a handler cannot take. The
	// socket is nil for events of other servers. Nil logs the first of each event by
	// package log.
	OnHandlerError func(s *Socket, event string, err error)
	// OnPanic is told of panics in handlers and middlewares. The socket goes on.
	// The socket is nil where the handler is of none. Nil logs them by package log.
	OnPanic func(s *Socket, err *tcp.PanicError)
	// OnAdapterError is told of what an adapter could not do when nobody waited
	// for it: to begin, to restore a session, to reach its broker.
	OnAdapterError func(n *Namespace, err error)
	// Tracer takes the records; nil costs nothing.
	Tracer *trace.Tracer
}

const (
	defaultConnectTimeout     = 45 * time.Second
	defaultMaxPending         = 4096
	defaultMaxPendingBytes    = 16 << 20
	defaultMaxNamespaces      = 1000
	defaultMaxChildNamespaces = 10000
	defaultMaxRooms           = 10000
	defaultMaxAcks            = 10000
	defaultMaxName            = 1024
	defaultAttachmentTimeout  = 45 * time.Second
)

// Where a bound is 0 here, there is none.

func (o *ServerOptions) maxPending() int { return orInt(o.MaxPending, defaultMaxPending) }
func (o *ServerOptions) maxPendingBytes() int {
	return orInt(o.MaxPendingBytes, defaultMaxPendingBytes)
}
func (o *ServerOptions) maxNamespaces() int { return orInt(o.MaxNamespaces, defaultMaxNamespaces) }
func (o *ServerOptions) maxChildNamespaces() int {
	return orInt(o.MaxChildNamespaces, defaultMaxChildNamespaces)
}
func (o *ServerOptions) maxRooms() int { return orInt(o.MaxRooms, defaultMaxRooms) }
func (o *ServerOptions) maxAcks() int  { return orInt(o.MaxAcks, defaultMaxAcks) }
func (o *ServerOptions) maxName() int  { return orInt(o.MaxName, defaultMaxName) }
func (o *ServerOptions) attachmentTimeout() time.Duration {
	if o.AttachmentTimeout == 0 {
		return defaultAttachmentTimeout
	}
	return max(o.AttachmentTimeout, 0)
}

// beyond reports whether n is more than a bound lets in.
func beyond(n, bound int) bool { return bound > 0 && n > bound }

func orInt(v, byDefault int) int {
	if v == 0 {
		return byDefault
	}
	return max(v, 0)
}

func orString(s, byDefault string) string {
	if s == "" {
		return byDefault
	}
	return s
}

// Recovery says how clients may come back (connection-state recovery).
type Recovery struct {
	// MaxDisconnection is for how long a client may be away; 0 is 2 minutes.
	MaxDisconnection time.Duration
	// RunMiddlewares has middlewares run for those that come back, too.
	RunMiddlewares bool
	// MaxPackets bounds the events that are kept for a namespace; 0 is 100,000.
	// MaxBytes bounds their size; 0 is 64 MiB. The oldest go first, and who missed
	// one of those cannot come back as it was.
	MaxPackets, MaxBytes int
	// MaxSessions bounds the clients of a namespace that are away and may come
	// back; 0 is 100,000. Of more, some cannot.
	MaxSessions int
}

func (s *Server) parser() Parser {
	if s.Parser == nil {
		return TextParser{}
	}
	return s.Parser
}

func (s *Server) newAdapter(n *Namespace) Adapter {
	switch {
	case n.match != nil:
		return &parentAdapter{NewMemoryAdapter(n)}
	case s.Adapter != nil:
		return s.Adapter(n)
	case s.Recovery != nil:
		return newSessionAdapter(n)
	}
	return NewMemoryAdapter(n)
}

func (s *Server) connectTimeout() time.Duration {
	if s.ConnectTimeout > 0 {
		return s.ConnectTimeout
	}
	return defaultConnectTimeout
}

func (s *Server) skipsMiddlewares() bool { return s.Recovery != nil && !s.Recovery.RunMiddlewares }
