// Package app is a dashboard that shows the process that serves it.
//
// Events of a client, acknowledged, with {"error": "…"} where one is refused:
//
//	noise      does nothing, but is counted
//	burst n    has the server send n events of noise
//
// Events of the server: past [sample, …] to who connects, sample each second, and
// trip, which is answered at once: so round trips are measured.
package app

import (
	"embed"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sockkit/sockkit/examples/browser"
	"github.com/sockkit/sockkit/examples/guard"
	"github.com/sockkit/sockkit/socketio"
)

//go:embed page.html page.js style.css
var files embed.FS

const (
	interval   = time.Second
	maxSamples = 60
	maxTrips   = 50 // clients whose round trips are measured
	maxBurst   = 500
)

// Figures are what is known about the process at one moment.
type Figures struct {
	Connections int
	In, Out     uint64 // events, or messages, since the start
	Memory      uint64 // bytes
	Goroutines  int
}

// sample is one point of the curves.
type sample struct {
	Time        int64   `json:"time"` // milliseconds since 1970
	Connections int     `json:"connections"`
	In          float64 `json:"in"` // a second
	Out         float64 `json:"out"`
	Memory      uint64  `json:"memory"` // bytes
	Goroutines  int     `json:"goroutines"`
	Trip        float64 `json:"trip"`    // median, in milliseconds; 0 where nobody has answered
	Slowest     float64 `json:"slowest"` // in milliseconds
}

// App is the dashboard: an http.Handler for its page and its sockets.
type App struct {
	io   *socketio.Server
	site http.Handler
	read func() Figures

	mu      sync.Mutex
	samples []sample
	trips   []time.Duration // since the last sample
	before  Figures
	at      time.Time // of before; zero before the first one
	running bool
	closed  chan struct{}
	once    sync.Once
	clocks  sync.WaitGroup
}

// New makes the dashboard on a server that has no handlers yet. It shows what
// read returns, which is called once a second while somebody looks; nil shows
// this server, and this process.
func New(io *socketio.Server, read func() Figures) *App {
	if read == nil {
		read = own(io)
	}
	a := &App{io: io, site: browser.Site(files, io), read: read, closed: make(chan struct{}), samples: []sample{}}
	io.OnConnection(a.connected)
	return a
}

// ServeHTTP implements [http.Handler].
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.site.ServeHTTP(w, r) }

// Close stops the clock.
func (a *App) Close() {
	a.once.Do(func() { close(a.closed) })
	a.clocks.Wait()
}

func (a *App) connected(s *socketio.Socket) {
	s.On("noise", (&guard.Rate{PerSecond: 200, AtOnce: 500}).Answer(func(any) (any, error) { return map[string]any{}, nil }))
	s.On("burst", (&guard.Rate{PerSecond: 1, AtOnce: 3}).Answer(func(v any) (any, error) { return burst(s, v) }))
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = s.Emit("past", a.samples)
	a.start()
}

func burst(s *socketio.Socket, v any) (any, error) {
	n, err := guard.Whole("a burst", v, 1, maxBurst)
	if err != nil {
		return nil, err
	}
	for i := range n {
		if err := s.Emit("noise", i); err != nil {
			return nil, err
		}
	}
	return map[string]any{"sent": n}, nil
}

// start starts the clock, which runs while somebody looks.
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
		for a.look() {
			select {
			case <-a.closed:
				return
			case <-clock.C:
			}
		}
	})
}

// look takes a sample and sends it; it reports whether anybody looks.
func (a *App) look() bool {
	figures, now := a.read(), time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	sockets := a.io.Sockets() // under the lock: who comes from now on starts the clock
	if a.running = len(sockets) > 0; !a.running {
		a.at = time.Time{} // there is no rate over a time when nobody looked
		return false
	}
	if !a.at.IsZero() {
		next := a.sample(figures, now)
		a.samples = append(a.samples, next)
		a.samples = a.samples[max(0, len(a.samples)-maxSamples):]
		_ = a.io.Volatile().Emit("sample", next)
	}
	a.before, a.at, a.trips = figures, now, a.trips[:0]
	for _, s := range sockets[:min(len(sockets), maxTrips)] {
		a.measure(s)
	}
	return true
}

// sample makes rates of two counts, and one figure of several round trips.
func (a *App) sample(f Figures, now time.Time) sample {
	seconds := max(now.Sub(a.at).Seconds(), 0.001)
	s := sample{
		Time: now.UnixMilli(), Connections: f.Connections, Memory: f.Memory, Goroutines: f.Goroutines,
		In: float64(f.In-a.before.In) / seconds, Out: float64(f.Out-a.before.Out) / seconds,
	}
	if slices.Sort(a.trips); len(a.trips) > 0 {
		s.Trip = milliseconds(a.trips[(len(a.trips)-1)/2])
		s.Slowest = milliseconds(a.trips[len(a.trips)-1])
	}
	return s
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// measure measures a round trip: an event, and its acknowledgement.
func (a *App) measure(s *socketio.Socket) {
	sent := time.Now()
	_ = s.Timeout(interval).Emit("trip", func(err error) {
		if err != nil {
			return
		}
		trip := time.Since(sent)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.trips = append(a.trips, trip)
	})
}
