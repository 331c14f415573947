//go:build unix

package cmd

import (
	"os"
	"os/signal"
	"syscall"
)

// ignorePipe makes writing to a reader that left an error in place of the end
// of the process. A handler, unlike an ignored signal, is not inherited by
// children.
func ignorePipe() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
