//go:build linux

package main

import (
	"context"
	"strconv"
	"time"
)

// clientRows are the rows in which sockkit is the client.
func (l *lab) clientRows() []row {
	udp := server{name: "sockkit listen", network: "udp", words: words("sockkit", "listen", "-u", "-k", "--echo")}
	tcp := server{name: "sockkit listen", network: "tcp", words: words("sockkit", "listen", "-k", "--echo")}
	web := l.webServers()[0]
	web.name = "sockkit listen"
	return []row{
		l.exchange(),
		l.benchClient("client-tcp", "sockkit bench, TCP echo, 100 × 64 B", "tcp://", tcp),
		l.benchClient("client-udp", "sockkit bench, UDP echo, 100 × 64 B", "udp://", udp),
		l.benchClient("client-ws", "sockkit bench, WebSocket echo, 100 × 64 B", "ws://", web),
	}
}

// exchange is one message there and back over a WebSocket, as a script has it.
func (l *lab) exchange() row {
	r := row{id: "ws-exchange", work: "one WebSocket exchange, start to end, wall, at best", unit: "ms", most: 10, best: true}
	for _, c := range []struct {
		name   string
		needs  []string
		target float64
		ready  func() error
		words  func(at string) []string
	}{
		{"sockkit dial --count 1", nil, 0, nil, func(at string) []string {
			return []string{"sockkit", "dial", "-x", "hello", "--count", "1", "ws://" + at}
		}},
		{"bare Go program", nil, 1.5, nil, func(at string) []string { return []string{"rival", "ws-once", at} }},
		{"Node ws", []string{"node", "npm"}, 0, l.node, func(at string) []string {
			return []string{"node", "rival/ws-once.mjs", at}
		}},
	} {
		r.contestants = append(r.contestants, contestant{
			name: c.name, missing: l.lacking(c.needs...), target: c.target, check: c.ready,
			turn: func() (float64, error) { return l.exchanged(c.words) },
		})
	}
	return r
}

// exchanged returns the milliseconds of the quickest of a few exchanges with one
// server of ours.
func (l *lab) exchanged(words func(at string) []string) (float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, address, err := l.listening(ctx, l.webServers()[0], l.server)
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	return l.quickest(ctx, words(address.String()), l.loader)
}

// benchClient holds what sockkit bench takes for a message against what the
// server takes that it loads, of the same run each.
func (l *lab) benchClient(id, work, scheme string, s server) row {
	const messages = 50_000
	turn := func(client bool) func() (float64, error) {
		return func() (float64, error) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			return l.benched(ctx, s, scheme, l.scaled(messages), client)
		}
	}
	return row{id: id, work: work, unit: "CPU µs/message", contestants: []contestant{
		{name: "sockkit bench", turn: turn(true)},
		{name: s.name, target: 1.1, turn: turn(false)},
	}}
}

// benched returns the CPU µs a message of the client, or of its server.
func (l *lab) benched(ctx context.Context, s server, scheme string, messages int64, client bool) (float64, error) {
	p, address, err := l.listening(ctx, s, l.server)
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	var own time.Duration
	took, err := spent(p, func() (err error) {
		own, err = l.bench(ctx, scheme+address.String(), messages)
		return err
	})
	if client {
		took = own.Seconds()
	}
	return took * 1e6 / float64(messages), err
}

// bench runs sockkit bench, and returns the CPU time that it took.
func (l *lab) bench(ctx context.Context, url string, messages int64) (time.Duration, error) {
	words := []string{"sockkit", "bench", url, "-c", "100", "--size", "64", "--count", strconv.FormatInt(messages, 10)}
	p, err := l.command(words, l.loader).Start()
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	return p.Wait(ctx)
}
