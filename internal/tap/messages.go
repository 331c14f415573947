package tap

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// pieces is a source of messages, or of what is to become messages. What it
// returns is valid until the next call.
type pieces func() ([]byte, error)

// ReadMessage returns the next piece; [io.EOF] is the end.
func (p pieces) ReadMessage() ([]byte, error) { return p() }

// Read makes it a source of [faults.Link], which reads messages.
func (p pieces) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// messageMover moves one direction between a WebSocket and something else.
func (r *relay) messageMover(d trace.Dir, from, to End) mover {
	src, dst := r.pieces(from, to), r.pieceSink(to)
	if r.Faults != nil && r.Affects != nil && r.Affects(d) {
		return r.Faults.Link(d, dst, src, true)
	}
	return &messagePump{dst: dst, src: src}
}

func (r *relay) pieces(from, to End) pieces {
	switch {
	case webSocketOf(from) != nil:
		return fromWebSocket(webSocketOf(from), to.Lines)
	case from.Datagrams:
		return fromDatagrams(r.source(from))
	case from.Lines:
		lines := session.NewReader(from.Conn, session.Lines, r.maxMessage())
		lines.Strip = true
		return lines.Next
	}
	chunks := fromStream(from.Conn, min(chunkSize, r.maxMessage()))
	if webSocketOf(to).kind == ws.Text {
		return wholeCharacters(chunks)
	}
	return chunks
}

const (
	chunkSize         = 64 << 10
	defaultMaxMessage = 32 << 20
)

func (r *relay) maxMessage() int {
	if r.MaxMessage > 0 {
		return r.MaxMessage
	}
	return defaultMaxMessage
}

// fromWebSocket gives messages; where the other end takes lines a text gets the
// newline that it lacks.
func fromWebSocket(w *WebSocket, lines bool) pieces {
	return func() ([]byte, error) {
		p, text, err := w.ReadMessage()
		if err == nil && text && lines {
			p = append(p[:len(p):len(p)], '\n')
		}
		return p, err
	}
}

// fromDatagrams gives datagrams, empty ones too.
func fromDatagrams(src io.Reader) pieces {
	buf := make([]byte, datagramBuffer)
	return func() ([]byte, error) {
		n, err := src.Read(buf)
		return buf[:n], err
	}
}

// fromStream gives what one read returns.
func fromStream(src io.Reader, size int) pieces {
	buf := make([]byte, size)
	return func() ([]byte, error) {
		for {
			n, err := src.Read(buf)
			if n > 0 {
				return buf[:n], nil // an error comes again
			}
			if err != nil {
				return nil, err
			}
		}
	}
}

// wholeCharacters holds back a character that was cut in two, for the next
// piece to complete: a text message ends with a whole one.
func wholeCharacters(src pieces) pieces {
	var held []byte
	return func() ([]byte, error) {
		for {
			p, err := src()
			if err == io.EOF && len(held) > 0 {
				rest := held
				held = nil
				return rest, nil // is no text, which sending it says
			}
			if err != nil {
				return nil, err
			}
			whole := append(held, p...)
			n := len(whole) - cutCharacter(whole)
			held = append([]byte(nil), whole[n:]...)
			if n > 0 {
				return whole[:n], nil
			}
		}
	}
}

// cutCharacter is how many bytes of a character that is not complete p ends
// with.
func cutCharacter(p []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if tail := p[len(p)-i:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return i
		}
	}
	return 0
}

// pieceSink is where pieces go to.
func (r *relay) pieceSink(to End) io.Writer {
	if w := webSocketOf(to); w != nil && to.Conn == r.Client.Conn {
		return leavable{w}
	} else if w != nil {
		return w
	}
	return r.sink(to)
}

// leavable is a client that may leave before it has heard all: the rest is for
// nobody.
type leavable struct{ *WebSocket }

// Write implements [io.Writer].
func (l leavable) Write(p []byte) (int, error) {
	n, err := l.WebSocket.Write(p)
	if err != nil && (l.left.Load() || isOrderly(err)) {
		return len(p), nil
	}
	return n, err
}

func isOrderly(err error) bool {
	var closed *ws.CloseError
	return errors.As(err, &closed) && closed.Orderly()
}

// messagePump moves messages, empty ones too.
type messagePump struct {
	dst     io.Writer
	src     pieces
	moved   atomic.Int64
	waiting atomic.Int64 // when waiting for src began, in Unix nanoseconds; 0 while it does not
}

// Moved returns a number that grows with each message.
func (m *messagePump) Moved() int64 { return m.moved.Load() }

// Waiting returns for how long nothing has come.
func (m *messagePump) Waiting() time.Duration {
	if since := m.waiting.Load(); since != 0 {
		return time.Duration(time.Now().UnixNano() - since)
	}
	return 0
}

// Run moves until src ends (nil), or either side fails.
func (m *messagePump) Run() error {
	for {
		m.waiting.Store(time.Now().UnixNano())
		p, err := m.src()
		m.waiting.Store(0)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return &tcp.ReadError{Err: err}
		}
		if _, err := m.dst.Write(p); err != nil {
			return err
		}
		m.moved.Add(1)
	}
}

// farewell is what a WebSocket is told when what it was passed on to is over.
func (r *relay) farewell(w *WebSocket, err error) (ws.StatusCode, string) {
	switch {
	case err == nil, errors.Is(err, errOver):
		return ws.StatusNormal, ""
	case !r.broken:
		return ws.StatusGoingAway, "" // a signal, or a limit on time
	case net.Conn(w) == r.Client.Conn:
		return ws.StatusBadGateway, "the target's connection is lost"
	}
	return ws.StatusGoingAway, "the client's connection is lost"
}
