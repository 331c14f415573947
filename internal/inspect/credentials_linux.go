package inspect

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sockkit/sockkit/tcp"
)

// credentials asks who is at the other end of a Unix stream socket; nil where
// the kernel does not know.
func credentials(conn net.Conn) *Credentials {
	socket, ok := tcp.Unwrap(conn).(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	var found *unix.Ucred
	_ = raw.Control(func(fd uintptr) { found, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || found == nil || found.Pid == 0 { // a datagram socket has none
		return nil
	}
	c := &Credentials{PID: int(found.Pid), UID: int(found.Uid), GID: int(found.Gid)}
	c.User, c.Group = userName(c.UID), groupName(c.GID)
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", c.PID)); err == nil {
		c.Process = strings.TrimSuffix(string(name), "\n")
	}
	return c
}
