package udp

import "syscall"

// errInUse is WSAEADDRINUSE.
const errInUse = syscall.Errno(10048)
