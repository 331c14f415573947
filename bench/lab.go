//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/bench/internal/proc"
)

// patience bounds one turn of one contestant.
const patience = 2 * time.Minute

// startUp is how long a server may take to listen.
const startUp = 30 * time.Second

// lab is what the rows share: where the programs are, and who runs on which core.
type lab struct {
	dir      string            // what was built, removed at the end
	programs map[string]string // the path of each program that there is
	missing  map[string]string // why each other one is not there

	node func() error // installs what the Node rival needs, once

	all, server, loader []int // cores
	work                int64 // what the amounts of work are divided by
}

func newLab(o options) (*lab, error) {
	dir, err := os.MkdirTemp("", "sockkit-bench")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, programs: map[string]string{}, missing: map[string]string{}, work: 1, node: sync.OnceValue(installNode)}
	if o.quick {
		l.work = 16
	}
	if err := l.prepare(o); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) prepare(o options) error {
	if err := l.build(o.sockkit); err != nil {
		return err
	}
	for _, name := range []string{"head", "nc", "ncat", "socat", "curl", "node", "npm", "redis-server"} {
		l.find(name)
	}
	cores, err := proc.Cores()
	if err != nil {
		return err
	}
	l.all, l.server, l.loader = cores, cores[len(cores)-1:], cores[:1]
	return proc.Stay(l.loader)
}

func (l *lab) close() { os.RemoveAll(l.dir) }

func (l *lab) find(name string) {
	path, err := exec.LookPath(name)
	if err != nil {
		l.missing[name] = name + " is not installed"
		return
	}
	l.programs[name] = path
}

// build builds sockkit as it is installed, and the rivals that are source here.
func (l *lab) build(sockkit string) error {
	if sockkit != "" {
		path, err := filepath.Abs(sockkit)
		if err != nil {
			return err
		}
		l.programs["sockkit"] = path
	} else if err := l.buildGo("sockkit", ".."); err != nil {
		return err
	}
	for name, dir := range map[string]string{"rival": "rival", "ws": "rival/ws", "sio": "rival/sio", "empty": "empty"} {
		if err := l.buildGo(name, dir); err != nil {
			return err
		}
	}
	l.buildC("limit")
	l.look("tap")
	return nil
}

func (l *lab) buildGo(name, dir string) error {
	out := filepath.Join(l.dir, name)
	build := exec.Command("go", "build", "-trimpath", "-o", out, ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s in %s: %w\n%s", name, dir, err, said)
	}
	l.programs[name] = out
	return nil
}

func (l *lab) buildC(name string) {
	sources, _ := filepath.Glob(filepath.Join(name, "*.c"))
	out := filepath.Join(l.dir, name)
	said, err := exec.Command(compiler(), append([]string{"-O2", "-o", out}, sources...)...).CombinedOutput()
	if err != nil {
		l.missing[name] = strings.TrimSpace(fmt.Sprintf("no C program: %v %s", err, said))
		return
	}
	l.programs[name] = out
}

func compiler() string { return cmp.Or(os.Getenv("CC"), "cc") }

// installNode has npm install what package-lock.json locks, where it is not
// installed yet.
func installNode() error {
	lock, err := os.Stat("package-lock.json")
	if err != nil {
		return err
	}
	if done, err := os.Stat("node_modules/.package-lock.json"); err == nil && done.ModTime().After(lock.ModTime()) {
		return nil
	}
	said, err := exec.Command("npm", "ci", "--no-audit", "--no-fund").CombinedOutput()
	if err != nil {
		return fmt.Errorf("npm ci: %w: %.200s", err, said)
	}
	return nil
}

// look notes as missing a command that this sockkit does not have.
func (l *lab) look(command string) {
	said, err := exec.Command(l.programs["sockkit"], "help", command).CombinedOutput()
	if err != nil || !strings.Contains(string(said), "Usage:\n  sockkit "+command) {
		l.missing["sockkit "+command] = "this sockkit has no " + command
	}
}

// lacking says which of the programs is not there, or "".
func (l *lab) lacking(programs ...string) string {
	for _, name := range programs {
		if why := l.missing[name]; why != "" {
			return why
		}
	}
	return ""
}

// scaled is an amount of work, less of it with -quick.
func (l *lab) scaled(amount int64) int64 { return max(1, amount/l.work) }

// command is a program of the lab with its words, on cores.
func (l *lab) command(words []string, cores []int) proc.Command {
	return proc.Command{Path: l.programs[words[0]], Args: words[1:], Cores: cores}
}

// listening starts a server, on cores, and waits until its port is bound.
func (l *lab) listening(ctx context.Context, s server, cores []int) (*proc.Process, netip.AddrPort, error) {
	port, err := proc.FreePort(s.network)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	p, err := l.command(s.words(port), cores).Start()
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, startUp)
	defer cancel()
	if err := p.Bound(ctx, s.network, port); err != nil {
		p.Stop()
		return nil, netip.AddrPort{}, err
	}
	return p, local(port), nil
}

func local(port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
}

// where says who runs on which cores.
func (l *lab) where() string {
	if len(l.all) == 1 {
		return "one core for server and loader alike: ratios say little · GOMAXPROCS=1"
	}
	return fmt.Sprintf("server on core %d, loader on core %d of %d · GOMAXPROCS=1 in every Go server (%d where it has every core) · %s",
		l.server[0], l.loader[0], runtime.NumCPU(), len(l.all), siblings(l.server[0], l.loader[0]))
}
