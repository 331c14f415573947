package tcp

import (
	"context"
	"errors"
	"net"
)

// Relayed is what a relay moved, in bytes.
type Relayed struct{ AToB, BToA int64 }

// Relay passes a's bytes to b and b's to a until both have ended. The end of
// one direction is passed on as a half-close, and the other goes on; where a
// connection has no halves its end is the end of both. An error in one
// direction ends both, and a reset is passed on as a reset. Both connections
// are closed when it returns.
func Relay(ctx context.Context, a, b net.Conn) (Relayed, error) {
	stop := context.AfterFunc(ctx, func() { a.Close(); b.Close() })
	defer stop()
	there, back := &Pump{Dst: b, Src: a}, &Pump{Dst: a, Src: b}
	ended := make(chan error, 2)
	go func() { ended <- relayHalf(there, b) }()
	go func() { ended <- relayHalf(back, a) }()
	first := <-ended
	if first != nil {
		abort(a, b, first)
	}
	second := <-ended
	a.Close()
	b.Close()
	moved := Relayed{AToB: there.Moved(), BToA: back.Moved()}
	if ctx.Err() != nil {
		return moved, context.Cause(ctx)
	}
	if first == nil {
		first = second
	}
	return moved, first
}

// relayHalf runs one direction and passes its end on.
func relayHalf(p *Pump, dst net.Conn) error {
	if err := p.Run(); err != nil {
		return err
	}
	err := CloseWrite(dst)
	if errors.Is(err, errors.ErrUnsupported) {
		return dst.Close()
	}
	return nil // a peer that is gone shows in the other direction
}

// abort closes both, by a reset where it was a reset that came.
func abort(a, b net.Conn, err error) {
	for _, conn := range []net.Conn{a, b} {
		if IsReset(err) {
			Reset(conn)
			continue
		}
		conn.Close()
	}
}

// Reset closes conn at once: TCP sends a reset and drops what was not sent.
func Reset(conn net.Conn) {
	if tcp, ok := Unwrap(conn).(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
		tcp.Close() // before a TLS layer could say that this is a regular end
	}
	conn.Close()
}
