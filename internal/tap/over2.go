package tap

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// over2 is a connection of HTTP/2 (RFC 9113) that is followed: what it says of
// its streams goes to the engine, as over HTTP/1.1.
type over2 struct {
	*ws.HTTP2Observer
	f       *Follower
	streams map[trace.ID]struct{} // of WebSockets that have a number of their own
	bodies  int                   // bytes that are kept
	cut     bool                  // what is open goes on where nobody follows
}

func (f *Follower) begin2() *over2 {
	o := &over2{HTTP2Observer: ws.NewHTTP2Observer(f.tracer, f.id, f.x.limits), f: f, streams: map[trace.ID]struct{}{}}
	o.OnRequest, o.Now = o.request, f.x.now
	return o
}

// upgraded2 goes on where a request over HTTP/1.1 has gone over to HTTP/2 (RFC
// 7540 section 3.2).
func (f *Follower) upgraded2() {
	x := f.x
	f.decided, f.over2 = byHTTP2, f.begin2()
	f.over2.Upgraded(x.h2c.head)
	f.over2.Feed(ws.ServerRole, x.server.buf)
	f.over2.Feed(ws.ClientRole, x.client.buf)
	x.server.buf, x.client.buf = nil, nil
}

// gap says that bytes of one end are missing, in each session that was open.
func (o *over2) gap(from ws.Role) {
	for id := range o.streams {
		o.f.x.io.tear(id)
	}
	o.Gap(from)
}

// finish ends what is open when the connection does, or when the capture ends
// before it does.
func (o *over2) finish(whole bool) {
	o.cut = !whole
	o.Close(whole)
}

func (o *over2) giveUp(why string) {
	o.cut = true
	for id := range o.streams {
		o.f.x.io.tear(id)
	}
	o.GiveUp(why)
}

func (o *over2) held() int { return o.Held() + o.bodies }

// request follows the stream of a WebSocket, and that of a request for the
// engine.
func (o *over2) request(stream uint32, head *handshake.Head) *ws.HTTP2Stream {
	s := &stream2{o: o, number: stream, id: o.f.id, method: string(head.Method), target: string(head.Target), header: headerOf(head), began: o.f.x.now()}
	s.opens = s.method == http.MethodConnect && head.Get(":protocol") == "websocket"
	isEngine := ofEngine(s.target)
	if !s.opens && !isEngine {
		return nil
	}
	if s.opens {
		s.begin()
	}
	t := &ws.HTTP2Stream{Tracer: o.f.tracer, ID: s.id, Head: s.answered, Open: s.open, Data: s.data, End: s.ended, Gone: s.gone}
	if s.engine = isEngine; isEngine {
		s.frames.to = o.f.tracer
		t.Tracer = o.f.tracer.View(&s.frames, max(o.f.tracer.Level, trace.Message))
		o.f.x.io.captured.belongs(s.id, s.target)
	}
	if first := o.f.x.h2c; first != nil && stream == 1 {
		s.exchange = first.exchange
	}
	if s.opens {
		s.ask()
	}
	return t
}

// headerOf are the fields of a head.
func headerOf(h *handshake.Head) http.Header {
	header := http.Header{}
	for _, f := range h.Fields() {
		if name := string(f.Name); !strings.HasPrefix(name, ":") {
			header.Add(name, string(f.Value))
		}
	}
	return header
}

// stream2 is a stream that is followed.
type stream2 struct {
	o      *over2
	number uint32
	id     trace.ID
	opens  bool // it asks for a WebSocket
	engine bool
	method string
	target string
	header http.Header
	began  time.Time

	exchange *engine.ObservedExchange // nil: it is not the engine's, or the request is not whole
	frames   messageTap
	good     bool // the WebSocket is open
	refused  *handshake.Exchange
	status   int
	answer   http.Header
	bodies   [2][]byte
	full     bool // there is more than is kept
	done     bool // the answer is whole
}

// begin gives a WebSocket a number of its own, where whoever reads keeps one.
func (s *stream2) begin() {
	f := s.o.f
	if f.onStream == nil {
		return
	}
	s.id = f.onStream(s.number)
	s.o.streams[s.id] = struct{}{}
}

// open hears what came of the request for a WebSocket.
func (s *stream2) open(x *handshake.Exchange, err error) {
	if s.good = err == nil; !s.good {
		s.refused = x
		return
	}
	if s.engine {
		s.frames.socket = s.o.f.x.io.engine.WebSocket(s.id, s.target)
	}
}

// data keeps what belongs to a request of the engine's, or to its answer.
func (s *stream2) data(from ws.Role, b []byte) {
	if s.full {
		return
	}
	if len(s.bodies[from])+len(b) > s.o.f.most() {
		s.full = true
		s.forget()
		s.o.f.note(fmt.Sprintf("the %s sends more than %d bytes on stream %d: its packets are not decoded", from, s.o.f.most(), s.number))
		return
	}
	s.bodies[from] = append(s.bodies[from], b...)
	s.o.bodies += len(b)
}

func (s *stream2) forget() {
	s.o.bodies -= len(s.bodies[0]) + len(s.bodies[1])
	s.bodies = [2][]byte{}
}

// ask hands the request to the engine, once.
func (s *stream2) ask() {
	if s.engine && s.exchange == nil && !s.full {
		s.exchange = s.o.f.x.io.engine.Request(s.id, s.method, s.target, s.header, s.bodies[ws.ClientRole])
	}
}

func (s *stream2) answered(head *handshake.Head) {
	s.ask() // a server may answer what it has not read
	s.status, s.answer = head.Status, headerOf(head)
}

// ended hears that one end has said all that it will.
func (s *stream2) ended(from ws.Role, _ int64) {
	switch {
	case s.good:
		if s.id != s.o.f.id { // as of any connection
			s.o.f.tracer.Emit(s.id, trace.HalfClose{Dir: dirOf(from)})
		}
	case from == ws.ClientRole:
		s.ask()
	case s.status != 0:
		s.whole()
	}
}

// whole takes an answer that is.
func (s *stream2) whole() {
	if s.done || s.full {
		return
	}
	s.done = true
	body := s.bodies[ws.ServerRole]
	if s.exchange != nil {
		s.exchange.Response(s.status, s.answer, body)
	}
	if s.refused != nil && !isCode(body) { // else the finding on the code says more
		s.refused.Body = body[:min(len(body), bodyShown)]
		(&opening{tracer: s.o.f.tracer, id: s.id, x: *s.refused}).cause()
	}
}

// gone ends it.
func (s *stream2) gone(reset bool, out, in int64) {
	f := s.o.f
	switch {
	case s.frames.socket != nil:
		s.frames.socket.End()
	case s.refused != nil:
		s.whole()
	case s.exchange != nil && !s.done:
		s.exchange.Aborted()
	}
	s.forget()
	if s.id != f.id {
		delete(s.o.streams, s.id)
		f.onStreamEnd(s.id, trace.Close{Out: out, In: in, Duration: max(f.x.now().Sub(s.began), 0), Reset: reset}, !s.o.cut)
	}
}
