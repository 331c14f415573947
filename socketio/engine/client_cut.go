package engine

import (
	"context"
	"io"
	"net"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
)

// endConn notes that a connection has ended. Package net/http takes a head that
// was cut for one that is malformed, and says so.
type endConn struct {
	net.Conn
	end atomic.Pointer[error] // of what it can be read
}

// Read implements [io.Reader].
func (w *endConn) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.end.CompareAndSwap(nil, &err)
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

// noted has the connection of a request kept in w.
func noted(ctx context.Context, w **endConn) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		*w, _ = i.Conn.(*endConn)
	}})
}

// cut is what a request failed by: a head that looks malformed where its
// connection has ended is one that was cut, unless it began as no answer does. A
// connection that ends before the request has left is idle to package net/http.
func (w *endConn) cut(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "server closed idle connection"):
		return io.EOF
	case w == nil || !strings.Contains(text, "malformed ") || strings.Contains(text, `malformed HTTP response "`) && !strings.Contains(text, `malformed HTTP response "H`):
		return err
	}
	switch end := w.end.Load(); {
	case end == nil:
		return err
	case *end == io.EOF:
		return io.ErrUnexpectedEOF
	default:
		return *end
	}
}

// notHTTP is an answer that package net/http cannot read.
type notHTTP struct{ err error }

func (e *notHTTP) Error() string {
	return "the answer is no HTTP: " + strings.TrimPrefix(e.err.Error(), "net/http: HTTP/1.x transport connection broken: ")
}

func (e *notHTTP) Unwrap() []error { return []error{ErrParse, e.err} }

// Readable is an error of package net/http, as an [ErrParse] where what answered
// speaks no HTTP: there is no type for that.
func Readable(err error) error {
	if strings.Contains(err.Error(), "malformed ") {
		return &notHTTP{err}
	}
	return err
}
