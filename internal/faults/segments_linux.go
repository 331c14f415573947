package faults

import (
	"errors"
	"math"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sockkit/sockkit/tcp"
)

// DropSegments has the kernel drop TCP segments that arrive at conn, before TCP
// sees them, each with the probability rate, from 0 to 1: data as well as
// acknowledgements. It is real loss: the sender sends again, in the time that
// its kernel takes for that, and nothing is lost to the application. What
// arrives after a call counts; 0 takes the loss away, and 1 lets nothing
// through until then.
//
// The connection has to be open. It needs no privilege. Where the system has no
// such thing the error is an [errors.ErrUnsupported].
func DropSegments(conn net.Conn, rate float64) error {
	socket, ok := tcp.Unwrap(conn).(*net.TCPConn)
	if !ok {
		return errNoSegments
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	set := func(fd int) error { return attach(fd, dropping(rate)) }
	if rate <= 0 {
		set = detach
	}
	if controlled := raw.Control(func(fd uintptr) { err = set(int(fd)) }); controlled != nil {
		return controlled
	}
	if errors.Is(err, syscall.ENOPROTOOPT) {
		return errNoSegments
	}
	return err
}

// What a filter says of a segment: how many of its bytes are kept.
const (
	keepAll  = math.MaxUint32
	keepNone = 0
)

// random is the place that a filter loads a random number of the kernel's from
// (SKF_AD_OFF + SKF_AD_RANDOM in linux/filter.h).
const random = 0xfffff000 + 56

// dropping is a program of the classic BPF: a segment is kept where the random
// number is large enough.
func dropping(rate float64) []unix.SockFilter {
	if rate >= 1 {
		return []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: keepNone}}
	}
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: random},
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: 1, K: uint32(rate * (1 << 32))},
		{Code: unix.BPF_RET | unix.BPF_K, K: keepNone},
		{Code: unix.BPF_RET | unix.BPF_K, K: keepAll},
	}
}

func attach(fd int, program []unix.SockFilter) error {
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{
		Len: uint16(len(program)), Filter: &program[0],
	})
}

// detach takes the program away. That there is none is no error.
func detach(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return err
}
