package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
)

// SocketIOOptions say how Socket.IO is spoken. Headers and the origin are those
// of WebSocketOptions.
type SocketIOOptions struct {
	Path       string   // the engine's; "" is /socket.io/
	Transports []string // those to look at; nil is polling and websocket
	Auth       any      // sent along when the namespace is joined
}

// Engine is what was found out about Engine.IO.
type Engine struct {
	Path     string          `json:"path"`
	Versions []EngineVersion `json:"versions"` // how each was answered
	Opening  *EngineOpening  `json:"opening,omitempty"`
	Server   string          `json:"server,omitempty"`  // the header by which it calls itself
	Via      string          `json:"via,omitempty"`     // the proxies that name themselves
	Cookies  []string        `json:"cookies,omitempty"` // the names of those that it sets
	Sticky   *EngineSticky   `json:"sticky,omitempty"`
	Upgrade  *EngineUpgrade  `json:"upgrade,omitempty"`
	By       string          `json:"by,omitempty"` // the transport that the namespace was joined by

	answers map[int]*polled // to the handshakes of a version
}

// EngineVersion is how a handshake by polling was answered.
type EngineVersion struct {
	EIO      int           `json:"eio"` // what was asked for: 4 or 3
	Spoken   int           `json:"spoken,omitempty"`
	Status   int           `json:"status,omitempty"`
	Code     *int          `json:"code,omitempty"` // of a refusal
	Message  string        `json:"message,omitempty"`
	Duration time.Duration `json:"duration_ns"`
}

// EngineOpening is the packet that a session begins with.
type EngineOpening struct {
	SID          string        `json:"sid"`
	Upgrades     []string      `json:"upgrades"`
	PingInterval time.Duration `json:"ping_interval_ns"`
	PingTimeout  time.Duration `json:"ping_timeout_ns"`
	MaxPayload   int64         `json:"max_payload,omitempty"` // bytes; 0 where it is not said
}

// EngineSticky is how the requests of one session, each on a connection of its
// own, were answered.
type EngineSticky struct {
	Requests int `json:"requests"`
	Unknown  int `json:"unknown"` // by "Session ID unknown"

	took time.Duration
}

// EngineUpgrade is the move from polling to WebSocket.
type EngineUpgrade struct {
	Works    bool          `json:"works"`
	Duration time.Duration `json:"duration_ns"`
	Status   int           `json:"status,omitempty"` // of the answer to the upgrade
	Error    string        `json:"error,omitempty"`
}

// SocketIO is the namespace of Socket.IO.
type SocketIO struct {
	Namespace string          `json:"namespace"`
	SID       string          `json:"sid,omitempty"`
	Recovery  bool            `json:"recovery,omitempty"` // the server gave an id to come back with
	Duration  time.Duration   `json:"duration_ns"`
	Refused   string          `json:"refused,omitempty"` // the message of a connect_error
	Data      json.RawMessage `json:"data,omitempty"`    // and its data
	Events    []string        `json:"events,omitempty"`  // that came first, as JSON
}

// The identifiers of findings about Socket.IO.
const (
	OldEngine     = "engine_version_3"   // the server is of Socket.IO 2
	RefusesOld    = "engine_version_4"   // clients of Socket.IO 2 are refused
	PollingOff    = "polling_refused"    // the server does not offer polling
	NoUpgrade     = "no_upgrade"         // it offers no WebSocket
	UpgradeFailed = "upgrade_failed"     // the WebSocket does not open
	NotSticky     = "no_sticky_sessions" // requests of one session reach several servers
	NoCORS        = "cors"               // a page of the origin may not read answers
	SlowPing      = "slow_ping"          // proxies give the connection up before
	FastPing      = "fast_ping"          // in seconds, perhaps, where milliseconds were due
	StickyCookie  = "cookie"             // the server or a proxy sets some
	SmallPayload  = "small_payload"      //
)

// socketIO inspects Engine.IO and a namespace on an open stream.
func (in *Inspection) socketIO(ctx context.Context, conn net.Conn) error {
	p := newPolling(in, conn)
	defer p.close()
	e := &Engine{Path: p.path, answers: map[int]*polled{}}
	in.Report.Engine = e
	if slices.Contains(p.transports(), "polling") {
		if err := in.byPolling(ctx, p); err != nil {
			return err
		}
	}
	session, err := in.sessionOf(ctx, p)
	if err != nil {
		return err
	}
	defer session.end()
	in.Report.Reached, e.By = ReachedEngine, session.transport()
	return in.join(ctx, session)
}

