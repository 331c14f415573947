package tcp

import (
	"os"
	"syscall"
)

// maxUnixPathHere is the longest path of a Unix socket: 108 bytes with the
// final NUL (unix(7)).
const maxUnixPathHere = 107

// socketMode sets the permission that the socket's file will be made with, so
// that it is never open to others, not even before a chmod.
func socketMode(fd uintptr, mode os.FileMode) { _ = syscall.Fchmod(int(fd), uint32(mode.Perm())) }
