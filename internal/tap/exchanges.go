package tap

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// exchanges is the target of a connection that carries Socket.IO at both ends:
// requests and responses, one after the other, until one of them opens a
// WebSocket. What passes is read along as observed does it, and not changed.
type exchanges struct {
	watched
	io     *SocketIO
	limits ws.Limits

	mu             sync.Mutex
	client, server sent
	waiting        []*asked
	asking         int  // bytes of their heads
	lost           bool // something else is spoken, or more than is kept
	resumes        bool // the next request may be understood again
	most           int  // bytes that are kept of what is not complete
	extras
	ends   [2]sync.Once
	frames atomic.Pointer[ws.Observer]
	socket *engine.ObservedSocket
	good   bool   // the upgrade has succeeded
	h2c    *asked // what has gone over to HTTP/2
}

// sent is what one end has sent and is not read yet.
type sent struct {
	buf   []byte
	scan  handshake.Scanner // of the head, which is whole or not
	whole bool
	need  int // bytes that there have to be before it is worth another look
	pass  passing
	ended bool
}

// asked is a request that waits for its answer.
type asked struct {
	*http.Request
	head     *handshake.Head
	exchange *engine.ObservedExchange // nil: it is not the engine's
	began    time.Time
}

// mostWaiting bounds the requests that wait for their answers.
const mostWaiting = 1000

// mostKept bounds what is kept of a request or a response that is not complete.
const mostKept = 64 << 20

// observe has what passes through the target followed, where a tracer wants to
// hear of it.
func (s *SocketIO) observe(client, target net.Conn, limits ws.Limits) net.Conn {
	w, ok := watch(client, target)
	if !ok {
		return target
	}
	x := &exchanges{watched: w, io: s, limits: limits}
	x.by = x
	return x
}

// Close implements [net.Conn].
func (x *exchanges) Close() error {
	x.end(ws.ClientRole)
	x.mu.Lock()
	x.left()
	x.mu.Unlock()
	return x.Conn.Close()
}

