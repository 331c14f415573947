package interop

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// redisServer is a Redis of a test's own, on a loopback port.
type redisServer struct {
	t    testing.TB
	port int
	bus  int // of a cluster's servers among themselves
	dir  string
	args []string
	it   *proc
}

// startRedis starts one. Its arguments are those of redis-server. A port that
// somebody else was faster to take is given up for another.
func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	r := &redisServer{t: t, args: args}
	t.Cleanup(func() {
		if t.Failed() && r.it != nil {
			t.Logf("%s said:\n%s", r.it, tail(r.it.out.String()))
		}
	})
	for range 5 {
		r.port, r.bus, r.dir = portOf(t), portOf(t), tempDir(t)
		if r.launch() {
			return r
		}
		if !inUse(r.it.out) {
			t.Fatalf("%s has ended: %s", r.it, r.it.out)
		}
	}
	t.Fatal("five ports were taken")
	return nil
}

// start starts it again, on the same port and the same files.
func (r *redisServer) start() {
	r.t.Helper()
	if !r.launch() {
		r.t.Fatalf("%s has ended: %s", r.it, r.it.out)
	}
}

// launch starts it, and reports whether it answers: otherwise it has ended.
func (r *redisServer) launch() bool {
	r.t.Helper()
	args := append([]string{"redis-server", "--port", fmt.Sprint(r.port), "--cluster-port", fmt.Sprint(r.bus), "--bind", "127.0.0.1",
		"--dir", r.dir, "--save", "", "--enable-debug-command", "yes"}, r.args...)
	r.it = start(r.t, program{args: args})
	at := place{net: "tcp4", host: "127.0.0.1", port: fmt.Sprint(r.port)}
	poll(r.t, "redis to answer", func() bool { return !r.it.alive() || at.heldBy(r.it.pid()) && r.answers() })
	return r.it.alive()
}

func (r *redisServer) answers() bool {
	answer, err := r.try("PING")
	return err == nil && strings.HasPrefix(answer, "PONG")
}

// kill ends it as a crash does.
func (r *redisServer) kill() {
	r.t.Helper()
	_ = r.it.cmd.Process.Signal(syscall.SIGKILL)
	<-r.it.done
}

// stall stops it without ending it, and go on has it go on.
func (r *redisServer) stall() { _ = r.it.cmd.Process.Signal(syscall.SIGSTOP) }
func (r *redisServer) goOn()  { _ = r.it.cmd.Process.Signal(syscall.SIGCONT) }

func (r *redisServer) url() string { return fmt.Sprintf("redis://127.0.0.1:%d", r.port) }

// do gives Redis a command, and returns its answer as redis-cli has it.
func (r *redisServer) do(args ...string) string {
	r.t.Helper()
	answer, err := r.try(args...)
	if err != nil {
		r.t.Fatalf("%q: %v: %s", args, err, answer)
	}
	return answer
}

func (r *redisServer) try(args ...string) (string, error) {
	cmd := exec.Command("redis-cli", append([]string{"-h", "127.0.0.1", "-p", fmt.Sprint(r.port)}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// startRedisCluster starts a cluster of three.
func startRedisCluster(t testing.TB) []*redisServer {
	t.Helper()
	var all []*redisServer
	for range 3 {
		all = append(all, startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", fmt.Sprint(patience.Milliseconds())))
	}
	joinRedisCluster(t, all, func(r *redisServer) string { return fmt.Sprintf("127.0.0.1:%d@%d", r.port, r.bus) })
	return all
}

// joinRedisCluster makes one cluster of servers, by what each is called, with
// redis-cli's arguments.
func joinRedisCluster(t testing.TB, all []*redisServer, called func(*redisServer) string, more ...string) {
	t.Helper()
	args := append(more, "--cluster", "create")
	for _, r := range all {
		args = append(args, called(r))
	}
	out, err := exec.Command("redis-cli", append(args, "--cluster-yes")...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, r := range all {
		poll(t, "the cluster to stand", func() bool {
			return strings.Contains(r.do("CLUSTER", "INFO"), "cluster_state:ok")
		})
		poll(t, "it to have a line to each of the others", func() bool { // what is published before that gets lost
			known := r.do("CLUSTER", "NODES")
			return strings.Count(known, " connected") == len(all) && !strings.Contains(known, "handshake")
		})
	}
}
