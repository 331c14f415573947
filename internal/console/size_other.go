//go:build !unix

package console

import (
	"os"

	"golang.org/x/term"
)

func followSize(out *os.File, t *term.Terminal) (stop func()) {
	if w, h, err := term.GetSize(int(out.Fd())); err == nil && w > 0 && h > 0 {
		_ = t.SetSize(w, h)
	}
	return func() {}
}
