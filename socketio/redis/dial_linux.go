package redis

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp reports whether the other side has closed a connection, whatever it has
// said before that and nobody has read.
func hungUp(c syscall.Conn) (yes bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		at := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		if n, err := unix.Poll(at, 0); n > 0 && err == nil {
			yes = at[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
		}
	})
	return yes
}
