//go:build !(darwin || linux || openbsd)

package tcp

import "net"

// newTransport returns how p moves bytes over conn.
func newTransport(p *Peer, conn net.Conn) transport {
	return newBlocking(p, conn)
}
