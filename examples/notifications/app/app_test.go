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

func text(want string) func(any) bool {
	return func(v any) bool { return v.(object)["text"] == want }
}

func TestNotifications(t *testing.T) {
	url := start(t)
	ann, bob := rig.Join(t, url), rig.Join(t, url)
	ann.Ask("subscribe", object{"topics": []string{"builds"}})
	bob.Ask("subscribe", object{"topics": []string{"builds", "lunch"}})
	bob.Ask("publish", object{"topic": "lunch", "text": "soup", "from": "Bob"})
	bob.Next("notice", text("soup"))
	bob.Ask("publish", object{"topic": "builds", "text": "green", "from": "Bob"})
	if got := ann.Next("notice", func(any) bool { return true }); !text("green")(got) {
		t.Errorf("Ann got %v, and has not subscribed to it", got)
	}
	// A newcomer that has seen the first one gets what came behind it.
	missed := rig.Join(t, url).Ask("subscribe", object{"topics": []string{"builds", "lunch"}, "after": 1})["missed"]
	if all := fmt.Sprint(missed); !strings.Contains(all, "green") || strings.Contains(all, "soup") {
		t.Errorf("missed: %v", missed)
	}
	ann.Ask("subscribe", object{"topics": []string{}})
	bob.Ask("publish", object{"topic": "builds", "text": "red", "from": "Bob"})
	bob.Ask("publish", object{"topic": "lunch", "text": "end", "from": "Bob"})
	ann.Ask("subscribe", object{"topics": []string{"lunch"}})
	bob.Ask("publish", object{"topic": "lunch", "text": "cake", "from": "Bob"})
	if got := ann.Next("notice", func(any) bool { return true }); !text("cake")(got) {
		t.Errorf("Ann got %v", got)
	}
}

func TestRefusals(t *testing.T) {
	c := rig.Join(t, start(t))
	c.Refused("what to subscribe to has to be an object, and a list came", "subscribe", []string{"builds"})
	c.Refused("topics has to be a list of at most 3", "subscribe", object{"topics": "builds"})
	c.Refused(`there is no topic "secrets"; there are builds, incidents, lunch`, "subscribe", object{"topics": []string{"secrets"}})
	c.Refused("after is -1; a whole number from 0 to 1125899906842624 was due", "subscribe", object{"topics": []string{}, "after": -1})
	c.Refused("the notice has 201 characters; 1 to 200 are allowed", "publish", object{"topic": "lunch", "text": strings.Repeat("x", 201), "from": "Bob"})
	c.Refused("the name has to be text, and nothing came", "publish", object{"topic": "lunch", "text": "x"})
}

func TestBounds(t *testing.T) {
	a := New(socketio.NewServer(nil))
	for range 2 * maxNotices {
		a.keep(&notice{Topic: "lunch"})
	}
	if kept := a.since(0, Topics); len(kept) != maxNotices || kept[0].ID != maxNotices+1 {
		t.Errorf("%d are kept", len(kept))
	}
}
