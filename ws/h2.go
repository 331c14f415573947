package ws

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws/internal/h2"
)

// HTTP2 says how HTTP/2 is spoken (RFC 9113), and WebSockets are opened over it
// (RFC 8441). The zero value has the defaults. It must not be copied once in use.
type HTTP2 struct {
	// Share has the WebSockets of a [Dialer] that are open to one host at the same
	// time stand on one connection, each a stream of it. Without it each has a
	// connection of its own.
	Share bool
	// MaxStreams bounds the requests at once of one connection to a server; 0 is
	// 100. One beyond it is refused with REFUSED_STREAM.
	MaxStreams int
	// Window is what a peer may send on one stream before it is read, in bytes;
	// 0 is 256 KiB. The connection's window has room for all streams, so that
	// none holds up another.
	Window int
	// MaxHeaderList bounds a head, in bytes as RFC 9113 section 6.5.2 counts
	// them; 0 is 64 KiB. A request beyond it is answered 431.
	MaxHeaderList int
	// MaxControlRate bounds the frames a second that carry no data, such as
	// SETTINGS, PING and RST_STREAM; 0 is 1,000. Beyond it the connection ends
	// with ENHANCE_YOUR_CALM.
	MaxControlRate int
	// IdleTimeout ends a connection to a server that has no stream; 0 is 2
	// minutes.
	IdleTimeout time.Duration

	shared sharedSessions
}

// sharedSessions are the connections of a client that more than one WebSocket
// may stand on, by scheme and host. Each ends with its last stream.
type sharedSessions struct {
	mu   sync.Mutex
	open map[string]*h2.Session
}

func (s *sharedSessions) get(host string) *h2.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[host]
}

// put keeps a session until it has ended, unless there is one already.
func (s *sharedSessions) put(host string, session *h2.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[host] != nil {
		return
	}
	if s.open == nil {
		s.open = map[string]*h2.Session{}
	}
	s.open[host] = session
	go func() {
		<-session.Ended()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, host)
	}()
}

func (h *HTTP2) config(handshake time.Duration, report reporter) h2.Config {
	return h2.Config{
		MaxStreams: h.MaxStreams, Window: h.Window, MaxHeaderList: h.MaxHeaderList, MaxControlRate: h.MaxControlRate,
		IdleTimeout: h.IdleTimeout, HandshakeTimeout: handshake, Tracer: report.tracer, ID: report.id,
	}
}

// HTTP2Info is what is known of an opening handshake over HTTP/2.
type HTTP2Info struct {
	Secure   bool
	ALPN     string         // what TLS agreed on
	Spoken   bool           // the server's SETTINGS came
	Settings []HTTP2Setting // in its first SETTINGS frame
	Connect  bool           // SETTINGS_ENABLE_CONNECT_PROTOCOL is 1 (RFC 8441 section 3)
	Stream   uint32         // of the WebSocket; 0 where it came to none

	// Equivalent is what would have passed over HTTP/1.1: the rules about
	// subprotocols, extensions and refusals are the same.
	Equivalent *handshake.Exchange

	first     string // what came in place of SETTINGS
	malformed string // what is wrong with the response in itself
	ended     bool   // nothing follows it
}

// HTTP2Setting is one parameter of a SETTINGS frame, by its name in the IANA
// registry.
type HTTP2Setting struct {
	Name  string
	Value uint32
}

// settingsText words SETTINGS.
func (i *HTTP2Info) settingsText() string {
	if len(i.Settings) == 0 {
		return "none, so the defaults"
	}
	var parts []string
	for _, s := range i.Settings {
		parts = append(parts, s.Name+"="+strconv.FormatUint(uint64(s.Value), 10))
	}
	return strings.Join(parts, ", ")
}

// HTTP2 is what is known of the opening handshake where it was made over HTTP/2
// by this end as a client; else nil.
func (c *Conn) HTTP2() *HTTP2Info { return c.http2 }

