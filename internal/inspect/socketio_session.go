package inspect

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/ws"
)

// engineSession is an open session, whichever way it goes.
type engineSession interface {
	transport() string
	send(ctx context.Context, p engine.Packet) error
	receive(ctx context.Context) ([]engine.Packet, error)
	end()
}

// sessionOf moves the session to a WebSocket, opens one there, or stays with
// polling where neither works.
func (in *Inspection) sessionOf(ctx context.Context, p *polling) (engineSession, error) {
	e := in.Report.Engine
	wanted := slices.Contains(p.transports(), "websocket")
	byPolling := e.Opening != nil && (e.Sticky == nil || e.Sticky.Unknown == 0)
	switch {
	case !wanted:
		return &pollSession{p: p, sid: e.Opening.SID}, nil
	case !byPolling:
		return in.direct(ctx, p)
	case !slices.Contains(e.Opening.Upgrades, "websocket"):
		in.Report.add(Finding{ID: NoUpgrade, Severity: Note, What: "the server offers no upgrade to a WebSocket",
			Hint: "allowUpgrades, or the transports of the server, exclude it; every message costs a request"})
		return &pollSession{p: p, sid: e.Opening.SID}, nil
	}
	s, err := in.upgrade(ctx, p)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		in.upgradeFinding(err)
		return &pollSession{p: p, sid: e.Opening.SID}, nil
	}
	return s, nil
}

// upgrade moves the session to a WebSocket, by the probe of Engine.IO.
func (in *Inspection) upgrade(ctx context.Context, p *polling) (*socketSession, error) {
	u := &EngineUpgrade{}
	in.Report.Engine.Upgrade = u
	ctx, cancel := in.within(ctx)
	defer cancel()
	started := time.Now()
	s, err := in.openSocket(ctx, p, in.Report.Engine.Opening.SID)
	if err == nil {
		err = s.probe(ctx)
	}
	u.Duration = time.Since(started)
	if err != nil {
		if s != nil {
			s.end()
		}
		u.Error = overdue(ctx, err).Error()
		return nil, err
	}
	u.Works = true
	return s, nil
}

// direct opens a session by a WebSocket alone.
func (in *Inspection) direct(ctx context.Context, p *polling) (engineSession, error) {
	ctx, cancel := in.within(ctx)
	defer cancel()
	s, err := in.openSocket(ctx, p, "")
	if err != nil {
		return nil, overdue(ctx, err)
	}
	packets, err := s.receive(ctx)
	if err == nil && (len(packets) == 0 || packets[0].Type != engine.Open) {
		err = fmt.Errorf("another message came")
	}
	if err == nil {
		in.Report.Engine.Opening, err = readOpening(packets[0].Data)
	}
	if err != nil {
		s.end()
		return nil, &engine.TransportError{Message: "no open packet of Engine.IO came on the WebSocket", Err: overdue(ctx, err)}
	}
	return s, nil
}

// openSocket opens a WebSocket of the engine, and reports its handshake.
func (in *Inspection) openSocket(ctx context.Context, p *polling, sid string) (*socketSession, error) {
	conn, err := p.dial(ctx, "", "")
	if err != nil {
		return nil, err
	}
	at := p.url("ws", query(4, "websocket", sid))
	d := &ws.Dialer{
		Header: p.fields(), Origin: in.o.WebSocket.Origin, Timeout: -1, CloseTimeout: min(in.o.Timeout, longestClose), Tracer: in.o.Tracer,
	}
	started := time.Now()
	c, x, err := d.Upgrade(ctx, conn, at)
	if x != nil {
		in.judged(x, at, time.Since(started))
		if u := in.Report.Engine.Upgrade; u != nil && x.Response != nil {
			u.Status = x.Response.Status
		}
	}
	if err == nil {
		in.Report.Handshake.agreed(c.Agreed())
		return &socketSession{c}, nil
	}
	var failed *ws.HandshakeError
	if errors.As(err, &failed) && failed.Status() != 0 && failed.Status() != 101 {
		body := ""
		if x != nil {
			body = string(x.Body)
		}
		return nil, &engine.TransportError{Message: "websocket error", Status: failed.Status(), Body: body}
	}
	return nil, &notUpgraded{err, "dial " + at + ": "}
}

// fields are the headers of an opening request, with the cookies that came.
func (p *polling) fields() []handshake.Field {
	list := append([]handshake.Field{}, p.in.o.WebSocket.Header...)
	u, err := url.Parse(p.url("http", url.Values{}))
	if err != nil {
		return list
	}
	for _, c := range p.jar.Cookies(u) {
		list = append(list, handshake.F("Cookie", c.Name+"="+c.Value))
	}
	return list
}

// socketSession goes over a WebSocket.
type socketSession struct{ c *ws.Conn }

func (s *socketSession) transport() string { return "websocket" }

func (s *socketSession) send(ctx context.Context, p engine.Packet) error {
	return s.c.Write(ctx, ws.Text, p.AppendText(nil))
}

