package engine

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// polling is the transport over HTTP: what is sent waits for a GET, and what
// comes comes by POST. Its state is under the session's lock.
type polling struct {
	session *Session
	binary  bool  // the client of protocol 3 takes binary payloads
	poll    *poll // a GET that waits; nil where none does
	spare   *poll // of one that was answered, for the next
	posting bool
	poster  http.ResponseWriter // of a POST whose body is being read
	closing bool                // the next poll is the last
	closed  bool
}

// poll is a GET: what it is answered with goes to who waits for it, or is sent in
// place.
type poll struct {
	packets chan []Packet // nil in place

	of    *polling
	x     *exchange
	query query
}

// give answers a poll, under the session's lock. It reports whether the slice is
// kept.
func (k *poll) give(packets []Packet) (kept bool) {
	if k.x == nil {
		k.packets <- packets
		return true
	}
	err := k.of.answer(k.x, &k.x.request, k.query, packets)
	if err == nil {
		err = k.x.end()
	}
	if err != nil {
		go k.of.session.failed(k.of, ReasonTransportError, prematurely) // not under the lock
	}
	return false
}

func (p *polling) name() string   { return "polling" }
func (p *polling) writable() bool { return p.poll != nil }
func (p *polling) idle() bool     { return p.poll != nil }

func (p *polling) send(packets []Packet) (kept bool) {
	poll := p.poll
	p.poll = nil
	if p.closing {
		packets = append(packets, Packet{Type: Close})
		p.closed = true
	}
	p.session.record(0, trace.Out, p.name(), packets...)
	return poll.give(packets)
}

// close answers a poll that waits; else the next one hears of the end.
func (p *polling) close(now bool) bool {
	if now {
		p.stopPost()
	}
	switch {
	case p.closed:
	case p.poll != nil:
		p.closing = true
		p.send(nil)
	case now:
		p.closed = true
	default:
		p.closing = true
		return false
	}
	return true
}

// left answers a poll that waits, so that the client's request ends.
func (p *polling) left() {
	if p.poll != nil && !p.closed {
		p.send([]Packet{{Type: Noop}})
	}
	p.closed = true
}

func (p *polling) discard() { p.left() }

func (p *polling) stopPost() {
	if p.poster != nil {
		_ = http.NewResponseController(p.poster).SetReadDeadline(time.Unix(1, 0))
		p.poster = nil
	}
}

