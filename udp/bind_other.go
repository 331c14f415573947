//go:build !linux && !darwin

package udp

import (
	"errors"
	"fmt"
	"runtime"
)

// bindToInterface cannot be done here.
func bindToInterface(uintptr, string, string) error {
	return fmt.Errorf("binding to an interface: %w on %s", errors.ErrUnsupported, runtime.GOOS)
}
