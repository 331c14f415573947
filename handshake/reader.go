package handshake

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// Reader reads heads from a stream, and loses no byte behind them: what it has
// read beyond a head is [Reader.Rest], and Read hands it out first. Time is
// bounded by the stream's own deadline.
//
// The heads it reads are views of memory that it never writes again.
type Reader struct {
	Source io.Reader
	Limits *Limits // nil has the defaults

	buf []byte // read and not handed out
}

// ReadRequest reads the head of a request into h.
//
// It returns nil once the head is complete, however wrong it is. The other
// errors are those of [Head.ParseRequest] but for ErrNeedMore, or a
// [*CutError] where the stream ended or failed first. After each of them h
// holds what came, so that it can be judged.
func (r *Reader) ReadRequest(h *Head) error { return r.readHead(h, false) }

// ReadResponse is [Reader.ReadRequest] for one response. Where it is an interim one
// ([Head.Interim]) the one that matters comes behind it.
func (r *Reader) ReadResponse(h *Head) error { return r.readHead(h, true) }

// Interim reports whether a response is followed by another one: 1xx, but for
// 101 (RFC 9110 15.2).
func (h *Head) Interim() bool {
	return h.response && h.Status >= 100 && h.Status < 200 && h.Status != 101
}

func (r *Reader) readHead(h *Head, response bool) error {
	s := Scanner{Response: response}
	for {
		if _, err := s.Scan(r.buf, r.Limits); err != ErrNeedMore {
			n, err := h.read(r.buf, r.Limits, response)
			r.buf = r.buf[n:]
			return err
		}
		if err := r.fill(); err != nil {
			h.capture(r.buf, response)
			return &CutError{Response: response, Got: len(r.buf), Err: err}
		}
	}
}

// fill reads once. It never writes over bytes that a head is a view of.
func (r *Reader) fill() error {
	if cap(r.buf)-len(r.buf) < 512 {
		grown := make([]byte, len(r.buf), 2*cap(r.buf)+4096)
		copy(grown, r.buf)
		r.buf = grown
	}
	for {
		n, err := r.Source.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		if n > 0 || err != nil {
			return endOf(n, err)
		}
	}
}

// endOf leaves an error that came with bytes to the next read.
func endOf(n int, err error) error {
	if n > 0 {
		return nil
	}
	return err
}

// Rest is what has been read beyond the heads, valid until the next call. It
// stays to be read.
func (r *Reader) Rest() []byte { return r.buf }

// Read implements [io.Reader]: the rest first, and then the source.
func (r *Reader) Read(p []byte) (int, error) {
	if len(r.buf) > 0 {
		n := copy(p, r.buf)
		r.buf = r.buf[n:]
		return n, nil
	}
	return r.Source.Read(p)
}

// CutError is a stream that ended or failed before a head was complete.
type CutError struct {
	Response bool  // a response was due
	Got      int   // bytes that came
	Err      error // io.EOF where the peer ended the stream
}

func (e *CutError) Error() string {
	what := "request"
	if e.Response {
		what = "response"
	}
	how := plainly(e.Err)
	if errors.Is(e.Err, io.EOF) {
		how = "the peer closed the connection"
	}
	if e.Got == 0 {
		return fmt.Sprintf("handshake: no %s came: %s", what, how)
	}
	return fmt.Sprintf("handshake: the %s broke off after %s: %s", what, count(e.Got, "byte", "bytes"), how)
}

// plainly is what the network says, without the addresses and the call.
func plainly(err error) string {
	var op *net.OpError
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Err.Error()
	}
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}

// Unwrap returns the stream's error, io.ErrUnexpectedEOF in place of io.EOF.
func (e *CutError) Unwrap() error {
	if e.Err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return e.Err
}
