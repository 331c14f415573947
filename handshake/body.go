package handshake

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
)

// Body reads the beginning of the content behind the response h, at most limit
// bytes, to be shown beside a refusal. It ends where the content does
// (RFC 9112 6.3): by chunks, by Content-Length, or with the stream. What came
// before an error is returned with it; a content that broke off is
// io.ErrUnexpectedEOF. It reads ahead: the Reader is of no use afterwards.
func (r *Reader) Body(h *Head, limit int) ([]byte, error) {
	src, length := io.Reader(r), int64(limit)
	switch {
	case h.Status < 200 || h.Status == 204 || h.Status == 304:
		return nil, nil
	case h.lists(transferEncodingField, "chunked"):
		return readChunks(bufio.NewReader(src), limit)
	case h.has(contentLengthField) > 0:
		n, err := strconv.ParseUint(string(h.value(contentLengthField)), 10, 63)
		if err != nil {
			break
		}
		length = min(length, int64(n))
		b, err := io.ReadAll(io.LimitReader(src, length))
		if err == nil && int64(len(b)) < length {
			err = io.ErrUnexpectedEOF
		}
		return b, err
	}
	return io.ReadAll(io.LimitReader(src, length))
}

// readChunks reads the chunked coding (RFC 9112 7.1).
func readChunks(r *bufio.Reader, limit int) (body []byte, err error) {
	for len(body) < limit {
		size, err := chunkSize(r)
		if err != nil || size == 0 {
			return body, err
		}
		n := min(size, int64(limit-len(body)))
		at := len(body)
		body = append(body, make([]byte, n)...)
		got, err := io.ReadFull(r, body[at:])
		if err != nil {
			return body[:at+got], io.ErrUnexpectedEOF
		}
		if n == size {
			if _, err := r.Discard(2); err != nil { // CRLF
				return body, io.ErrUnexpectedEOF
			}
		}
	}
	return body, nil
}

func chunkSize(r *bufio.Reader) (int64, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, io.ErrUnexpectedEOF
	}
	digits, _, _ := bytes.Cut(trimEOL(line), []byte(";"))
	size, err := strconv.ParseUint(string(trim(digits)), 16, 62)
	if err != nil {
		return 0, ErrNotHTTP
	}
	return int64(size), nil
}
