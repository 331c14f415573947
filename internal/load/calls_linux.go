package load

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This is the one file of the package with unsafe.
//
// The calls never wait, and so do not tell the Go scheduler, which would take
// longer than what is done here for a datagram.

// eventsNow is epoll_wait(2) for what there is already.
func eventsNow(epoll uintptr, events []unix.EpollEvent) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, epoll, uintptr(unsafe.Pointer(unsafe.SliceData(events))),
		uintptr(len(events)), 0, 0, 0)
	return counted(n, errno)
}

// sendNow is send(2).
func sendNow(fd int, b []byte) syscall.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
		uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	return errno
}

// receiveNow is recv(2). What does not fit into b is lost.
func receiveNow(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
		uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	return counted(n, errno)
}

// several is how many datagrams one call takes or brings.
const several = 32

// sendSeveral sends what b is made of, so many datagrams of one size, and returns
// how many it took. An error is that of the first.
func sendSeveral(fd int, b []byte, size int) (int, syscall.Errno) {
	var heads [several]unix.Mmsghdr
	var parts [several]unix.Iovec
	n := min(len(b)/size, several)
	for i := range n {
		parts[i].Base = &b[i*size]
		parts[i].SetLen(size)
		heads[i].Hdr.Iov = &parts[i]
		heads[i].Hdr.SetIovlen(1)
	}
	sent, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&heads)),
		uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	return counted(sent, errno)
}

// receiveSeveral fills buffers, and cuts each to what has come.
func receiveSeveral(fd int, bufs [][]byte) (int, syscall.Errno) {
	var heads [several]unix.Mmsghdr
	var parts [several]unix.Iovec
	n := min(len(bufs), several)
	for i := range n {
		parts[i].Base = unsafe.SliceData(bufs[i])
		parts[i].SetLen(len(bufs[i]))
		heads[i].Hdr.Iov = &parts[i]
		heads[i].Hdr.SetIovlen(1)
	}
	r, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&heads)),
		uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	got, errno := counted(r, errno)
	for i := range got {
		bufs[i] = bufs[i][:heads[i].Len]
	}
	return got, errno
}

func counted(n uintptr, errno syscall.Errno) (int, syscall.Errno) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
