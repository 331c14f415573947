package handshake

import (
	"bytes"
	"errors"
)

// Limits bound a head. The zero value has the defaults; nil is the zero value.
// Time is the caller's to bound, by a deadline on the connection.
type Limits struct {
	MaxBytes  int // the whole head; 0 is 64 KiB
	MaxFields int // 0 is 100
}

const (
	defaultMaxBytes  = 64 << 10
	defaultMaxFields = 100
)

func (l *Limits) bytes() int {
	if l == nil || l.MaxBytes <= 0 {
		return defaultMaxBytes
	}
	return l.MaxBytes
}

func (l *Limits) fields() int {
	if l == nil || l.MaxFields <= 0 {
		return defaultMaxFields
	}
	return min(l.MaxFields, 1<<16-2)
}

// Why a head was not read. All but ErrNeedMore are findings too: [Check], an
// [Acceptor] or [CheckResponse], asked about the head, says which rule it was.
var (
	ErrNeedMore      = errors.New("handshake: the head is not complete yet")
	ErrTooLarge      = errors.New("handshake: the head is larger than the limit")
	ErrTooManyFields = errors.New("handshake: the head has more fields than the limit")
	ErrNotHTTP       = errors.New("handshake: this is not HTTP")
)

// Scanner finds the end of a head in a buffer that grows, and looks at no byte
// twice. A loop that reads many connections keeps one for each head that is
// not complete. The zero value scans a request.
type Scanner struct {
	Response bool // a response is due

	line  int // where the line begins that is being looked for
	seen  int // how far we have looked
	lines int // lines met: the first line and the fields
}

// Scan looks at buf, which holds what the last call's did and perhaps more
// behind it. It returns the size of the head, with the empty line that ends
// it; ErrNeedMore; or one of ErrTooLarge, ErrTooManyFields and ErrNotHTTP.
// Limits may be nil.
func (s *Scanner) Scan(buf []byte, limits *Limits) (int, error) {
	maxBytes, maxFields := limits.bytes(), limits.fields()
	for {
		i := bytes.IndexByte(buf[s.seen:], '\n')
		if i < 0 {
			s.seen = len(buf)
			return 0, s.unfinished(buf, maxBytes)
		}
		end := s.seen + i + 1
		line := trimEOL(buf[s.line:end])
		if end > maxBytes {
			return 0, ErrTooLarge
		}
		if len(line) == 0 && s.lines > 0 {
			return end, nil
		}
		if s.lines == 0 && !mayBegin(line, s.Response, true) {
			return 0, ErrNotHTTP
		}
		if len(line) > 0 && (s.lines == 0 || !isBlank(line[0])) {
			s.lines++
		}
		if s.lines > maxFields+1 {
			return 0, ErrTooManyFields
		}
		s.line, s.seen = end, end
	}
}

// unfinished judges a buffer that holds no whole head yet.
func (s *Scanner) unfinished(buf []byte, maxBytes int) error {
	switch {
	case s.lines == 0 && !mayBegin(buf[s.line:], s.Response, false):
		return ErrNotHTTP
	case len(buf) >= maxBytes:
		return ErrTooLarge
	}
	return ErrNeedMore
}

// mayBegin reports whether b can be a first line, or the beginning of one where
// it is not whole: a method (RFC 9112 3), or "HTTP/" in whatever case
// (RFC 9112 4).
func mayBegin(b []byte, response, whole bool) bool {
	if !whole && len(b) > 0 && b[len(b)-1] == '\r' { // perhaps of the line's end
		b = b[:len(b)-1]
	}
	if response {
		n := min(len(b), 5)
		return foldEqual(b[:n], "http/"[:n]) && (n == 5 || n == 0 || !whole)
	}
	for i, c := range b {
		switch {
		case isBlank(c):
			return i > 0
		case classes[c]&isTokenByte == 0 || i > 64:
			return false
		}
	}
	return true
}