// byPolling opens a session by polling, and looks at what can be seen of it. It
// is an error where that fails and a WebSocket would, too.
func (in *Inspection) byPolling(ctx context.Context, p *polling) error {
	e := in.Report.Engine
	a, err := p.open(ctx, 4)
	if err != nil {
		return err
	}
	in.Report.Reached = ReachedHTTP
	if a.opening == nil && a.code != nil && *a.code == engine.UnknownTransport && slices.Contains(p.transports(), "websocket") {
		in.Report.add(Finding{ID: PollingOff, Severity: Warning, What: "the server does not offer polling, by which clients begin",
			Due: "a session by polling", Hint: `clients need transports: ["websocket"]; in sockkit --transports websocket`})
		return nil
	}
	if old, err := p.open(ctx, 3); err == nil && old.opening != nil {
		defer p.leave(ctx, old)
	}
	in.versionFindings()
	if a.opening == nil || a.version != 4 {
		return in.refusedBy(a)
	}
	e.Opening = a.opening
	in.openingFindings(a)
	if e.Sticky, err = p.sticky(ctx, a.opening.SID); err != nil {
		return err
	}
	in.stickyFinding()
	return nil
}

// join joins the namespace, and listens to what comes first.
func (in *Inspection) join(ctx context.Context, s engineSession) error {
	name, _ := in.o.Address.Namespace()
	r := &SocketIO{Namespace: name}
	in.Report.SocketIO = r
	ctx, cancel := in.within(ctx)
	defer cancel()
	started := time.Now()
	n := newNamespace(s, name)
	if err := n.send(ctx, in.connectPacket()); err != nil {
		return overdue(ctx, err)
	}
	answer, err := n.answer(ctx)
	r.Duration = time.Since(started)
	if err != nil {
		return overdue(ctx, fmt.Errorf("no answer came to the CONNECT of %s: %w", name, err))
	}
	if answer.Type == socketio.PacketConnectError {
		return in.namespaceRefused(r, answer)
	}
	in.Report.Reached = ReachedNamespace
	var told struct{ SID, PID string }
	_ = json.Unmarshal(answer.Data, &told)
	r.SID, r.Recovery = told.SID, told.PID != ""
	r.Events = n.listen(ctx, in.o.BannerWait)
	return n.send(ctx, &socketio.Packet{Type: socketio.PacketDisconnect, Namespace: name})
}

// connectPacket asks for the namespace, with what is sent along.
func (in *Inspection) connectPacket() *socketio.Packet {
	name, _ := in.o.Address.Namespace()
	p := &socketio.Packet{Type: socketio.PacketConnect, Namespace: name}
	if in.o.SocketIO.Auth != nil {
		p.Data, _ = json.Marshal(in.o.SocketIO.Auth)
	}
	return p
}

// namespaceRefused is a connect_error.
func (in *Inspection) namespaceRefused(r *SocketIO, answer *socketio.Packet) error {
	var told struct {
		Message string
		Data    json.RawMessage
	}
	if json.Unmarshal(answer.Data, &told) != nil {
		told.Message = string(answer.Data)
	}
	r.Refused, r.Data = told.Message, told.Data
	refused := &socketio.Error{Message: told.Message}
	if told.Data != nil {
		refused.Data = told.Data
	}
	return &NamespaceError{refused}
}

// NamespaceError is a namespace that was refused, with the data that came along.
type NamespaceError struct{ Err *socketio.Error }

// Error implements error.
func (e *NamespaceError) Error() string {
	if data, ok := e.Err.Data.(json.RawMessage); ok {
		return e.Err.Message + " " + string(data)
	}
	return e.Err.Message
}

// Unwrap returns what the server said.
func (e *NamespaceError) Unwrap() error { return e.Err }

// overdue prefers the reason for the end of a context.
func overdue(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	return err
}

// bytesText words a size that options of the official server have.
func bytesText(n int64) string {
	if n == 0 {
		return "no limit that it says"
	}
	return render.Size(n)
}
