//go:build unix

package tcp

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// mostDrained bounds what drain takes: a peer that goes on sending gets its
// reset in the end.
const mostDrained = 1 << 20

// drain takes what came on conn and was not read. It never waits. The
// descriptor is read beside Go's own reading, which a blocked Read would hold
// up; the connection is about to be closed.
func drain(conn net.Conn) {
	c, ok := Unwrap(conn).(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	var buf [4096]byte
	_ = raw.Control(func(fd uintptr) {
		for taken := 0; taken < mostDrained; {
			n, _, err := unix.Recvfrom(int(fd), buf[:], unix.MSG_DONTWAIT)
			if n <= 0 || err != nil {
				return
			}
			taken += n
		}
	})
}
