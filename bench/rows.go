//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/sockkit/sockkit/bench/internal/proc"
)

// rows are all the kinds of work, in the order of the table.
func (l *lab) rows() []row {
	return append([]row{
		l.pipe(),
		l.relay(),
		l.tcpEcho("tcp-echo-100", "TCP echo, 100 × 64 B", echoLoad{conns: 100, size: 64, trips: 500}),
		l.tcpEcho("tcp-echo-1000", "TCP echo, 1000 × 1 KiB", echoLoad{conns: 1000, size: 1024, trips: 50}),
		l.tcpEchoOnAllCores(),
		l.udpEcho(),
		l.udpBursts(),
		l.start(),
		l.idle("idle-fresh", "idle TCP connection of 1000, fresh", false),
		l.idle("idle-after", "idle TCP connection of 1000, after one 1 KiB echo", true),
	}, append(append(l.webRows(), l.socketRows()...), l.redisRoom())...)
}

// server is a contestant that listens.
type server struct {
	name    string
	network string // tcp or udp
	needs   []string
	words   func(port int) []string
	target  float64
	ready   func() error // prepares it, the first time that it is needed
}

func at(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

func words(w ...string) func(int) []string {
	return func(port int) []string { return append(append([]string(nil), w...), at(port)) }
}

// turn makes a server work and returns the figure.
type turn func(p *proc.Process, at netip.AddrPort) (float64, error)

// contestants gives each server a turn: started, loaded, measured, ended.
func (l *lab) contestants(cores []int, servers []server, do turn) []contestant {
	var all []contestant
	for _, s := range servers {
		all = append(all, contestant{
			name:    s.name,
			missing: l.lacking(s.needs...),
			target:  s.target,
			check:   s.ready,
			turn: func() (float64, error) {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				p, address, err := l.listening(ctx, s, cores)
				if err != nil {
					return 0, err
				}
				defer p.Stop()
				return do(p, address)
			},
		})
	}
	return all
}

// spent runs f and returns the CPU seconds that p took meanwhile, never 0: work
// that costs nothing was not seen.
func spent(p *proc.Process, f func() error) (float64, error) {
	before, err := p.CPU()
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := p.CPU()
	if err == nil && after <= before {
		err = fmt.Errorf("CPU time went from %v to %v", before, after)
	}
	return (after - before).Seconds(), err
}
