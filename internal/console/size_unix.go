//go:build unix

package console

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// followSize tells t the size of the terminal at out, now and when it changes,
// until the function that it returns is called.
func followSize(out *os.File, t *term.Terminal) (stop func()) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	set := func() {
		if w, h, err := term.GetSize(int(out.Fd())); err == nil && w > 0 && h > 0 {
			_ = t.SetSize(w, h)
		}
	}
	set()
	go func() {
		for range changed {
			set()
		}
	}()
	return func() {
		signal.Stop(changed)
		close(changed)
	}
}
