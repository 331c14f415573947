//go:build !unix

package session

import (
	"context"
	"io"
)

func readable(io.Reader) bool { return false }

// ReaderLeft tells nothing on this system: a reader that left shows when
// something is written.
func ReaderLeft(context.Context, io.Writer) <-chan struct{} { return nil }

func pending(io.Reader) (int64, bool) { return 0, false }
