package udp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// bindToInterface has a socket send and receive by one interface only.
func bindToInterface(fd uintptr, network, name string) error {
	ifi, err := findInterface(name)
	if err != nil {
		return err
	}
	level, option := unix.IPPROTO_IPV6, unix.IPV6_BOUND_IF
	if network == "udp4" {
		level, option = unix.IPPROTO_IP, unix.IP_BOUND_IF
	}
	if err := unix.SetsockoptInt(int(fd), level, option, ifi.Index); err != nil {
		return fmt.Errorf("bind to interface %s: %w", ifi.Name, err)
	}
	return nil
}
