package tcp

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of sockets that never wait. The scheduler is not told of them, as it
// is of calls that may block (syscall.Syscall): that costs more than the rest of
// what sockkit does for a short message. This is the one file with unsafe.

// readNow is read(2) on a descriptor that does not block.
func readNow(fd int, b []byte) (int, error) {
	return callNow(syscall.SYS_READ, fd, unsafe.Pointer(unsafe.SliceData(b)), len(b))
}

// writeNow is write(2) on a descriptor that does not block.
func writeNow(fd int, b []byte) (int, error) {
	return callNow(syscall.SYS_WRITE, fd, unsafe.Pointer(unsafe.SliceData(b)), len(b))
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
