//go:build unix

package udp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errMessageSize answers a datagram that is too large to be sent.
const errMessageSize = syscall.EMSGSIZE

// errNoAddress and errNoFamily answer the binding of an address that the
// machine does not have, and of one of a family that it lacks.
const (
	errNoAddress = syscall.EADDRNOTAVAIL
	errNoFamily  = syscall.EAFNOSUPPORT
)

// wasCut tells whether a received datagram was truncated.
func wasCut(flags int, err error) (bool, error) { return flags&unix.MSG_TRUNC != 0, err }

// writeWhole sends one datagram on a connected socket. An empty one package net
// would give up where the send buffer is full, instead of waiting.
func writeWhole(conn packetConn, p []byte) (int, error) {
	if len(p) > 0 {
		return conn.Write(p)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		for failed = syscall.EINTR; failed == syscall.EINTR; {
			_, failed = unix.Write(int(fd), nil)
		}
		return failed != syscall.EAGAIN
	})
	if err == nil && failed != nil {
		err = os.NewSyscallError("write", failed)
	}
	return 0, err
}

// maxPath is the longest path of a Unix socket, which the system ends with a
// zero byte.
const maxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

func checkPath(path string) error {
	switch {
	case path == "":
		return errors.New("a path is missing")
	case len(path) > maxPath:
		return fmt.Errorf("the path has %d bytes, and a Unix socket's has at most %d", len(path), maxPath)
	}
	return nil
}

// socketFile is the file of a bound Unix socket.
type socketFile struct {
	path string
	info os.FileInfo
	dir  string // made for it
}

// remove deletes the file, if it is still the one that was made.
func (f *socketFile) remove() error {
	if f.path == "" {
		return nil
	}
	if now, err := os.Lstat(f.path); err != nil || !os.SameFile(now, f.info) {
		return nil
	}
	return and(os.Remove(f.path), removeDir(f.dir))
}

// bindUnix binds a Unix datagram socket. A socket file that nobody is bound to
// any more is replaced; one that is alive, and any other file, is left alone.
func bindUnix(ctx context.Context, path string, mode os.FileMode) (*net.UnixConn, socketFile, error) {
	if err := checkPath(path); err != nil {
		return nil, socketFile{}, err
	}
	conn, err := openUnix(ctx, path, mode)
	if errors.Is(err, syscall.EADDRINUSE) && path[0] != '@' {
		conn, err = replaceStale(ctx, path, mode)
	}
	if err != nil || path[0] == '@' {
		return conn, socketFile{}, err
	}
	file := socketFile{path: path}
	if file.info, err = os.Lstat(path); err == nil && mode != 0 {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		return nil, socketFile{}, and(err, file.remove(), conn.Close())
	}
	return conn, file, nil
}

// openUnix binds path as it is. Where the system takes the mode of the socket
// for its file, nobody else can get at the file even before its chmod.
func openUnix(ctx context.Context, path string, mode os.FileMode) (*net.UnixConn, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		if mode == 0 {
			return nil
		}
		return raw.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), uint32(mode.Perm())) })
	}}
	conn, err := config.ListenPacket(ctx, unixgram, path)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

// replaceStale removes the socket at path if it is dead, and binds the path.
// The folder is locked meanwhile: of two who find the same dead socket, the
// second must not remove what the first has just bound.
func replaceStale(ctx context.Context, path string, mode os.FileMode) (*net.UnixConn, error) {
	unlock, err := lockFolder(ctx, filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return nil, err
	}
	return openUnix(ctx, path, mode)
}

// lockRetry is how often a folder that somebody else has locked is tried.
const lockRetry = 5 * time.Millisecond

// lockFolder waits for the lock of a folder, which is held for the time of a
// bind. Where folders cannot be opened or locked it goes on without.
func lockFolder(ctx context.Context, folder string) (unlock func(), err error) {
	f, err := os.Open(folder)
	if err != nil {
		return func() {}, nil
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return func() { f.Close() }, nil
		}
		select {
		case <-time.After(lockRetry):
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("%w: somebody else holds the lock of %s: %w", syscall.EADDRINUSE, folder, ctx.Err())
		}
	}
}

// removeStale removes a socket that refuses, which it does once nobody is
// bound to it, and says of everything else why it is left alone.
func removeStale(path string) error {
	found, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case found.IsDir():
		return inUse(path, "is a folder; name a file in it")
	case found.Mode()&os.ModeSocket == 0:
		return inUse(path, "is a file but no socket; it is left alone")
	}
	switch err := probeUnix(path); {
	case err == nil:
		return inUse(path, "is a live socket")
	case errors.Is(err, syscall.EPROTOTYPE):
		return inUse(path, "is a live socket of another type")
	case !errors.Is(err, syscall.ECONNREFUSED):
		return inUse(path, "is a socket that may be alive ("+reason(err)+"); it is left alone")
	}
	if now, err := os.Lstat(path); err != nil || !os.SameFile(now, found) {
		return inUse(path, "was replaced by somebody else just now")
	}
	return os.Remove(path)
}

func inUse(path, why string) error { return fmt.Errorf("%w: %s %s", syscall.EADDRINUSE, path, why) }

// probeUnix connects to the socket at path, which sends nothing.
func probeUnix(path string) error {
	conn, err := net.Dial(unixgram, path)
	if err != nil {
		return err
	}
	return conn.Close()
}

// dialUnix connects a Unix datagram socket to path. It is bound to local, or
// to a name of its own if that is empty, so that the peer can reply.
func dialUnix(ctx context.Context, local, path string) (*net.UnixConn, socketFile, error) {
	if err := checkPath(path); err != nil {
		return nil, socketFile{}, err
	}
	var dir string
	var mode os.FileMode
	if local == "" {
		var err error
		if local, dir, err = ownName(); err != nil {
			return nil, socketFile{}, err
		}
		mode = 0o666 // the peer may be another user's; only it can know the name
	}
	conn, file, err := bindUnix(ctx, local, mode)
	if err != nil {
		return nil, socketFile{}, and(err, removeDir(dir))
	}
	file.dir = dir
	if err := connectUnix(conn, path); err != nil {
		return nil, socketFile{}, and(err, file.remove(), conn.Close())
	}
	return conn, file, nil
}

// connectUnix makes path the only peer of a socket that is bound.
func connectUnix(conn *net.UnixConn, path string) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.Connect(int(fd), &unix.SockaddrUnix{Name: path}) })
	return and(err, os.NewSyscallError("connect", failed))
}

// ownName returns a name that nobody else has: an abstract one where there are
// such, else a path in a new folder.
func ownName() (name, dir string, err error) {
	if runtime.GOOS == "linux" {
		return "@sockkit-" + rand.Text(), "", nil
	}
	return ownPath()
}

// ownPath makes a folder that nobody else can list.
func ownPath() (name, dir string, err error) {
	if dir, err = os.MkdirTemp("", "sockkit"); err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		return "", "", fmt.Errorf("a folder for the socket to reply to: %w", err)
	}
	return filepath.Join(dir, rand.Text()), dir, nil
}

func removeDir(dir string) error {
	if dir == "" {
		return nil
	}
	return os.Remove(dir)
}
