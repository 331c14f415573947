//go:build linux

package proc

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// FreePort returns a port of 127.0.0.1 that nobody has for network, "tcp" or "udp".
func FreePort(network string) (int, error) {
	if network == "udp" {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		return conn.LocalAddr().(*net.UDPAddr).Port, nil
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// Bound waits until somebody listens on the port. It looks at the kernel's list:
// a connection made to find out would be the only one that some servers take.
func (p *Process) Bound(ctx context.Context, network string, port int) error {
	for !bound(network, port) {
		if err := p.Alive(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return p.explain(fmt.Errorf("port %d is not bound: %w", port, ctx.Err()))
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}

func bound(network string, port int) bool {
	for _, family := range []string{"", "6"} {
		if listed("/proc/net/"+network+family, network == "tcp", fmt.Sprintf(":%04X", port)) {
			return true
		}
	}
	return false
}

// listed looks for a local address; listening TCP sockets stand first in the list.
func listed(path string, listening bool, suffix string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Scan() // the heading
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || listening && fields[3] != "0A" {
			return false
		}
		if strings.HasSuffix(fields[1], suffix) {
			return true
		}
	}
	return false
}
