package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptrace"
	"strings"
	"sync/atomic"

	"github.com/sockkit/sockkit/tcp"
)

// endConn notes that a connection has ended. Package net/http takes a head that
// was cut for one that is malformed, and says so.
type endConn struct {
	net.Conn
	ended atomic.Bool
}

// Read implements [io.Reader].
func (w *endConn) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) { // TLS without a close_notify
		w.ended.Store(true)
	}
	return n, err
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

func noting(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &endConn{Conn: conn}, nil
	}
}

// watch has the connection of a request kept in w.
func noted(ctx context.Context, w **endConn) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		*w, _ = i.Conn.(*endConn)
	}})
}

// cut is what a request failed by: a head that looks malformed where its
// connection has ended is one that was cut, unless it began as no answer does.
func (w *endConn) cut(err error) error {
	if w == nil || !w.ended.Load() || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || tcp.IsReset(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if text := err.Error(); strings.Contains(text, `malformed HTTP response "`) && !strings.Contains(text, `malformed HTTP response "H`) {
		return err
	}
	return io.ErrUnexpectedEOF
}
