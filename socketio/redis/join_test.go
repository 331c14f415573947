package redis

import (
	"context"
	"net"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// TestJoinAtOnce has another server wish that a socket joins a room, whose channel
// never stands: that is done where messages are read, and waits for nothing, since
// nobody would read what it waits for. Here it would be an hour.
func TestJoinAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := Open("redis://"+l.Addr().String(), &ConnOptions{Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.wrote(errSilent) // or the server would wait for its subscriptions
	var a *sharded
	factory := conn.ShardedAdapter(nil)
	io := socketio.NewServer(&socketio.ServerOptions{Adapter: func(n *socketio.Namespace) socketio.Adapter {
		a = factory(n).(*sharded)
		a.wait = time.Hour
		return a
	}})
	defer io.Close(context.Background())
	server := httptest.NewServer(io)
	defer server.Close()
	client := socketio.NewClient(server.URL, &socketio.ClientOptions{Transports: []string{"websocket"}})
	if err := client.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn.wrote(nil)
	a.met = map[string]bool{"other": true}
	done := make(chan struct{})
	go func() {
		a.took(&message{kind: kindJoin, uid: "other", rooms: []string{"new"}})
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for the channel of the room")
	}
	if rooms := a.SocketRooms(client.ID()); !slices.Contains(rooms, "new") || len(a.atOnce) > 0 {
		t.Errorf("%q, %v", rooms, a.atOnce)
	}
	conn.wrote(errSilent)
}

// TestJoinTogether has a socket join a room while somebody is still telling of another
// one: the channel of its room is subscribed to all the same, before the join ends.
func TestJoinTogether(t *testing.T) {
	conn, err := Open("redis://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var a *sharded
	factory := conn.ShardedAdapter(nil)
	io := socketio.NewServer(&socketio.ServerOptions{Adapter: func(n *socketio.Namespace) socketio.Adapter {
		a = factory(n).(*sharded)
		return a
	}})
	defer io.Close(context.Background())
	server := httptest.NewServer(io)
	defer server.Close()
	var sockets []*socketio.Socket
	for range 2 {
		client := socketio.NewClient(server.URL, &socketio.ClientOptions{Transports: []string{"websocket"}})
		if err := client.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		sockets = append(sockets, io.Socket(client.ID()))
	}
	telling, resume := make(chan struct{}), make(chan struct{})
	io.Of("/").OnRoom(socketio.RoomCreated, func(room, _ string) {
		if room == "first" {
			close(telling)
			<-resume
		}
	})
	joined := make(chan error)
	go func() { joined <- sockets[0].Join("first") }()
	<-telling
	if err := sockets[1].Join("second"); err != nil {
		t.Error(err)
	}
	a.roomsMu.Lock()
	second := a.rooms["second"]
	a.roomsMu.Unlock()
	if second == nil {
		t.Error("nobody has subscribed to the channel of the second room")
	}
	close(resume)
	if err := <-joined; err != nil {
		t.Error(err)
	}
	a.roomsMu.Lock()
	defer a.roomsMu.Unlock()
	if a.rooms["first"] == nil || a.rooms["second"] != second {
		t.Errorf("%v", a.rooms)
	}
}