func (s *socketSession) receive(ctx context.Context) ([]engine.Packet, error) {
	kind, b, err := s.c.Read(ctx)
	if err != nil {
		return nil, err
	}
	if kind == ws.Binary {
		return []engine.Packet{{Type: engine.Message, Data: append([]byte{}, b...), Binary: true}}, nil
	}
	p, err := engine.ParseText(append([]byte{}, b...))
	return []engine.Packet{p}, err
}

// probe is the dance of an upgrade: a ping and a pong that say "probe", and the
// word that the client moves.
func (s *socketSession) probe(ctx context.Context) error {
	if err := s.send(ctx, engine.Packet{Type: engine.Ping, Data: []byte("probe")}); err != nil {
		return err
	}
	packets, err := s.receive(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("the WebSocket is open, and the probe was not answered: %w", err)
	case packets[0].Type != engine.Pong || string(packets[0].Data) != "probe":
		return fmt.Errorf("the WebSocket is open, and the probe was answered by another packet (%s)", packets[0].Type)
	}
	return s.send(ctx, engine.Packet{Type: engine.Upgrade})
}

func (s *socketSession) end() { _ = s.c.Close(ws.StatusNormal, "") }

// pollSession stays with polling.
type pollSession struct {
	p   *polling
	sid string
}

func (s *pollSession) transport() string { return "polling" }

func (s *pollSession) send(ctx context.Context, p engine.Packet) error {
	return refusedPoll(s.p.request(ctx, 4, s.sid, string(p.AppendText(nil)), false))
}

func refusedPoll(a *polled, err error) error {
	if err == nil && a.status != 200 {
		return &engine.TransportError{Message: "a request of the session", Status: a.status, Body: string(a.body)}
	}
	return err
}

func (s *pollSession) receive(ctx context.Context) (list []engine.Packet, err error) {
	a, err := s.p.request(ctx, 4, s.sid, "", false)
	if err := refusedPoll(a, err); err != nil {
		return nil, err
	}
	err = engine.ParsePayload(a.body, func(p engine.Packet) bool {
		list = append(list, p)
		return true
	})
	if err != nil {
		err = fmt.Errorf("%w: %s is no payload of Engine.IO", err, excerpt(a.body))
	}
	return list, err
}

func (s *pollSession) end() {
	ctx, cancel := context.WithTimeout(context.Background(), longestClose)
	defer cancel()
	_, _ = s.p.request(ctx, 4, s.sid, "1", false)
}

// namespace speaks Socket.IO over a session.
type namespace struct {
	s       engineSession
	name    string
	decoder socketio.Decoder
	waiting []*socketio.Packet
}

func newNamespace(s engineSession, name string) *namespace {
	return &namespace{s: s, name: name, decoder: socketio.TextParser{}.NewDecoder()}
}

func (n *namespace) send(ctx context.Context, p *socketio.Packet) error {
	for _, f := range (socketio.TextParser{}).NewEncoder().Encode(p) {
		if err := n.s.send(ctx, engine.Packet{Type: engine.Message, Data: f.Data, Binary: f.Binary}); err != nil {
			return err
		}
	}
	return nil
}

// answer waits for what the server makes of a CONNECT.
func (n *namespace) answer(ctx context.Context) (*socketio.Packet, error) {
	for {
		p, err := n.next(ctx)
		if err != nil {
			return nil, err
		}
		here := p.Namespace == n.name || p.Namespace == "" && n.name == "/"
		if here && (p.Type == socketio.PacketConnect || p.Type == socketio.PacketConnectError) {
			return p, nil
		}
	}
}

// next returns the next packet, and answers pings meanwhile.
func (n *namespace) next(ctx context.Context) (*socketio.Packet, error) {
	for len(n.waiting) == 0 {
		packets, err := n.s.receive(ctx)
		for _, p := range packets {
			switch p.Type {
			case engine.Ping:
				_ = n.s.send(ctx, engine.Packet{Type: engine.Pong, Data: p.Data})
			case engine.Close:
				return nil, errors.New("the server ended the session")
			case engine.Message:
				got, done, err := n.decoder.Add(socketio.Frame{Binary: p.Binary, Data: p.Data})
				if err != nil {
					return nil, err
				}
				if done {
					n.waiting = append(n.waiting, got)
				}
			}
		}
		if err != nil {
			return nil, err
		}
	}
	p := n.waiting[0]
	n.waiting = n.waiting[1:]
	return p, nil
}

// listen keeps the events that come within a time. A poll that waits would hold
// the session's end up: by polling only what is there already counts.
func (n *namespace) listen(ctx context.Context, wait time.Duration) (events []string) {
	ctx, cancel := context.WithTimeout(ctx, max(wait, 0))
	defer cancel()
	for len(events) < messagesKept && (n.s.transport() == "websocket" || len(n.waiting) > 0) {
		p, err := n.next(ctx)
		if err != nil {
			return events
		}
		if p.Type == socketio.PacketEvent {
			events = append(events, string(p.Data[:min(len(p.Data), bannerSize)]))
		}
	}
	return events
}
