package redis

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// errUnsent is that a command has certainly not reached Redis.
var errUnsent = errors.New("not sent")

// unsentError is an error by which nothing was sent.
type unsentError struct{ error }

func (e unsentError) Unwrap() []error { return []error{errUnsent, e.error} }

// dialer makes connections to Redis. It knows them all, for go-redis waits for
// answers on connections that it is just making, and closes those only that it
// has made.
type dialer struct {
	tls     *tls.Config
	timeout time.Duration

	mu     sync.Mutex
	conns  map[*greeted]struct{}
	closed bool
}

// keep notes a connection until its end, and closes it behind that of the dialer.
func (d *dialer) keep(g *greeted) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		g.Conn.Close()
		return unsentError{net.ErrClosed}
	}
	if d.conns == nil {
		d.conns = map[*greeted]struct{}{}
	}
	d.conns[g] = struct{}{}
	return nil
}

func (d *dialer) forget(g *greeted) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, g)
}

// close ends every connection, and lets none come into being.
func (d *dialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for g := range d.conns {
		g.Conn.Close()
	}
}

// dial makes one, and its TLS.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	plain, err := (&net.Dialer{KeepAlive: d.timeout}).DialContext(ctx, network, address)
	if err != nil {
		text := reason(err)
		if isLate(err) {
			text = (&tcp.TimeoutError{After: d.timeout}).Error()
		}
		return nil, unsentError{&lostError{address, text, "", err}}
	}
	if d.tls == nil {
		return d.greeted(plain, plain, address)
	}
	own := d.tls.Clone()
	if own.ServerName == "" {
		own.ServerName, _, _ = net.SplitHostPort(address)
	}
	secure, err := tcp.ClientTLS(ctx, plain, own, nil)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) { // Redis waits for the end of what it takes for a command
			err = fmt.Errorf("no answer (a port without TLS wants redis://): %w", err)
		}
		return nil, unsentError{err}
	}
	return d.greeted(secure, plain, address)
}

// greeted is a connection that knows what certainly did not reach Redis. What is
// sent before Redis has said anything is a greeting, and no command of ours: where
// it fails, as at a proxy whose Redis is gone, nothing of ours was sent. And what
// is to be sent once Redis has hung up is not sent at all: go-redis looks at that
// itself, but not with TLS.
type greeted struct {
	net.Conn
	dialer  *dialer
	address string
	secure  bool
	socket  syscall.Conn // below TLS; nil where there is none
	framing framing      // of who reads
	came    atomic.Bool  // an answer
	asks    atomic.Bool  // something was sent, and not answered
	nobody  atomic.Int32 // how often Redis has answered that it does not know who this is
	parting atomic.Pointer[farewell]
}

// farewell is what Redis says before it hangs up on who has just come. To go-redis it
// is an answer to the greeting, which older versions do not know either: it goes on.
type farewell string

// Error implements error.
func (e farewell) Error() string { return string(e) }

// RedisError has it be an answer of Redis.
func (farewell) RedisError() {}

var farewells = []string{"-DENIED ", "-ERR max number of clients"}

// hear looks whether the first words are the last ones.
func (g *greeted) hear(b []byte) {
	if g.came.Load() {
		return
	}
	line, _, whole := strings.Cut(string(b[:min(len(b), 1000)]), "\r\n")
	if whole && slices.ContainsFunc(farewells, func(f string) bool { return strings.HasPrefix(line, f) }) {
		said := farewell(line[1:])
		g.parting.Store(&said)
	}
}

func (d *dialer) greeted(c, plain net.Conn, address string) (net.Conn, error) {
	g := &greeted{Conn: c, dialer: d, address: address, secure: c != plain}
	if err := d.keep(g); err != nil {
		return nil, err
	}
	g.socket, _ = plain.(syscall.Conn)
	if g.socket != nil && !g.secure {
		return &greetedSocket{g}, nil
	}
	return g, nil
}

// Close implements [net.Conn].
func (g *greeted) Close() error {
	g.dialer.forget(g)
	return g.Conn.Close()
}

// monitors lets lines be of any length: who reads those of MONITOR bounds them.
func (g *greeted) monitors() { g.framing.endless = true }

