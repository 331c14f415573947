package ws

import (
	"bytes"
	"crypto/tls"
	"strconv"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
)

// Exchange is a request that asks for no WebSocket, and its answer: see
// [Server.Plain].
type Exchange struct {
	Head *handshake.Head // the callback's, while it runs
	Body []byte          // as well

	peer *Peer
	gone func()

	// The lock of the peer guards these.
	begun    bool // its answer is on its way: a peer that goes now may have it
	answered bool
}

// RemoteAddr returns the peer's address, HOST:PORT. It may be called within the
// callback only.
func (x *Exchange) RemoteAddr() string {
	w := x.peer.waiting
	if w.remote == "" {
		w.remote = x.peer.RemoteAddr().String()
	}
	return w.remote
}

// TLS returns the state of the connection's TLS; nil without.
func (x *Exchange) TLS() *tls.ConnectionState { return x.peer.tcp.TLS() }

// OnGone has f called where the peer goes before the answer has left, all of it. It
// may be called within the callback only.
func (x *Exchange) OnGone(f func()) { x.gone = f }

// Answer sends the whole answer, once, from any goroutine. With last it is the
// connection's last one. The error is that of [tcp.Peer.Write].
func (x *Exchange) Answer(b []byte, last bool) error {
	p := x.peer
	p.mu.Lock()
	x.begun = true
	p.mu.Unlock()
	_, err := p.tcp.Write(b)
	last = last || err != nil
	p.mu.Lock()
	x.answered = true
	more := p.waiting.buf != nil
	p.mu.Unlock()
	switch {
	case last:
		_ = p.tcp.Close()
	case more:
		p.tcp.Post(p.goesOn)
	}
	return err
}

func (x *Exchange) isAnswered() bool {
	x.peer.mu.Lock()
	defer x.peer.mu.Unlock()
	return x.answered
}

// idleHTTP is how long a connection of HTTP may rest between requests.
const idleHTTP = 2 * time.Minute

// exchange offers a request to Plain. It returns how many bytes that has taken; 0
// where it is for HTTP.
func (p *Peer) exchange(h *handshake.Head, b []byte, n int) (size int) {
	s := p.srv
	if s.Plain == nil {
		return 0
	}
	if size = n + plainLength(h); size < n || size > len(b) {
		return 0
	}
	x := &Exchange{Head: h, Body: b[n:size], peer: p}
	if !s.Plain(x) {
		return 0
	}
	x.Head, x.Body = nil, nil
	p.waiting.plain = x
	return size
}

// plainLength is the length of the body of a request that is as plain as can be;
// less than 0 where it is not (RFC 9112, section 6.3).
func plainLength(h *handshake.Head) int {
	const none = -1
	if !h.Sound() || string(h.Proto) != "HTTP/1.1" {
		return none
	}
	hosts, length := 0, none
	for _, f := range h.Fields() {
		switch name := f.Name; {
		case named(name, "Host"):
			hosts++
		case named(name, "Content-Length"):
			n, err := strconv.ParseUint(string(f.Value), 10, 31)
			if err != nil || length != none {
				return none
			}
			length = int(n)
		case named(name, "Connection") && !bytes.EqualFold(f.Value, []byte("keep-alive")),
			named(name, "Transfer-Encoding"), named(name, "Expect"), named(name, "Upgrade"):
			return none
		}
	}
	switch {
	case hosts != 1:
		return none
	case string(h.Method) == "POST":
		return length
	case string(h.Method) == "GET" && length == none:
		return 0
	}
	return none
}

func named(name []byte, want string) bool {
	return len(name) == len(want) && strings.EqualFold(string(name), want)
}

// keepsBehind is keeps behind the first exchange.
func (p *Peer) keepsBehind(b []byte) (waits bool) {
	w := p.waiting
	p.mu.Lock()
	defer p.mu.Unlock()
	waits = !w.plain.answered
	switch {
	case w.buf != nil:
		w.buf = append(grown(w.buf, len(b)), b...)
	case waits:
		w.buf = append(getBuffer(max(len(b), smallRead)), b...)
	}
	if waits && len(w.buf) > mostBehind {
		p.tcp.Abort(&tcp.Refusal{Rule: "pipeline", Reason: "too many requests came before one was answered"})
	}
	return waits
}

// mostBehind bounds the bytes of requests that wait for one that is not answered.
const mostBehind = 128 << 10

// behind is what there is of the next request; nil where it has to wait, or has
// not begun.
func (p *Peer) behind(rest []byte) []byte {
	w := p.waiting
	w.scan = handshake.Scanner{}
	p.mu.Lock()
	defer p.mu.Unlock()
	answered := w.plain.answered
	switch {
	case w.buf != nil && len(rest) == 0:
		putBuffer(w.buf)
		w.buf = nil
	case w.buf != nil:
		w.buf = w.buf[:copy(w.buf, rest)]
		rest = w.buf
	case !answered && len(rest) > 0:
		w.buf = append(getBuffer(max(len(rest), smallRead)), rest...)
	}
	w.resting, w.begun = true, time.Now()
	if answered && len(rest) > 0 {
		return rest
	}
	return nil
}

// goesOn reads the requests that have waited for an answer.
func (p *Peer) goesOn() {
	if p.waiting == nil || p.waiting.buf == nil {
		return
	}
	if b := p.headBytes(nil); b != nil {
		p.feed(b)
	}
}

// rests reports whether nothing is late yet about a peer that was answered before,
// and ends one that has rested for long enough.
func (p *Peer) rests() bool {
	w := p.waiting
	if w.plain == nil {
		return false
	}
	answered := w.plain.isAnswered()
	left := idleHTTP - time.Since(w.begun)
	switch {
	case !answered:
		left = idleHTTP
	case !w.resting:
		left = p.srv.handshakeTimeout() - time.Since(w.begun)
	case left <= 0:
		_ = p.tcp.Close()
		return true
	}
	if left > 0 {
		p.endsAfter(left)
	}
	return left > 0
}

// endsAfter has late called then.
func (p *Peer) endsAfter(d time.Duration) {
	if w := p.waiting; w.timer != nil {
		w.timer.Reset(d)
	}
}

// lost tells of an exchange whose peer is gone, and has not all of its answer.
func (p *Peer) lost() {
	w := p.waiting
	if w == nil || w.plain == nil {
		return
	}
	x, unsent := w.plain, p.tcp.Queued() > 0
	p.mu.Lock()
	gone := !x.begun || unsent
	x.begun = true
	p.mu.Unlock()
	if gone && x.gone != nil {
		x.gone()
	}
}
