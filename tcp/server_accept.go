package tcp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// The rules that a connection can be turned away by, in [trace.TurnedAway] and
// OnRefused, besides those that a [Refusal] names.
const (
	ruleConns = "max-conns"
	rulePerIP = "max-conns-per-ip"
	ruleAdmit = "admit"
	ruleTLS   = "tls"
)

// Serve accepts connections on l until it fails, or Shutdown or Close is called
// ([ErrServerClosed]); l is closed then. Several calls may run at once. Errors
// that pass, such as too many open files, are waited out: the peers there are
// go on, and the trace says so.
func (s *Server) Serve(l net.Listener) error {
	s.setUp()
	defer l.Close()
	if !s.track(l) {
		return ErrServerClosed
	}
	defer s.untrack(l)
	if served, err := s.serveLoops(l); served {
		return err
	}
	if own, ok := l.(*Listener); ok && len(own.sockets) > 1 {
		return s.acceptEach(own)
	}
	return s.acceptAll(l)
}

// acceptEach accepts on each socket of l, which saves the way over l itself.
func (s *Server) acceptEach(l *Listener) error {
	ended := make(chan error, len(l.sockets))
	for _, socket := range l.sockets {
		go func() { ended <- s.acceptAll(socket) }()
	}
	defer l.Close()
	return <-ended
}

// acceptAll accepts by Accept.
func (s *Server) acceptAll(l net.Listener) error {
	wait := backoff{}
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			wait = backoff{}
			s.take(conn)
		case s.stopped():
			return ErrServerClosed
		case !passing(err):
			return fmt.Errorf("accept on %s: %w", l.Addr(), err)
		default:
			s.waitOut(l, err, &wait)
		}
	}
}

func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped() {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) untrack(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

// passing reports whether accepting may work again later: without descriptors
// or memory the peers that there are may free some.
func passing(err error) bool {
	for _, lack := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, lack) {
			return true
		}
	}
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// backoff is the time to wait between attempts to accept.
type backoff struct{ next time.Duration }

func (b *backoff) step() time.Duration {
	b.next = min(max(2*b.next, 5*time.Millisecond), time.Second)
	return b.next
}

func (s *Server) waitOut(l net.Listener, err error, wait *backoff) {
	s.count.acceptErrors.Add(1)
	if wait.next == 0 && s.Tracer.On(trace.Connection) {
		s.Tracer.Emit(0, trace.Note{Text: fmt.Sprintf("cannot accept on %s for now: %s", l.Addr(), Reason(err))})
	}
	timer := time.NewTimer(wait.step())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.done:
	}
}

// take makes a peer of conn, or turns it away.
func (s *Server) take(conn net.Conn) {
	if s.takeForLoop(conn) {
		return
	}
	s.count.accepted.Add(1)
	remote := conn.RemoteAddr()
	if refusal := s.refuses(remote); refusal != nil {
		s.turnAway(conn, refusal)
		return
	}
	p := newPeer(s, conn)
	refusal, stopped := s.enter(p)
	switch {
	case stopped:
		conn.Close()
	case refusal != nil:
		s.turnAway(conn, refusal)
	default:
		go s.serve(p)
	}
}

// refuses asks Admit.
func (s *Server) refuses(remote net.Addr) (refusal *Refusal) {
	if s.Admit == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			s.count.panics.Add(1)
			refusal = &Refusal{Rule: ruleAdmit, Reason: fmt.Sprintf("the check panicked: %v", v)}
		}
	}()
	err := s.Admit(remote)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal):
		return refusal
	}
	return &Refusal{Rule: ruleAdmit, Reason: err.Error()}
}

