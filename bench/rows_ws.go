//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sockkit/sockkit/bench/internal/load"
	"github.com/sockkit/sockkit/bench/internal/proc"
)

// webLoad is bursts of text messages, one burst under way on each connection.
type webLoad struct {
	conns, size, burst, bursts int
}

// webRows are the rows on WebSocket.
func (l *lab) webRows() []row {
	return append([]row{
		l.webEcho("ws-echo-1", "1 × 32 B", 0, uWebSockets("gws", 58, 78, 0), webLoad{1, 32, 1, 5000}),
		l.webEcho("ws-echo-100", "100 × 32 B", 0.75, uWebSockets("gws", 9.5, 14.3, 1.2), webLoad{100, 32, 1, 500}),
		l.webEcho("ws-echo-100-1k", "100 × 1 KiB", 0.75, uWebSockets("gws", 10.5, 15.2, 1.2), webLoad{100, 1 << 10, 1, 500}),
		l.webEcho("ws-echo-100-64k", "100 × 64 KiB", 0.85, uWebSockets("gws", 49, 65, 1.2), webLoad{100, 64 << 10, 1, 50}),
		l.webEcho("ws-echo-1000-1k", "1000 × 1 KiB", 0.75, uWebSockets("gws", 11.4, 18.4, 1.2), webLoad{1000, 1 << 10, 1, 50}),
		l.webEcho("ws-echo-16-in-flight", "100 × 32 B, 16 in flight", 0.12, uWebSockets("gws", 0.7, 9.4, 1.3), webLoad{100, 32, 16, 60}),
		l.webEcho("ws-echo-100-1m", "100 × 1 MiB", 0.65, uWebSockets("gws", 701, 1316, 1.2), webLoad{100, 1 << 20, 1, 4}),
		l.webEchoOnAllCores(),
		l.webDeflate("ws-deflate-1k", "100 × 1 KiB", webLoad{100, 1 << 10, 1, 100}),
		l.webDeflate("ws-deflate-64k", "100 × 64 KiB", webLoad{100, 64 << 10, 1, 8}),
		l.webOpenings(),
		l.webIdle("ws-idle-fresh", "fresh", false),
		l.webIdle("ws-idle-after", "after one 1 KiB echo", true),
		l.webIdleGoroutine(),
		l.webIdleTLS(),
		l.webNoTrace(),
		l.webBroadcast(1000, 60),
		l.webBroadcast(10_000, 10),
		l.socketBroadcast(),
	}, l.clientRows()...)
}

// webServers are the contestants; the rivals among them stand under the names
// that the ws program of rival/ has for them.
func (l *lab) webServers(rivals ...string) []server {
	all := []server{{name: "sockkit", network: "tcp", words: func(port int) []string {
		return []string{"sockkit", "listen", "-k", "--echo", "ws://" + at(port)}
	}}}
	for _, name := range rivals {
		s := server{name: strings.ReplaceAll(name, "-", " "), network: "tcp", words: words("ws", name)}
		if name == "Node ws" {
			s.needs, s.ready = []string{"node", "npm"}, l.node
			s.words = words("node", "rival/ws.mjs")
		}
		all = append(all, s)
	}
	return all
}

// webLimit is what an echo takes at the least: C, with no check of anything. It
// stands beside the others without a target, which would be one on doing less.
func webLimit() server {
	return server{name: "C epoll", network: "tcp", needs: []string{"limit"}, words: func(port int) []string {
		return []string{"limit", "ws-echo", strconv.Itoa(port)}
	}}
}

// aim sets the target beside one contestant, or more.
func aim(servers []server, most float64, beside ...string) []server {
	for i := range servers {
		for _, name := range beside {
			if servers[i].name == name {
				servers[i].target = most
			}
		}
	}
	return servers
}

// uWebSockets stands in the rows by what it took of another's CPU time where both
// were measured: it comes with no package manager.
func uWebSockets(like string, its, theirs, target float64) contestant {
	return contestant{
		name: fmt.Sprintf("uWebSockets, as %.2f × %s", its/theirs, like),
		like: like, times: its / theirs, target: target,
	}
}

