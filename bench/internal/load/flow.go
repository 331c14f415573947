//go:build linux

package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
)

// ErrWrong says that what came back is not what was sent.
var ErrWrong = errors.New("what came back is not what was sent")

// flow is one socket and the message that it has under way. A message is the
// number of its socket, its own number, and bytes without a pattern.
type flow struct {
	fd       int
	index    uint32
	number   uint32
	left     int // round trips still to be made
	out, in  []byte
	received int
}

func (f *flow) start(size, trips int) {
	f.left = trips
	f.received = 0
	if len(f.out) != size {
		f.out, f.in = body(size), make([]byte, size)
		binary.LittleEndian.PutUint32(f.out, f.index)
	}
}

// body returns size bytes, the same in every run.
func body(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// send sends the next message.
func (f *flow) send() error {
	f.number++
	binary.LittleEndian.PutUint32(f.out[4:], f.number)
	return f.write()
}

func (f *flow) write() error {
	n, err := syscall.Write(f.fd, f.out)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if n != len(f.out) {
		return fmt.Errorf("sent %d of %d bytes", n, len(f.out))
	}
	return nil
}

// receive reads once and reports whether the echo is whole. An echo of a
// datagram that was sent again may come twice: what is late is passed over.
func (f *flow) receive(datagram bool) (whole bool, err error) {
	n, err := syscall.Read(f.fd, f.in[f.received:])
	switch {
	case err == syscall.EAGAIN || err == syscall.EINTR:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("receive: %w", err)
	case n == 0:
		return false, fmt.Errorf("receive: the server closed the connection, %d round trips early", f.left)
	}
	f.received += n
	if datagram && f.late() {
		f.received = 0
		return false, nil
	}
	if f.received < len(f.in) && !datagram {
		return false, nil
	}
	if !bytes.Equal(f.in[:f.received], f.out) {
		return false, fmt.Errorf("socket %d, message %d: %w", f.index, f.number, ErrWrong)
	}
	f.received = 0
	f.left--
	return true, nil
}

func (f *flow) late() bool {
	return f.left == 0 || f.received >= 8 && binary.LittleEndian.Uint32(f.in[4:]) < f.number
}
