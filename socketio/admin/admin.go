// Package admin lets the page of the official Admin UI (@socket.io/admin-ui 0.5)
// watch a Socket.IO server: its clients, sockets, rooms, events and figures. Where
// the options allow it, the page may also send events, and have sockets join rooms,
// leave them, or be disconnected.
//
// [Instrument] adds a namespace that the page connects to. The page itself is not
// part of this package: it is hosted at [HostedPage], and the npm package has it
// in ui/dist.
//
// Servers that share an adapter are shown together, those of Node too. A server
// that is not instrumented pays nothing.
package admin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/sockkit/sockkit/socketio"
)

// Mode says how much the page is told.
type Mode string

const (
	// Development tells of each socket, each room and each event.
	Development Mode = "development"
	// Production tells figures only.
	Production Mode = "production"
)

// Options say who may watch a server, and what they see. Either Username and
// PasswordHash have to be set, or Authenticate, or NoAuth.
type Options struct {
	// Namespace is what the page connects to; "" is /admin.
	Namespace string

	// Username and PasswordHash let in who gives that name, and the password that
	// was hashed: by bcrypt, see [HashPassword].
	Username     string
	PasswordHash string
	// Authenticate decides in their place, as a middleware does: what the page's
	// form has is in Handshake().Auth, as "username" and "password". It may block.
	Authenticate func(s *socketio.Socket) error
	// NoAuth lets everybody in.
	NoAuth bool
	// Sessions keeps who has logged in, so that a page that is loaded again need
	// not; nil keeps that in memory, and tells the other servers of the cluster
	// that run now.
	Sessions Sessions
	// SessionDuration is for how long a login counts; 0 is 24 hours.
	SessionDuration time.Duration

	// ReadOnly lets the page watch and do nothing.
	ReadOnly bool
	// OnCommand is told of what the page wants done, before it is; an error refuses
	// it. Nil allows all.
	OnCommand func(c *Command) error

	// Mode is how much the page is told; "" is Development.
	Mode Mode
	// ServerID names the server among others; "" is the host's name and the
	// process's number.
	ServerID string
	// StatsInterval is the time between figures; 0 is 2 seconds. The page takes a
	// server for unhealthy that is silent for 10.
	StatsInterval time.Duration
	// MaxArgs bounds the arguments of an event that are shown, in bytes of JSON;
	// 0 is 8 KiB. Of more the page is told the size.
	MaxArgs int
	// ShowSecrets shows the headers Authorization, Proxy-Authorization and Cookie,
	// which are masked otherwise. What a client sent along (auth) is never shown.
	ShowSecrets bool
	// TrustForwarded takes the client's address from the headers CF-Connecting-IP
	// and X-Forwarded-For. Set it only behind a proxy that sets them.
	TrustForwarded bool

	// Origins are those of pages from elsewhere that may connect, with
	// credentials, such as [HostedPage]. They may then connect to the server's
	// other namespaces too. Nil adds none to the server's CORS.
	Origins []string
}

// HostedPage is the origin of the official page. It connects to a server from the
// browser: what it shows does not pass its host.
const HostedPage = "https://admin.socket.io"

const (
	defaultSessionDuration = 24 * time.Hour
	defaultStatsInterval   = 2 * time.Second
	defaultMaxArgs         = 8 << 10
)

// Instrument has a server be watched. Call it before the server serves, before
// handlers are added and dynamic namespaces made, and once. It is an error where
// the options let nobody in, or do not say whom.
func Instrument(io *socketio.Server, o *Options) error {
	a := &admin{io: io, ends: map[string]int{}, sockets: map[key]*entry{}, sessions: map[string]map[*entry]struct{}{}}
	if o != nil {
		a.Options = *o
	}
	if err := a.check(); err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	if err := a.allowOrigins(); err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	a.fill()
	a.namespace = io.Of(a.Namespace)
	a.outbox.send = a.deliver
	a.namespace.Use(a.admit)
	a.namespace.OnConnection(a.connected)
	a.namespace.OnServer(serverSession, a.sessionElsewhere)
	a.namespace.OnServer(serverCommand, a.commandElsewhere)
	a.watchEngine()
	if a.Mode == Development {
		io.OnNewNamespace(a.watch)
		for _, n := range io.Namespaces() {
			a.watch(n)
		}
	}
	a.others.Store(true) // until it is known
	io.OnClose(a.close)
	a.timer = time.AfterFunc(time.Hour, a.tick)
	a.timer.Reset(0)
	return nil
}

