//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/sockkit/sockkit/bench/internal/load"
	"github.com/sockkit/sockkit/bench/internal/proc"
)

// scaleConns are the numbers of connections: one more than 19,000 is more files
// than a process may often have open.
var scaleConns = []int{100, 1_000, 10_000, 19_000}

// A scalePoint is what sockkit takes with so many connections.
type scalePoint struct {
	conns   int
	message float64 // CPU µs, of each of them one message under way
	memory  float64 // bytes of the process a connection
	kernel  float64 // bytes of the kernel a connection, of the server's end; 0 is not known
}

// scale measures sockkit's WebSocket echo with more and more connections, each
// number so often, and draws what they take.
func (l *lab) scale(w io.Writer, rounds int) error {
	fmt.Fprintf(w, "WebSocket echo, 32 B, sockkit listen -k --echo ws://…, %s\n\n", l.where())
	var points []scalePoint
	for _, conns := range scaleConns {
		var turns []scalePoint
		for range rounds {
			p, err := l.scaleTurn(conns)
			if err != nil {
				return fmt.Errorf("%d connections: %w", conns, err)
			}
			turns = append(turns, p)
		}
		points = append(points, scalePoint{conns: conns,
			message: median(turns, func(p scalePoint) float64 { return p.message }),
			memory:  median(turns, func(p scalePoint) float64 { return p.memory }),
			kernel:  median(turns, func(p scalePoint) float64 { return p.kernel })})
		fmt.Fprintf(os.Stderr, "%d connections done\n", conns)
	}
	drawScale(w, points)
	return nil
}

func median(turns []scalePoint, of func(scalePoint) float64) float64 {
	var all []float64
	for _, p := range turns {
		all = append(all, of(p))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// scaleMessages is how many messages a turn has, at least one of each connection.
const scaleMessages = 100_000

func (l *lab) scaleTurn(conns int) (scalePoint, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	p, at, err := l.listening(ctx, server{network: "tcp", words: func(port int) []string {
		return []string{"sockkit", "listen", "-k", "--echo", "--max-conns", "0", "ws://127.0.0.1:" + strconv.Itoa(port)}
	}}, l.server)
	if err != nil {
		return scalePoint{}, err
	}
	defer p.Stop()
	return l.scaleLoad(p, at, conns)
}

func (l *lab) scaleLoad(p *proc.Process, at netip.AddrPort, conns int) (point scalePoint, err error) {
	dialer := load.WebSocketDialer{Server: at, Conns: 1, Size: 32}
	first, err := dialer.Dial() // what a server makes once is there then
	if err != nil {
		return point, err
	}
	err = first.Run(1)
	first.Close()
	if err != nil {
		return point, err
	}
	before, err := settled(p)
	if err != nil {
		return point, err
	}
	slab := kernelObjects()
	dialer.Conns, dialer.Sources = conns, 200
	sockets, err := dialer.Dial()
	if err != nil {
		return point, err
	}
	defer sockets.Close()
	if err := sockets.Run(1); err != nil {
		return point, err
	}
	now, err := settled(p)
	if err != nil {
		return point, err
	}
	if slab > 0 { // the client's end is on the same machine
		point.kernel = float64(kernelObjects()-slab) / float64(2*conns)
	}
	point.conns, point.memory = conns, float64(now-before)/float64(conns)
	rounds := max(1, int(l.scaled(scaleMessages))/conns)
	took, err := spent(p, func() error { return sockets.Run(rounds) })
	point.message = took * 1e6 / float64(rounds*conns)
	return point, err
}

// kernelObjects is what the kernel holds for sockets and their files, in bytes; 0
// where it does not say. Buffers are not among it: an idle connection has none.
func kernelObjects() (total int64) {
	file, err := os.Open("/proc/slabinfo")
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 4 || !slices.Contains([]string{"TCP", "sock_inode_cache", "filp", "eventpoll_epi", "ep_head"}, words[0]) {
			continue
		}
		count, _ := strconv.ParseInt(words[1], 10, 64)
		size, _ := strconv.ParseInt(words[3], 10, 64)
		total += count * size
	}
	return total
}

// drawScale prints a line for each number of connections, with a bar for what a
// message takes.
func drawScale(w io.Writer, points []scalePoint) {
	most := 0.0
	for _, p := range points {
		most = max(most, p.message)
	}
	lines := [][]string{{"connections", "CPU µs/message", "", "process, bytes/connection", "kernel, bytes/connection"}}
	for _, p := range points {
		kernel := "not known"
		if p.kernel > 0 {
			kernel = number(p.kernel)
		}
		bar := strings.Repeat("#", max(1, int(30*p.message/most)))
		lines = append(lines, []string{strconv.Itoa(p.conns), number(p.message), bar, number(p.memory), kernel})
	}
	table(w, lines)
}
