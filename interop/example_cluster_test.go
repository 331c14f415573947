package interop

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// The example of a cluster comes up by one command: clients of three servers,
// one of them official, hear one another through nginx; one command takes it down.
func TestExampleCluster(t *testing.T) {
	t.Parallel()
	it := filepath.Join(tempDir(t), "cluster")
	build := exec.Command("go", "build", "-o", it, "./examples/cluster")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	front := "127.0.0.1:" + freePort(t)
	modules, err := filepath.Abs("node_modules")
	must(t, err)
	us := start(t, program{args: []string{"sh", "-c", `cd .. && exec "$0" -listen "$1"`, it, front}, env: []string{"NODE_PATH=" + modules}})
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
	us.signal(syscall.SIGINT)
	us.want(0)
}

var welcome = regexp.MustCompile(`welcome "(\w+)"`)
