package demo

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden holds the lessons against testdata/*.golden, ports and what is
// measured left out. The files are those of Linux: other systems tell less.
func TestGolden(t *testing.T) {
	for _, l := range Lessons() {
		got := tellStably(t, l.Name)
		file := filepath.Join("testdata", l.Name+".golden")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not as in %s (-update writes it anew). It was told:\n%s", l.Name, file, got)
		}
	}
}

// tellStably tells a lesson in which no two sockets had the same port one after
// the other, which the system is free to give them: ports are named as they turn
// up.
func tellStably(t *testing.T, name string) string {
	t.Helper()
	for {
		got := tellLesson(t, name, Options{normal: newNormal()})
		if !portTwice(got.entries) {
			return got.text
		}
	}
}

// portTwice reports whether two sockets of a lesson had the same port. Those of
// a group share one on purpose.
func portTwice(list []entry) bool {
	whose := map[string]string{}
	twice := false
	has := func(address, who string) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return
		}
		twice = twice || whose[port] != "" && whose[port] != who
		whose[port] = who
	}
	for i, e := range list {
		switch e := e.Event.(type) {
		case trace.Listening:
			who := fmt.Sprint(i)
			_, address, _ := strings.Cut(e.Address, "://")
			if strings.HasPrefix(address, "239.") {
				who = "the group"
			}
			has(address, who)
		case trace.Open:
			if e.Side != trace.Client {
				continue
			}
			has(e.Local, fmt.Sprint(i))
			if _, port, _ := net.SplitHostPort(e.Remote); whose[port] == "" {
				has(e.Remote, "nobody")
			}
		}
	}
	return twice
}

// sockets counts those that the process has open.
func sockets(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}
