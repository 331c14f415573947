package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// node is one server of a cluster, with what its clients got.
type node struct {
	*socketio.Server
	url     string
	sockets chan *socketio.Socket
}

// user is a client with what it got.
type user struct {
	*socketio.Client
	socket *socketio.Socket // at its server
	got    chan string
}

const patience = 60 * time.Second

func cluster(t *testing.T) (*bus, *node, *node) {
	t.Helper()
	b := newBus()
	nodes := make([]*node, 2)
	for i := range nodes {
		io := socketio.NewServer(&socketio.ServerOptions{Adapter: b.adapters(fmt.Sprint("server ", i))})
		n := &node{io, "", make(chan *socketio.Socket, 100)}
		io.OnConnection(func(s *socketio.Socket) { n.sockets <- s })
		h := httptest.NewServer(io)
		n.url = h.URL
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := io.Close(ctx); err != nil {
				t.Error(err)
			}
			h.CloseClientConnections()
			h.Close()
		})
		nodes[i] = n
	}
	return b, nodes[0], nodes[1]
}

func (n *node) user(t *testing.T, name string) *user {
	t.Helper()
	u := &user{socketio.NewClient(n.url, &socketio.ClientOptions{Transports: []string{"websocket"}}), nil, make(chan string, 100)}
	u.On("news", func(text string, data []byte) { u.got <- fmt.Sprint(text, data) })
	u.On("question", func(n int, ack func(string, []byte)) { ack(fmt.Sprint(name, n), []byte{1}) })
	u.OnDisconnect(func(reason string) { u.got <- reason })
	if err := u.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	u.socket = within(t, n.sockets)
	u.socket.SetData(map[string]string{"name": name})
	return u
}

func within[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatalf("no %T came", v)
	}
	return v
}

// got holds what each user got, and that it was nothing else.
func got(t *testing.T, all []*user, wants ...string) {
	t.Helper()
	for i, u := range all {
		if wants[i] == "" {
			continue
		}
		if got := within(t, u.got); got != wants[i] {
			t.Errorf("user %d got %q, want %q", i, got, wants[i])
		}
	}
	for i, u := range all {
		select {
		case more := <-u.got:
			t.Errorf("user %d got %q, too", i, more)
		default:
		}
	}
}

