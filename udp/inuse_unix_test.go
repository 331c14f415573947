//go:build unix

package udp

import "syscall"

const errInUse = syscall.EADDRINUSE
