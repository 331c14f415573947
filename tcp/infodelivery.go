package tcp

import (
	"context"
	"fmt"
	"net"
	"time"
)

// Undelivered returns how many bytes were written to conn that the peer's
// kernel has not acknowledged: they are in our kernel or on their way, and are
// lost if the connection fails. On a TLS connection it counts ciphertext. A
// FIN that is on its way is not counted, until the peer resets: then nobody can
// tell it from a byte. A Unix socket hands bytes over as they are written, and
// has none. Where the system does not tell, the error is an
// [errors.ErrUnsupported].
//
// That the peer's kernel has a byte does not say that its program read it.
func Undelivered(conn net.Conn) (int, error) {
	n, _, err := delivery(conn)
	return n, err
}

const (
	firstPoll = time.Millisecond
	lastPoll  = 50 * time.Millisecond
)

// AwaitDelivered waits until the peer's kernel has acknowledged all that was
// written to conn. It returns how many bytes it has not, which is 0 unless
// there is an error: the connection failed, ctx is done, or the system does not
// tell ([errors.ErrUnsupported]). It is for the time between the last write and
// Close, after which nobody can know.
func AwaitDelivered(ctx context.Context, conn net.Conn) (undelivered int, err error) {
	pause := firstPoll
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		n, failure, err := delivery(conn)
		switch {
		case err != nil || n == 0:
			return n, err
		case failure != nil:
			return n, fmt.Errorf("%d bytes not acknowledged by %s: %w", n, remoteName(conn), failure)
		}
		select {
		case <-ctx.Done():
			return n, fmt.Errorf("%d bytes not acknowledged by %s: %w", n, remoteName(conn), context.Cause(ctx))
		case <-timer.C:
		}
		pause = min(2*pause, lastPoll)
		timer.Reset(pause)
	}
}

func remoteName(conn net.Conn) string {
	if addr := conn.RemoteAddr(); addr != nil {
		return addr.String()
	}
	return "the peer"
}

// delivery returns the bytes that are not acknowledged, and what ended the
// connection, if it has ended.
func delivery(conn net.Conn) (n int, failure, err error) {
	if _, ok := Unwrap(conn).(*net.UnixConn); ok {
		return 0, nil, nil
	}
	raw, err := tcpSocket(conn, "delivery")
	if err != nil {
		return 0, nil, err
	}
	return readDelivery(raw)
}
