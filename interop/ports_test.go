package interop

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// given are the ports that this run has handed out: none twice.
var given = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// freePort is a port that nobody has bound, on either family, by TCP or UDP. It
// stands below those that systems give to clients, so that none of them takes
// it in between.
func freePort(t testing.TB) string {
	t.Helper()
	given.Lock()
	defer given.Unlock()
	var why error
	for range 1000 {
		port := 10000 + rand.IntN(22000)
		if given.ports[port] {
			continue
		}
		if why = tryBind(port); why == nil {
			given.ports[port] = true
			return strconv.Itoa(port)
		}
	}
	t.Fatalf("no port is free on both 127.0.0.1 and ::1: %v", why)
	return ""
}

func tryBind(port int) error {
	for _, host := range []string{"127.0.0.1", "::1"} {
		address := net.JoinHostPort(host, strconv.Itoa(port))
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		l.Close()
		c, err := net.ListenPacket("udp", address)
		if err != nil {
			return err
		}
		c.Close()
	}
	return nil
}

// place is where a peer is to be reached.
type place struct {
	net  string // tcp4, tcp6, udp4, udp6, unix
	host string
	port string
	path string
}

// newPlace is one where nobody is yet.
func newPlace(t testing.TB, network string) place {
	switch network {
	case "unix":
		return place{net: network, path: tempDir(t) + "/s"}
	case "tcp6", "udp6":
		return place{net: network, host: "::1", port: freePort(t)}
	}
	return place{net: network, host: "127.0.0.1", port: freePort(t)}
}

// String returns the place as sockkit's address.
func (p place) String() string {
	if p.net == "unix" {
		return "unix:" + p.path
	}
	return p.net[:3] + "://" + net.JoinHostPort(p.host, p.port)
}

// any is the same place with a port that is still to be found.
func (p place) any() string {
	if p.net == "unix" {
		return p.String()
	}
	return p.net[:3] + "://" + net.JoinHostPort(p.host, "0")
}

// placeOf reads what sockkit says it listens on.
func placeOf(network, address string) place {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return place{net: network, path: path}
	}
	_, rest, _ := strings.Cut(address, "://")
	host, port, _ := net.SplitHostPort(rest)
	return place{net: network, host: host, port: port}
}

// serve starts a peer that listens, on a place that it is told, and waits until
// its own socket is bound there. A place that somebody else was faster to take
// is given up for another.
func serve(t testing.TB, network string, listen func(place) program) (*proc, place) {
	t.Helper()
	for range 5 {
		at := newPlace(t, network)
		p := start(t, listen(at))
		poll(t, p.String()+" to listen", func() bool { return !p.alive() || at.heldBy(p.pid()) })
		if p.alive() {
			return p, at
		}
		if !inUse(p.err, p.out) {
			t.Fatalf("%s ended and has not listened: %s%s", p, p.err, p.out)
		}
	}
	t.Fatal("five places were taken")
	return nil, place{}
}

// inUse reports whether a program has said that its address was taken.
func inUse(said ...*output) bool {
	return slices.ContainsFunc(said, func(o *output) bool { return strings.Contains(strings.ToLower(o.String()), "in use") })
}

// heldBy reports whether a process listens at the place, or has it bound where
// it is one for datagrams.
func (p place) heldBy(pid int) bool {
	for _, inode := range p.inodes() {
		if holds(pid, inode) {
			return true
		}
	}
	return false
}

func (p place) inodes() (found []string) {
	table, _ := strings.CutSuffix(p.net, "4")
	for _, fields := range rows("/proc/net/" + table) {
		switch {
		case p.net == "unix":
			// Num RefCount Protocol Flags Type St Inode Path; 00010000: it listens
			if len(fields) == 8 && fields[7] == p.path && fields[3] == "00010000" {
				found = append(found, fields[6])
			}
		case len(fields) > 9 && (fields[3] == "0A" || fields[3] == "07") && strings.HasSuffix(fields[1], p.hexPort()):
			found = append(found, fields[9])
		}
	}
	return found
}

func (p place) hexPort() string {
	n, _ := strconv.Atoi(p.port)
	return ":" + strings.ToUpper(hex.EncodeToString([]byte{byte(n >> 8), byte(n)}))
}

func rows(table string) (all [][]string) {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		all = append(all, strings.Fields(lines.Text()))
	}
	return all
}

// holds reports whether a process has the socket of this inode open.
func holds(pid int, inode string) bool {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if target, err := os.Readlink(dir + f.Name()); err == nil && target == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}

// stats are the state, the parent and the group of every process.
func stats() (all [][]string) {
	dirs, _ := os.ReadDir("/proc")
	for _, dir := range dirs {
		text, err := os.ReadFile("/proc/" + dir.Name() + "/stat")
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 2 {
			all = append(all, fields[:3])
		}
	}
	return all
}
