package engine

import (
	"sync/atomic"
	"testing"
)

// TestSendPrepared holds that packets for many reach sessions of every kind, in
// order and once, and are made ready for WebSockets once.
func TestSendPrepared(t *testing.T) {
	each(t, func() *Server { return &Server{AllowEIO3: true} }, func(r *rig) {
		p := Prepare(Packet{Type: Message, Data: []byte("text")}, Packet{Type: Message, Data: []byte{1, 2}, Binary: true})
		_, first := r.beginSocket(sockets)
		second, other := r.beginSocket(sockets)
		poller, base := r.begin(polls)
		encoding, text := r.beginSocket(sockets + "&b64=1")
		var told atomic.Int32
		watched, seen := r.beginSocket(sockets)
		watched.OnSend = func(Packet) { told.Add(1) }
		for _, id := range []*Session{second, poller, encoding, watched} {
			id.SendPrepared(p)
			id.Send([]byte("behind"), false)
		}
		other.want("4text", `binary "\x01\x02"`, "4behind")
		text.want("4text", "bAQI=", "4behind")
		seen.want("4text", `binary "\x01\x02"`, "4behind")
		r.want(r.get(base), 200, "4text\x1ebAQI=\x1e4behind")
		r.until("OnSend is told of 3 packets", func() bool { return told.Load() == 3 })
		if len(p.messages) != 2 {
			r.t.Errorf("%d messages were made ready", len(p.messages))
		}
		first.send("2") // nobody sent it anything: a client's ping ends it
		if got := first.next(); got != "closed 1005" {
			r.t.Errorf("%q", got)
		}
		second.Close(true)
		second.SendPrepared(p)
	})
}
