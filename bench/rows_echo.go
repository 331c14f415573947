//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/sockkit/sockkit/bench/internal/load"
	"github.com/sockkit/sockkit/bench/internal/proc"
)

// echoLoad is round trips of size bytes, one under way on each connection.
type echoLoad struct {
	network            string
	conns, size, trips int
}

func (l *lab) tcpEcho(id, work string, e echoLoad) row {
	e.network = "tcp"
	return row{id: id, work: work, unit: "CPU µs/message", contestants: l.contestants(l.server, tcpEchoers(), l.echo(e))}
}

// tcpEchoOnAllCores is the one row where a Go server may use every core, as it
// does where nobody holds it back. It has no target.
func (l *lab) tcpEchoOnAllCores() row {
	var servers []server
	for _, s := range tcpEchoers() {
		if s.name == "sockkit" || s.name == "Go goroutine" {
			s.target = 0
			servers = append(servers, s)
		}
	}
	e := echoLoad{network: "tcp", conns: 100, size: 64, trips: 1000}
	return row{id: "tcp-echo-all-cores", work: "TCP echo, 100 × 64 B, server on all cores", unit: "CPU µs/message",
		contestants: l.contestants(l.all, servers, l.echo(e))}
}

func tcpEchoers() []server {
	return []server{
		{name: "sockkit", network: "tcp", words: words("sockkit", "listen", "-k", "--echo")},
		{name: "socat fork PIPE", network: "tcp", needs: []string{"socat"}, target: 0.25, words: func(port int) []string {
			return []string{"socat", "TCP4-LISTEN:" + strconv.Itoa(port) + ",bind=127.0.0.1,fork,backlog=4096", "PIPE"}
		}},
		{name: "ncat -k -e /bin/cat", network: "tcp", needs: []string{"ncat"}, target: 0.25, words: func(port int) []string {
			return []string{"ncat", "-l", "-k", "-m", "4000", "127.0.0.1", strconv.Itoa(port), "-e", "/bin/cat"}
		}},
		{name: "Go goroutine", network: "tcp", words: words("rival", "tcp-echo")},
		{name: "C epoll", network: "tcp", needs: []string{"limit"}, target: 1.15, words: func(port int) []string {
			return []string{"limit", "tcp-echo", strconv.Itoa(port)}
		}},
	}
}

// udpEcho is single datagrams from many sockets.
func (l *lab) udpEcho() row {
	e := echoLoad{network: "udp", conns: 100, size: 64, trips: 500}
	servers := append(udpEchoers(0.7, "udp-echo"),
		server{name: "socat fork PIPE", network: "udp", needs: []string{"socat"}, words: func(port int) []string {
			return []string{"socat", "UDP4-LISTEN:" + strconv.Itoa(port) + ",bind=127.0.0.1,fork", "PIPE"}
		}},
		server{name: "ncat -k -e /bin/cat", network: "udp", needs: []string{"ncat"}, words: func(port int) []string {
			return []string{"ncat", "-u", "-l", "-k", "-m", "4000", "127.0.0.1", strconv.Itoa(port), "-e", "/bin/cat"}
		}})
	return row{id: "udp-echo", work: "UDP echo, 100 sockets, single 64 B", unit: "CPU µs/datagram",
		contestants: l.contestants(l.server, servers, l.echo(e))}
}

// udpBursts is bursts in one flow. socat and ncat join datagrams that come
// together, so they cannot take part.
func (l *lab) udpBursts() row {
	return row{id: "udp-bursts", work: "UDP echo, one flow, bursts of 64 × 64 B by GSO", unit: "CPU µs/datagram",
		contestants: l.contestants(l.server, udpEchoers(0.22, "udp-echo-bursts"), l.bursts)}
}

func udpEchoers(target float64, limit string) []server {
	return []server{
		{name: "sockkit", network: "udp", words: words("sockkit", "listen", "-u", "-k", "--echo")},
		{name: "Go naive", network: "udp", target: target, words: words("rival", "udp-echo")},
		{name: "C " + map[string]string{"udp-echo": "recvmmsg", "udp-echo-bursts": "GRO/GSO"}[limit], network: "udp",
			needs: []string{"limit"}, target: 1.3, words: func(port int) []string {
				return []string{"limit", limit, strconv.Itoa(port)}
			}},
	}
}

// echo loads a server after a tenth of the load as a warm-up, and returns the
// CPU µs that it took for a message.
func (l *lab) echo(e echoLoad) turn {
	return func(p *proc.Process, at netip.AddrPort) (float64, error) {
		trips := int(l.scaled(int64(e.trips)))
		pool, err := load.Dialer{Network: e.network, Server: at, Conns: e.conns, Greet: e.size}.Dial()
		if err != nil {
			return 0, err
		}
		defer pool.Close()
		if err := pool.Run(e.size, max(1, trips/10)); err != nil {
			return 0, err
		}
		pool.Resent = 0
		took, err := spent(p, func() error { return pool.Run(e.size, trips) })
		if err == nil {
			err = tolerable(pool.Resent, e.conns*trips)
		}
		return took * 1e6 / float64(e.conns*trips), err
	}
}

func (l *lab) bursts(p *proc.Process, at netip.AddrPort) (float64, error) {
	const size, each = 64, 64
	count := int(l.scaled(12_000))
	flow, err := load.DialBursts(at, size, each)
	if err != nil {
		return 0, err
	}
	defer flow.Close()
	if err := flow.Run(max(1, count/10)); err != nil {
		return 0, err
	}
	flow.Lost = 0
	took, err := spent(p, func() error { return flow.Run(count) })
	if err == nil {
		err = tolerable(flow.Lost, count*each)
	}
	return took * 1e6 / float64(count*each), err
}

// tolerable is nil where fewer than one datagram in a hundred was lost: what was
// not delivered must not count as done.
func tolerable(lost, of int) error {
	if lost*100 < of {
		return nil
	}
	return fmt.Errorf("%d of %d datagrams were lost", lost, of)
}
