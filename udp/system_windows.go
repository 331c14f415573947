package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// errMessageSize answers a datagram that is too large, for the buffer when
// received and for the socket when sent (WSAEMSGSIZE).
const errMessageSize = syscall.Errno(10040)

// errNoAddress and errNoFamily answer the binding of an address that the
// machine does not have, and of one of a family that it lacks (WSAEADDRNOTAVAIL,
// WSAEAFNOSUPPORT).
const (
	errNoAddress = syscall.Errno(10049)
	errNoFamily  = syscall.Errno(10047)
)

// wasCut tells whether a received datagram was truncated, which is an error
// to the system and none to us.
func wasCut(_ int, err error) (bool, error) {
	if errors.Is(err, errMessageSize) {
		return true, nil
	}
	return false, err
}

// writeWhole sends one datagram on a connected socket.
func writeWhole(conn packetConn, p []byte) (int, error) { return conn.Write(p) }

// noUnixgram says that Windows has no Unix datagram sockets.
func noUnixgram() error {
	return fmt.Errorf("unix datagram sockets: %w on Windows", errors.ErrUnsupported)
}

type socketFile struct{}

func (*socketFile) remove() error { return nil }

func bindUnix(context.Context, string, os.FileMode) (*net.UnixConn, socketFile, error) {
	return nil, socketFile{}, noUnixgram()
}

func dialUnix(context.Context, string, string) (*net.UnixConn, socketFile, error) {
	return nil, socketFile{}, noUnixgram()
}
