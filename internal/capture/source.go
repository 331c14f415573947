package capture

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// source reads a file and knows how far it has come.
type source struct {
	r   *bufio.Reader
	at  int64
	buf bytes.Buffer
}

// exactly reads n bytes, which are valid until the next call. It allocates as
// they come, and not on a length that a file declares.
func (s *source) exactly(n int) ([]byte, error) {
	s.buf.Reset()
	got, err := io.CopyN(&s.buf, s.r, int64(n))
	s.at += got
	if err == io.EOF && got > 0 {
		err = io.ErrUnexpectedEOF
	}
	if s.buf.Cap() > mostPacket && s.buf.Len() < mostPacket/4 {
		s.buf = *bytes.NewBuffer(bytes.Clone(s.buf.Bytes()))
	}
	return s.buf.Bytes(), err
}

// skip passes over n bytes.
func (s *source) skip(n int64) error {
	got, err := io.CopyN(io.Discard, s.r, n)
	s.at += got
	if err == io.EOF && n > 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// cut is the error of a file that ends where it must not.
func (s *source) cut(start int64, what string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return wrong(start, "the file ends within %s, after %d bytes of it", what, s.at-start)
	}
	return err
}
