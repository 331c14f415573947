package inspect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// Idle is what came of connections without a word of ours.
type Idle struct {
	For  time.Duration `json:"for_ns"` // asked for
	Runs []IdleRun     `json:"runs"`
}

// IdleRun is one connection that was kept.
type IdleRun struct {
	Transport string        `json:"transport"` // websocket or polling
	Lasted    time.Duration `json:"lasted_ns"`
	Ended     bool          `json:"ended"`                   // before its time, by the peer or something on the way
	How       string        `json:"how,omitempty"`           // it ended
	Code      int           `json:"code,omitempty"`          // of the close frame; 1006 where none came
	Status    int           `json:"status,omitempty"`        // of the answer that ended a poll
	PingEvery time.Duration `json:"ping_every_ns,omitempty"` // of ours
	Pings     int           `json:"pings,omitempty"`         // of ours that were answered
	Heard     int           `json:"heard,omitempty"`         // pings of an Engine.IO server
	Came      int           `json:"came"`                    // messages of the peer, or packets
}

// The identifiers of findings about silence.
const (
	IdleClosed = "idle_closed" // a silent connection was ended
	Lifetime   = "lifetime"    // any connection is, after a time
	PingsDue   = "pings_due"   // a server of Engine.IO does not ping
)

// idle keeps connections open in silence. Where one ends early, another one
// shows whether pings keep it.
func (d *doctor) idle(ctx context.Context) {
	i := &Idle{For: d.o.Doctor.Idle}
	d.in.Report.Doctor.Idle = i
	if d.o.Address.SocketIO() {
		d.idleSession(ctx, i)
		return
	}
	silent, ok := d.keep(ctx, i.For, 0)
	if !ok {
		return
	}
	i.Runs = append(i.Runs, silent)
	if !silent.Ended {
		return
	}
	if pinged, ok := d.keep(ctx, 2*silent.Lasted, max(silent.Lasted/3, shortestPing)); ok {
		i.Runs = append(i.Runs, pinged)
	}
	d.judgeIdle(i)
}

const shortestPing = 10 * time.Millisecond

// keep keeps a WebSocket for a time, with pings or without.
func (d *doctor) keep(ctx context.Context, long, every time.Duration) (r IdleRun, ok bool) {
	what := "keeping a silent connection for " + render.Duration(long)
	if every > 0 {
		what = "keeping another for " + render.Duration(long) + ", with a ping every " + render.Duration(every)
	}
	d.tell(what)
	c, err := d.openIdle(ctx)
	if err != nil {
		return r, false
	}
	defer c.CloseNow()
	r = IdleRun{Transport: "websocket", PingEvery: every}
	started := time.Now()
	silence, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	pongs := make(chan int, 1)
	go func() { pongs <- pings(silence, c, every) }()
	end := r.read(silence, c)
	over := silence.Err() != nil
	r.Lasted = time.Since(started)
	cancel()
	r.Pings = <-pongs
	if !over {
		r.endedBy(end)
	} else if ctx.Err() == nil {
		_ = c.Close(ws.StatusNormal, "")
	}
	return r, ctx.Err() == nil
}

// openIdle opens a WebSocket as the plain way does.
func (d *doctor) openIdle(ctx context.Context) (*ws.Conn, error) {
	t := &trial{ask: d.base}
	conn, err := d.dial(ctx, t)
	if err != nil {
		return nil, err
	}
	dialer := &ws.Dialer{Header: t.fields(), Subprotocols: t.subprotocols, Origin: t.origin, Timeout: d.o.Timeout, CloseTimeout: longestClose, Tracer: d.o.Tracer}
	c, _, err := dialer.Upgrade(ctx, conn, t.url())
	return c, err
}

// read reads until the connection ends, or the time is over.
func (r *IdleRun) read(ctx context.Context, c *ws.Conn) error {
	for {
		if _, _, err := c.Read(ctx); err != nil {
			return err
		}
		r.Came++
	}
}

// pings sends pings until ctx or the connection ends, and counts the pongs.
func pings(ctx context.Context, c *ws.Conn, every time.Duration) (pongs int) {
	if every == 0 {
		return 0
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return pongs
		case <-tick.C:
		}
		if _, err := c.Ping(ctx); err != nil {
			return pongs
		}
		pongs++
	}
}