// fieldsOf are the fields of an opening request over HTTP/2, of one that is made
// for HTTP/1.1 (RFC 8441 section 5): CONNECT takes the place of GET, :protocol
// that of Upgrade, and no key is needed.
func fieldsOf(h *handshake.Head, secure bool) []h2.Field {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	fields := []h2.Field{
		{Name: ":method", Value: "CONNECT"}, {Name: ":protocol", Value: "websocket"}, {Name: ":scheme", Value: scheme},
		{Name: ":path", Value: string(h.Target)}, {Name: ":authority", Value: h.Get("Host")},
	}
	return append(fields, restOf(h)...)
}

// restOf are the fields of a head that mean something in HTTP/2.
func restOf(h *handshake.Head) (fields []h2.Field) {
	for _, f := range h.Fields() {
		if name := strings.ToLower(string(f.Name)); !ofHTTP1(name) {
			fields = append(fields, h2.Field{Name: name, Value: string(f.Value)})
		}
	}
	return fields
}

// ofHTTP1 reports fields that HTTP/2 has no use for (RFC 9113 sections 8.2.2 and
// 8.3.1, RFC 8441 section 5).
func ofHTTP1(name string) bool {
	switch name {
	case "host", "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "te", "http2-settings",
		"sec-websocket-key", "sec-websocket-accept":
		return true
	}
	return false
}

// headOfHTTP2 shows fields as a head: CONNECT /chat HTTP/2, or HTTP/2 200.
func headOfHTTP2(fields []h2.Field) *handshake.Head {
	h := &handshake.Head{}
	if status, ok := h2.Get(fields, ":status"); ok {
		code, _ := strconv.Atoi(status)
		h.SetStatusLine("HTTP/2", code, "")
	} else {
		method, _ := h2.Get(fields, ":method")
		path, _ := h2.Get(fields, ":path")
		h.SetRequestLine(method, path, "HTTP/2")
	}
	for _, f := range fields {
		switch f.Name {
		case ":method", ":path", ":status":
		default:
			h.Add(f.Name, f.Value)
		}
	}
	return h
}

// exampleKey stands where HTTP/1.1 wants a key.
const exampleKey = "AAAAAAAAAAAAAAAAAAAAAA=="

// requestOfHTTP1 is an opening request over HTTP/2 as it would be over HTTP/1.1.
func requestOfHTTP1(fields []h2.Field) *handshake.Head {
	h := &handshake.Head{}
	path, _ := h2.Get(fields, ":path")
	host, ok := h2.Get(fields, ":authority")
	if !ok {
		host, _ = h2.Get(fields, "host")
	}
	h.SetRequestLine("GET", path, "HTTP/1.1")
	h.Add("Host", host)
	h.Add("Upgrade", "websocket")
	h.Add("Connection", "Upgrade")
	h.Add("Sec-WebSocket-Key", exampleKey)
	addRest(h, fields)
	return h
}

// addRest adds all but pseudo-header fields. Pieces of a cookie become one (RFC
// 9113 section 8.2.3).
func addRest(h *handshake.Head, fields []h2.Field) {
	var cookie []string
	for _, f := range fields {
		switch {
		case strings.HasPrefix(f.Name, ":") || ofHTTP1(f.Name):
		case f.Name == "cookie":
			cookie = append(cookie, f.Value)
		default:
			h.Add(f.Name, f.Value)
		}
	}
	if len(cookie) > 0 {
		h.Add("Cookie", strings.Join(cookie, "; "))
	}
}

// responseOfHTTP1 is a response over HTTP/2 as it would be over HTTP/1.1, to a
// request with this key: 2xx is what 101 is there (RFC 8441 section 5).
func responseOfHTTP1(fields []h2.Field, key string) *handshake.Head {
	h := &handshake.Head{}
	text, _ := h2.Get(fields, ":status")
	status, _ := strconv.Atoi(text)
	if status/100 == 2 {
		h.SetStatusLine("HTTP/1.1", 101, "Switching Protocols")
		h.Add("Upgrade", "websocket")
		h.Add("Connection", "Upgrade")
		h.Add("Sec-WebSocket-Accept", handshake.AcceptKey(key))
	} else {
		h.SetStatusLine("HTTP/1.1", status, "")
	}
	addRest(h, fields)
	return h
}

// http2Head reports a head of HTTP/2.
func (r reporter) http2Head(dir trace.Dir, fields []h2.Field) {
	if r.on(trace.Message) {
		r.head(dir, headOfHTTP2(fields))
	}
}
