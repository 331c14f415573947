package tcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
)

// ListenConfig opens listening stream sockets. The zero value is ready.
type ListenConfig struct {
	// Mode is the permission of a Unix socket's file; 0 means 0600.
	Mode os.FileMode
	// KeepAlive configures TCP keep-alive of accepted connections; the zero
	// value is Go's default (on, first probe after 15 seconds).
	KeepAlive net.KeepAliveConfig
}

// Loopback is the host that [ListenConfig.Listen] binds on 127.0.0.1 and ::1.
const Loopback = "localhost"

// Listen binds a socket. The network is tcp, tcp4, tcp6 or unix. A TCP address
// whose host is empty or localhost is bound on 127.0.0.1 and ::1, on one and
// the same port, and nowhere else; the host * means every address of the
// machine. Port 0 is any free port. Every failure is an [*Error].
func (lc *ListenConfig) Listen(ctx context.Context, network, address string) (*Listener, error) {
	l, err := lc.listen(ctx, network, address)
	if err != nil {
		return nil, &Error{Op: "listen", Address: listenName(network, address, err), Err: err}
	}
	l.keepAlive = lc.KeepAlive
	return l, nil
}

// listenName names the address that could not be bound: the one of several
// that err speaks of, where it does.
func listenName(network, address string, err error) string {
	if network == "unix" {
		return "unix:" + address
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		address = op.Addr.String()
	}
	return "tcp://" + address
}

