//go:build linux

package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
)

// enginePath is what requests of protocol 4 of Engine.IO begin with.
const enginePath = "/socket.io/?EIO=4"

// An id stands behind the types of Engine.IO and of Socket.IO, in six decimal
// digits.
const (
	idAt     = 2
	idDigits = 6
)

// event returns how an event of Socket.IO with one argument of size bytes, and
// what is answered, begin up to the end of the mark, and how both go on.
func event(talk Talk, size int) (asked, answered, rest []byte) {
	blank := strings.Repeat("0", mark)
	rest = append(letters(size-mark), `"]`...)
	if talk == News {
		return []byte(`42["go","` + blank), []byte(`42["news","` + blank), rest
	}
	return []byte(`42000000["echo","` + blank), []byte(`43000000["` + blank), rest
}

// letters returns size bytes that JSON has as they are.
func letters(size int) []byte {
	text := bytes.Repeat([]byte("alpha bravo charlie delta echo foxtrot golf hotel "), size/50+1)
	return slices.Clip(text[:size])
}

// decimals writes an id made of n, never with a zero first.
func decimals(to []byte, n uint32) {
	n = 100_000 + n%900_000
	for i := range to {
		to[len(to)-1-i] = byte('0' + n%10)
		n /= 10
	}
}

// pinged reports whether a piece is of a frame that is a ping of Engine.IO.
func (f *webFlow) pinged(piece []byte) bool {
	return f.in.first() == final|text && f.in.size() == 1 && (len(piece) == 0 || piece[0] == '2')
}

// join waits for the open packet of an Engine.IO session, and joins the main
// namespace of Socket.IO. Of what the server sends a part has come early.
func join(fd int, early []byte) error {
	r := frames{fd: fd, rest: bytes.Clone(early)}
	opened, err := r.next()
	if err == nil {
		_, err = sessionID(opened)
	}
	if err != nil {
		return err
	}
	if _, err := syscall.Write(fd, appendFrame(nil, final|text, [4]byte{7, 1, 9, 3}, []byte("40"))); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	joined, err := r.next()
	if err == nil && (!bytes.HasPrefix(joined, []byte(`40{"sid":"`)) || len(r.rest) > 0) {
		err = fmt.Errorf("%w: %.300q, and %q behind it", errOpening, joined, r.rest)
	}
	return err
}

// sessionID returns the id that an open packet has.
func sessionID(opened []byte) (string, error) {
	var session struct{ SID string }
	data, isOpen := bytes.CutPrefix(opened, []byte("0"))
	if err := json.Unmarshal(data, &session); !isOpen || err != nil || session.SID == "" {
		return "", fmt.Errorf("%w: %.300q", errOpening, opened)
	}
	return session.SID, nil
}

// frames reads whole frames, and waits for each.
type frames struct {
	fd   int
	in   frameReader
	rest []byte // that has come, and is of none of them
}

// next returns the payload of a frame of text.
func (r *frames) next() (payload []byte, err error) {
	for ended := false; !ended; {
		if len(r.rest) == 0 {
			if err := r.more(); err != nil {
				return nil, err
			}
		}
		var piece []byte
		if piece, r.rest, ended, err = r.in.next(r.rest); err != nil {
			return nil, err
		}
		payload = append(payload, piece...)
	}
	if r.in.first() != final|text {
		return nil, fmt.Errorf("%w: a frame that begins with %#x", errOpening, r.in.first())
	}
	return payload, nil
}

func (r *frames) more() error {
	buf := make([]byte, 4096)
	n, err := syscall.Read(r.fd, buf)
	if err == syscall.EINTR {
		return nil
	}
	if err != nil || n <= 0 {
		return fmt.Errorf("joining a namespace: %v: %w", err, ErrSilent)
	}
	r.rest = buf[:n]
	return nil
}
