package udp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// bindToInterface has a socket send and receive by one interface only.
func bindToInterface(fd uintptr, _, name string) error {
	ifi, err := findInterface(name)
	if err != nil {
		return err
	}
	if err := unix.BindToDevice(int(fd), ifi.Name); err != nil {
		return fmt.Errorf("bind to interface %s: %w", ifi.Name, err)
	}
	return nil
}
