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
		l.benchClient("client-ws", "sockkit bench, WebSocket echo, 100 × 64 B", "ws://", web, webClients()...),
	}
}

// clientLoad is what a client does: one message under way on each connection.
var clientLoad = struct{ conns, size, messages int64 }{100, 64, 200_000}

// A client is a program that loads a server which echoes.
type client struct {
	name  string
	needs []string
	words func(at string, messages string) []string
	ready bool // where the packages of Node are there
}

func webClients() []client {
	conns, size := strconv.FormatInt(clientLoad.conns, 10), strconv.FormatInt(clientLoad.size, 10)
	return []client{
		{name: "gws", words: func(at, messages string) []string {
			return []string{"ws", "gws-client", at, conns, messages, size}
		}},
		{name: "Node ws", needs: []string{"node", "npm"}, ready: true, words: func(at, messages string) []string {
			return []string{"node", "rival/ws-client.mjs", at, conns, messages, size}
		}},
	}
}

// ours is sockkit bench.
func ours(scheme string) client {
	return client{name: "sockkit bench", words: func(at, messages string) []string {
		return []string{"sockkit", "bench", scheme + at, "-c", strconv.FormatInt(clientLoad.conns, 10),
			"--size", strconv.FormatInt(clientLoad.size, 10), "--count", messages}
	}}
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
// server takes that it loads, in the same run, and against other clients of that
// server.
func (l *lab) benchClient(id, work, scheme string, s server, others ...client) row {
	turn := func(c client, both *bothEnds) func() (float64, error) {
		return func() (float64, error) { return l.benched(s, c, both) }
	}
	both := &bothEnds{}
	r := row{id: id, work: work, unit: "CPU µs/message", contestants: []contestant{
		{name: "sockkit bench", turn: turn(ours(scheme), both)},
		{name: s.name, target: 1.1, turn: both.other(turn(ours(scheme), both))},
	}}
	for _, c := range others {
		one := contestant{name: c.name, missing: l.lacking(c.needs...), target: 1, turn: turn(c, &bothEnds{})}
		if c.ready {
			one.check = l.node
		}
		r.contestants = append(r.contestants, one)
	}
	return r
}

// bothEnds has the figures of client and server of a run until each has had its
// turn: one run is the turn of both.
type bothEnds struct{ client, server float64 }

// benched returns the CPU µs a message of the client, its whole life.
func (l *lab) benched(s server, c client, both *bothEnds) (float64, error) {
	if took := both.client; took > 0 {
		both.client = 0
		return took, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, address, err := l.listening(ctx, s, l.server)
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	messages := l.scaled(clientLoad.messages)
	var own time.Duration
	took, err := spent(p, func() (err error) {
		own, err = l.runToEnd(ctx, c.words(address.String(), strconv.FormatInt(messages, 10)))
		return err
	})
	if err != nil {
		return 0, err
	}
	both.server = took * 1e6 / float64(messages)
	return own.Seconds() * 1e6 / float64(messages), nil
}

// other is the turn of the server, which has had it where the client had its own.
func (b *bothEnds) other(turn func() (float64, error)) func() (float64, error) {
	return func() (float64, error) {
		if b.server == 0 {
			client, err := turn()
			if err != nil {
				return 0, err
			}
			b.client = client
		}
		took := b.server
		b.server = 0
		return took, nil
	}
}

// runToEnd runs a program on the loader's core, and returns the CPU time that it
// took.
func (l *lab) runToEnd(ctx context.Context, words []string) (time.Duration, error) {
	p, err := l.command(words, l.loader).Start()
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	return p.Wait(ctx)
}
