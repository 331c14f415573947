package engine

import (
	"encoding/json"
	"net/url"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// ObservedSocket is a WebSocket of the engine's.
type ObservedSocket struct {
	o        *Observer
	conn     trace.ID
	protocol int
	probing  bool // it is not the session's transport yet
	first    [2]bool
	session  *observed
}

// WebSocket takes an upgrade that was answered with 101, by the target of its
// request. The messages belong to what it returns.
func (o *Observer) WebSocket(conn trace.ID, target string) *ObservedSocket {
	t := &ObservedSocket{o: o, conn: conn, protocol: 4, session: &observed{}}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return t
	}
	q := query(u.RawQuery)
	o.mu.Lock()
	defer o.mu.Unlock()
	t.protocol, t.session, t.probing = version(q), o.session(q.get("sid")), q.get("sid") != ""
	return t
}

// Message takes a message: of the client (Out) or of the server (In), text or
// binary. The two directions must not be fed at the same time.
func (t *ObservedSocket) Message(dir trace.Dir, kind ws.MessageType, b []byte) {
	p, err := parseMessage(kind, b, t.protocol)
	if err != nil {
		t.o.finding(t.conn, &rulePacket, faultOf(dir), "%s %.80q", kind, b)
		return
	}
	if most := t.session.maxPayload; dir == trace.Out && most > 0 && int64(len(b)) > most {
		t.o.finding(t.conn, &ruleMaxPayload, byClient, "%d bytes, and maxPayload is %d", len(b), most)
	}
	if t.probing {
		t.probe(dir, p)
	}
	t.o.packet(t.conn, dir, t.session, "websocket", t.protocol, p)
}

// probe follows an upgrade.
func (t *ObservedSocket) probe(dir trace.Dir, p Packet) {
	i, want := 0, Ping
	if dir == trace.In {
		i, want = 1, Pong
	}
	first := !t.first[i]
	t.first[i] = true
	switch {
	case dir == trace.Out && p.Type == Upgrade:
		t.probing = false
		t.o.mu.Lock()
		t.session.moved = true
		t.o.mu.Unlock()
	case first && (p.Type != want || string(p.Data) != "probe"):
		t.o.finding(t.conn, &ruleProbe, faultOf(dir), "%s %.80q", p.Type, p.Data)
	}
}

// End says that the WebSocket has ended, and the session with it where it used
// it.
func (t *ObservedSocket) End() {
	if !t.probing && t.session.id != "" {
		t.o.forget(t.session.id)
	}
}

// packet takes a packet, and holds it against the rules.
func (o *Observer) packet(conn trace.ID, dir trace.Dir, s *observed, transport string, protocol int, p Packet) {
	o.mu.Lock()
	first := dir == trace.In && !s.begun
	if first {
		s.begun = true
	}
	o.mu.Unlock()
	switch {
	case first:
		o.opens(conn, s, p)
	case p.Type == Open || p.Type == Upgrade && dir == trace.In:
		o.finding(conn, &ruleDirection, faultOf(dir), "%s", p.Type)
	case wrongWay(dir, protocol, p):
		o.finding(conn, &ruleHeartbeat, faultOf(dir), "%s, in version %d", p.Type, protocol)
	}
	if o.Tracer.On(trace.Frame) {
		record(o.Tracer, conn, dir, s.id, transport, []Packet{p})
	}
	if o.OnPacket != nil {
		o.OnPacket(Observed{Conn: conn, Dir: dir, Session: s.id, Transport: transport, Protocol: protocol, Packet: p})
	}
	if p.Type == Close && s.id != "" {
		o.forget(s.id)
	}
}

// wrongWay reports a heartbeat of the wrong side. A probe goes the other way
// than the pings of version 4.
func wrongWay(dir trace.Dir, protocol int, p Packet) bool {
	if p.Type != Ping && p.Type != Pong || string(p.Data) == "probe" {
		return false
	}
	pings := trace.In
	if protocol == 3 {
		pings = trace.Out
	}
	return (dir == pings) != (p.Type == Ping)
}

// opens takes the first packet of a session.
func (o *Observer) opens(conn trace.ID, s *observed, p Packet) {
	if p.Type != Open {
		o.finding(conn, &ruleOpenFirst, byServer, "%s %.80q", p.Type, p.Data)
		return
	}
	var open struct {
		SID                       string
		Upgrades                  []string
		PingInterval, PingTimeout *int64
		MaxPayload                int64
	}
	if json.Unmarshal(p.Data, &open) != nil || open.SID == "" || open.Upgrades == nil || open.PingInterval == nil || open.PingTimeout == nil {
		o.finding(conn, &ruleOpen, byServer, "%.200q", p.Data)
	}
	if open.SID == "" {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	s.id, s.maxPayload = open.SID, open.MaxPayload
	_ = o.session(open.SID) // makes room
	o.sessions[open.SID] = s
}