// endedBy says how a connection ended.
func (r *IdleRun) endedBy(err error) {
	r.Ended = true
	var closed *ws.CloseError
	switch {
	case errors.As(err, &closed) && closed.Code != ws.StatusAbnormal:
		r.Code, r.How = int(closed.Code), "by a close frame, "+withCame(closed.Code.String(), closed.Reason)
	case tcp.IsReset(err):
		r.Code, r.How = int(ws.StatusAbnormal), "by a reset, without a close frame"
	default:
		r.Code, r.How = int(ws.StatusAbnormal), "without a close frame"
	}
}

// words say what came of a connection.
func (r *IdleRun) words() string {
	s := "a connection by " + r.Transport + " without a word of ours"
	if r.PingEvery > 0 {
		s = "another with a ping every " + render.Duration(r.PingEvery) + " (" + plural(r.Pings, "pong") + ")"
	}
	if !r.Ended {
		return s + " stayed open for " + render.Duration(r.Lasted) + when(r.Came > 0, ", in which "+plural(r.Came, "message")+" came")
	}
	return s + " was ended after " + render.Duration(r.Lasted) + " " + r.How
}

// judgeIdle says who ends silent connections, and what keeps them.
func (d *doctor) judgeIdle(i *Idle) {
	silent := i.Runs[0]
	after := render.Duration(silent.Lasted)
	v := Verdict{ID: IdleClosed, Where: WhereServer, What: "the server ends connections after " + after + " of silence",
		Change: "have the server or the client send a ping more often than that, or raise the server's idle time-out"}
	if silent.Code == int(ws.StatusAbnormal) {
		v.Where, v.What = WhereProxy, "something on the way ends connections after "+after+" of silence: a server that gives up sends a close frame, and none came"
		v.Change = "raise its idle time-out (proxy_read_timeout in nginx, timeout tunnel in haproxy, the idle timeout of a load balancer), or send pings more often than that"
	}
	if len(i.Runs) > 1 && i.Runs[1].Ended && i.Runs[1].Pings > 0 {
		v.ID, v.What = Lifetime, "connections are ended after a time ("+after+"), pings or not"
		v.Change = "raise the longest lifetime of a connection in the server or the proxy, and let the client reconnect"
	}
	var because []string
	for _, r := range i.Runs {
		because = append(because, r.words())
	}
	d.endedEarly(v, because...)
}

// endedEarly is a verdict, and a finding for the status.
func (d *doctor) endedEarly(v Verdict, because ...string) {
	if d.gave(v.ID) {
		return // the other transport told the same
	}
	d.say(proven, v, because...)
	d.in.Report.add(Finding{ID: v.ID, Severity: Warning, What: v.What, Hint: v.Change})
}

// idleSession keeps sessions of Engine.IO, as a client does that answers pings
// and says nothing else: over a WebSocket and over polling.
func (d *doctor) idleSession(ctx context.Context, i *Idle) {
	e := d.in.Report.Engine
	if e == nil || e.Opening == nil {
		return
	}
	p := newPolling(d.in, nil)
	defer p.close()
	for _, transport := range p.transports() {
		works := transport == "polling" && e.answers[4] != nil && e.answers[4].opening != nil || transport == "websocket" && e.By == "websocket"
		if !works || ctx.Err() != nil {
			continue
		}
		d.tell("keeping a session by " + transport + " for " + render.Duration(i.For))
		if r, ok := d.keepSession(ctx, p, transport, i.For); ok {
			i.Runs = append(i.Runs, r)
		}
	}
	for _, r := range i.Runs {
		d.judgePings(r, e.Opening)
		if r.Ended {
			d.judgeIdleSession(r, e.Opening)
		}
	}
}

