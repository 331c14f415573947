package app

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
)

// place is a cell of the board, or a step on it.
type place struct {
	X int `json:"x"`
	Y int `json:"y"`
}

var ways = map[string]place{"up": {0, -1}, "down": {0, 1}, "left": {-1, 0}, "right": {1, 0}, "stop": {}}

type player struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Score int    `json:"score"`
	place
	way place
}

// board is the state of the game.
type board struct {
	dot     place
	players []*player
}

func newBoard() board { return board{dot: place{columns / 2, rows / 2}, players: []*player{}} }

func (b *board) add(id, name string) error {
	if p := b.find(id); p != nil {
		p.Name = name
		return nil
	}
	if len(b.players) >= maxPlayers {
		return fmt.Errorf("%d play already; no more fit on the board", maxPlayers)
	}
	b.players = append(b.players, &player{ID: id, Name: name, place: b.free()})
	return nil
}

func (b *board) find(id string) *player {
	i := slices.IndexFunc(b.players, func(p *player) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return b.players[i]
}

func (b *board) remove(id string) {
	b.players = slices.DeleteFunc(b.players, func(p *player) bool { return p.ID == id })
}

func (b *board) turn(id string, way place) error {
	p := b.find(id)
	if p == nil {
		return errors.New("you do not play yet; join first")
	}
	p.way = way
	return nil
}

// step moves everybody by one cell; the edge stops. Of several that reach the dot
// in one step all score.
func (b *board) step() (moved bool, scored []*player) {
	for _, p := range b.players {
		to := place{min(max(p.X+p.way.X, 0), columns-1), min(max(p.Y+p.way.Y, 0), rows-1)}
		if to == p.place {
			p.way = place{}
			continue
		}
		moved, p.place = true, to
		if to == b.dot {
			p.Score++
			scored = append(scored, p)
		}
	}
	if scored != nil {
		b.dot = b.free()
	}
	return moved, scored
}

// free is a cell where nothing is.
func (b *board) free() place {
	for {
		at := place{rand.IntN(columns), rand.IntN(rows)}
		if at != b.dot && !slices.ContainsFunc(b.players, func(p *player) bool { return p.place == at }) {
			return at
		}
	}
}

func (b *board) reset() {
	for _, p := range b.players {
		p.Score = 0
	}
}