// serve answers a request of the session.
func (p *polling) serve(w http.ResponseWriter, r *http.Request, q query) {
	switch r.Method {
	case http.MethodGet:
		p.serveGet(w, r, q)
	case http.MethodPost:
		p.servePost(w, r, q)
	default:
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// begin registers a poll. It reports false where another waits already. A poll
// that is nil is one that is waited for.
func (p *polling) begin(k *poll) (*poll, bool) {
	s := p.session
	s.mu.Lock()
	if p.poll != nil {
		s.mu.Unlock()
		return nil, false
	}
	if k == nil {
		if k, p.spare = p.spare, nil; k == nil {
			k = &poll{packets: make(chan []Packet, 1)}
		}
	}
	p.poll = k
	var after func()
	switch {
	case p.closed || s.state == stateClosed:
		p.poll = nil
		k.give([]Packet{{Type: Close}})
	case p.closing && len(s.buffer) == 0:
		p.send([]Packet{{Type: Noop}})
		after = s.end(ReasonForcedClose, "")
	default:
		after = s.flush()
	}
	s.mu.Unlock()
	call(after)
	return k, true
}

func (p *polling) serveGet(w http.ResponseWriter, r *http.Request, q query) {
	x, inPlace := w.(*exchange)
	var k *poll
	if inPlace {
		k = &poll{of: p, x: x, query: q}
		x.OnGone(func() { p.aborted(k) })
	}
	k, ok := p.begin(k)
	if !ok {
		p.session.failed(p, ReasonTransportError, "overlap from client")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if inPlace {
		x.later = true
		return
	}
	packets, ok := awaited(k.packets, r)
	if !ok {
		p.aborted(k)
		return
	}
	if err := p.answer(w, r, q, packets); err != nil {
		p.session.failed(p, ReasonTransportError, prematurely)
	}
	p.answered(k, packets)
}

// prematurely is how the official server describes the end of a connection while
// a poll waits: what was on its way is lost.
const prematurely = "poll connection closed prematurely"

// awaited waits for packets, as long as the client waits for them. The context is
// asked only where there are none yet.
func awaited(poll chan []Packet, r *http.Request) (packets []Packet, ok bool) {
	select {
	case packets = <-poll:
		return packets, true
	default:
	}
	select {
	case packets = <-poll:
		return packets, true
	case <-r.Context().Done():
		return nil, false
	}
}

// answered keeps what a poll has needed for the next.
func (p *polling) answered(k *poll, packets []Packet) {
	s := p.session
	s.mu.Lock()
	defer s.mu.Unlock()
	p.spare = k
	if s.state == stateOpen && s.buffer == nil && s.OnSend == nil && cap(packets) <= keptBuffer {
		clear(packets)
		s.buffer = packets[:0]
	}
}

// aborted ends the session of a client that gave its poll up. What was on its
// way is lost, and so is the order of what follows.
func (p *polling) aborted(k *poll) {
	s := p.session
	s.mu.Lock()
	if p.poll == k {
		p.poll = nil
	}
	s.mu.Unlock()
	s.failed(p, ReasonTransportError, prematurely)
}

// servePost takes what the client sends.
func (p *polling) servePost(w http.ResponseWriter, r *http.Request, q query) {
	s := p.session
	if !p.beginPost(w) {
		s.failed(p, ReasonTransportError, "data request overlap from client")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	defer p.endPost()
	binary := r.Header.Get("Content-Type") == "application/octet-stream"
	if binary && s.protocol == 4 {
		s.failed(p, ReasonTransportError, "invalid content")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	room := scratch.Get().(*[]byte)
	body, err := readBody(r, s.srv.maxBuffer(), *room)
	defer putScratch(room, body)
	p.read()
	switch {
	case errors.Is(err, errTooLarge): // the session goes on
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		s.failed(p, ReasonTransportError, "data request connection closed prematurely")
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.take(body, binary, q.has("j"))
	h := w.Header()
	p.headers(h, r)
	h["Content-Type"], h["Content-Length"] = textHTML, lengthOfOK
	_, _ = io.WriteString(w, "ok")
}

func (p *polling) beginPost(w http.ResponseWriter) bool {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	if p.posting {
		return false
	}
	p.posting = true
	p.poster = w
	return true
}

// read says that the body is there, and needs not be given up any more.
func (p *polling) read() {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	p.poster = nil
}

func (p *polling) endPost() {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	p.posting, p.poster = false, nil
}

var errTooLarge = errors.New("the body is too large")

// readBody reads a body, and no more of it than may be. It stands in room where that
// is enough.
func readBody(r *http.Request, most int64, room []byte) ([]byte, error) {
	if r.ContentLength > most {
		return nil, errTooLarge
	}
	if r.ContentLength >= 0 {
		body := slices.Grow(room[:0], int(r.ContentLength))[:r.ContentLength]
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if err == nil && int64(len(body)) > most {
		return nil, errTooLarge
	}
	return body, err
}

// take gives the packets of a body to the session, which ends at one that is
// none. The request is answered with "ok" then as well: so the official server.
func (p *polling) take(body []byte, binary, form bool) {
	s := p.session
	if form {
		var ok bool
		if body, ok = formData(body); !ok {
			return
		}
	}
	each := func(packet Packet) bool {
		s.record(0, trace.In, p.name(), packet)
		s.packet(p, packet)
		return true
	}
	if err := parsePayload(body, s.protocol, binary, each); err != nil {
		s.failed(p, ReasonParseError, err.Error())
	}
}
