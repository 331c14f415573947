package socketio

import "testing"

// TestAckWithoutNumber holds that an acknowledgement without a number answers
// nothing, not even the event whose number is 0.
func TestAckWithoutNumber(t *testing.T) {
	io := NewServer(nil)
	io.OnConnection(func(s *Socket) {
		_ = s.Emit("x", func(err error, n int) { _ = s.Emit("got", n) })
	})
	p := dialWebSocket(t, onHTTP(t, io), "")
	p.join("/")
	p.want(`420["x"]`)
	p.send(`43[1]`, `430[2]`)
	p.want(`42["got",2]`)
}
