package redis

import "testing"

// standing is a hub without its goroutine, with a line and a subscription on it.
func standing() (*hub, *line, *subscription) {
	h := &hub{conn: &Conn{}, wake: make(chan struct{}, 1), subs: map[subKey]*subscription{}, lines: map[string]*line{}}
	h.subscribe(toShard, "room", func(string, []byte) {})
	l, s := &line{hub: h, address: "h:1"}, h.subs[subKey{toShard, "room"}]
	h.lines[l.address] = l
	return h, l, s
}

// TestResubscribe has somebody subscribe again to what is just being unsubscribed
// from: the subscription stays.
func TestResubscribe(t *testing.T) {
	h, l, s := standing()
	if !h.assign(l, []*subscription{s}) {
		t.Fatal("the line is lost")
	}
	s.stands = true
	h.unsubscribe(toShard, "room")
	gone := h.gone // as the hub takes it
	h.gone = nil
	ready := h.subscribe(toShard, "room", func(string, []byte) {})
	h.drop(t.Context(), gone)
	now := h.subs[subKey{toShard, "room"}]
	if now == nil || now.line != l || !now.stands {
		t.Fatalf("%+v", now)
	}
	select {
	case <-ready:
	default:
		t.Error("it stands, and is waited for")
	}
}

// TestLostLine has a line be lost once it was chosen for a subscription: that is
// placed anew.
func TestLostLine(t *testing.T) {
	h, l, s := standing()
	l.lost = true
	if h.assign(l, []*subscription{s}) || s.line != nil || len(h.homeless()) != 1 {
		t.Errorf("%+v", s)
	}
}
