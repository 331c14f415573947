package h2

import (
	"errors"
	"fmt"
)

// Open sends a request and returns its stream. The SETTINGS of the peer have to
// have come; :protocol is the caller's to send only where [Session.TakesConnect].
func (s *Session) Open(fields []Field, end bool) (*Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return nil, s.err
	case s.goAwayCame != nil || s.goAwaySent:
		return nil, errors.New("the HTTP/2 connection takes no new stream")
	case uint32(len(s.streams)) >= s.peer.maxStreams:
		return nil, fmt.Errorf("the server takes %d streams at once (SETTINGS_MAX_CONCURRENT_STREAMS, RFC 9113 section 5.1.2), and all are open", s.peer.maxStreams)
	case s.next > mostWindow:
		return nil, errors.New("the HTTP/2 connection has had all of its streams")
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
