package tcp

import "golang.org/x/sys/windows"

// The system's numbers for a connection that is gone, and for one that nobody
// takes. Those of package syscall are inventions here, which no call returns.
const (
	errnoReset   = windows.WSAECONNRESET
	errnoAborted = windows.WSAECONNABORTED
	errnoRefused = windows.WSAECONNREFUSED
)
