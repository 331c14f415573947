package tcp

import "net"

// Adopt makes a peer of a connection that was accepted elsewhere, and whose TLS
// handshake is over where it has one. OnData gets read first: what was read from
// it already. Value is what [Peer.Value] returns from the start. The limits hold
// as for Serve; where one is reached the error is a [*Refusal], and after
// Shutdown it is [ErrServerClosed]. The connection is the caller's then.
func (s *Server) Adopt(conn net.Conn, read []byte, value any) error {
	s.setUp()
	if taken, err := s.adoptForLoop(conn, read, value); taken {
		return err
	}
	s.count.accepted.Add(1)
	if refusal := s.refuses(conn.RemoteAddr()); refusal != nil {
		return refusal
	}
	p := newPeer(s, conn)
	p.adopted, p.seldom().unread = true, read
	p.SetValue(value)
	refusal, stopped := s.enter(p)
	switch {
	case stopped:
		return ErrServerClosed
	case refusal != nil:
		return refusal
	}
	go s.serve(p)
	return nil
}

// takeEarly gives the handler what was read before the peer was ours.
func (p *Peer) takeEarly() {
	early := p.early()
	if len(early) == 0 || !p.mayRead() {
		return
	}
	p.more.unread = nil
	p.deliver(onData, early)
}

// Framed says that a protocol with records of its own is spoken from here on.
// The pieces of the stream are recorded at level Byte only then.
func (p *Peer) Framed() { p.framed.Store(true) }
