package live

import (
	"strings"

	"github.com/sockkit/sockkit/trace"
)

// ends is what is known of a connection: which end of it makes the records, and
// how somebody else would reach the server's.
type ends struct {
	side    string // trace.Client or trace.Server
	network string
	server  string // the server's address
	tls     bool
	target  string // of a WebSocket: its path
}

// maxStreams bounds the connections that are known at once.
const maxStreams = 10_000

// endsOf is what is known of a record's connection, by this record too.
func (t *Timeline) endsOf(p part, r trace.Record) ends {
	if r.Conn == 0 {
		return ends{side: p.side}
	}
	key := stream{p.who, r.Conn}
	e := t.streams[key]
	if e == nil {
		e = &ends{side: p.side}
		if t.streams == nil || len(t.streams) >= maxStreams {
			t.streams = map[stream]*ends{}
		}
		t.streams[key] = e
	}
	e.learn(r.Event)
	if _, closed := r.Event.(trace.Close); closed {
		delete(t.streams, key)
	}
	return *e
}

// learn takes what a record tells about its connection.
func (e *ends) learn(event trace.Event) {
	switch event := event.(type) {
	case trace.Open:
		e.side, e.network, e.server = event.Side, event.Network, event.Remote
		if event.Side == trace.Server {
			e.server = event.Local
		}
	case trace.TLSStart:
		e.tls = true
	case trace.HTTPHead:
		if _, rest, ok := strings.Cut(event.Line, " "); ok && !strings.HasPrefix(event.Line, "HTTP/") {
			e.target, _, _ = strings.Cut(rest, " ")
		}
	case trace.Upgrade:
		if e.side == "" {
			e.side = event.Side
		}
		e.target = event.Target
	}
}

// way says which way along the line between client and server an event went:
// "right" to the server, "left" to the client.
func way(side string, dir trace.Dir) string {
	switch {
	case dir == trace.None || side == "":
		return ""
	case (side == trace.Client) == (dir == trace.Out):
		return "right"
	}
	return "left"
}
