package tcp

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Detach takes the connection out of the server, for code that reads and writes
// by itself: it stands as it is, with its TLS layer, its trace and its place
// under MaxConns, which it keeps until it is closed. The bytes are those that
// were read and not given to OnData; from within OnData, what that call got is
// the handler's already. OnClose follows, with [ErrDetached].
//
// It waits until what is queued is sent, which [Server.WriteTimeout] bounds.
// Where that fails the connection is closed.
func (p *Peer) Detach() (net.Conn, []byte, error) {
	if err := p.leave(); err != nil {
		return nil, nil, fmt.Errorf("detach %s: %w", p.RemoteAddr(), err)
	}
	socket := p.socket()
	if p.own == nil {
		socket = p.handed()
	}
	var conn net.Conn = &leased{Conn: socket, peer: p}
	if t := p.sealed(); t != nil {
		conn = t.handOver(conn)
	}
	if t := p.srv.Tracer; t != nil {
		conn = p.traced(conn)
	}
	return conn, p.seldom().unread, nil
}

// traced goes on with the peer's records.
func (p *Peer) traced(conn net.Conn) net.Conn {
	c := &Conn{Conn: conn, tracer: p.srv.Tracer, id: p.id, opened: p.srv.began.Add(p.born), raw: p.sealed() == nil}
	c.in.Store(int64(p.in.Load()))
	c.out.Store(int64(p.out.Load()))
	c.ended.Store(p.ended)
	c.framed.Store(p.framed.Load())
	return c
}

// leave sends what is queued and stops the reading.
func (p *Peer) leave() error {
	p.mu.Lock()
	if err := p.beginLeave(); err != nil {
		p.mu.Unlock()
		return err
	}
	reading := p.reading
	p.mu.Unlock()
	if t := p.sealed(); t != nil {
		t.mu.Lock()
		t.flush()
		t.mu.Unlock()
	}
	if !reading { // the reading goroutine may wait for the socket
		_ = p.socket().SetReadDeadline(time.Unix(1, 0))
	}
	p.mu.Lock()
	defer p.unlock()
	p.flush()
	for !p.dead && (p.flushing || p.reads() && !reading) {
		p.wait()
	}
	return p.endLeave()
}

func (p *Peer) beginLeave() error {
	switch {
	case p.leaving:
		return ErrDetached
	case p.dead || p.fin || !p.opened:
		return p.closedError()
	}
	p.leaving = true
	p.setHold()
	p.changed()
	if t := p.sealed(); t != nil && p.reading { // it gives its buffer back when the callback returns
		t.coming = slices.Clone(t.coming)
	}
	return nil
}

// reads reports whether somebody may still read.
func (p *Peer) reads() bool {
	if p.own == nil {
		return p.polled.turning
	}
	return !p.own.parked
}

func (p *Peer) endLeave() error {
	if p.dead {
		return p.closedError()
	}
	if p.own == nil {
		if err := p.handOver(); err != nil {
			p.failed(err)
			return p.closedError()
		}
	}
	p.setCause(ErrDetached)
	p.detached = true
	p.srv.detached.Add(1)
	p.stopTimers()
	p.changed()
	_ = p.socket().SetDeadline(time.Time{})
	return nil
}

// handOver puts crypto/tls back on the socket.
func (t *sealed) handOver(conn net.Conn) net.Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Conn, t.live = conn, false
	return t.stream
}

// leased is a detached connection, which counts until it is closed.
type leased struct {
	net.Conn
	peer *Peer
	once sync.Once
}

// Close implements [net.Conn].
func (c *leased) Close() error {
	c.once.Do(func() {
		c.peer.srv.detached.Add(-1)
		c.peer.srv.free(c.peer)
	})
	return c.Conn.Close()
}

// NetConn returns the socket.
func (c *leased) NetConn() net.Conn { return c.Conn }

// CloseWrite sends the FIN.
func (c *leased) CloseWrite() error { return CloseWrite(c.Conn) }

// SyscallConn implements [syscall.Conn] where the socket does.
func (c *leased) SyscallConn() (syscall.RawConn, error) {
	if raw, ok := c.Conn.(syscall.Conn); ok {
		return raw.SyscallConn()
	}
	return nil, fmt.Errorf("%T has no descriptor: %w", c.Conn, errors.ErrUnsupported)
}