// greetedSocket lets go-redis look at the socket before it uses it.
type greetedSocket struct{ *greeted }

// noAuth begins the answers on a connection that gave no password, as when the
// file that has it was just being written. It gives none later: so go-redis must
// not use it again, which looks at its socket before, but not below TLS.
var noAuth = []byte("-NOAUTH ")

func (g *greeted) useless() error {
	return &lostError{g.address, "NOAUTH before: the password was missing when the connection was made", "", net.ErrClosed}
}

// SyscallConn implements [syscall.Conn]: there is none where the connection is of
// no use.
func (g *greetedSocket) SyscallConn() (syscall.RawConn, error) {
	if g.nobody.Load() > 0 {
		return nil, g.useless()
	}
	return g.socket.SyscallConn()
}

// Read implements [net.Conn].
func (g *greeted) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if n > 0 {
		if wrong := g.framing.take(b[:n]); wrong != nil {
			return 0, g.explain(wrong, false)
		}
		g.hear(b[:n])
		g.came.Store(g.framing.whole)
		g.asks.Store(false)
		if bytes.HasPrefix(b[:n], noAuth) {
			g.nobody.Add(1)
		}
	}
	return n, g.explain(err, g.framing.begun())
}

// Write implements [net.Conn].
func (g *greeted) Write(b []byte) (int, error) {
	if g.secure && g.nobody.Load() > 1 { // to the greeting, and to a command
		return 0, unsentError{g.useless()}
	}
	if g.came.Load() && !g.asks.Load() && g.socket != nil && hungUp(g.socket) {
		return 0, g.hungUp()
	}
	g.asks.Store(true)
	n, err := g.Conn.Write(b)
	if err != nil && g.secure && !g.came.Load() { // it may have said why it hung up
		var alert *net.OpError
		if _, why := g.Conn.Read(make([]byte, 1)); errors.As(why, &alert) && alert.Op == "remote error" {
			err = why
		}
	}
	return n, g.explain(err, false)
}

// hungUp is that Redis has, before anything was sent.
func (g *greeted) hungUp() error {
	if said := g.parting.Load(); said != nil {
		return unsentError{*said}
	}
	return unsentError{&lostError{g.address, "it ended the connection", "", net.ErrClosed}}
}

// explain words what has happened to the connection. Where Redis has said nothing
// before, nothing of ours was sent.
func (g *greeted) explain(err error, amid bool) error {
	if err == nil {
		return nil
	}
	if g.parting.Load() != nil {
		return g.hungUp()
	}
	e := &lostError{g.address, g.words(err, amid), "", err}
	if g.came.Load() {
		return e
	}
	hint := ""
	if !amid { // what has begun to answer is what it is
		hint = g.hint(err)
	}
	if errors.As(err, new(*tcp.TLSError)) { // which has the address
		return unsentError{fmt.Errorf("%w%s", err, inBrackets(hint))}
	}
	e.hint = hint
	return unsentError{e}
}

func inBrackets(hint string) string {
	if hint == "" {
		return ""
	}
	return " (" + hint + ")"
}

func (g *greeted) words(err error, amid bool) string {
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || tcp.IsReset(err)
	switch {
	case isLate(err):
		return noAnswer
	case ended && amid:
		return "it ended the connection in the middle of an answer"
	case ended && !g.came.Load():
		return "it ended the connection without an answer"
	case ended:
		return "it ended the connection"
	}
	return reason(err)
}

// reason words an error of the way to a server.
func reason(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return tcp.Reason(op)
	}
	return tcp.Reason(err)
}

func isLate(err error) bool {
	var late net.Error
	return errors.As(err, &late) && late.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// hint is what may help where Redis has ended the connection at once, or has said
// what is TLS.
func (g *greeted) hint(err error) string {
	var wrong framingError
	switch {
	case isLate(err), errors.As(err, &wrong) && !wrong.ofTLS():
		return ""
	case !g.secure:
		return "a port for TLS wants rediss://"
	case len(g.dialer.tls.Certificates) > 0 || g.dialer.tls.GetClientCertificate != nil:
		return ""
	}
	return "one that wants a certificate wants cert_file and key_file"
}
