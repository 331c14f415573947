//go:build linux

package main

import (
	"net/netip"

	"github.com/sockkit/sockkit/bench/internal/load"
	"github.com/sockkit/sockkit/bench/internal/proc"
)

// socketBroadcast is one event that ten thousand sockets are sent.
func (l *lab) socketBroadcast() row {
	const members, rounds = 10_000, 10
	return row{id: "sio-room-10000", work: "Socket.IO, 32 B to a room of 10,000", unit: "CPU µs/delivery",
		contestants: l.contestants(l.server, l.socketServers(0.6, "room"), func(p *proc.Process, at netip.AddrPort) (float64, error) {
			d := load.WebSocketDialer{Server: at, Conns: int(l.scaled(members)), Size: 32, Talk: load.News}
			sockets, err := d.Dial()
			if err != nil {
				return 0, err
			}
			defer sockets.Close()
			return l.warm(p, rounds, d.Conns, sockets.Broadcast)
		})}
}
