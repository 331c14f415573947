package interop

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// soakTime is how long the soak tests of time run: SOCKKIT_SOAK is 1, for ten
// minutes, or a duration. Without it they are left out.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	switch v := os.Getenv("SOCKKIT_SOAK"); v {
	case "":
		t.Skip("this takes long: make soak")
	case "1":
		return 10 * time.Minute
	default:
		d, err := time.ParseDuration(v)
		if err != nil {
			t.Fatalf("SOCKKIT_SOAK: %v", err)
		}
		return d
	}
	return 0
}

// TestSoakBothWays moves 4 GiB each way at once, in constant memory.
func TestSoakBothWays(t *testing.T) {
	soakTime(t)
	for _, row := range bulk {
		t.Run(row.name, func(t *testing.T) { bothWays(t, 4096*mib, row.listen, row.dial) })
	}
}

// figures are what must not grow.
type figures struct{ memory, files, goroutines int64 }

var goroutines = regexp.MustCompile(`(?m)^go_goroutines (\d+)$`)

// figuresOf asks a process that serves metrics at url.
func figuresOf(t *testing.T, p *proc, url string) figures {
	t.Helper()
	page, err := exec.Command("curl", "-sSf", url).Output()
	if err != nil {
		t.Fatalf("metrics: %v", err)
	}
	found := goroutines.FindSubmatch(page)
	if found == nil {
		t.Fatalf("no go_goroutines in\n%s", page)
	}
	n, _ := strconv.ParseInt(string(found[1]), 10, 64)
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid()))
	if err != nil {
		t.Fatal(err)
	}
	return figures{p.status("VmRSS:"), int64(len(files)), n}
}

// TestSoakConnections connects and leaves, in many ways, for ten minutes: memory,
// open files, goroutines and children stay as they were after the first rounds.
func TestSoakConnections(t *testing.T) {
	limit := soakTime(t)
	for name, args := range map[string][]string{
		"echo":      {"--echo", "tcp://127.0.0.1:0"},
		"echo, TLS": {"--echo", "--self-signed", "tls://127.0.0.1:0"},
		"exec":      {"--exec", "cat", "tcp://127.0.0.1:0"},
		"broadcast": {"--broadcast=all", "tcp://127.0.0.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			us := sockkit(t, append([]string{"listen", "-k", "--metrics", "127.0.0.1:0"}, args...)...)
			at := placeOf("tcp4", us.address())
			dial := func() (net.Conn, error) { return net.Dial("tcp", at.hostPort()) }
			if strings.Contains(name, "TLS") {
				dial = func() (net.Conn, error) {
					return tls.Dial("tcp", at.hostPort(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is the load, not the check
				}
			}
			staysSmall(t, us, limit, func() { visit(t, dial) })
		})
	}
}

// staysSmall holds that a server is as large behind rounds for that long as it was
// behind the first ones, and ends it.
func staysSmall(t *testing.T, us *proc, limit time.Duration, round func()) {
	t.Helper()
	us.err.awaitText(t, "/metrics\n")
	_, url, _ := strings.Cut(us.err.String(), "metrics on ")
	url, _, _ = strings.Cut(url, "\n")
	rounds := 0
	for ; rounds < 20; rounds++ {
		round()
	}
	before := settled(t, us, url)
	for end := time.Now().Add(limit); time.Now().Before(end); rounds++ {
		round()
	}
	after := settled(t, us, url)
	t.Logf("%d rounds: before %+v, after %+v", rounds, before, after)
	if after.memory > before.memory+16*mib || after.files > before.files+3 || after.goroutines > before.goroutines+5 {
		t.Errorf("it grew in %d rounds: before %+v, after %+v", rounds, before, after)
	}
	us.signal(syscall.SIGTERM)
	us.want(143)
}

// settled waits until nobody is served, and returns the figures.
func settled(t *testing.T, p *proc, url string) figures {
	t.Helper()
	noChildren(t, p)
	poll(t, "all connections to end", func() bool {
		page, err := exec.Command("curl", "-sSf", url).Output()
		return err == nil && strings.Contains(string(page), "\nsockkit_connections_open 0\n")
	})
	return figuresOf(t, p, url)
}

// visit is one round: ten clients at once, which leave in different ways.
func visit(t *testing.T, dial func() (net.Conn, error)) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			c, err := dial()
			if err != nil {
				t.Errorf("dial: %v", err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(patience))
			if err := leave(c, i%5); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	all.Wait()
}

// leave says a word and goes: politely, at once, by a reset, in the middle, or
// without a word.
func leave(c net.Conn, how int) error {
	if how == 4 {
		return nil
	}
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return err
	}
	switch how {
	case 0:
		if _, err := io.ReadFull(c, make([]byte, 6)); err != nil {
			return err
		}
	case 1:
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, c)
		return err
	case 2:
		if tcp, ok := c.(*net.TCPConn); ok {
			return tcp.SetLinger(0)
		}
	}
	return nil
}
