package app

import (
	"runtime/metrics"
	"sync/atomic"

	"github.com/sockkit/sockkit/socketio"
)

// own reads the figures of this process, and of a server whose events it counts.
func own(io *socketio.Server) func() Figures {
	var in, out atomic.Uint64
	io.OnConnection(func(s *socketio.Socket) {
		s.OnAny(func(string, socketio.Args) { in.Add(1) })
		s.OnAnyOutgoing(func(string, socketio.Args) { out.Add(1) })
	})
	return func() Figures {
		samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/sched/goroutines:goroutines"}}
		metrics.Read(samples)
		return Figures{
			Connections: io.EngineServer().ClientsCount(),
			In:          in.Load(),
			Out:         out.Load(),
			Memory:      samples[0].Value.Uint64(),
			Goroutines:  int(samples[1].Value.Uint64()),
		}
	}
}
