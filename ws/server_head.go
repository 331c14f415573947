package ws

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// waiting is a peer whose request is not complete. Those of a server are pooled,
// with their timers.
type waiting struct {
	buf     []byte // pooled; nil while nothing came
	scan    handshake.Scanner
	timer   *time.Timer // nil where it may wait for ever
	begun   time.Time
	done    bool // it is answered, and the connection about to end
	stopped bool // the timer was, and is not on its way
	peer    *Peer

	plain   *Exchange // the last one; nil before
	resting bool      // nothing has come since
	remote  string    // the peer's address, for the next one
}

// wait begins the peer's time as one whose request is not complete.
func (p *Peer) wait(limit time.Duration) {
	if limit <= 0 {
		p.waiting = &waiting{begun: time.Now()}
		return
	}
	w, _ := p.srv.waitings.Get().(*waiting)
	if w == nil {
		w = &waiting{}
		w.timer = time.AfterFunc(time.Hour, func() { w.peer.tcp.Post(w.peer.late) })
		w.timer.Stop()
	}
	w.peer, w.begun = p, time.Now()
	p.waiting = w
	w.timer.Reset(limit)
}

// answered says that the request waits no more.
func (p *Peer) answered() {
	w := p.waiting
	w.done = true
	w.stopped = w.timer != nil && w.timer.Stop()
}

// waited ends that time: the request was answered.
func (p *Peer) waited() {
	w := p.waiting
	p.waiting = nil
	if w.stopped {
		*w = waiting{timer: w.timer}
		p.srv.waitings.Put(w)
	}
}

// heads are pooled: one is needed only while a request is judged.
var heads = sync.Pool{New: func() any { return &judging{} }}

// judging is what judging one request takes.
type judging struct {
	head   handshake.Head
	req    Request
	answer handshake.Answer
	out    []byte
}

// accepted is OnOpen of the connections below.
func (s *Server) accepted(t *tcp.Peer) {
	if p, _ := t.Value().(*Peer); p != nil { // adopted from net/http, and upgraded there
		p.tcp = t
		p.begin()
		return
	}
	p := &Peer{srv: s, tcp: t}
	t.SetValue(p)
	t.Framed()
	p.wait(s.handshakeTimeout())
}

// data is OnData of the connections below.
func (s *Server) data(t *tcp.Peer, b []byte) {
	p := t.Value().(*Peer)
	if p.waiting != nil {
		if b = p.headBytes(b); b == nil {
			return
		}
	}
	p.feed(b)
}

// headBytes takes bytes of requests. Once one is complete and upgraded it returns
// those behind it, and else nil.
func (p *Peer) headBytes(b []byte) []byte {
	w := p.waiting
	if p.keeps(b) {
		return nil
	}
	if w.buf != nil {
		b = w.buf
	}
	if p.srv.HTTP2 != nil && p.choseHTTP2() {
		p.answered()
		p.toHTTP2(b)
		return nil
	}
	j := heads.Get().(*judging)
	defer heads.Put(j)
	for {
		n, err := w.scan.Scan(b, p.srv.HeadLimits)
		if errors.Is(err, handshake.ErrNeedMore) {
			p.wantsMore(b)
			return nil
		}
		if p.srv.isPreface(b) {
			p.answered()
			p.toHTTP2(b)
			return nil
		}
		_, err = j.head.ParseRequest(b, p.srv.HeadLimits)
		if err == nil && !asksForWebSocket(&j.head) {
			if size := p.exchange(&j.head, b, n); size > 0 {
				if b = p.behind(b[size:]); b == nil {
					return nil
				}
				continue
			}
			if p.srv.HTTP != nil {
				p.answered()
				p.toHTTP(b)
				return nil
			}
		}
		p.answered()
		if !p.judge(j) {
			return nil
		}
		return p.becomes(j, b[n:])
	}
}

// keeps keeps what comes of a request, where there is some already or where the
// request before is not answered. It reports whether it can only wait.
func (p *Peer) keeps(b []byte) (waits bool) {
	w := p.waiting
	if w.plain == nil {
		if w.buf != nil {
			w.buf = append(grown(w.buf, len(b)), b...)
		}
		return false
	}
	return p.keepsBehind(b)
}

// wantsMore keeps what there is of a request until the rest comes.
func (p *Peer) wantsMore(b []byte) {
	w := p.waiting
	if w.buf == nil {
		w.buf = append(getBuffer(max(len(b), smallRead)), b...)
	}
	if w.resting {
		w.resting, w.begun = false, time.Now()
		p.endsAfter(p.srv.handshakeTimeout())
	}
}

// becomes makes a WebSocket of a peer whose request was answered so. It returns
// what is left to be read.
func (p *Peer) becomes(j *judging, rest []byte) []byte {
	buf := p.waiting.buf
	p.waited()
	if p.srv.Handler != nil {
		p.toHandler(&j.req, rest)
		return nil
	}
	p.opened(&j.req)
	if buf != nil {
		defer putBuffer(buf)
		p.feed(rest)
		return nil
	}
	return rest
}

func asksForWebSocket(h *handshake.Head) bool {
	for _, f := range h.Fields() {
		if bytes.EqualFold(f.Name, []byte("Upgrade")) && containsToken(string(f.Value), "websocket") {
			return true
		}
	}
	return false
}

