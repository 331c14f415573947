//go:build linux

package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// chunk is what is written at once, and read at most.
const chunk = 256 << 10

// Stream is the two ends of a relay: one connection into it, and the one that
// the relay makes in its turn.
type Stream struct {
	in, out *net.TCPConn
}

// Through dials relay, and takes the connection that it makes to target.
func Through(relay netip.AddrPort, target *net.TCPListener, limit time.Duration) (*Stream, error) {
	end := time.Now().Add(limit)
	in, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(relay))
	if err != nil {
		return nil, err
	}
	target.SetDeadline(end)
	out, err := target.AcceptTCP()
	if err != nil {
		in.Close()
		return nil, fmt.Errorf("waiting for the relay's own connection: %w", err)
	}
	in.SetDeadline(end)
	out.SetDeadline(end)
	return &Stream{in, out}, nil
}

// Close resets both connections.
func (s *Stream) Close() {
	for _, conn := range []*net.TCPConn{s.in, s.out} {
		conn.SetLinger(0)
		conn.Close()
	}
}

// Send sends size bytes and returns once they have all come out: the end of the
// stream is not waited for, since not every relay passes it on. Where check is
// set every byte is compared.
func (s *Stream) Send(size int64, check bool) error {
	data := body(chunk)
	sent := make(chan error, 1)
	go func() { sent <- fill(s.in, data, size) }()
	err := drain(s.out, data, size, check)
	if err != nil {
		s.in.Close() // frees the sender
	}
	return errors.Join(err, <-sent)
}

func fill(to io.Writer, data []byte, size int64) error {
	for size > 0 {
		n, err := to.Write(data[:min(int64(len(data)), size)])
		if err != nil {
			return fmt.Errorf("send, %d bytes before the end: %w", size, err)
		}
		size -= int64(n)
	}
	return nil
}

func drain(from io.Reader, data []byte, size int64, check bool) error {
	buf := make([]byte, chunk)
	for at := int64(0); at < size; {
		n, err := from.Read(buf[:min(int64(len(buf)), size-at)])
		if err != nil {
			return fmt.Errorf("received %d of %d bytes: %w", at, size, err)
		}
		if check && !same(buf[:n], data, at) {
			return fmt.Errorf("byte %d or after: %w", at, ErrWrong)
		}
		at += int64(n)
	}
	return nil
}

// same reports whether got stands at an offset of data repeated for ever.
func same(got, data []byte, at int64) bool {
	for len(got) > 0 {
		want := data[at%int64(len(data)):]
		n := min(len(want), len(got))
		if !bytes.Equal(got[:n], want[:n]) {
			return false
		}
		got, at = got[n:], at+int64(n)
	}
	return true
}
