package session

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Framing says how messages stand in a stream of bytes.
type Framing int

// The framings.
const (
	Lines        Framing = iota // a line is a message, its newline a part of it
	Binary                      // what one read gives is a message
	Null                        // a message ends with a NUL byte, which is no part of it
	LengthPrefix                // four bytes, big-endian, say how long a message is
)

// Source gives messages to be sent. A message is valid until the next call;
// [io.EOF] is the end.
type Source interface {
	Next() ([]byte, error)
	// Pending returns how many bytes were not given yet, as far as that is
	// known, and whether there may be more. It must not run beside Next.
	Pending() (n int64, more bool)
	// Waiting returns how many bytes could be read at once, and may run beside
	// Next.
	Waiting() int64
}

// List is a [Source] of given messages.
type List []string

// Next implements [Source].
func (l *List) Next() ([]byte, error) {
	if len(*l) == 0 {
		return nil, io.EOF
	}
	message := (*l)[0]
	*l = (*l)[1:]
	return []byte(message), nil
}

// Pending implements [Source].
func (l *List) Pending() (n int64, more bool) {
	for _, message := range *l {
		n += int64(len(message))
	}
	return n, false
}

// Waiting implements [Source].
func (l *List) Waiting() int64 { return 0 }

// Reader is a [Source] that takes messages from a stream of bytes.
type Reader struct {
	CRLF    bool // lines are given CR LF for an end
	Strip   bool // the newline is no part of a line
	r       *bufio.Reader
	raw     io.Reader
	framing Framing
	limit   int
	buf     []byte
	count   int // messages read so far
}

// NewReader returns a reader of messages of at most limit bytes.
func NewReader(r io.Reader, f Framing, limit int) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), raw: r, framing: f, limit: limit}
}

// SizeError is a message that is larger than was allowed.
type SizeError struct {
	Number int // which message, from 1
	Limit  int
}

// Error implements error.
func (e *SizeError) Error() string {
	return fmt.Sprintf("message %d is larger than %d bytes", e.Number, e.Limit)
}

// Next returns the next message, or [io.EOF] once there is none.
func (m *Reader) Next() ([]byte, error) {
	m.count++
	switch m.framing {
	case Binary:
		return m.chunk()
	case LengthPrefix:
		return m.prefixed()
	case Null:
		p, err := m.until(0)
		return bytes.TrimSuffix(p, []byte{0}), err
	}
	p, err := m.until('\n')
	switch {
	case err != nil:
	case m.Strip:
		p = bytes.TrimSuffix(p, []byte{'\n'})
	case m.CRLF:
		p = toCRLF(p)
	}
	return p, err
}

// Pending implements [Source].
func (m *Reader) Pending() (int64, bool) {
	n, more := pending(m.raw)
	return n + int64(m.r.Buffered()), more
}

// Waiting implements [Source].
func (m *Reader) Waiting() int64 {
	n, _ := pending(m.raw)
	return n
}

// chunkSize bounds what one read takes for a message.
const chunkSize = 64 << 10

func toCRLF(line []byte) []byte {
	if !bytes.HasSuffix(line, []byte{'\n'}) || bytes.HasSuffix(line, []byte("\r\n")) {
		return line
	}
	return append(line[:len(line)-1], '\r', '\n')
}

func (m *Reader) chunk() ([]byte, error) {
	if m.buf == nil {
		m.buf = make([]byte, max(min(m.limit, chunkSize), 1))
	}
	for {
		n, err := m.raw.Read(m.buf)
		if n > 0 {
			return m.buf[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// until reads to the delimiter. A last message without one is a message too.
func (m *Reader) until(delimiter byte) ([]byte, error) {
	m.buf = m.buf[:0]
	for {
		part, err := m.r.ReadSlice(delimiter)
		m.buf = append(m.buf, part...)
		if len(m.buf) > m.limit+1 {
			return nil, &SizeError{m.count, m.limit}
		}
		switch {
		case err == nil, err == io.EOF && len(m.buf) > 0:
			return m.buf, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func (m *Reader) prefixed() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(m.r, head[:]); err != nil {
		if err == io.ErrUnexpectedEOF {
			err = fmt.Errorf("message %d: the input ends within the four bytes of its length", m.count)
		}
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if int64(n) > int64(m.limit) {
		return nil, &SizeError{m.count, m.limit}
	}
	if cap(m.buf) < int(n) {
		m.buf = make([]byte, n)
	}
	m.buf = m.buf[:n]
	if got, err := io.ReadFull(m.r, m.buf); err != nil {
		return nil, fmt.Errorf("message %d: %d bytes were announced and %d came", m.count, n, got)
	}
	return m.buf, nil
}

// AppendFramed appends message to b as f puts it on a stream.
func AppendFramed(b []byte, f Framing, message []byte) []byte {
	switch f {
	case Null:
		return append(append(b, message...), 0)
	case LengthPrefix:
		b = binary.BigEndian.AppendUint32(b, uint32(len(message)))
	}
	return append(b, message...)
}

// CRLF returns r with each newline that has no carriage return given one.
func CRLF(r io.Reader) io.Reader { return &crlfReader{r: r} }

type crlfReader struct {
	r       io.Reader
	in      [16 << 10]byte
	pending []byte
	last    byte
	err     error
}

// Read implements [io.Reader].
func (c *crlfReader) Read(p []byte) (int, error) {
	for len(c.pending) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		n, err := c.r.Read(c.in[:])
		c.err = err
		c.pending = c.translate(c.in[:n])
	}
	n := copy(p, c.pending)
	c.pending = c.pending[n:]
	return n, nil
}

func (c *crlfReader) translate(in []byte) []byte {
	out := make([]byte, 0, len(in)+len(in)/8+1)
	for _, b := range in {
		if b == '\n' && c.last != '\r' {
			out = append(out, '\r')
		}
		out = append(out, b)
		c.last = b
	}
	return out
}
