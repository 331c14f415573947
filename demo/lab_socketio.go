package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
)

// ioDoor is where a reader's browser, which is the client, reaches the server of
// a lab on Socket.IO. It records what passes, and is the network, too: it can be
// cut.
type ioDoor struct {
	stage  *Stage
	tracer *trace.Tracer
	around func(http.Handler) http.Handler // what stands before the server; nil is nothing

	mu    sync.Mutex
	io    *socketio.Server
	down  bool
	polls map[*context.CancelFunc]struct{} // requests that are being answered
	wires map[*ioWire]struct{}             // connections that have become WebSockets
}

// mostSessions bounds the clients of a lab's server.
const mostSessions = 32

// ioDoor makes one. What is recorded of a session stands under the name that it
// is given by who, or the server's where that is "" or who is nil.
func (s *Stage) ioDoor(who func(session string) string) *ioDoor {
	d := &ioDoor{stage: s, polls: map[*context.CancelFunc]struct{}{}, wires: map[*ioWire]struct{}{}}
	d.tracer = s.tracer.View(ioSink{s.cast, who}, trace.Frame)
	s.Serve("socket.io", d)
	s.Keep(closerFunc(d.close))
	return d
}

// serves puts a new server behind the door, in the place of the one that is
// there, which is closed.
func (d *ioDoor) serves(o socketio.ServerOptions, handlers func(*socketio.Server)) {
	if o.Engine == nil {
		o.Engine = &engine.Server{}
	}
	o.Engine.MaxSessions, o.Tracer = mostSessions, d.tracer
	io := socketio.NewServer(&o)
	handlers(io)
	d.mu.Lock()
	before := d.io
	d.io = io
	d.mu.Unlock()
	_ = shut(d.stage, before) // its sockets are told as far as that goes
}

func shut(s *Stage, io *socketio.Server) error {
	if io == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), patience)
	defer cancel()
	return io.Close(ctx)
}

func (d *ioDoor) close() error { return shut(d.stage, d.server()) }

func (d *ioDoor) server() *socketio.Server {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.io
}

// ServeHTTP lets a request of the browser in, unless the network is cut.
func (d *ioDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if !d.enters(&cancel) {
		d.stage.Note("network", "%s %s: the connection is cut", r.Method, transportOf(r))
		cutOff(w)
		return
	}
	within := r.WithContext(ctx)
	url := *r.URL
	url.Path = socketPath
	within.URL = &url
	a := &ioAnswer{ResponseWriter: w, door: d}
	var h http.Handler = http.HandlerFunc(d.pass)
	if d.around != nil {
		h = d.around(h)
	}
	h.ServeHTTP(a, within)
	if d.leaves(&cancel) && !a.begun {
		cutOff(w)
	}
}

func transportOf(r *http.Request) string { return "by " + r.URL.Query().Get("transport") }

// pass hands a request to the server. The heads of a WebSocket that opens are
// recorded by the server itself, those of one that is refused with the refusal.
func (d *ioDoor) pass(w http.ResponseWriter, r *http.Request) {
	a, ok := w.(*ioAnswer)
	switch {
	case r.Header.Get("Upgrade") == "":
		d.request(r)
		if ok {
			a.told = true
		}
	case ok:
		a.upgrade = r
	}
	d.server().ServeHTTP(w, r)
}

// request records a request's head.
func (d *ioDoor) request(r *http.Request) {
	h := &handshake.Head{}
	h.SetRequestLine(r.Method, r.RequestURI, r.Proto)
	h.Add("Host", r.Host)
	d.head(trace.In, h, r.Header)
}

// head records one.
func (d *ioDoor) head(dir trace.Dir, h *handshake.Head, from http.Header) {
	for _, name := range slices.Sorted(maps.Keys(from)) {
		for _, value := range from[name] {
			h.Add(name, value)
		}
	}
	b := h.AppendTo(nil)
	d.tracer.Emit(0, trace.HTTPHead{Dir: dir, Line: string(h.AppendLine(nil)), Size: len(b), Payload: b})
}

// enters reports whether the network is up, and remembers how to end a request.
func (d *ioDoor) enters(end *context.CancelFunc) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.down {
		d.polls[end] = struct{}{}
	}
	return !d.down
}

// leaves reports whether the network was cut meanwhile.
func (d *ioDoor) leaves(end *context.CancelFunc) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.polls, end)
	return d.down
}

// cut cuts the network: connections end, and who connects is turned away.
func (d *ioDoor) cut(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return errors.New("the network is cut already")
	}
	d.down = true
	d.stage.Note("network", "is cut")
	d.stage.Push("network", "cut")
	for end := range d.polls {
		(*end)()
	}
	for w := range d.wires {
		w.cut()
	}
	return nil
}

func (d *ioDoor) mend(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.down {
		return errors.New("the network is up already")
	}
	d.down = false
	d.stage.Note("network", "is back")
	d.stage.Push("network", "up")
	return nil
}