// TestCluster holds that an adapter for several servers can be written on the
// seam.
func TestCluster(t *testing.T) {
	b, one, two := cluster(t)
	users := []*user{one.user(t, "a"), one.user(t, "b"), two.user(t, "c"), two.user(t, "d")}
	a, c, d := users[0], users[2], users[3]
	ctx := t.Context()
	sync := func() { // the bus keeps the order: who has this has what came before
		t.Helper()
		if _, err := one.FetchSockets(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := two.FetchSockets(ctx); err != nil {
			t.Fatal(err)
		}
	}

	_ = one.Emit("news", "all", []byte{7})
	got(t, users, "all[7]", "all[7]", "all[7]", "all[7]")
	_ = a.socket.Join("room")
	_ = c.socket.Join("room", "quiet")
	_ = two.To("room").Emit("news", "room")
	got(t, users, "room[]", "", "room[]", "")
	_ = one.To("room").Except("quiet").Emit("news", "but")
	got(t, users, "but[]", "", "", "")
	_ = c.socket.Broadcast().Emit("news", "others")
	got(t, users, "others[]", "others[]", "", "others[]")
	_ = a.socket.To("room").Emit("news", "to")
	got(t, users, "", "", "to[]", "")
	sync()

	before := b.published
	_ = one.Local().Emit("news", "here")
	_ = one.Local().SocketsJoin("local")
	_ = one.Local().SocketsLeave("local")
	_, _ = one.Local().FetchSockets(ctx)
	if answers, err := one.Local().EmitWithAck(ctx, "question", 0); err != nil || len(answers) != 2 {
		t.Errorf("%d answers, %v", len(answers), err)
	}
	_ = one.To("nobody").Local().DisconnectSockets(false)
	if b.published != before {
		t.Error("what is local was published")
	}
	got(t, users, "here[]", "here[]", "", "")

	answers, err := two.EmitWithAck(ctx, "question", 1)
	var texts []string
	for _, answer := range answers {
		var text string
		var data []byte
		if err := answer.Decode(&text, &data); err != nil || len(data) != 1 {
			t.Errorf("%v, %v", data, err)
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	if err != nil || strings.Join(texts, " ") != "a1 b1 c1 d1" {
		t.Errorf("%q, %v", texts, err)
	}
	if answers, err := one.To("nowhere").EmitWithAck(ctx, "question"); err != nil || len(answers) != 0 {
		t.Errorf("%d answers of nobody, %v", len(answers), err)
	}
	if answers, err := one.Timeout(20*time.Millisecond).EmitWithAck(ctx, "nobody answers"); !errors.Is(err, socketio.ErrTimeout) || len(answers) != 0 {
		t.Errorf("%d answers, %v", len(answers), err)
	}

	_ = one.In("quiet").SocketsJoin("remote")
	sync()
	_ = two.To("remote").Emit("news", "joined")
	got(t, users, "", "", "joined[]", "")
	sync()
	_ = one.In("quiet").SocketsLeave("remote")
	sync()
	if slices.Contains(c.socket.Rooms(), "remote") {
		t.Error("it has not left")
	}

	all, err := one.FetchSockets(ctx)
	if err != nil || len(all) != 4 {
		t.Fatalf("%d sockets, %v", len(all), err)
	}
	i := slices.IndexFunc(all, func(r socketio.RemoteSocket) bool { return r.ID == c.ID() })
	remote := all[i]
	var data struct{ Name string }
	if json.Unmarshal(remote.Data, &data) != nil || data.Name != "c" || !slices.Contains(remote.Rooms, "room") || remote.Handshake.Query.Get("EIO") != "4" {
		t.Errorf("%s, %q, %v", remote.Data, remote.Rooms, remote.Handshake)
	}
	if remote.Local() != nil || all[(i+1)%4].Handshake.Auth == nil {
		t.Error("it is not remote")
	}
	_ = remote.Emit("news", "remote")
	got(t, users, "", "", "remote[]", "")
	if answer, err := remote.Timeout(patience).EmitWithAck(ctx, "question", 2); err != nil || string(answer.JSON(0)) != `"c2"` {
		t.Errorf("%s, %v", answer.JSON(0), err)
	}
	answered := make(chan string, 1)
	_ = remote.Emit("question", 3, func(err error, text string) { answered <- fmt.Sprint(err, text) })
	if got := within(t, answered); got != "<nil>c3" {
		t.Error(got)
	}
	_ = remote.Join("by remote")
	_ = remote.Leave("room")
	sync()
	if rooms := c.socket.Rooms(); !slices.Contains(rooms, "by remote") || slices.Contains(rooms, "room") {
		t.Errorf("%q", rooms)
	}
	_ = remote.Disconnect(false)
	got(t, users, "", "", "io server disconnect", "")
	_ = one.To(d.ID()).DisconnectSockets(true)
	got(t, users, "", "", "", "io server disconnect")
}

func TestClusterServerSideEmit(t *testing.T) {
	_, one, two := cluster(t)
	came := make(chan string, 10)
	for i, n := range []*node{one, two} {
		n.OnServer("hello", func(text string, data []byte, ack func(string, []byte)) {
			came <- fmt.Sprint(i, text, data)
			ack(fmt.Sprint("from ", i), data)
			ack("again", nil)
		})
		n.OnServer("silent", func() { came <- fmt.Sprint(i, "silent") })
	}
	if err := one.ServerSideEmit("hello", "x", []byte{1}); err != nil {
		t.Fatal(err)
	}
	if got := within(t, came); got != "1x[1]" {
		t.Error(got)
	}
	answers, err := two.ServerSideEmitWithAck(t.Context(), "hello", "y", []byte{2})
	var text string
	var data []byte
	if err != nil || len(answers) != 1 || answers[0].Decode(&text, &data) != nil || text != "from 0" || data[0] != 2 {
		t.Errorf("%v, %v, %q", answers, err, text)
	}
	if got := within(t, came); got != "0y[2]" {
		t.Error(got)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, socketio.ErrTimeout)
	defer cancel()
	if _, err := one.ServerSideEmitWithAck(ctx, "silent"); !errors.Is(err, socketio.ErrTimeout) || !strings.Contains(err.Error(), "only 0 responses of 1") {
		t.Errorf("%v", err)
	}
	within(t, came)
	done := make(chan string, 1)
	_ = one.ServerSideEmit("hello", "z", []byte{3}, func(err error, answers []socketio.Args) { done <- fmt.Sprint(err, len(answers)) })
	if got := within(t, done); got != "<nil> 1" {
		t.Error(got)
	}
	for _, name := range []string{"connect", "connection", "new_namespace"} {
		if one.ServerSideEmit(name) == nil {
			t.Errorf("%s was sent", name)
		}
	}
}
