package h2

import (
	"errors"
	"fmt"
)

// ErrNoStream is a connection that takes no new stream.
var ErrNoStream = errors.New("the HTTP/2 connection takes no new stream")

// Open sends a request and returns its stream. The SETTINGS of the peer have to
// have come; :protocol is the caller's to send only where [Session.TakesConnect].
func (s *Session) Open(fields []Field, end bool) (*Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNoStream, s.err)
	case s.goAwayCame != nil || s.goAwaySent:
		return nil, fmt.Errorf("%w: GOAWAY was sent", ErrNoStream)
	case uint32(len(s.streams)) >= s.peer.maxStreams:
		return nil, fmt.Errorf("%w: all %d that the server takes at once are open (SETTINGS_MAX_CONCURRENT_STREAMS, RFC 9113 section 5.1.2)", ErrNoStream, s.peer.maxStreams)
	case s.next > mostWindow:
		return nil, fmt.Errorf("%w: it has had all numbers", ErrNoStream)
	}
	st := s.add(s.next)
	s.next += 2
	s.headers(st, fields, end)
	if end {
		st.outEnd, st.outDone = true, true
	}
	return st, nil
}

// Refused is what came as a response that breaks a rule; nil where none did.
func (st *Stream) Refused() []Field {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	return st.head
}
