package h2

import "errors"

// closedStreams remembers how the last streams ended: what a peer sends on one
// may have been on its way, or break a rule (RFC 9113 section 5.1).
type closedStreams struct {
	ids  [mostPast]uint32
	next int
	how  map[uint32]ending
}

// mostPast is how many are remembered.
const mostPast = 1024

// ending is how the peer's half of a stream ended.
type ending uint8

const (
	forgotten ending = iota
	byUs             // we have reset it, and the peer may not know
	byEnd            // the peer's END_STREAM
	byReset          // the peer's RST_STREAM
)

func (c *closedStreams) add(st *Stream) {
	var reset *StreamError
	how := byUs
	switch {
	case st.inEnd:
		how = byEnd
	case errors.As(st.inErr, &reset) && !reset.Local:
		how = byReset
	}
	c.remember(st.id, how)
}

func (c *closedStreams) remember(id uint32, how ending) {
	if c.how == nil {
		c.how = map[uint32]ending{}
	}
	delete(c.how, c.ids[c.next])
	c.ids[c.next] = id
	c.next = (c.next + 1) % mostPast
	c.how[id] = how
}

// behind is what to do about a head or DATA on a stream that has ended.
func (s *Session) behind(id uint32) error {
	switch s.past.how[id] {
	case byEnd:
		return broken(StreamClosed, "5.1", "a frame behind END_STREAM")
	case byReset:
		return s.refuse(id, StreamClosed)
	}
	return s.late()
}
