//go:build !unix

package session

import (
	"context"
	"io"
)

func readable(io.Reader) bool { return false }

func watchReader(context.Context, io.Writer) <-chan struct{} { return nil }
