package tcp

import (
	"errors"
	"io"

	"github.com/sockkit/sockkit/trace"
)

// proxyTalk is the conversation with a proxy. It reads not one byte more than
// it needs, so that what stands behind is the application's, and the
// connection can be used as it is. It makes one record of each answer.
type proxyTalk struct {
	wire *wire
}

func (t *proxyTalk) send(p []byte) *ProxyError {
	if _, err := t.wire.Write(p); err != nil {
		return talkError(err)
	}
	return nil
}

// read fills p.
func (t *proxyTalk) read(p []byte) *ProxyError {
	n, err := io.ReadFull(t.wire.Conn, p)
	t.seen(p[:n])
	if err != nil {
		return talkError(err)
	}
	return nil
}

// readHead reads byte by byte until done holds for what came.
func (t *proxyTalk) readHead(done func(head []byte) bool) ([]byte, *ProxyError) {
	head := make([]byte, 0, 512)
	defer func() { t.seen(head) }()
	for !done(head) {
		var b [1]byte
		n, err := t.wire.Conn.Read(b[:])
		head = append(head, b[:n]...)
		if err != nil && n == 0 {
			return head, talkError(err)
		}
	}
	return head, nil
}

func (t *proxyTalk) seen(p []byte) {
	if len(p) > 0 {
		t.wire.report(trace.In, &t.wire.in, p)
	}
}

func talkError(err error) *ProxyError {
	reason := Reason(err)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		reason = "it closed the connection instead of answering"
	case IsReset(err):
		reason = "it reset the connection instead of answering"
	}
	return &ProxyError{Reason: reason, Err: err}
}