func (l *lab) webEcho(id, work string, target float64, other contestant, w webLoad) row {
	servers := aim(l.webServers("gws", "nbio-mixed", "gorilla", "coder", "gobwas", "Node ws"), target, "gws")
	return row{id: id, work: "WebSocket echo, " + work, unit: "CPU µs/message",
		contestants: append(l.contestants(l.server, append(servers, webLimit()), l.webTurn(w, false, nil)), other)}
}

// webEchoOnAllCores is the one row where a server may use every core. It has no target.
func (l *lab) webEchoOnAllCores() row {
	servers := l.webServers("gws", "nbio-mixed", "gorilla", "coder", "gobwas", "Node ws")
	return row{id: "ws-echo-all-cores", work: "WebSocket echo, 100 × 32 B, server on all cores", unit: "CPU µs/message",
		contestants: l.contestants(l.all, servers, l.webTurn(webLoad{100, 32, 1, 500}, false, nil))}
}

// webDeflate has every message compressed both ways, each by itself.
func (l *lab) webDeflate(id, work string, w webLoad) row {
	r := row{id: id, work: "WebSocket echo with deflate, " + work, unit: "CPU µs/message", mostWire: 1.05}
	libraries := []string{"gws", "nbio-mixed", "gorilla", "coder"}
	for _, s := range aim(l.webServers(append(libraries, "Node ws")...), 0.9, "gws", "nbio mixed", "gorilla", "coder") {
		plain := s.words
		s.words = func(port int) []string {
			if s.name == "sockkit" {
				return append(plain(port), "--compress")
			}
			return append(plain(port), "deflate")
		}
		wire := new(float64)
		c := l.contestants(l.server, []server{s}, l.webTurn(w, true, wire))[0]
		c.wire = wire
		r.contestants = append(r.contestants, c)
	}
	return r
}

// webTurn loads a server after a tenth of the load as a warm-up, and returns the
// CPU µs that it took for a message. In wire it leaves the bytes that came back
// for each, where that is asked for.
func (l *lab) webTurn(w webLoad, deflate bool, wire *float64) turn {
	return func(p *proc.Process, at netip.AddrPort) (float64, error) {
		bursts := int(l.scaled(int64(w.bursts)))
		sockets, err := load.WebSocketDialer{Server: at, Conns: w.conns, Size: w.size, Burst: w.burst, Deflate: deflate}.Dial()
		if err != nil {
			return 0, err
		}
		defer sockets.Close()
		if err := sockets.Run(max(1, bursts/10)); err != nil {
			return 0, err
		}
		sockets.Received = 0
		took, err := spent(p, func() error { return sockets.Run(bursts) })
		messages := float64(w.conns * w.burst * bursts)
		if wire != nil {
			*wire = float64(sockets.Received) / messages
		}
		return took * 1e6 / messages, err
	}
}

// webOpenings is connections that are opened, and reset once they are.
func (l *lab) webOpenings() row {
	servers := aim(l.webServers("gobwas", "gws", "nbio", "gorilla", "coder", "Node ws"), 0.9, "gobwas")
	servers = append(servers, webLimit())
	return row{id: "ws-openings", work: "WebSocket opening handshakes, 64 in parallel", unit: "CPU µs/handshake",
		contestants: append(l.contestants(l.server, servers, func(p *proc.Process, at netip.AddrPort) (float64, error) {
			count := int(l.scaled(8000))
			openings := load.Openings{Server: at, Parallel: 64}
			if err := openings.Run(max(64, count/10)); err != nil {
				return 0, err
			}
			took, err := spent(p, func() error { return openings.Run(count) })
			return took * 1e6 / float64(count), err
		}), uWebSockets("gobwas", 49, 73, 1.3))}
}

