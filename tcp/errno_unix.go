//go:build !windows

package tcp

import "syscall"

// The system's numbers for a connection that is gone, and for one that nobody
// takes.
const (
	errnoReset   = syscall.ECONNRESET
	errnoAborted = syscall.ECONNABORTED
	errnoRefused = syscall.ECONNREFUSED
)