// admin is what watches one server.
type admin struct {
	Options
	io        *socketio.Server
	namespace *socketio.Namespace
	began     time.Time
	host      string
	outbox    outbox
	logins    loginQueue
	counters

	pages  atomic.Int64 // that are connected here
	others atomic.Bool  // there may be other servers, with pages of their own
	timer  *time.Timer  // of tick
	closed atomic.Bool

	mu       sync.Mutex
	ends     map[string]int                 // of sessions since the last figures, by reason
	sockets  map[key]*entry                 // in development mode
	sessions map[string]map[*entry]struct{} // those of one session, by its id
	names    []string                       // of namespaces that the figures had last time
}

var errNoAuth = errors.New("who may log in is not said: set Username and PasswordHash, Authenticate, or NoAuth")

// check refuses options that contradict each other, or say too little.
func (a *admin) check() error {
	basic := a.Username != "" || a.PasswordHash != ""
	switch {
	case !basic && a.Authenticate == nil && !a.NoAuth:
		return errNoAuth
	case a.NoAuth && (basic || a.Authenticate != nil):
		return errors.New("NoAuth lets everybody in, and the other options do not")
	case basic && a.Authenticate != nil:
		return errors.New("either Username or Authenticate decides, and both are set")
	case a.Mode != "" && a.Mode != Development && a.Mode != Production:
		return fmt.Errorf("the mode is %q, want %q or %q", a.Mode, Development, Production)
	case !basic:
		return nil
	case a.Username == "":
		return errors.New("PasswordHash is set, and Username is not")
	}
	if _, err := bcrypt.Cost([]byte(a.PasswordHash)); err != nil {
		return errors.New("PasswordHash is no hash of bcrypt, see HashPassword")
	}
	return nil
}

// fill puts defaults where nothing is said.
func (a *admin) fill() {
	a.began = time.Now()
	a.host, _ = os.Hostname()
	or(&a.Namespace, "/admin")
	or(&a.Mode, Development)
	or(&a.ServerID, fmt.Sprintf("%s#%d", a.host, os.Getpid()))
	or(&a.SessionDuration, defaultSessionDuration)
	or(&a.StatsInterval, defaultStatsInterval)
	or(&a.MaxArgs, defaultMaxArgs)
	if a.Sessions == nil {
		a.Sessions = &memory{}
	}
	a.logins = newLoginQueue()
}

func or[T comparable](field *T, byDefault T) {
	var zero T
	if *field == zero {
		*field = byDefault
	}
}

// connected begins a page.
func (a *admin) connected(s *socketio.Socket) {
	a.pages.Add(1)
	s.OnDisconnect(func(string) { a.pages.Add(-1) })
	a.begin(s)
	if !a.ReadOnly {
		s.Use(func(e *socketio.Event) error { a.command(s, e); return nil })
	}
	a.outbox.add(message{to: s, event: "config", args: []any{map[string]any{"supportedFeatures": a.features()}}})
	a.outbox.add(message{to: s, event: "server_stats", args: []any{a.stats(nil)}})
	if a.Mode == Development {
		go a.introduce(s)
	}
}

// features are what the page may show and do.
func (a *admin) features() []string {
	var all []string
	if !a.ReadOnly {
		all = append(all, "EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT")
	}
	all = append(all, "AGGREGATED_EVENTS")
	if a.Mode == Development {
		all = append(all, "ALL_EVENTS")
	}
	return all
}

// watched reports whether a page may see what is sent to all: one here, or one at
// another server.
func (a *admin) watched() bool { return a.pages.Load() > 0 || a.others.Load() }

// tell sends an event to all pages, in the order of the calls.
func (a *admin) tell(event string, args ...any) {
	if a.watched() {
		a.outbox.add(message{event: event, args: args})
	}
}

// deliver sends what has waited in the outbox.
func (a *admin) deliver(m message) {
	var err error
	if m.to != nil {
		err = m.to.Emit(m.event, m.args...)
	} else {
		err = a.namespace.Emit(m.event, m.args...)
	}
	if err != nil {
		a.namespace.AdapterError(fmt.Errorf("admin: %w", err))
	}
}

// close ends what runs beside the server.
func (a *admin) close() {
	a.closed.Store(true)
	a.timer.Stop()
	a.outbox.close()
}

// countServers finds out whether there are other servers.
func (a *admin) countServers() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	n, err := a.namespace.Adapter().ServerCount(ctx)
	a.others.Store(err != nil || n > 1)
}
