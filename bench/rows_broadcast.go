//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/sockkit/sockkit/bench/internal/load"
	"github.com/sockkit/sockkit/bench/internal/proc"
)

// webBroadcast is one message at a time that all of a room are sent, its sender
// too. The C program frames it once and writes it to each: one write(2) a member.
func (l *lab) webBroadcast(members, rounds int) row {
	servers := []server{
		{name: "sockkit", network: "tcp", words: func(port int) []string {
			return []string{"sockkit", "listen", "-k", "--broadcast=all", "--max-conns", "0", "ws://" + at(port)}
		}},
		{name: "gws Broadcaster", network: "tcp", words: words("ws", "gws-room")},
		{name: "Node ws", network: "tcp", needs: []string{"node", "npm"}, ready: l.node, target: 0.6, words: func(port int) []string {
			return []string{"node", "rival/ws.mjs", at(port), "room"}
		}},
		{name: "C, one write a member", network: "tcp", needs: []string{"limit"}, target: 2.5, words: func(port int) []string {
			return []string{"limit", "ws-room", strconv.Itoa(port)}
		}},
	}
	return row{id: fmt.Sprintf("ws-broadcast-%d", members), unit: "CPU µs/delivery",
		work: "WebSocket, 32 B to a room of " + map[int]string{1000: "1000", 10_000: "10,000"}[members],
		contestants: l.contestants(l.server, servers, func(p *proc.Process, at netip.AddrPort) (float64, error) {
			d := load.WebSocketDialer{Server: at, Conns: int(l.scaled(int64(members))), Size: 32, Talk: load.Room}
			return l.toRoom(p, d, rounds)
		})}
}
