package app

import (
	"runtime"
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
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		return Figures{
			Connections: io.EngineServer().ClientsCount(),
			In:          in.Load(),
			Out:         out.Load(),
			Memory:      memory.HeapAlloc,
			Goroutines:  runtime.NumGoroutine(),
		}
	}
}