func (d *doctor) keepSession(ctx context.Context, p *polling, transport string, long time.Duration) (r IdleRun, ok bool) {
	var s engineSession
	if transport == "polling" {
		a, err := p.request(ctx, 4, "", "", false)
		if err != nil {
			return r, false
		}
		if a.readOpening(); a.opening == nil {
			return r, false
		}
		s = &pollSession{p: p.patient(long), sid: a.opening.SID}
	} else {
		opened, err := d.openSession(ctx)
		if err != nil {
			return r, false
		}
		s = opened
	}
	defer s.end()
	r.Transport = transport
	started := time.Now()
	silence, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	err := r.live(silence, s, d.in.connectPacket())
	if r.Lasted = time.Since(started); silence.Err() == nil {
		r.sessionEndedBy(err)
	}
	return r, ctx.Err() == nil
}

// openSession opens a session by a WebSocket alone.
func (d *doctor) openSession(ctx context.Context) (*socketSession, error) {
	t := &trial{ask: d.base}
	t.kind = asksEngineSocket
	conn, err := d.dial(ctx, t)
	if err != nil {
		return nil, err
	}
	dialer := &ws.Dialer{Header: t.fields(), Origin: t.origin, Timeout: d.o.Timeout, CloseTimeout: longestClose, Tracer: d.o.Tracer}
	c, _, err := dialer.Upgrade(ctx, conn, t.url())
	if err != nil {
		return nil, err
	}
	return &socketSession{c}, nil
}

// live joins the namespace, which a server demands within a time, and answers
// pings until the session or the time ends.
func (r *IdleRun) live(ctx context.Context, s engineSession, connect *socketio.Packet) error {
	if err := newNamespace(s, connect.Namespace).send(ctx, connect); err != nil {
		return err
	}
	for {
		packets, err := s.receive(ctx)
		if err != nil {
			return err
		}
		for _, p := range packets {
			r.Came++
			switch p.Type {
			case engine.Ping:
				r.Heard++
				if err := s.send(ctx, engine.Packet{Type: engine.Pong, Data: p.Data}); err != nil {
					return err
				}
			case engine.Close:
				return errSessionClosed
			}
		}
	}
}

var errSessionClosed = errors.New("by a close packet")

func (r *IdleRun) sessionEndedBy(err error) {
	var refused *engine.TransportError
	switch {
	case errors.Is(err, errSessionClosed):
		r.Ended, r.How = true, err.Error()
	case errors.As(err, &refused) && refused.Status != 0:
		r.Ended, r.Status, r.How = true, refused.Status, fmt.Sprintf("by the answer %d %s to a poll", refused.Status, http.StatusText(refused.Status))
	case r.Transport == "polling":
		r.Ended, r.How = true, "by the end of the connection under a poll"
	default:
		r.endedBy(err)
	}
}

// judgePings is about a server that was due to ping (Engine.IO 4, Heartbeat).
func (d *doctor) judgePings(r IdleRun, o *EngineOpening) {
	due := o.PingInterval + o.PingTimeout
	if r.Heard > 0 || r.Lasted < due {
		return
	}
	d.endedEarly(Verdict{ID: PingsDue, Where: WhereServer, What: "the server says that it pings every " + render.Duration(o.PingInterval) + ", and none came: clients end with \"ping timeout\"",
		Change: "have the server send pings (in Engine.IO 3 the client does), or pass them on"}, "a session by "+r.Transport+" was listened to for "+render.Duration(r.Lasted)+", and no ping came")
}

// judgeIdleSession holds the end of a session against the server's pings.
func (d *doctor) judgeIdleSession(r IdleRun, o *EngineOpening) {
	after, every := render.Duration(r.Lasted), render.Duration(o.PingInterval)
	v := Verdict{ID: IdleClosed, Where: WhereServer, What: "the server ends sessions by " + r.Transport + " after " + after, Change: "look at the server's log for the reason"}
	if r.Code == int(ws.StatusAbnormal) || r.Status >= 500 || r.Transport == "polling" && r.Status == 0 && !strings.Contains(r.How, "packet") {
		v.Where, v.What = WhereProxy, "something on the way ends connections after "+after+" of silence, and the server pings every "+every+" only"
		v.Change = "raise its time-out above " + every + " (proxy_read_timeout in nginx, timeout server and timeout tunnel in haproxy), or lower the server's pingInterval below " + after
	}
	d.endedEarly(v, r.words(), "the open packet says pingInterval "+every)
}