func (lc *ListenConfig) listen(ctx context.Context, network, address string) (*Listener, error) {
	if network == "unix" {
		l, err := lc.listenUnix(ctx, address)
		return newListener(l), err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	switch host {
	case "", Loopback:
		return lc.listenLoopback(ctx, network, port)
	case "*":
		host = ""
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() && network == "tcp" {
		network = "tcp4" // 0.0.0.0 is not [::]
	}
	l, err := lc.config(0).Listen(ctx, network, net.JoinHostPort(host, port))
	return newListener(l), err
}

// portTries bounds the search for a port that is free on both loopbacks.
const portTries = 20

// listenLoopback binds one port on both loopback addresses. A machine without
// IPv6, or without IPv4, has one of them only.
func (lc *ListenConfig) listenLoopback(ctx context.Context, network, port string) (*Listener, error) {
	var pair []net.Listener
	var err error
	for range portTries {
		pair, err = lc.listenBoth(ctx, network, port)
		if err == nil || port != "0" {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return newListener(pair...), nil
}

func (lc *ListenConfig) listenBoth(ctx context.Context, network, port string) ([]net.Listener, error) {
	var bound []net.Listener
	var missing error
	for _, host := range []string{"127.0.0.1", "::1"} {
		if network == "tcp4" && host == "::1" || network == "tcp6" && host != "::1" {
			continue
		}
		l, err := lc.config(0).Listen(ctx, "tcp", net.JoinHostPort(host, port))
		switch {
		case err == nil:
			bound = append(bound, l)
			_, port, _ = net.SplitHostPort(l.Addr().String())
		case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
			missing = err
		default:
			closeAll(bound)
			return nil, err
		}
	}
	if len(bound) == 0 {
		return nil, missing
	}
	return bound, nil
}

func closeAll(listeners []net.Listener) error {
	var errs []error
	for _, l := range listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

func (lc *ListenConfig) config(mode os.FileMode) *net.ListenConfig {
	return &net.ListenConfig{KeepAliveConfig: lc.KeepAlive, Control: func(network, _ string, raw syscall.RawConn) error {
		if mode == 0 {
			return nil
		}
		return raw.Control(func(fd uintptr) { socketMode(fd, mode) })
	}}
}

// listenUnix binds path. A socket file that nobody listens on any more is
// replaced; one that is alive, and any other file, is left alone.
func (lc *ListenConfig) listenUnix(ctx context.Context, path string) (net.Listener, error) {
	mode := lc.Mode
	if mode == 0 {
		mode = 0o600
	}
	if err := checkLength(path); err != nil {
		return nil, err
	}
	if path == "" || path[0] == '@' {
		return lc.config(0).Listen(ctx, "unix", path)
	}
	if err := checkPath(path); err != nil {
		return nil, err
	}
	l, err := lc.config(mode).Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err := removeStale(path); err != nil {
			return nil, err
		}
		l, err = lc.config(mode).Listen(ctx, "unix", path)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		l.Close()
		return nil, err
	}
	return ownFile(l.(*net.UnixListener), path)
}

// unixListener removes its file when it is closed, unless the file has become
// somebody else's.
type unixListener struct {
	*net.UnixListener
	path string
	file os.FileInfo
}

func ownFile(l *net.UnixListener, path string) (net.Listener, error) {
	l.SetUnlinkOnClose(false)
	file, err := os.Lstat(path)
	if err != nil {
		l.Close()
		return nil, err
	}
	return &unixListener{UnixListener: l, path: path, file: file}, nil
}

// Close implements [net.Listener].
func (l *unixListener) Close() error {
	if file, err := os.Lstat(l.path); err == nil && os.SameFile(file, l.file) {
		_ = os.Remove(l.path)
	}
	return l.UnixListener.Close()
}

func checkLength(path string) error {
	if len(path) > maxUnixPathHere {
		return fmt.Errorf("the path has %d bytes, and a Unix socket's has at most %d", len(path), maxUnixPathHere)
	}
	return nil
}

// checkPath refuses a path that something else than a socket has.
func checkPath(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&os.ModeSocket != 0 {
		return nil
	}
	if info.IsDir() {
		return fmt.Errorf("%w: the path is a directory; name a file in it", syscall.EADDRINUSE)
	}
	return fmt.Errorf("%w: the path is a file that is no socket; it is left alone", syscall.EADDRINUSE)
}

// removeStale removes the socket file at path if connecting to it is refused,
// which it is once its process is gone.
func removeStale(path string) error {
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%w: somebody listens on this socket", syscall.EADDRINUSE)
	}
	if !IsRefused(err) {
		return fmt.Errorf("%w: the socket may be alive (%s); it is left alone", syscall.EADDRINUSE, Reason(err))
	}
	return os.Remove(path)
}

// Listener accepts connections on one or more sockets. It is a [net.Listener].
type Listener struct {
	sockets   []net.Listener
	keepAlive net.KeepAliveConfig
	start     sync.Once
	accepted  chan accepted
	done      chan struct{}
	close     sync.Once
	closeErr  error
}

type accepted struct {
	conn net.Conn
	err  error
}

func newListener(sockets ...net.Listener) *Listener {
	return &Listener{sockets: sockets, accepted: make(chan accepted), done: make(chan struct{})}
}

// Sockets returns the bound sockets, each a [net.Listener] of its own.
func (l *Listener) Sockets() []net.Listener { return l.sockets }

// Addr returns the first socket's address.
func (l *Listener) Addr() net.Addr { return l.sockets[0].Addr() }

// Accept waits for a connection on any of the sockets.
func (l *Listener) Accept() (net.Conn, error) {
	if len(l.sockets) == 1 {
		return l.sockets[0].Accept()
	}
	l.start.Do(func() {
		for _, socket := range l.sockets {
			go l.acceptFrom(socket)
		}
	})
	select {
	case a := <-l.accepted:
		return a.conn, a.err
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
}

func (l *Listener) acceptFrom(socket net.Listener) {
	for {
		conn, err := socket.Accept()
		select {
		case l.accepted <- accepted{conn, err}:
		case <-l.done:
			if conn != nil {
				conn.Close()
			}
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// Close closes every socket. A Unix socket's file is removed.
func (l *Listener) Close() error {
	l.close.Do(func() {
		close(l.done)
		l.closeErr = closeAll(l.sockets)
	})
	return l.closeErr
}
