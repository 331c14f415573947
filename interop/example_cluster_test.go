package interop

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The example of a cluster comes up by one command: clients of three servers,
// one of them official, hear one another through nginx; one command takes it down.
func TestExampleCluster(t *testing.T) {
	t.Parallel()
	front := "127.0.0.1:" + freePort(t)
	us := exampleCluster(t)("-listen", front)
	await(t, "the cluster to be up", us.errOrEnd, func() bool {
		return !us.alive() || strings.Count(us.err.String(), " server ") == 3
	})
	if !us.alive() {
		t.Fatalf("the cluster has ended: %s", us.err)
	}
	listeners := map[string]*proc{}
	for range 30 { // nginx shares them out in turn
		if len(listeners) == 3 {
			break
		}
		p := sockkit(t, "dial", "--transports", "websocket", "sio://"+front, "--recv-only", "--expect", "^message ")
		await(t, "a welcome", p.outOrEnd, func() bool { return strings.Contains(p.out.String(), "\n") || !p.alive() })
		name := welcome.FindStringSubmatch(p.out.String())
		if name == nil {
			t.Fatalf("a client was told %q", p.out.String())
		}
		listeners[name[1]] = p
	}
	if len(listeners) != 3 {
		t.Fatalf("clients came to %v only", listeners)
	}
	sockkit(t, "dial", "--transports", "websocket", "sio://"+front, "-x", "message hello", "--expect", `^message "hello"`).want(0)
	for name, p := range listeners {
		if p.want(0); !strings.Contains(p.out.String(), `message "hello"`) {
			t.Errorf("the client of %s heard %q", name, p.out.String())
		}
	}
	for range 4 { // nginx keeps the requests of one by its cookie
		sockkit(t, "dial", "sio://"+front, "-x", "message again", "--expect", `^message "again"`).want(0)
		sockkit(t, "dial", "--transports", "polling", "sio://"+front, "-x", "message polled", "--expect", `^message "polled"`).want(0)
	}
	// What nginx keeps in a file arrives, too, also where it is started by root.
	long := strings.Repeat("long ", 20_000)
	sockkit(t, "dial", "--transports", "polling", "sio://"+front, "-x", `message "`+long+`"`, "--expect", `^message "`+long[:100]).want(0)
	must(t, syscall.Kill(-us.pid(), syscall.SIGINT)) // as a terminal does
	us.want(0)
	if strings.Contains(us.err.String(), "You insist") {
		t.Errorf("Redis was told to end more than once: by the terminal, too\n%s", us.err)
	}
}

// exampleCluster builds the example, and returns what starts it.
func exampleCluster(t *testing.T) func(args ...string) *proc {
	t.Helper()
	it := builtCluster(t)
	modules, err := filepath.Abs("node_modules")
	must(t, err)
	return func(args ...string) *proc {
		return start(t, program{args: append([]string{"sh", "-c", `cd .. && exec "$0" "$@"`, it}, args...), env: []string{"NODE_PATH=" + modules, "PATH=" + pathOfUsers()}})
	}
}

// pathOfUsers is where Debian looks for programs of those who are not root: nginx is
// in none of these.
func pathOfUsers() string {
	return strings.Join(slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool { return strings.HasSuffix(dir, "/sbin") }), ":")
}

func builtCluster(t *testing.T) string {
	t.Helper()
	it := filepath.Join(tempDir(t), "cluster")
	build := exec.Command("go", "build", "-o", it, "./examples/cluster")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return it
}

// Packages that npm was interrupted in installing are installed again.
func TestExampleClusterPackages(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	must(t, os.WriteFile(filepath.Join(dir, "server.cjs"), []byte("require('redis')"), 0o600))
	must(t, os.MkdirAll(filepath.Join(dir, "node_modules", "redis"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "npm"), []byte("#!/bin/sh\nexit 5\n"), 0o700)) //nolint:gosec // it is run
	p := start(t, program{args: []string{"sh", "-c", `cd "$1" && PATH="$1:$PATH" exec "$0" -listen 127.0.0.1:0`, builtCluster(t), dir}, env: []string{"NODE_PATH="}})
	p.wantSays(1, "the packages of the Node server: exit status 5")
}

// Where nginx is killed all goes down, and its port is free.
func TestExampleClusterKilled(t *testing.T) {
	t.Parallel()
	front := "127.0.0.1:" + freePort(t)
	tmp := tempDir(t)
	us := start(t, program{args: []string{builtCluster(t), "-listen", front, "-node=false"}, env: []string{"TMPDIR=" + tmp}})
	await(t, "the cluster to be up", us.errOrEnd, func() bool { return !us.alive() || strings.Count(us.err.String(), " server ") == 2 })
	names, err := filepath.Glob(filepath.Join(tmp, "*", "nginx.pid"))
	if err != nil || len(names) != 1 {
		t.Fatalf("the files of nginx's number are %q, %v", names, err)
	}
	text, err := os.ReadFile(names[0])
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	us.wantSays(1, "nginx has ended: signal: killed")
	l, err := net.Listen("tcp", front)
	must(t, err)
	must(t, l.Close())
}

// What is in the way of a cluster is said before anything is started, or as soon as
// it is known; who is interrupted while it comes up leaves without a complaint.
func TestExampleClusterTroubles(t *testing.T) {
	t.Parallel()
	run := exampleCluster(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	p := run("-listen", taken.Addr().String())
	p.wantSays(1, "address already in use")
	if strings.Contains(p.err.String(), "listening on") {
		t.Errorf("it said that it listens: %s", p.err)
	}
	run("no flag").wantSays(1, `"no flag" is no flag`)
	run("-listen", "127.0.0.1:0", "-redis", "redis://127.0.0.1:1").wantSays(1, "connection refused")
	early := run("-listen", "127.0.0.1:0")
	await(t, "Redis to be started", early.errOrEnd, func() bool { return !early.alive() || early.err.String() != "" })
	early.signal(syscall.SIGINT)
	if early.want(0); strings.Contains(early.err.String(), "does not answer") {
		t.Errorf("who was interrupted complained: %s", early.err)
	}
}

var welcome = regexp.MustCompile(`welcome "(\w+)"`)
