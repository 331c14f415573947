package tcp

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The first three calls never block, and do not tell the Go scheduler, as a
// system call usually does. Its watching thread would wake at each, and take 20
// to 100 µs of CPU before it sleeps again.

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
