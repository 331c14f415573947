package tcp

import (
	"encoding/binary"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This is the one file of the package with unsafe.
//
// All calls but poll never block, and do not tell the Go scheduler, as a system
// call usually does. Its watching thread would wake at each, and take 20 to
// 100 µs of CPU before it sleeps again; of a short message the telling would be
// more than all that sockkit does for it.

// splice moves up to size bytes without waiting.
func splice(in, out, size int) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(in), 0, uintptr(out), 0, uintptr(size), spliceFlags)
	return int(n), errno
}

// ready reports whether fd can be read or written without blocking, or has
// ended.
func ready(fd int, events int16) bool {
	one, now := unix.PollFd{Fd: int32(fd), Events: events}, unix.Timespec{}
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&one)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return errno == 0 && n > 0
}

// yield lets other threads that wait for this core have it first.
func yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// poll waits in the kernel.
func poll(fd int, events int16) error {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		_, err := unix.Poll(fds, -1)
		if err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
	}
}

// readNow is read(2) on a descriptor that does not block.
func readNow(fd int, b []byte) (int, error) {
	if raced {
		return uninterrupted(syscall.Read, fd, b)
	}
	return callNow(syscall.SYS_READ, fd, unsafe.Pointer(unsafe.SliceData(b)), len(b))
}

// writeNow is write(2) on a descriptor that does not block.
func writeNow(fd int, b []byte) (int, error) {
	if raced {
		return uninterrupted(syscall.Write, fd, b)
	}
	return callNow(syscall.SYS_WRITE, fd, unsafe.Pointer(unsafe.SliceData(b)), len(b))
}

// acceptNow is accept4(2) on a socket that does not block, for one that does not
// either.
func acceptNow(fd int, from *unix.RawSockaddrAny) (int, error) {
	for {
		size := uint32(unix.SizeofSockaddrAny)
		r, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(from)), uintptr(unsafe.Pointer(&size)),
			unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return int(r), nil
		case syscall.EINTR:
		default:
			return -1, errno
		}
	}
}

// addressOf is an address of TCP; none of a Unix socket.
func addressOf(from *unix.RawSockaddrAny) netip.AddrPort {
	switch from.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), inHostOrder(&a.Port))
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(from))
		return addrPort(a.Addr, inHostOrder(&a.Port), a.Scope_id)
	}
	return netip.AddrPort{}
}

func inHostOrder(port *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(port))[:])
}

// fewPieces is what a frame or two has: their addresses stand on the stack.
const fewPieces = 16

// writevNow is writev(2) on a descriptor that does not block, for a few pieces.
func writevNow(fd int, pieces [][]byte) (int, error) {
	var all [fewPieces]unix.Iovec
	n := 0
	for _, piece := range pieces {
		if len(piece) > 0 {
			all[n].Base = unsafe.SliceData(piece)
			all[n].SetLen(len(piece))
			n++
		}
	}
	return callNow(syscall.SYS_WRITEV, fd, unsafe.Pointer(&all), n)
}

// watchNow is epoll_ctl(2).
func watchNow(epoll, op, fd int, event *unix.EpollEvent) error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(epoll), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(event)), 0, 0)
	return answered(errno)
}

// shutdownNow is shutdown(2).
func shutdownNow(fd, how int) error {
	_, _, errno := syscall.RawSyscall(syscall.SYS_SHUTDOWN, uintptr(fd), uintptr(how), 0)
	return answered(errno)
}

// closeNow is close(2), on a socket that does not linger.
func closeNow(fd int) error {
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0)
	return answered(errno)
}

func answered(errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

// eventsNow is epoll_wait(2) for what there is already.
func eventsNow(epoll int, events []unix.EpollEvent) (int, error) {
	r, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))),
		uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}

func callNow(call uintptr, fd int, p unsafe.Pointer, n int) (int, error) {
	for {
		r, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(p), uintptr(n))
		switch errno {
		case 0:
			return int(r), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, syscall.EAGAIN
		default:
			return 0, errno
		}
	}
}

// scalesOf is the byte behind tcpi_options, which has no name in Go.
func scalesOf(k *unix.TCPInfo) byte { return *(*byte)(unsafe.Add(unsafe.Pointer(&k.Options), 1)) }
