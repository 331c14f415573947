package interop

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// redisServer is a Redis of a test's own, on a loopback port.
type redisServer struct {
	t    testing.TB
	port int
	dir  string
	args []string
	it   *proc
}

// startRedis starts one. Its arguments are those of redis-server.
func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	r := &redisServer{t: t, port: freeRedisPort(t), dir: tempDir(t), args: args}
	r.start()
	return r
}

func freeRedisPort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if port > 55000 { // a cluster's bus is 10,000 above
		return freeRedisPort(t)
	}
	return port
}

// start starts it, perhaps again, on the same port and the same files.
func (r *redisServer) start() {
	r.t.Helper()
	args := append([]string{"redis-server", "--port", fmt.Sprint(r.port), "--bind", "127.0.0.1", "--dir", r.dir, "--save", "",
		"--enable-debug-command", "yes"}, r.args...)
	r.it = start(r.t, program{args: args})
	r.ready()
}

func (r *redisServer) ready() {
	r.t.Helper()
	poll(r.t, "redis to answer", func() bool {
		answer, err := r.try("PING")
		return err == nil && strings.HasPrefix(answer, "PONG")
	})
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
	args := []string{"--cluster", "create"}
	for range 3 {
		r := startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
		all = append(all, r)
		args = append(args, fmt.Sprintf("127.0.0.1:%d", r.port))
	}
	out, err := exec.Command("redis-cli", append(args, "--cluster-yes")...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, r := range all {
		poll(t, "the cluster to stand", func() bool {
			return strings.Contains(r.do("CLUSTER", "INFO"), "cluster_state:ok")
		})
	}
	return all
}
