package demo

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/socketio"
)

// tabOf is a client as a tab makes one.
func tabOf(t *testing.T, b *roomsBench, namespace, name string) (*socketio.Client, chan heardMessage) {
	t.Helper()
	c := labSocket(t, b.ioDoor, namespace, socketio.ClientOptions{Transports: []string{"websocket"}, Query: url.Values{"name": {name}}})
	heard := make(chan heardMessage, 16)
	c.On("said", func(m heardMessage) { heard <- m })
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, heard
}

// labAsks has the server do something, and holds what it says about it.
func labAsks(t *testing.T, c *socketio.Client, event string, arg any, want string) {
	t.Helper()
	answer, err := c.EmitWithAck(t.Context(), event, arg)
	if err != nil {
		t.Fatal(err)
	}
	var said string
	if err := answer.Decode(&said); err != nil || !strings.Contains(said, want) {
		t.Errorf("%s %v: the server says %q, %v", event, arg, said, err)
	}
}

func TestRoomsLab(t *testing.T) {
	s := labStage(t)
	b := newRoomsBench(s)
	if _, err := b.question(t.Context(), packetsAnswer{}); err == nil || !strings.Contains(err.Error(), "say something") {
		t.Errorf("nobody has said anything yet: %v", err)
	}
	names := map[any]bool{}
	for range 2*len(tabNames) + 1 {
		name, err := b.arrive(t.Context(), struct{}{})
		if err != nil || names[name] {
			t.Errorf("arrive: %v, %v", name, err)
		}
		names[name] = true
	}
	ann, atAnn := tabOf(t, b, "/", "Ann")
	bob, atBob := tabOf(t, b, "/", "Bob")
	_, atNews := tabOf(t, b, "/news", "Bob")
	labAsks(t, bob, "join", "kitchen", `socket.join("kitchen")`)
	labAsks(t, bob, "join", "", "1 to 40 bytes")
	for _, test := range []struct {
		m    utterance
		want string
		n    int
	}{
		{utterance{To: "all", Text: "1"}, "io.emit(", 2},
		{utterance{To: "others", Text: "2"}, "socket.broadcast.emit(", 1},
		{utterance{To: "room", Room: "kitchen", Text: "3"}, `io.to("kitchen").emit(`, 1},
		{utterance{To: "room-others", Room: "kitchen", Text: "4"}, `socket.to("kitchen").emit(`, 1},
		{utterance{To: "except", Room: "kitchen", Text: "5"}, `io.except("kitchen").emit(`, 1},
		{utterance{To: "room", Room: "cellar", Text: "6"}, `io.to("cellar").emit(`, 0},
	} {
		labAsks(t, ann, "say", test.m, test.want)
		labAnswer(t, b.question, packetsAnswer{test.n}, true)
		labAnswer(t, b.question, packetsAnswer{test.n + 1}, false)
	}
	labAsks(t, ann, "say", utterance{To: "room", Room: "kitchen", Text: "boo", Check: true}, "Refused")
	labAsks(t, ann, "say", utterance{To: "nobody"}, "Nobody is meant")
	if m := <-atAnn; m != (heardMessage{1, "Ann", "1"}) {
		t.Errorf("Ann heard %+v", m)
	}
	if m := <-atAnn; m.Text != "5" {
		t.Errorf("Ann heard %+v", m)
	}
	for _, text := range []string{"1", "2", "3", "4"} {
		if m := <-atBob; m.Text != text {
			t.Errorf("Bob heard %+v, want %s", m, text)
		}
	}
	if len(atNews) > 0 {
		t.Errorf("in /news %+v was heard", <-atNews)
	}
	labAsks(t, bob, "leave", "kitchen", "socket.leave")
	noted(t, s, `nobody is left in the room "kitchen"`)
	if named := b.records(); !strings.Contains(named[len(named)-1].who+named[0].who, "server, ") {
		t.Errorf("the records are %q's", named[0].who)
	}
}
