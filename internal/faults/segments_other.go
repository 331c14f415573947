//go:build !linux

package faults

import "net"

// DropSegments has the kernel drop TCP segments that arrive at conn, each with
// the probability rate. This system has no such thing: the error is an
// [errors.ErrUnsupported].
func DropSegments(net.Conn, float64) error { return errNoSegments }