// judge answers a request, and reports whether it is upgraded.
func (p *Peer) judge(j *judging) bool {
	s, r := p.srv, p.report()
	r.head(trace.In, &j.head)
	j.req = Request{Head: &j.head, Remote: p.tcp.RemoteAddr(), TLS: p.tcp.TLS()}
	err := s.accept(&j.req, &j.answer)
	p.sit(j.req.seat)
	j.out = j.answer.AppendTo(j.out[:0])
	if r.on(trace.Message) {
		r.head(trace.Out, j.answer.Head())
	}
	_, _ = p.tcp.Write(j.out)
	if err != nil {
		p.refused(&j.answer, err)
		return false
	}
	p.agree(j.answer.Agreement)
	r.upgraded(trace.Server, &j.head, &j.answer, time.Since(p.waiting.begun))
	return true
}

func (r reporter) upgraded(side string, req *handshake.Head, ans *handshake.Answer, took time.Duration) {
	if !r.on(trace.Connection) {
		return
	}
	e := trace.Upgrade{Side: side, Target: string(req.Target), Subprotocol: ans.Subprotocol, Duration: took}
	if ans.Compressed {
		e.Extensions = ans.Deflate.String()
	}
	r.emit(e)
}

// accept judges a request by the rules, the limits and Permit.
func (s *Server) accept(r *Request, ans *handshake.Answer) error {
	e := entries.Get().(*entry)
	defer entries.Put(e)
	permit := e.Permit
	e.Acceptor, e.Permit = s.acceptor, permit
	e.srv, e.req, e.answer, e.entered = s, r, ans, false
	if e.Deflate != nil && !e.Deflate.ServerNoContextTakeover {
		if most := orDefault(s.MaxTakeover, defaultMaxTakeover); most > 0 && s.count.takeovers.Load() >= int64(most) {
			wish := *e.Deflate
			wish.ServerNoContextTakeover = true
			e.Deflate = &wish
		}
	}
	err := e.Accept(r.Head, ans)
	if err != nil && e.entered {
		s.leave(r.seat)
	}
	e.srv, e.req, e.answer = nil, nil, nil
	return err
}

// entry is the question whether one request may enter. It is pooled, as its
// Permit is a method of its own.
type entry struct {
	handshake.Acceptor
	srv     *Server
	req     *Request
	answer  *handshake.Answer
	entered bool
}

var entries = sync.Pool{New: func() any {
	e := &entry{}
	e.Permit = e.permit
	return e
}}

func (e *entry) permit(*handshake.Head) error {
	s, r := e.srv, e.req
	if err := s.permit(r); err != nil {
		return err
	}
	for _, f := range r.Answer {
		e.answer.AddHeader(f)
	}
	if s.MaxConnsPerIP > 0 {
		r.seat = addrOf(r.Remote)
	}
	if refusal := s.enter(r.seat); refusal != nil {
		return &limited{handshake.Refusal{Status: 503, Header: []handshake.Field{handshake.F("Retry-After", "1")},
			Body: refusal.Reason + "\n"}, refusal}
	}
	e.entered = true
	return nil
}

// limited is a refusal by a limit. The handshake sees its answer, and the hook
// its rule.
type limited struct {
	handshake.Refusal
	why *tcp.Refusal
}

func (l *limited) Error() string { return l.why.Reason }

// Unwrap gives both.
func (l *limited) Unwrap() []error { return []error{&l.Refusal, l.why} }

func (s *Server) permit(r *Request) error {
	if s.Admit != nil {
		if err := s.Admit(r.Remote); err != nil {
			refusal := &tcp.Refusal{Rule: "admit", Reason: err.Error()}
			errors.As(err, &refusal)
			return &limited{handshake.Refusal{Status: 403, Body: err.Error() + "\n"}, refusal}
		}
	}
	if s.Permit == nil {
		return SameOrigin(r)
	}
	return s.Permit(r)
}

// refused ends a peer whose request was not upgraded.
func (p *Peer) refused(ans *handshake.Answer, err error) {
	p.report().refusal(trace.Server, ans, err)
	rule, reason := whyRefused(ans, err)
	p.srv.refusedBy(p.tcp.RemoteAddr(), rule, reason)
	_ = p.tcp.Close()
}

func (r reporter) refusal(side string, ans *handshake.Answer, err error) {
	if ans.Finding != nil && r.on(trace.Connection) {
		r.emit(FindingEvent(ans.Finding))
	}
	_, reason := whyRefused(ans, err)
	r.emit(trace.UpgradeFailed{Side: side, Status: ans.Status, Error: reason})
}

func whyRefused(ans *handshake.Answer, err error) (rule, reason string) {
	var limit *tcp.Refusal
	var refusal *handshake.Refusal
	switch {
	case errors.As(err, &limit):
		return limit.Rule, limit.Reason
	case ans.Finding != nil:
		return ans.Finding.ID, ans.Finding.Sentence()
	case errors.As(err, &refusal) && refusal.Body != "":
		return fmt.Sprint(refusal.Status), trimLine(refusal.Body)
	}
	return fmt.Sprint(ans.Status), err.Error()
}

// late refuses a peer whose request did not become complete in time.
func (p *Peer) late() {
	w := p.waiting
	if w == nil || w.done || p.rests() {
		return
	}
	p.answered()
	limit := p.srv.handshakeTimeout()
	reason := fmt.Sprintf("the request was not complete after %v (%s came)", limit, count(int64(len(w.buf)), "byte"))
	_, _ = p.tcp.Write([]byte("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: " +
		fmt.Sprint(len(reason)+1) + "\r\n\r\n" + reason + "\n"))
	r := p.report()
	r.emit(trace.Limit{Rule: "timeout", Reason: reason})
	r.emit(trace.UpgradeFailed{Side: trace.Server, Status: 408, Error: reason})
	p.srv.refusedBy(p.tcp.RemoteAddr(), "timeout", reason)
	_ = p.tcp.Close()
}
