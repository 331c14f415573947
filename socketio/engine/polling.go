package engine

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// polling is the transport over HTTP: what is sent waits for a GET, and what
// comes comes by POST. Its state is under the session's lock.
type polling struct {
	session *Session
	poll    chan []Packet // a GET that waits; nil where none does
	posting bool
	closing bool // the next poll is the last
	closed  bool
}

func (p *polling) name() string   { return "polling" }
func (p *polling) writable() bool { return p.poll != nil }
func (p *polling) idle() bool     { return p.poll != nil }

func (p *polling) send(packets []Packet) {
	poll := p.poll
	p.poll = nil
	if p.closing {
		packets = append(packets, Packet{Type: Close})
		p.closed = true
	}
	poll <- packets
}

// close answers a poll that waits; else the next one hears of the end.
func (p *polling) close(now bool) bool {
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

// serve answers a request of the session.
func (p *polling) serve(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		p.serveGet(w, r)
	case http.MethodPost:
		p.servePost(w, r)
	default:
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// begin registers a poll. It reports false where another waits already.
func (p *polling) begin() (poll chan []Packet, ok bool) {
	s := p.session
	s.mu.Lock()
	if p.poll != nil {
		s.mu.Unlock()
		return nil, false
	}
	poll = make(chan []Packet, 1)
	p.poll = poll
	var after func()
	switch {
	case p.closed || s.state == stateClosed:
		p.poll = nil
		poll <- []Packet{{Type: Close}}
	case p.closing && len(s.buffer) == 0:
		p.send(nil)
		after = s.end(ReasonForcedClose, "")
	default:
		after = s.flush()
	}
	s.mu.Unlock()
	call(after)
	return poll, true
}

func (p *polling) serveGet(w http.ResponseWriter, r *http.Request) {
	poll, ok := p.begin()
	if !ok {
		p.session.failed(p, ReasonTransportError, "overlap from client")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	select {
	case packets := <-poll:
		p.session.srv.answer(w, r, p.session.protocol, packets)
	case <-r.Context().Done():
		p.aborted(poll)
	}
}

// aborted ends the session of a client that gave its poll up. What was on its
// way is lost, and so is the order of what follows.
func (p *polling) aborted(poll chan []Packet) {
	s := p.session
	s.mu.Lock()
	if p.poll == poll {
		p.poll = nil
	}
	s.mu.Unlock()
	s.failed(p, ReasonTransportError, "poll connection closed prematurely")
}

// answer writes packets as a body.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, protocol int, packets []Packet) {
	var body []byte
	if protocol == 3 {
		body = appendPayload3(nil, packets)
	} else {
		body = AppendPayload(nil, packets)
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	if j := r.URL.Query().Get("j"); j != "" {
		body = jsonp(h, j, body)
	}
	body = s.compressed(h, r, packets, body)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// compressed is the body compressed, where the client takes that and it pays.
func (s *Server) compressed(h http.Header, r *http.Request, packets []Packet, body []byte) []byte {
	if s.HTTPCompression < 0 || len(body) < s.compressFrom() || !mayCompress(packets) {
		return body
	}
	accepts := r.Header.Get("Accept-Encoding")
	var out bytes.Buffer
	var w io.WriteCloser
	switch {
	case strings.Contains(accepts, "gzip"):
		h.Set("Content-Encoding", "gzip")
		w = gzip.NewWriter(&out)
	case strings.Contains(accepts, "deflate"):
		h.Set("Content-Encoding", "deflate")
		w, _ = flate.NewWriter(&out, flate.DefaultCompression)
	default:
		return body
	}
	_, _ = w.Write(body)
	_ = w.Close()
	return out.Bytes()
}

func mayCompress(packets []Packet) bool {
	for i := range packets {
		if !packets[i].NoCompress {
			return true
		}
	}
	return false
}

// jsonp wraps a body for a script of the page (the j parameter).
func jsonp(h http.Header, j string, body []byte) []byte {
	number := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, j)
	h.Set("Content-Type", "text/javascript; charset=UTF-8")
	text := strconv.Quote(string(body))
	text = strings.NewReplacer("\u2028", `\u2028`, "\u2029", `\u2029`, "<", `\u003c`).Replace(text)
	return fmt.Appendf(nil, "___eio[%s](%s);", number, text)
}

// servePost takes what the client sends.
func (p *polling) servePost(w http.ResponseWriter, r *http.Request) {
	s := p.session
	if !p.beginPost() {
		s.failed(p, ReasonTransportError, "data request overlap from client")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	defer p.endPost()
	binary := strings.HasPrefix(r.Header.Get("Content-Type"), "application/octet-stream")
	if binary && s.protocol == 4 {
		s.failed(p, ReasonTransportError, "invalid content")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	body, err := readBody(r, s.srv.maxBuffer())
	switch {
	case errors.Is(err, errTooLarge):
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		s.failed(p, ReasonTransportError, "data request connection closed prematurely")
		return
	}
	if r.URL.Query().Get("j") != "" {
		body = formData(body)
	}
	p.take(body, binary)
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Content-Length", "2")
	_, _ = io.WriteString(w, "ok")
}

func (p *polling) beginPost() bool {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	if p.posting {
		return false
	}
	p.posting = true
	return true
}

func (p *polling) endPost() {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	p.posting = false
}

var errTooLarge = errors.New("the body is too large")

// readBody reads a body, and no more of it than may be.
func readBody(r *http.Request, most int64) ([]byte, error) {
	if r.ContentLength > most {
		return nil, errTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if err == nil && int64(len(body)) > most {
		return nil, errTooLarge
	}
	return body, err
}

// take gives the packets of a body to the session.
func (p *polling) take(body []byte, binary bool) {
	s := p.session
	each := func(packet Packet) bool {
		s.packet(p, packet)
		return true
	}
	var err error
	switch {
	case s.protocol == 3 && binary:
		err = parseBinaryPayload3(body, each)
	case s.protocol == 3:
		err = parsePayload3(body, each)
	default:
		err = ParsePayload(body, each)
	}
	if err != nil {
		s.failed(p, ReasonParseError, err.Error())
	}
}