// webNoTrace holds the installed program against the bare package, with nothing
// that could trace: as good as the median of the rounds tells them apart.
func (l *lab) webNoTrace() row {
	servers := append(l.webServers(), server{name: "package ws, no tracer", network: "tcp", words: words("ws", "sockkit"), target: 1.05})
	return row{id: "no-trace", work: "WebSocket echo, 100 × 32 B, no trace asked for", unit: "CPU µs/message",
		contestants: l.contestants(l.server, servers, l.webTurn(webLoad{100, 32, 1, 500}, false, nil))}
}

// webIdleGoroutine is the memory of a connection in the form of the server that has
// a goroutine for each: as every system but Linux has it, and beside it with a
// Handler, whose stack is its own.
func (l *lab) webIdleGoroutine() row {
	servers := []server{
		{name: "sockkit, OnMessage", network: "tcp", words: words("ws", "sockkit-goroutine")},
		{name: "sockkit, Handler", network: "tcp", words: words("ws", "sockkit-handler")},
	}
	return row{id: "ws-idle-goroutine", work: "idle WebSocket connection of 8,000 with a goroutine, after one 1 KiB echo", unit: "bytes", most: 4096,
		contestants: l.contestants(l.server, servers, func(p *proc.Process, at netip.AddrPort) (float64, error) {
			return webIdling(p, load.WebSocketDialer{Server: at, Size: 1 << 10}, int(l.scaled(8_000)), true)
		})}
}

// webIdle is the memory of a connection that says nothing, or nothing more.
func (l *lab) webIdle(id, work string, after bool) row {
	servers := l.webServers("gws", "nbio", "gorilla", "coder", "gobwas", "Node ws")
	return row{id: id, work: "idle WebSocket connection of 8,000, " + work, unit: "bytes", most: 400,
		contestants: l.contestants(l.server, servers, func(p *proc.Process, at netip.AddrPort) (float64, error) {
			return webIdling(p, load.WebSocketDialer{Server: at, Size: 1 << 10}, int(l.scaled(8_000)), after)
		})}
}

// webIdleTLS is the same under TLS, which is measured and has no target.
func (l *lab) webIdleTLS() row {
	s := server{name: "sockkit", network: "tcp", words: func(port int) []string {
		return []string{"sockkit", "listen", "-k", "--echo", "--self-signed", "wss://" + at(port)}
	}}
	return row{id: "ws-idle-tls", work: "idle WebSocket connection of 2,000 under TLS, after one 1 KiB echo", unit: "bytes",
		contestants: l.contestants(l.server, []server{s}, func(p *proc.Process, at netip.AddrPort) (float64, error) {
			return tlsIdling(p, at, int(l.scaled(2_000)))
		})}
}

// tlsIdling is as webIdling.
func tlsIdling(p *proc.Process, at netip.AddrPort, conns int) (float64, error) {
	first, err := load.DialSecured(at, 1, 1, true)
	if err != nil {
		return 0, err
	}
	first.Close()
	before, err := settled(p)
	if err != nil {
		return 0, err
	}
	all, err := load.DialSecured(at, conns, 200, true)
	if err != nil {
		return 0, err
	}
	defer all.Close()
	now, err := settled(p)
	return float64(now-before) / float64(conns), err
}

// webIdling returns the bytes of each of many connections from 200 addresses,
// over what a server has in memory that has already served one. Clients of
// Socket.IO have all joined a namespace.
func webIdling(p *proc.Process, dialer load.WebSocketDialer, conns int, after bool) (float64, error) {
	dialer.Conns = 1
	first, err := dialer.Dial()
	if err != nil {
		return 0, err
	}
	if dialer.Talk == load.Echo {
		err = first.Run(1)
	}
	first.Close()
	if err != nil {
		return 0, err
	}
	before, err := settled(p)
	if err != nil {
		return 0, err
	}
	dialer.Conns, dialer.Sources = conns, 200
	sockets, err := dialer.Dial()
	if err != nil {
		return 0, err
	}
	defer sockets.Close()
	if after {
		if err := sockets.Run(1); err != nil {
			return 0, err
		}
	}
	now, err := settled(p)
	return float64(now-before) / float64(conns), err
}
