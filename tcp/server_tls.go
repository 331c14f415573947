package tcp

import (
	"context"
	"errors"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// sealed is the TLS layer of a peer, and the connection that crypto/tls has
// under it. During the handshake, and again after Detach, that is the socket.
// Between them its Read gives what the reading goroutine has read, and its Write
// puts into the peer's queue: neither ever waits.
//
// The lock mu is taken before that of crypto/tls, and the peer's after both.
type sealed struct {
	net.Conn
	peer   *Peer
	stream *tlsStream
	live   bool   // between handshake and Detach
	coming []byte // what was read and not decrypted yet

	mu      sync.Mutex   // sends one at a time
	one     [1][]byte    // the argument of a Write
	plain   queue        // corked, not encrypted yet
	waiting atomic.Int64 // the size of plain
}

// secure makes the TLS handshake.
func (p *Peer) secure() (ok bool) {
	defer func() {
		if v := recover(); v != nil { // in a callback of tls.Config
			p.srv.count.panics.Add(1)
			p.handshakeFailed(&PanicError{Callback: "tls.Config", Value: v, Stack: debug.Stack()})
			ok = false
		}
	}()
	t := &sealed{Conn: p.own.conn, peer: p}
	if limit := p.srv.conf.handshake; limit > 0 {
		_ = p.own.conn.SetDeadline(time.Now().Add(limit))
	}
	stream, err := p.handshake(t).run(context.Background())
	if err != nil {
		p.handshakeFailed(err)
		return false
	}
	_ = p.own.conn.SetDeadline(time.Time{})
	t.stream, t.live = stream, true
	p.own.sealed = t
	return true
}

func (p *Peer) handshake(t *sealed) *handshake {
	h := &handshake{
		side: trace.Server, cfg: p.srv.TLS, started: time.Now(), tracer: p.srv.Tracer, id: p.id,
		wire: &wire{Conn: t, tracer: p.srv.Tracer, id: p.id, tls: true},
	}
	h.cfg = h.logSecrets(h.cfg)
	return h
}

// handshakeFailed tells the hook, unless it was the server that broke it off,
// and lets the client read the alert before the socket is closed.
func (p *Peer) handshakeFailed(err error) {
	p.mu.Lock()
	broken := p.dead
	p.setCause(err)
	p.mu.Unlock()
	if broken {
		return
	}
	reason := err.Error()
	var failure *TLSError
	if errors.As(err, &failure) {
		reason = failure.Reason
	}
	p.srv.refused(p.own.conn.RemoteAddr(), ruleTLS, reason)
	lingerClose(p.own.conn, turningTime)
}

// Read implements [net.Conn] for crypto/tls.
func (t *sealed) Read(b []byte) (int, error) {
	if len(t.coming) > 0 {
		n := copy(b, t.coming)
		t.coming = t.coming[n:]
		return n, nil
	}
	if t.live {
		return 0, errAgain
	}
	return t.Conn.Read(b)
}

// Write implements [net.Conn] for crypto/tls.
func (t *sealed) Write(b []byte) (int, error) {
	if !t.live {
		return t.Conn.Write(b)
	}
	p := t.peer
	p.mu.Lock()
	defer p.unlock()
	if p.dead {
		return 0, p.closedError()
	}
	p.q.add(&p.srv.bufs, b)
	if p.watchMark(); p.q.size() >= p.srv.conf.cork {
		p.flush()
	}
	return len(b), nil
}

// SetWriteDeadline implements [net.Conn] for crypto/tls, which sets one about
// its close_notify.
func (t *sealed) SetWriteDeadline(at time.Time) error {
	if t.live {
		return nil
	}
	return t.Conn.SetWriteDeadline(at)
}

// NetConn returns the socket.
func (t *sealed) NetConn() net.Conn { return t.Conn }

// CloseWrite sends the FIN.
func (t *sealed) CloseWrite() error { return CloseWrite(t.Conn) }

func (t *sealed) writeOne(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.one[0] = b
	err := t.write(t.one[:], len(b))
	t.one[0] = nil
	return taken(len(b), err)
}

func (t *sealed) writeAll(bufs [][]byte, n int) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return taken(n, t.write(bufs, n))
}

// write is Peer.write. Small pieces become one record.
func (t *sealed) write(bufs [][]byte, n int) error {
	corked, err := t.admit(bufs, n)
	if err != nil {
		return err
	}
	if n < largeWrite && (corked || len(bufs) > 1) {
		for _, b := range bufs {
			t.plain.add(&t.peer.srv.bufs, b)
		}
		t.waiting.Store(int64(t.plain.size()))
		if corked && t.plain.size() < t.peer.srv.conf.cork {
			return nil
		}
		bufs = nil
	}
	if err := t.encrypt(bufs); err != nil {
		return err
	}
	return t.push()
}

// admit asks the peer, and reports whether what is written is corked.
func (t *sealed) admit(bufs [][]byte, n int) (corked bool, err error) {
	p := t.peer
	if t.plain.size() > 0 && p.Queued() >= p.srv.conf.mark {
		t.flush()
	}
	p.mu.Lock()
	defer p.unlock()
	if err := p.admit(n); err != nil {
		return false, err
	}
	p.sent(bufs, n)
	if p.corked {
		p.armCork()
	}
	return p.corked, nil
}

// encrypt seals what is corked, and then bufs.
func (t *sealed) encrypt(bufs [][]byte) error {
	t.flush()
	for _, b := range bufs {
		if _, err := t.stream.Conn.Write(b); err != nil {
			t.peer.fail(err)
			return err
		}
	}
	return nil
}

// flush seals what is corked.
func (t *sealed) flush() {
	for t.plain.size() > 0 {
		b := t.plain.pieces()[0]
		_, err := t.stream.Conn.Write(b)
		t.plain.drop(len(b))
		if err != nil {
			t.plain.clear()
			t.peer.fail(err)
		}
	}
	t.waiting.Store(0)
}

// endTurn is Peer.endTurn. It reports false where something was posted while it
// was sealing.
func (t *sealed) endTurn() bool {
	p := t.peer
	p.mu.Lock()
	p.runPosted()
	p.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flush()
	p.mu.Lock()
	defer p.unlock()
	if p.hasTasks() {
		return false
	}
	p.uncork()
	return true
}

// push sends what is sealed.
func (t *sealed) push() error {
	p := t.peer
	p.mu.Lock()
	defer p.unlock()
	if !p.corked {
		p.flush()
	}
	if p.dead {
		return p.closedError()
	}
	return nil
}

// end sends the close_notify behind what is corked.
func (t *sealed) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flush()
	_ = t.stream.CloseWrite()
}

// received takes what came on the wire, and the error that came with it.
func (t *sealed) received(b []byte, err error) error {
	t.coming = b
	if failure := t.peer.decrypt(); failure != errAgain && failure != nil {
		return failure
	}
	return err
}

// decrypt delivers what has come. It takes a buffer once there is something,
// and joins records, so that the handler answers them with one write.
func (p *Peer) decrypt() error {
	buf := p.srv.bufs.get()
	defer p.srv.bufs.put(buf)
	for {
		n, err := p.sealed().fill(*buf)
		if n > 0 {
			p.deliver(onData, (*buf)[:n])
			if !p.mayRead() {
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
}

func (t *sealed) fill(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = t.stream.Conn.Read(b[n:])
		n += m
	}
	if err != nil && err != errAgain {
		err = t.stream.readError(err)
	}
	return n, err
}
