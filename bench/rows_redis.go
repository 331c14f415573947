//go:build linux

package main

import (
	"context"
	"strconv"

	"github.com/sockkit/sockkit/bench/internal/load"
	"github.com/sockkit/sockkit/bench/internal/proc"
)

// redisRoom is one event at a time to a room whose thousand sockets are shared by
// two servers, which a Redis joins. The CPU time is that of both servers, and not
// that of Redis, which is on the loader's core.
func (l *lab) redisRoom() row {
	servers := []server{
		{name: "sockkit", network: "tcp", words: words("sio", "redis")},
		{name: nodeSocketIO + ", redis-adapter", network: "tcp", words: words("node", "rival/sio-redis.mjs"), needs: []string{"node", "npm"}, ready: l.node, target: 0.6},
	}
	r := row{id: "sio-redis-1000", work: "Socket.IO, 32 B to a room of 1000 at 2 servers, by Redis", unit: "CPU µs/delivery"}
	for _, s := range servers {
		r.contestants = append(r.contestants, contestant{
			name: s.name, target: s.target, check: s.ready, missing: l.lacking(append(s.needs, "redis-server")...),
			turn: func() (float64, error) { return l.byRedis(s) },
		})
	}
	return r
}

// byRedis gives two servers their turn, with a Redis of its own.
func (l *lab) byRedis(s server) (float64, error) {
	const members, rounds = 1000, 60
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	redis, broker, err := l.listening(ctx, server{network: "tcp", words: redisWords}, l.loader)
	if err != nil {
		return 0, err
	}
	defer redis.Stop()
	port, err := proc.FreePort("tcp")
	if err != nil {
		return 0, err
	}
	both := s
	both.words = func(first int) []string { return append(s.words(first), at(port), "redis://"+broker.String()) }
	p, first, err := l.listening(ctx, both, l.server)
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	if err := p.Bound(ctx, "tcp", port); err != nil {
		return 0, err
	}
	return l.toRoom(p, load.WebSocketDialer{Server: first, Second: local(port), Conns: members, Size: 32, Talk: load.News}, rounds)
}

// redisWords start a Redis that keeps nothing.
func redisWords(port int) []string {
	return []string{"redis-server", "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"}
}

// toRoom has one of many sockets say things to all.
func (l *lab) toRoom(p *proc.Process, d load.WebSocketDialer, rounds int) (float64, error) {
	sockets, err := d.Dial()
	if err != nil {
		return 0, err
	}
	defer sockets.Close()
	return l.warm(p, rounds, d.Conns, sockets.Broadcast)
}
