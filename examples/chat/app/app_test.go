package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/examples/internal/rig"
	"github.com/sockkit/sockkit/socketio"
)

type object = map[string]any

func start(t *testing.T) (url string) {
	io := socketio.NewServer(nil)
	return rig.Serve(t, io, New(io))
}

func TestChat(t *testing.T) {
	url := start(t)
	ann, bob := rig.Join(t, url), rig.Join(t, url)
	ann.Ask("join", object{"name": "Ann", "room": "lobby"})
	ann.Ask("say", "is nobody here?")
	joined := bob.Ask("join", object{"name": "ann", "room": "lobby"})
	if joined["name"] != "ann (2)" || !strings.Contains(fmt.Sprint(joined["messages"]), "is nobody here?") {
		t.Errorf("joined: %v", joined)
	}
	ann.NextJSON("people", `["Ann","ann (2)"]`)
	bob.Ask("typing", true)
	ann.NextJSON("typing", `{"name":"ann (2)","on":true}`)
	bob.Ask("say", " <b>hi</b> ")
	said := func(text string) func(any) bool {
		return func(v any) bool { return v.(object)["text"] == text }
	}
	ann.Next("message", said("<b>hi</b>"))
	bob.Next("message", said("<b>hi</b>"))
	bob.Ask("join", object{"name": "Bob", "room": "attic"})
	ann.NextJSON("people", `["Ann"]`)
	ann.NextJSON("rooms", `[{"name":"garden","people":0},{"name":"kitchen","people":0},{"name":"lobby","people":1},{"name":"attic","people":1}]`)
	ann.Ask("say", "to the lobby alone")
	bob.Ask("say", "to the attic")
	if got := bob.Next("message", func(any) bool { return true }); got.(object)["text"] != "to the attic" {
		t.Errorf("Bob got %v", got)
	}
	bob.Close()
	ann.NextJSON("rooms", `[{"name":"garden","people":0},{"name":"kitchen","people":0},{"name":"lobby","people":1}]`)
}

func TestRefusals(t *testing.T) {
	c := rig.Join(t, start(t))
	c.Refused("you are in no room yet; join one", "say", "hello")
	c.Refused("what to join has to be an object, and text came", "join", "lobby")
	c.Refused("the name has to be text, and nothing came", "join", object{})
	c.Refused("the room's name has 21 characters; 1 to 20 are allowed", "join", object{"name": "Ann", "room": strings.Repeat("x", 21)})
	c.Ask("join", object{"name": "Ann", "room": "lobby"})
	c.Refused("you are in lobby already", "join", object{"name": "Ann", "room": "lobby"})
	c.Refused("the message has 501 characters; 1 to 500 are allowed", "say", strings.Repeat("x", 501))
	c.Refused("the message has to be text, and a list came", "say", []string{"a"})
	c.Refused("typing is true or false", "typing", "yes")
	for c.Ask("say", "spam")["error"] == nil {
	}
	c.Refused("that was too much at once; wait a moment", "say", "spam")
}

// What is kept has a bound.
func TestBounds(t *testing.T) {
	a := New(socketio.NewServer(nil))
	for i := range 2 * maxMessages {
		a.keep("lobby", message{Text: fmt.Sprint(i)})
	}
	if _, kept, _ := a.add("x", "lobby", "Ann"); len(kept) != maxMessages || kept[0].Text != fmt.Sprint(maxMessages) {
		t.Errorf("%d messages are kept, from %v on", len(kept), kept[0])
	}
	for i := range maxRooms + 5 {
		_, _, _ = a.add("x", fmt.Sprint("room ", i), "Ann")
	}
	for i := range maxPeople + 5 {
		_, _, _ = a.add(fmt.Sprint(i), "lobby", "Ann")
	}
	if n, people := len(a.list()), len(a.people("lobby")); n != maxRooms || people != maxPeople {
		t.Errorf("there are %d rooms, and %d people in one", n, people)
	}
}
