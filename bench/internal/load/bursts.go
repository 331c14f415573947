//go:build linux

package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"
	"unsafe"
)

// Options and control messages of linux/udp.h, which package syscall lacks.
const (
	udpSegment = 103
	udpGRO     = 104
)

// Bursts is one UDP socket that sends several datagrams by one system call, and
// waits for the echo of all before it sends the next.
type Bursts struct {
	fd, size, count int
	number          uint32
	out, in         []byte
	control         []byte
	seen            []bool

	// Lost counts datagrams whose echo did not come within a second.
	Lost int
}

// DialBursts connects a socket to server, for bursts of count datagrams of size bytes.
func DialBursts(server netip.AddrPort, size, count int) (*Bursts, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	b := &Bursts{fd: fd, size: size, count: count, out: body(size * count), in: make([]byte, 1<<16),
		control: segmentSize(size), seen: make([]bool, count)}
	limit := syscall.NsecToTimeval(silence.Nanoseconds())
	err = errors.Join(
		syscall.Connect(fd, sockaddr(server)),
		syscall.SetsockoptInt(fd, syscall.IPPROTO_UDP, udpGRO, 1),
		syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit))
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("connect to %s, with UDP_GRO: %w", server, err)
	}
	return b, nil
}

// Close closes the socket.
func (b *Bursts) Close() { syscall.Close(b.fd) }

// segmentSize is the control message that has the kernel cut what is sent.
func segmentSize(size int) []byte {
	control := make([]byte, syscall.CmsgSpace(2))
	head := (*syscall.Cmsghdr)(unsafe.Pointer(&control[0]))
	head.Level, head.Type = syscall.IPPROTO_UDP, udpSegment
	head.SetLen(syscall.CmsgLen(2))
	binary.NativeEndian.PutUint16(control[syscall.CmsgLen(0):], uint16(size))
	return control
}

// Run sends a number of bursts. A silence ends the burst; five in a row end it all.
func (b *Bursts) Run(bursts int) error {
	for silent := 0; bursts > 0; bursts-- {
		if err := b.send(); err != nil {
			return err
		}
		lost, err := b.gather()
		if err != nil {
			return err
		}
		b.Lost += lost
		if lost == 0 {
			silent = 0
		} else if silent++; silent == patience {
			return fmt.Errorf("%w to %d of %d datagrams", ErrSilent, lost, b.count)
		}
	}
	return nil
}

func (b *Bursts) send() error {
	b.number++
	for i := range b.count {
		head := b.out[i*b.size:]
		binary.LittleEndian.PutUint32(head, uint32(i))
		binary.LittleEndian.PutUint32(head[4:], b.number)
		b.seen[i] = false
	}
	if _, err := syscall.SendmsgN(b.fd, b.out, b.control, nil, 0); err != nil {
		return fmt.Errorf("send a burst: %w", err)
	}
	return nil
}

// gather receives until every datagram of the burst is back.
func (b *Bursts) gather() (lost int, err error) {
	oob := make([]byte, syscall.CmsgSpace(4))
	end := time.Now().Add(silence)
	for left := b.count; left > 0; {
		n, oobn, _, _, err := syscall.Recvmsg(b.fd, b.in, oob, 0)
		if err == syscall.EINTR {
			continue
		}
		if err == syscall.EAGAIN || time.Now().After(end) {
			return left, nil
		}
		if err != nil {
			return left, fmt.Errorf("receive: %w", err)
		}
		fresh, err := b.take(b.in[:n], cut(oob[:oobn], n))
		if err != nil {
			return left, err
		}
		left -= fresh
	}
	return 0, nil
}

// cut returns the size of the datagrams that UDP_GRO joined in n bytes.
func cut(oob []byte, n int) int {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return n
	}
	for _, m := range messages {
		if m.Header.Level == syscall.IPPROTO_UDP && m.Header.Type == udpGRO {
			return int(binary.NativeEndian.Uint32(m.Data))
		}
	}
	return n
}

// take checks the datagrams of one read and returns how many were awaited.
func (b *Bursts) take(data []byte, each int) (fresh int, err error) {
	for ; len(data) > 0; data = data[min(each, len(data)):] {
		one := data[:min(each, len(data))]
		if len(one) != b.size {
			return fresh, fmt.Errorf("a datagram of %d bytes for one of %d: %w", len(one), b.size, ErrWrong)
		}
		i, number := binary.LittleEndian.Uint32(one), binary.LittleEndian.Uint32(one[4:])
		if number != b.number {
			continue // of an earlier burst, late
		}
		if int(i) >= b.count || string(one) != string(b.out[int(i)*b.size:][:b.size]) || b.seen[i] {
			return fresh, fmt.Errorf("datagram %d of burst %d: %w", i, number, ErrWrong)
		}
		b.seen[i] = true
		fresh++
	}
	return fresh, nil
}
