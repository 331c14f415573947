//go:build linux

package main

import (
	"context"
	"net"
	"net/netip"
	"strconv"

	"github.com/sockkit/sockkit/bench/internal/load"
	"github.com/sockkit/sockkit/bench/internal/proc"
)

// relayer is a program that passes one TCP connection on to a target.
type relayer struct {
	name   string
	needs  []string
	words  func(port, target string) []string
	target float64
}

func relayers() []relayer {
	socat := func(options ...string) func(port, target string) []string {
		return func(port, target string) []string {
			return append(append([]string{"socat"}, options...), "TCP4-LISTEN:"+port+",bind=127.0.0.1", "TCP4:127.0.0.1:"+target)
		}
	}
	return []relayer{
		{"sockkit", []string{"sockkit", "sockkit tap"}, func(port, target string) []string {
			return []string{"sockkit", "tap", "--quiet", "127.0.0.1:" + port, "127.0.0.1:" + target}
		}, 0},
		{"socat", []string{"socat"}, socat(), 0},
		{"socat -b1048576", []string{"socat"}, socat("-b1048576"), 0.7},
		{"ncat", []string{"ncat"}, func(port, target string) []string {
			return []string{"ncat", "-l", "127.0.0.1", port, "--sh-exec", "ncat 127.0.0.1 " + target}
		}, 0},
		{"Go io.Copy", nil, func(port, target string) []string {
			return []string{"rival", "relay", "127.0.0.1:" + port, "127.0.0.1:" + target}
		}, 0},
		{"C splice", []string{"limit"}, func(port, target string) []string {
			return []string{"limit", "relay", port, target}
		}, 1.3},
	}
}

func (l *lab) relay() row {
	r := row{id: "tcp-relay", work: "TCP relay, tap --quiet", unit: "CPU s/GiB"}
	for _, one := range relayers() {
		turn := func(size int64, check bool) (float64, error) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			return l.relayed(ctx, one, size, check)
		}
		r.contestants = append(r.contestants, contestant{
			name:    one.name,
			missing: l.lacking(one.needs...),
			target:  one.target,
			check:   func() error { _, err := turn(8<<20+1, true); return err },
			turn:    func() (float64, error) { return turn(l.scaled(512<<20), false) },
		})
	}
	return r
}

// relayed sends size bytes through a relay and returns its CPU seconds a GiB.
func (l *lab) relayed(ctx context.Context, one relayer, size int64, check bool) (float64, error) {
	target, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(local(0)))
	if err != nil {
		return 0, err
	}
	defer target.Close()
	to := strconv.Itoa(target.Addr().(*net.TCPAddr).Port)
	s := server{name: one.name, network: "tcp", words: func(port int) []string {
		return one.words(strconv.Itoa(port), to)
	}}
	p, relay, err := l.listening(ctx, s, l.server)
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	return streamed(p, relay, target, size, check)
}

// streamed counts until the last byte is through. The connections stay open that
// long: some relays end with theirs.
func streamed(p *proc.Process, relay netip.AddrPort, target *net.TCPListener, size int64, check bool) (float64, error) {
	var s *load.Stream
	took, err := spent(p, func() (err error) {
		if s, err = load.Through(relay, target, patience); err != nil {
			return err
		}
		return s.Send(size, check)
	})
	if s != nil {
		s.Close()
	}
	return took / float64(size) * (1 << 30), err
}