// cutOff ends the connection of a request without an answer.
func cutOff(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // it has been taken over, or answered
	}
	_ = conn.Close()
}

// ioAnswer is the answer to a request, on its way back through the door.
type ioAnswer struct {
	http.ResponseWriter
	door    *ioDoor
	upgrade *http.Request // asks for a WebSocket, and is not recorded
	told    bool          // the request was recorded, so the answer is
	begun   bool
}

// WriteHeader implements [http.ResponseWriter].
func (a *ioAnswer) WriteHeader(status int) {
	if !a.begun && a.upgrade != nil { // a WebSocket's 101 does not come this way
		a.door.request(a.upgrade)
		a.told = true
	}
	if !a.begun && a.told {
		h := &handshake.Head{}
		h.SetStatusLine("HTTP/1.1", status, http.StatusText(status))
		a.door.head(trace.Out, h, a.Header())
	}
	a.begun = true
	a.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (a *ioAnswer) Write(b []byte) (int, error) {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (a *ioAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Hijack is how a connection becomes a WebSocket's.
func (a *ioAnswer) Hijack() (conn net.Conn, rw *bufio.ReadWriter, err error) {
	conn, rw, err = http.NewResponseController(a.ResponseWriter).Hijack()
	if err != nil {
		return conn, rw, err
	}
	a.begun = true
	w := &ioWire{Conn: conn, door: a.door}
	a.door.mu.Lock()
	a.door.wires[w] = struct{}{}
	down := a.door.down
	a.door.mu.Unlock()
	if down {
		w.cut()
	}
	return w, rw, nil
}

// ioWire is a connection that can be cut.
type ioWire struct {
	net.Conn
	door *ioDoor
	gone atomic.Bool
}

// Read implements [net.Conn]. Of a connection that is cut the server sees the
// end, as if it had not been cut in this very process.
func (w *ioWire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil && w.gone.Load() {
		err = io.EOF
	}
	return n, err
}

// Close implements [net.Conn].
func (w *ioWire) Close() error {
	w.door.mu.Lock()
	delete(w.door.wires, w)
	w.door.mu.Unlock()
	return w.Conn.Close()
}

// cut ends the connection below the server, which is not asked.
func (w *ioWire) cut() {
	w.gone.Store(true)
	_ = w.Conn.Close() // it may be over already
}

// ioSink takes the records of a lab's server. What a lesson on frames is for is
// left out.
type ioSink struct {
	cast *cast
	who  func(session string) string
}

// Record implements [trace.Sink].
func (o ioSink) Record(r trace.Record) {
	session := ""
	switch e := r.Event.(type) {
	case trace.WSFrame, trace.WSMessage, trace.WSPing:
		return
	case trace.EIOPacket:
		session = e.Session
	case trace.SIOPacket:
		session = e.Session
	case trace.HTTPHead:
		e.Payload = lighter(e.Payload)
		r.Event = e
	}
	who := "server"
	if o.who != nil && session != "" {
		if name := o.who(session); name != "" {
			who += ", " + name
		}
	}
	o.cast.Sink(who, trace.Server).Record(r)
}

// ballast is how the lines of a head begin that say nothing about Socket.IO: a
// browser sends a dozen of them, and the page's own answers have some.
var ballast = [...]string{"accept", "cache-control:", "content-security-policy:", "cross-origin-", "dnt:", "pragma:", "referer:", "referrer-policy:", "sec-ch-", "sec-fetch-", "user-agent:", "x-content-type-options:"}

// lighter is a head without its ballast.
func lighter(head []byte) (kept []byte) {
	for line := range bytes.Lines(head) {
		low := strings.ToLower(string(line))
		if !slices.ContainsFunc(ballast[:], func(name string) bool { return strings.HasPrefix(low, name) }) {
			kept = append(kept, line...)
		}
	}
	return kept
}

// records are those that a lab's server has made.
func (d *ioDoor) records() []entry {
	return slices.DeleteFunc(d.stage.cast.entries(), func(e entry) bool { return !strings.HasPrefix(e.who, "server") })
}

// browserNote is what the client in the page has seen.
type browserNote struct {
	Who  string `json:"who"`
	Text string `json:"text"`
}

// mostNote bounds a note of the page, in bytes.
const mostNote = 300

// note puts what the page has to say into the timeline.
func (d *ioDoor) note(_ context.Context, a browserNote) (any, error) {
	if len(a.Text) > mostNote || len(a.Who) > mostName || strings.Contains(a.Who, "server") {
		return nil, fmt.Errorf("a note has at most %d bytes", mostNote)
	}
	if a.Who == "" {
		a.Who = "browser"
	}
	d.stage.Note(a.Who, "%s", a.Text)
	return nil, nil
}

// mostName bounds the names of tabs and rooms, in bytes.
const mostName = 40
