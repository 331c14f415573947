package interop

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait. It is no measure of anything: it ends a test
// that hangs.
const patience = 60 * time.Second

// bin is the sockkit that is tested: TestMain builds it.
var bin string

// peers are the programs that the tests talk to.
var peers = []string{"nc.openbsd", "ncat", "socat", "openssl", "tshark", "editcap", "tcpdump", "microsocks", "tinyproxy", "curl", "python3",
	"node", "nginx", "haproxy", "websocketd", "chromium", "redis-server", "redis-cli"}

// parts are what the peers need, and no program: each is a command that fails
// where it is missing.
var parts = map[string][]string{
	"python3-websockets":             {debianPython, "-c", "import websockets"},
	"interop/node_modules/ws":        {"node", "-e", "require('ws')"},
	"interop/node_modules/socket.io": {"node", "-e", "require.resolve('socket.io'), require.resolve('socket.io-client-2')"},
	"interop/node_modules/redis":     {"node", "-e", "require.resolve('redis'), require.resolve('@socket.io/redis-adapter'), require.resolve('@socket.io/redis-streams-adapter')"},
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	if missing := missingPeers(); len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "interop: missing programs: %s\nhint: make peers, or interop/install-peers, installs them\n", strings.Join(missing, " "))
		return 1
	}
	dir, err := os.MkdirTemp("", "sockkit-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = filepath.Join(dir, "sockkit")
	if err := build(bin); err != nil {
		fmt.Fprintln(os.Stderr, "interop: building sockkit:", err)
		return 1
	}
	_ = flag.Set("test.parallel", "6") // most wait more than they work
	status := m.Run()
	endChromium()
	if updateCluster {
		if err := clusterTable.write(); err != nil {
			fmt.Fprintln(os.Stderr, "interop:", err)
			return 1
		}
	}
	return status
}

func missingPeers() (missing []string) {
	for _, p := range peers {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	for name, args := range parts {
		if err := exec.Command(args[0], args[1:]...).Run(); err != nil {
			missing = append(missing, name)
		}
	}
	return missing
}

func build(to string) error {
	cmd := exec.Command("go", "build", "-o", to, ".")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// tempDir is a folder with a short name: a Unix socket's path has room for 107
// bytes.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// await calls ok at each event, and fails the test if it never holds.
func await(t testing.TB, what string, event func() <-chan struct{}, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		changed := event()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// poll is for what the system tells nobody: it looks again and again.
func poll(t testing.TB, what string, ok func() bool) {
	t.Helper()
	await(t, what, soon, ok)
}

func soon() <-chan struct{} {
	ch := make(chan struct{})
	time.AfterFunc(5*time.Millisecond, func() { close(ch) })
	return ch
}
