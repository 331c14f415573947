//go:build !linux

package tcp

import "net"

// loopSet would be event loops: this system gets a goroutine a peer.
type loopSet struct{}

func (s *Server) serveLoops(net.Listener) (served bool, err error)           { return false, nil }
func (s *Server) takeForLoop(net.Conn) bool                                  { return false }
func (s *Server) adoptForLoop(net.Conn, []byte, any) (taken bool, err error) { return false, nil }

// polled is a socket of an event loop.
type polled struct {
	turning, watched bool
}

func (*polled) handed() net.Conn { return nil }
func (*loopSet) addTo(*tally)    {}
func (*polled) goOn()            {}
func (*polled) ends() bool       { return false }
func (*polled) handOver() error  { return nil }
func (*polled) close(bool) error { return nil }
func (*polled) view() net.Conn   { return nil }
func (p *Peer) endPolled()       {}
