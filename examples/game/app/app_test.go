package app

import (
	"fmt"
	"testing"

	"github.com/sockkit/sockkit/examples/internal/rig"
	"github.com/sockkit/sockkit/socketio"
)

type object = map[string]any

func start(t *testing.T) (url string, a *App) {
	io := socketio.NewServer(nil)
	a = New(io)
	return rig.Serve(t, io, a), a
}

// put puts a player and the dot somewhere.
func (a *App) put(id string, at, dot place) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.board.find(id)
	p.place, p.way, a.board.dot = at, place{}, dot
}

func TestGame(t *testing.T) {
	url, a := start(t)
	ann, bob, watcher := rig.Join(t, url), rig.Join(t, url), rig.Join(t, url)
	ann.Ask("join", object{"name": "Ann"})
	if got := bob.Ask("join", object{"name": "Bob"}); got["columns"] != 20.0 || got["id"] != bob.ID() {
		t.Errorf("Bob was answered %v", got)
	}
	watcher.Next("tick", func(v any) bool { return len(v.(object)["players"].([]any)) == 2 })
	for score := 1; score <= goal; score++ {
		a.put(ann.ID(), place{columns - 3, 3}, place{columns - 1, 3}) // at the edge she stops, and finds no other dot
		ann.Ask("turn", "right")
		for _, c := range []*rig.Client{bob, watcher} {
			c.NextJSON("scored", fmt.Sprintf(`{"name":"Ann","score":%d}`, score))
		}
	}
	bob.NextJSON("won", `{"name":"Ann"}`)
	bob.Close()
	watcher.Next("tick", func(v any) bool {
		players := v.(object)["players"].([]any)
		return len(players) == 1 && players[0].(object)["score"] == 0.0
	})
	ann.Close()
	watcher.Next("tick", func(v any) bool { return len(v.(object)["players"].([]any)) == 0 }) // and the clock stands still
}

func TestRefusals(t *testing.T) {
	url, _ := start(t)
	c := rig.Join(t, url)
	c.Refused("you do not play yet; join first", "turn", "up")
	c.Refused("the name has 13 characters; 1 to 12 are allowed", "join", object{"name": "0123456789abc"})
	c.Refused("what to join with has to be an object, and nothing came", "join")
	c.Ask("join", object{"name": "Ann"})
	c.Refused(`the way "jump" is none of up, down, left, right, stop`, "turn", "jump")
	c.Refused("the way has to be text, and an object came", "turn", object{"x": 5})
}

func TestBoard(t *testing.T) {
	b := newBoard()
	for i := range maxPlayers {
		if err := b.add(fmt.Sprint(i), "Ann"); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.add("more", "Ann"); fmt.Sprint(err) != "20 play already; no more fit on the board" {
		t.Error(err)
	}
	b.players = b.players[:2]
	one, two := b.players[0], b.players[1]
	one.place, one.way = place{0, 0}, ways["up"]
	two.place, two.way, b.dot = place{columns - 2, 5}, ways["right"], place{columns - 1, 5}
	if moved, scored := b.step(); !moved || len(scored) != 1 || two.Score != 1 || b.dot == two.place || one.place != (place{0, 0}) {
		t.Errorf("moved %v, scored %v, %+v", moved, scored, b)
	}
	if moved, _ := b.step(); moved || two.X != columns-1 {
		t.Errorf("beyond the edge: %v", two.place)
	}
	one.place, one.way = place{3, 3}, ways["down"]
	two.place, two.way, b.dot = place{3, 5}, ways["up"], place{3, 4}
	if _, scored := b.step(); len(scored) != 2 {
		t.Errorf("of two that reach the dot %d scored", len(scored))
	}
}
