package redis

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/socketio"
)

// standing is a hub without its goroutine, with a line and a subscription on it.
func standing() (*hub, *line, *subscription) {
	h := &hub{conn: &Conn{}, wake: make(chan struct{}, 1), subs: map[subKey]*subscription{}, lines: map[string]*line{}}
	h.subscribe(1, toShard, "room", func(string, []byte) {})
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
	h.unsubscribe(1, toShard, "room")
	gone := h.gone // as the hub takes it
	h.gone = nil
	ready := h.subscribe(1, toShard, "room", func(string, []byte) {})
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

// TestSubscriptionOfAnother has somebody end a subscription which is another's by now:
// it stays.
func TestSubscriptionOfAnother(t *testing.T) {
	h, _, _ := standing()
	h.subscribe(2, toShard, "room", func(string, []byte) {})
	h.unsubscribe(1, toShard, "room")
	h.drop(t.Context(), h.gone)
	if s := h.subs[subKey{toShard, "room"}]; s == nil || s.owner != 2 {
		t.Errorf("%+v", s)
	}
	h.unsubscribe(2, toShard, "room")
	h.drop(t.Context(), h.gone)
	if s := h.subs[subKey{toShard, "room"}]; s != nil {
		t.Errorf("%+v", s)
	}
}

// TestOneServer has two servers share a Conn: the second is told, and the first keeps
// its subscriptions. Once that is gone, another may take its place.
func TestOneServer(t *testing.T) {
	conn, err := Open("redis://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, factory := range []socketio.AdapterFactory{conn.Adapter(nil), conn.ShardedAdapter(nil), conn.StreamsAdapter(nil)} {
		serve := func() (io *socketio.Server, told []string) {
			all := make(chan string, 100)
			io = socketio.NewServer(&socketio.ServerOptions{Adapter: factory, OnAdapterError: func(_ *socketio.Namespace, err error) { all <- err.Error() }})
			for len(all) > 0 {
				if text := <-all; strings.Contains(text, "of another server") {
					told = append(told, text)
				}
			}
			return io, told
		}
		one, told := serve()
		if len(told) > 0 {
			t.Errorf("the first one: %q", told)
		}
		two, told := serve()
		if len(told) != 1 {
			t.Errorf("the second one: %q", told)
		}
		if err := two.Close(context.Background()); err != nil {
			t.Error(err)
		}
		conn.hub.mu.Lock()
		for key := range conn.hub.heads {
			if s := conn.hub.subs[key]; s == nil || slices.Contains(conn.hub.gone, s) {
				t.Errorf("%v: the first one has lost its subscription", key)
			}
		}
		conn.hub.mu.Unlock()
		if err := one.Close(context.Background()); err != nil {
			t.Error(err)
		}
		three, told := serve()
		if len(told) > 0 || three == nil {
			t.Errorf("the third one: %q", told)
		}
		if err := three.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
