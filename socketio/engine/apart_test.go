package engine

import (
	"slices"
	"testing"
)

// TestCut: what stands apart is the last that leaves over a WebSocket, until the
// client speaks or a time is over; polls and the end take all.
func TestCut(t *testing.T) {
	packet := func(name string, by apart) Packet { return Packet{Type: Message, Data: []byte(name), apart: by} }
	buffer := []Packet{packet("open", untilHeard), packet("answer", forItsTime), packet("word", 0)}
	tests := []struct {
		clause    string
		transport transport
		state     state
		spoken    bool
		want      []int // packets that leave together
	}{
		{"a WebSocket", &socket{}, stateOpen, false, []int{1, 1, 1}},
		{"one whose client has spoken", &socket{}, stateOpen, true, []int{2, 1}},
		{"one that is closed", &socket{}, stateClosing, false, []int{3}},
		{"polling", &polling{}, stateOpen, false, []int{3}},
	}
	for _, test := range tests {
		s := &Session{srv: &Server{}, transport: test.transport, state: test.state, spoken: test.spoken}
		s.push(buffer...)
		var got []int
		s.mu.Lock()
		for len(s.buffer) > 0 {
			got = append(got, len(s.cut()))
			if held := s.held != nil; held != (len(s.buffer) > 0) {
				t.Errorf("%s: held is %v before the last %d", test.clause, held, len(s.buffer))
			}
			if s.held != nil {
				s.held.Stop()
				s.held = nil
			}
		}
		if s.mu.Unlock(); !slices.Equal(got, test.want) || s.buffered != 0 {
			t.Errorf("%s: %v packets leave together, and %d bytes are left; want %v", test.clause, got, s.buffered, test.want)
		}
	}
}

// TestApart: an answer goes ahead of what the server says on its own, in order,
// and nothing is lost where the session ends behind it.
func TestApart(t *testing.T) {
	each(t, func() *Server { return &Server{InitialPacket: []byte("first")} }, func(r *rig) {
		s, l := r.beginSocket(sockets)
		l.want("4first")
		s.SendApart(Packet{Type: Message, Data: []byte("answer")})
		s.Send([]byte("word"), false)
		s.SendPrepared(Prepare(Packet{Type: Message, Data: []byte("for many")}))
		s.Close(false)
		l.want("4answer", "4word", "4for many", "closed 1005")
	})
}
