//go:build linux

package main

import (
	"net/netip"

	"github.com/sockkit/sockkit/bench/internal/load"
	"github.com/sockkit/sockkit/bench/internal/proc"
)

const nodeSocketIO = "Node socket.io"

// socketRows are the rows on Socket.IO.
func (l *lab) socketRows() []row {
	return []row{
		l.socketEcho("sio-echo-1", "1 × 32 B", 0.45, webLoad{1, 32, 1, 4000}),
		l.socketEcho("sio-echo-100", "100 × 32 B", 0.2, webLoad{100, 32, 1, 200}),
		l.socketEcho("sio-echo-1000", "1000 × 32 B", 0.2, webLoad{1000, 32, 1, 20}),
		l.socketEcho("sio-echo-16-in-flight", "100 × 32 B, 16 in flight", 0.3, webLoad{100, 32, 16, 20}),
		l.socketRoom(),
		l.socketPolling(),
		l.socketIdle(),
	}
}

// socketServers are the contestants, each doing some work of its program.
func (l *lab) socketServers(target float64, work ...string) []server {
	with := func(name string, w ...string) server {
		plain := words(w...)
		return server{name: name, network: "tcp", words: func(port int) []string { return append(plain(port), work...) }}
	}
	node := with(nodeSocketIO, "node", "rival/sio.mjs")
	node.needs, node.ready, node.target = []string{"node", "npm"}, l.node, target
	return []server{with("sockkit", "sio", "sockkit"), node, with("zishang520", "sio", "zishang520")}
}

// socketEcho is events that are acknowledged with their argument.
func (l *lab) socketEcho(id, work string, target float64, w webLoad) row {
	return row{id: id, work: "Socket.IO echo with acknowledgement, " + work, unit: "CPU µs/event",
		contestants: l.contestants(l.server, l.socketServers(target), func(p *proc.Process, at netip.AddrPort) (float64, error) {
			sockets, err := load.WebSocketDialer{Server: at, Conns: w.conns, Size: w.size, Burst: w.burst, Talk: load.Acks}.Dial()
			if err != nil {
				return 0, err
			}
			defer sockets.Close()
			return l.warm(p, w.bursts, w.conns*w.burst, sockets.Run)
		})}
}

// warm does a tenth of some rounds and then all of them, and returns the CPU µs of
// each of the pieces of work that a round has.
func (l *lab) warm(p *proc.Process, rounds, each int, run func(rounds int) error) (float64, error) {
	rounds = int(l.scaled(int64(rounds)))
	if err := run(max(1, rounds/10)); err != nil {
		return 0, err
	}
	took, err := spent(p, func() error { return run(rounds) })
	return took * 1e6 / float64(each*rounds), err
}

// socketRoom is one event at a time that a thousand sockets are sent.
func (l *lab) socketRoom() row {
	const members, rounds = 1000, 60
	return row{id: "sio-room-1000", work: "Socket.IO, 32 B to a room of 1000", unit: "CPU µs/delivery",
		contestants: l.contestants(l.server, l.socketServers(0.6, "room"), func(p *proc.Process, at netip.AddrPort) (float64, error) {
			return l.toRoom(p, load.WebSocketDialer{Server: at, Conns: members, Size: 32, Talk: load.News}, rounds)
		})}
}

// socketPolling is a poll and a post for each event that is acknowledged.
func (l *lab) socketPolling() row {
	const sessions, rounds = 100, 50
	return row{id: "sio-polling", work: "Socket.IO long-polling, 100 sessions", unit: "CPU µs/request",
		contestants: l.contestants(l.server, l.socketServers(0.25), func(p *proc.Process, at netip.AddrPort) (float64, error) {
			polls, err := load.PollDialer{Server: at, Sessions: sessions, Size: 32}.Dial()
			if err != nil {
				return 0, err
			}
			defer polls.Close()
			return l.warm(p, rounds, 2*sessions, polls.Run)
		})}
}

// socketIdle is the memory of a client that has joined the main namespace and
// says nothing. The installed program takes part as well.
func (l *lab) socketIdle() row {
	const conns = 4000
	servers := append(l.socketServers(0.15), server{name: "sockkit listen --echo", network: "tcp", words: func(port int) []string {
		return []string{"sockkit", "listen", "-k", "--echo", "sio://" + at(port)}
	}})
	return row{id: "sio-idle", work: "idle Socket.IO connection of 4,000, by WebSocket", unit: "bytes", most: 4096,
		contestants: l.contestants(l.server, servers, func(p *proc.Process, at netip.AddrPort) (float64, error) {
			return webIdling(p, load.WebSocketDialer{Server: at, Size: 32, Talk: load.Acks}, int(l.scaled(conns)), false)
		})}
}
