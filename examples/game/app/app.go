// Package app is a small game: players run over a board, and who reaches the dot
// scores. The server alone knows where who is; a client only says where it turns,
// so that nobody can be where he has not run.
//
// Events of a client, each acknowledged, with {"error": "…"} where it is refused:
//
//	join {name}   answers {id, columns, rows, goal}
//	turn way      up, down, left, right, or stop
//
// Events of the server: tick {dot, players} several times a second, which is
// volatile, for the next one says it all again; scored {name, score}, won {name},
// which are not, for they are said once.
package app

import (
	"embed"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sockkit/sockkit/examples/browser"
	"github.com/sockkit/sockkit/examples/guard"
	"github.com/sockkit/sockkit/socketio"
)

//go:embed page.html page.js style.css
var files embed.FS

const (
	columns, rows = 20, 14
	goal          = 5 // points that win
	maxName       = 12
	maxPlayers    = 20
	interval      = 180 * time.Millisecond // between two ticks
)

// App is the game: an http.Handler for its page and its sockets.
type App struct {
	io   *socketio.Server
	site http.Handler

	mu      sync.Mutex
	board   board
	running bool
	closed  chan struct{}
	once    sync.Once
	clocks  sync.WaitGroup
}

// New makes the game on a server that has no handlers yet.
func New(io *socketio.Server) *App {
	a := &App{io: io, site: browser.Site(files, io), closed: make(chan struct{}), board: newBoard()}
	io.OnConnection(func(s *socketio.Socket) {
		rate := &guard.Rate{PerSecond: 15, AtOnce: 30}
		s.On("join", rate.Answer(func(v any) (any, error) { return a.join(s, v) }))
		s.On("turn", rate.Answer(func(v any) (any, error) { return a.turn(s, v) }))
		s.OnDisconnect(func(string) { a.leave(s) })
	})
	return a
}

// ServeHTTP implements [http.Handler].
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.site.ServeHTTP(w, r) }

// Close stops the clock.
func (a *App) Close() {
	a.once.Do(func() { close(a.closed) })
	a.clocks.Wait()
}

func (a *App) join(s *socketio.Socket, v any) (any, error) {
	wish, err := guard.Object("what to join with", v)
	if err != nil {
		return nil, err
	}
	name, err := guard.Text("the name", wish["name"], maxName)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.board.add(s.ID(), name); err != nil {
		return nil, err
	}
	a.start()
	return map[string]any{"id": s.ID(), "columns": columns, "rows": rows, "goal": goal}, nil
}

func (a *App) turn(s *socketio.Socket, v any) (any, error) {
	way, err := guard.Text("the way", v, 5)
	if err != nil {
		return nil, err
	}
	step, ok := ways[way]
	if !ok {
		return nil, fmt.Errorf("the way %q is none of up, down, left, right, stop", way)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return map[string]any{}, a.board.turn(s.ID(), step)
}

func (a *App) leave(s *socketio.Socket) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.board.remove(s.ID())
}

// start starts the clock, which runs while somebody plays.
func (a *App) start() {
	select {
	case <-a.closed:
		return
	default:
	}
	if a.running {
		return
	}
	a.running = true
	a.clocks.Go(func() {
		clock := time.NewTicker(interval)
		defer clock.Stop()
		for n := 0; ; n++ {
			select {
			case <-a.closed:
				return
			case <-clock.C:
				if !a.tick(n) {
					return
				}
			}
		}
	})
}

// tick moves the game on by one step and tells all, players or not; it reports
// whether anybody still plays.
func (a *App) tick(n int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	moved, scored := a.board.step()
	now := map[string]any{"dot": a.board.dot, "players": a.board.players}
	switch {
	case len(a.board.players) == 0: // the last one, which has to arrive
		_ = a.io.Emit("tick", now)
	case moved || n%5 == 0:
		_ = a.io.Volatile().Emit("tick", now)
	}
	for _, p := range scored {
		a.tell(p)
	}
	a.running = len(a.board.players) > 0
	return a.running
}

func (a *App) tell(p *player) {
	_ = a.io.Emit("scored", map[string]any{"name": p.Name, "score": p.Score})
	if p.Score < goal {
		return
	}
	_ = a.io.Emit("won", map[string]any{"name": p.Name})
	a.board.reset()
}