// enter gives p a place, if there is one left.
func (s *Server) enter(p *Peer) (refusal *Refusal, stopped bool) {
	ip := p.ip()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped():
		return nil, true
	case s.conf.maxConns > 0 && s.slots >= s.conf.maxConns:
		return &Refusal{ruleConns, areOpen(s.slots) + ", the most allowed"}, false
	case s.MaxConnsPerIP > 0 && ip.IsValid() && s.perIP[ip] >= s.MaxConnsPerIP:
		return &Refusal{rulePerIP, fmt.Sprintf("%d connections of %s are open, the most allowed", s.perIP[ip], ip)}, false
	}
	s.slots++
	s.active++
	if p.own == nil {
		s.looping++
	}
	if ip.IsValid() {
		s.perIP[ip]++
	}
	s.peers.add(p)
	if p.id = s.Tracer.NewID(); p.id == 0 {
		s.ids++
		p.id = s.ids
	}
	return nil, false
}

// free gives up p's place.
func (s *Server) free(p *Peer) {
	ip := p.ip()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots--
	if ip.IsValid() {
		if s.perIP[ip]--; s.perIP[ip] <= 0 {
			delete(s.perIP, ip)
		}
	}
}

// forget takes p off the list of peers.
func (s *Server) forget(p *Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers.remove(p)
	s.past.addPeer(p)
}

// leave says that the last of p's callbacks has returned.
func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	if s.active == 0 && s.stopped() {
		close(s.empty)
	}
}

// addrIP returns the address that MaxConnsPerIP counts; none for Unix sockets.
func addrIP(addr net.Addr) netip.Addr {
	if a, ok := addr.(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// turnAway closes conn. What came first, trace or end, nobody else notices.
func (s *Server) turnAway(conn net.Conn, r *Refusal) {
	if s.Tracer.On(trace.Connection) {
		s.Tracer.Emit(0, trace.TurnedAway{Remote: conn.RemoteAddr().String(), Rule: r.Rule, Reason: r.Reason})
	}
	s.refused(conn.RemoteAddr(), r.Rule, r.Reason)
	if s.TLS == nil {
		conn.Close()
		return
	}
	alert := AccessDenied()
	if r.Rule == ruleConns || r.Rule == rulePerIP {
		alert[len(alert)-1] = alertInternalError
	}
	s.closeWithAlert(conn, alert)
}

// alertInternalError is the alert for a server without room: TLS has none that
// says so (RFC 8446 section 6.2).
const alertInternalError = 80

// refused counts a refusal and tells the hook.
func (s *Server) refused(remote net.Addr, rule, reason string) {
	s.mu.Lock()
	s.refusals[rule]++
	s.mu.Unlock()
	if s.OnRefused == nil {
		return
	}
	defer func() {
		if recover() != nil {
			s.count.panics.Add(1)
		}
	}()
	s.OnRefused(remote, rule, reason)
}

const (
	mostTurning = 64              // connections turned away that may linger at once
	turningTime = 2 * time.Second // each of them
)

// closeWithAlert sends alert, then waits for the client's end, beside the
// accepting: a socket that is closed over unread bytes, here the ClientHello,
// resets the connection, and the alert with it. Beyond the bound it closes at
// once.
func (s *Server) closeWithAlert(conn net.Conn, alert []byte) {
	if s.turning.Add(1) > mostTurning {
		s.turning.Add(-1)
		conn.Close()
		return
	}
	go func() {
		defer s.turning.Add(-1)
		_ = conn.SetDeadline(time.Now().Add(turningTime))
		if _, err := conn.Write(alert); err == nil {
			lingerClose(conn, turningTime)
			return
		}
		conn.Close()
	}()
}

// lingerClose sends the FIN, discards what still comes for a while at most, and
// closes conn.
func lingerClose(conn net.Conn, limit time.Duration) {
	defer conn.Close()
	if CloseWrite(conn) != nil {
		return
	}
	_ = conn.SetReadDeadline(time.Now().Add(limit))
	var junk [4096]byte
	for taken := 0; taken < mostDiscarded; {
		n, err := conn.Read(junk[:])
		if err != nil {
			return
		}
		taken += n
	}
}

const mostDiscarded = 1 << 20

func areOpen(connections int) string {
	verb := " are open"
	if connections == 1 {
		verb = " is open"
	}
	return plural(connections, "connection") + verb
}
