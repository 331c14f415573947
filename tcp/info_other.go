//go:build !linux

package tcp

import (
	"runtime"
	"syscall"
)

func readInfo(syscall.RawConn) (*ConnInfo, error) { return nil, notHere("TCP_INFO is") }

func readSocket(syscall.RawConn, bool) (*SocketInfo, error) {
	return nil, notHere("reading socket options is")
}

func readDelivery(syscall.RawConn) (n int, failure, err error) {
	return 0, nil, notHere("asking what was delivered is")
}

func notHere(what string) error { return &unsupported{what + " not supported on " + runtime.GOOS} }