// feed follows what one end sent. Once frames pass no lock is needed here: each
// direction has a goroutine and a decoder of its own.
func (x *exchanges) feed(from ws.Role, b []byte) {
	if frames := x.frames.Load(); frames != nil {
		frames.Feed(from, b)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if frames := x.frames.Load(); frames != nil {
		frames.Feed(from, b)
		return
	}
	s := x.sent(from)
	if x.lost && !x.resume(from, b) {
		x.data(from, b)
		return
	}
	most := cmp.Or(x.most, mostKept)
	if s.buf = append(s.buf, s.pass.over(b)...); len(s.buf) > most {
		x.giveUp(fmt.Sprintf("the %s sends more than %d MiB at once", from, most>>20))
		return
	}
	x.look(from)
}

func (x *exchanges) sent(from ws.Role) *sent {
	if from == ws.ClientRole {
		return &x.client
	}
	return &x.server
}

// look reads what is complete.
func (x *exchanges) look(from ws.Role) {
	s := x.sent(from)
	for len(s.buf) > 0 && len(s.buf) >= s.need && !x.lost && x.frames.Load() == nil && x.h2c == nil {
		n, err := x.one(from, s)
		switch {
		case errors.Is(err, handshake.ErrNeedMore), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return
		case err != nil:
			x.giveUp("what the " + from.String() + " sends is no HTTP")
		}
		if x.lost {
			return
		}
		rest := s.pass.over(s.buf[n:])
		*s = sent{buf: append(s.buf[:0], rest...), pass: s.pass, ended: s.ended}
	}
	if frames := x.frames.Load(); frames != nil {
		x.early(frames)
	}
}

// one reads one request or response, once its head is whole.
func (x *exchanges) one(from ws.Role, s *sent) (int, error) {
	s.scan.Response = from == ws.ServerRole
	if !s.whole {
		if _, err := s.scan.Scan(s.buf, nil); err != nil {
			return 0, err
		}
		s.whole = true
	}
	if from == ws.ClientRole {
		return x.request(s)
	}
	return x.response(s)
}

// early hands what came behind the heads of an upgrade to the frames.
func (x *exchanges) early(frames *ws.Observer) {
	for _, from := range []ws.Role{ws.ClientRole, ws.ServerRole} {
		if s := x.sent(from); len(s.buf) > 0 {
			frames.Feed(from, s.buf)
			s.buf = nil
		}
	}
}

// giveUp says that nothing more is decoded here.
func (x *exchanges) giveUp(why string) {
	x.tracer.Emit(x.id, trace.Note{Text: why + ": what passes here is not decoded any more"})
	x.data(ws.ClientRole, x.client.buf)
	x.data(ws.ServerRole, x.server.buf)
	x.lost, x.client.buf, x.server.buf, x.waiting, x.asking = true, nil, nil, nil, 0
}

// reader reads what is buffered, and knows how much of it.
type reader struct {
	*bufio.Reader
	below *bytes.Reader
	size  int
}

func read(b []byte) *reader {
	below := bytes.NewReader(b)
	return &reader{bufio.NewReader(below), below, len(b)}
}

func (r *reader) used() int { return r.size - r.below.Len() - r.Buffered() }

// body reads a body whose length is known, or that says where it ends.
func (s *sent) body(r *reader, length int64, body io.Reader) ([]byte, error) {
	if missing := length - int64(r.size-r.used()); missing > 0 {
		s.need = r.size + int(min(missing, mostKept))
		return nil, io.ErrUnexpectedEOF
	}
	b, err := io.ReadAll(body)
	if err != nil && strings.Contains(err.Error(), "EOF") { // that of a trailer has no name
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// request reads one request.
func (x *exchanges) request(s *sent) (int, error) {
	r := read(s.buf)
	request, err := http.ReadRequest(r.Reader)
	if err != nil {
		return 0, err
	}
	head := r.used()
	size := head
	var body []byte
	if ofEngine(request.RequestURI) || !s.pass.begin(request.ContentLength, request.TransferEncoding) {
		if body, err = s.body(r, request.ContentLength, request.Body); err != nil {
			return 0, err
		}
		size = r.used()
	}
	a := &asked{Request: request, head: &handshake.Head{}, began: x.now()}
	raw := bytes.Clone(s.buf[:head])
	_, _ = a.head.ParseRequest(raw, nil)
	x.head(trace.Out, a.head, raw)
	if ofEngine(request.RequestURI) {
		x.io.captured.belongs(x.id, a.RequestURI)
		a.exchange = x.io.engine.Request(x.id, a.Method, a.RequestURI, a.Header, body)
	}
	x.asking += len(raw)
	if x.waiting = append(x.waiting, a); len(x.waiting) > mostWaiting {
		x.giveUp("the client sends requests and gets no answers")
	}
	return size, nil
}

// response reads one response, to the request that has waited longest.
func (x *exchanges) response(s *sent) (int, error) {
	a := &asked{}
	if len(x.waiting) > 0 {
		a = x.waiting[0]
	}
	r := read(s.buf)
	answer, err := http.ReadResponse(r.Reader, a.Request)
	if err != nil {
		return 0, err
	}
	size := r.used()
	used := size
	wanted := a.exchange != nil || asks(a.head)
	untilEnd := answer.ContentLength < 0 && len(answer.TransferEncoding) == 0 && answer.StatusCode >= 200
	if untilEnd && !s.ended && wanted {
		return 0, io.ErrUnexpectedEOF
	}
	var body []byte
	switch {
	case answer.StatusCode < 200, answer.Body == http.NoBody:
	case !wanted && s.pass.begin(answer.ContentLength, answer.TransferEncoding):
	default:
		if body, err = s.body(r, answer.ContentLength, answer.Body); err != nil {
			return 0, err
		}
		used = r.used()
	}
	head, raw := &handshake.Head{}, bytes.Clone(s.buf[:size])
	_, _ = head.ParseResponse(raw, nil)
	x.head(trace.In, head, raw)
	if answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
		x.answered(a, answer, head, body)
	}
	return used, nil
}

// answered goes on with the answer to a request.
func (x *exchanges) answered(a *asked, answer *http.Response, head *handshake.Head, body []byte) {
	if a.Request == nil {
		x.tracer.Emit(x.id, trace.Note{Text: "the server answers before it has the whole request"})
		return
	}
	x.waiting, x.asking = x.waiting[1:], x.asking-len(a.head.Raw)
	if x.pieces && answer.StatusCode == http.StatusSwitchingProtocols && strings.EqualFold(answer.Header.Get("Upgrade"), "h2c") {
		x.h2c = a
		return
	}
	if a.exchange != nil {
		a.exchange.Response(answer.StatusCode, answer.Header, body)
	}
	if !asks(a.head) {
		return
	}
	o := &opening{tracer: x.tracer, id: x.id, x: handshake.Exchange{Request: a.head, Response: head, Body: body[:min(len(body), bodyShown)]}}
	x.tell(&o.x)
	if answer.StatusCode != http.StatusSwitchingProtocols {
		o.failed()
		if !isCode(body) { // else the finding on the code says more
			o.cause()
		}
		return
	}
	x.upgraded(o, a)
}

func isCode(body []byte) bool {
	var told struct{ Code *int }
	return json.Unmarshal(body, &told) == nil && told.Code != nil
}

// upgraded goes over to frames, whose messages are the engine's where the
// request was.
func (x *exchanges) upgraded(o *opening, a *asked) {
	o.findings()
	agreed, err := handshake.CheckResponse(&o.x)
	if x.good = err == nil; x.good {
		x.tracer.Emit(x.id, trace.Upgrade{Side: trace.Client, Target: a.RequestURI, Subprotocol: agreed.Subprotocol,
			Extensions: o.x.Response.Get("Sec-WebSocket-Extensions"), Duration: x.now().Sub(a.began)})
	} else {
		o.failed()
		agreed = claimed(o.x.Response)
	}
	tracer := x.tracer
	if a.exchange != nil {
		x.socket = x.io.engine.WebSocket(x.id, a.RequestURI)
		tracer = tracer.View(&messageTap{to: x.tracer, socket: x.socket}, max(tracer.Level, trace.Message))
	}
	x.begin(agreed, func() *ws.Observer { return ws.NewObserver(tracer, x.id, agreed, x.limits) })
	x.frames.Store(x.fresh())
}

// messageTap passes records on, and messages to the engine.
type messageTap struct {
	mu     sync.Mutex
	to     *trace.Tracer
	socket *engine.ObservedSocket // nil while there is none
}

// Record implements [trace.Sink].
func (m *messageTap) Record(r trace.Record) {
	if m.to.On(r.Event.Level()) {
		m.to.Sink.Record(r)
	}
	e, ok := r.Event.(trace.WSMessage)
	if !ok || m.socket == nil {
		return
	}
	kind := ws.Text
	if e.Type != ws.Text.String() {
		kind = ws.Binary
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.socket.Message(e.Dir, kind, e.Payload)
}

func (x *exchanges) head(dir trace.Dir, h *handshake.Head, raw []byte) {
	if x.tracer.On(trace.Message) {
		x.tracer.Emit(x.id, trace.HTTPHead{Dir: dir, Line: string(h.AppendLine(nil)), Size: len(raw), Payload: raw})
	}
}

// end says that one end has sent all it will.
func (x *exchanges) end(from ws.Role) {
	x.ends[from].Do(func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.sent(from).ended = true
		frames := x.frames.Load()
		switch {
		case frames != nil && x.good:
			frames.End(from)
		case frames == nil && !x.lost:
			x.look(from)
		}
		if from == ws.ServerRole {
			x.left()
		}
	})
}

// left says that no answer comes any more.
func (x *exchanges) left() {
	if x.socket != nil {
		x.socket.End()
	}
	for _, a := range x.waiting {
		if a.exchange != nil {
			a.exchange.Aborted()
		}
	}
	x.waiting, x.asking, x.socket = nil, 0, nil
}
