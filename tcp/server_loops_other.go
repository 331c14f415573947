//go:build !linux

package tcp

import "net"

// loopSet would be event loops: this system gets a goroutine a peer.
type loopSet struct{}

func (s *Server) serveLoops(net.Listener) (served bool, err error)           { return false, nil }
func (s *Server) takeForLoop(net.Conn) bool                                  { return false }
func (s *Server) adoptForLoop(net.Conn, []byte, any) (taken bool, err error) { return false, nil }
func (*loopSet) addTo(*tally)                                                {}

// polled is the socket of a peer in an event loop.
type polled struct {
	turning, watched bool
}

type polledMore struct{}

func (p *Peer) goOn()                      {}
func (p *Peer) ends() bool                 { return false }
func (p *Peer) endPolled()                 {}
func (p *Peer) handOver() error            { return nil }
func (p *Peer) closePolled(bool) error     { return nil }
func (p *Peer) polledSocket() net.Conn     { return nil }
func (p *Peer) polledTransport() transport { return nil }
func (p *Peer) view() net.Conn             { return nil }
func (p *Peer) handed() net.Conn           { return nil }
