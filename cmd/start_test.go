package cmd

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// What packages do before main is waited for by everybody who types sockkit: no
// expression is compiled there, and no template is read. The runtime counts what
// they allocate.
func TestStart(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self, "-test.run=^$")
	child.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	said, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	line := regexp.MustCompile(`(?m)^init (\S+) @.*, (\d+) allocs\r?$`)
	ours, others := 0, 0
	for _, m := range line.FindAllStringSubmatch(string(said), -1) {
		n, _ := strconv.Atoi(m[2])
		switch {
		case strings.HasPrefix(m[1], "github.com/sockkit/"):
			ours += n
		case strings.Contains(m[1], ".") && !strings.HasPrefix(m[1], "github.com/rogpeppe/"): // no test's
			others += n
		}
	}
	if ours == 0 || ours > 160 {
		t.Errorf("our packages allocate %d times before main; want some, and 160 at most\n%s", ours, said)
	}
	most := 520
	if runtime.GOOS == "windows" {
		most = 2400 // where libraries make a value of each call of the system
	}
	if others > most {
		t.Errorf("libraries allocate %d times before main; want %d at most\n%s", others, most, said)
	}
	for _, dear := range []string{"github.com/prometheus/", "google.golang.org/protobuf", "expvar ", "runtime/metrics ", "net/http/pprof "} {
		if strings.Contains(string(said), "init "+dear) {
			t.Errorf("%sis linked again, and everybody waits for it", dear)
		}
	}
	t.Logf("%d and %d allocations before main", ours, others)
}

// A command line has the flags of its own command defined, and no others; what
// completes words has all.
func TestFlagsLater(t *testing.T) {
	for line, want := range map[string]string{
		"dial localhost 9000":       "dial",
		"handshake check --explain": "",
		"handshake dial ws://a":     "handshake dial",
		"--help":                    "",
		"version":                   "",
		"help dial":                 "",
		"__complete dial --":        "all",
	} {
		s := &Streams{}
		root := newRoot(s)
		all := len(s.later)
		s.later.of(root, strings.Fields(line))
		switch {
		case all < 10 || want == "all" && len(s.later) > 0 || want == "" && len(s.later) != all:
			t.Errorf("%s: of %d commands %d have no flags yet", line, all, len(s.later))
		case want != "" && want != "all":
			c, _, _ := root.Find(strings.Fields(want))
			if _, waits := s.later[c]; waits || c.Flags().Lookup("timeout") == nil || len(s.later) != all-1 {
				t.Errorf("%s: of %d commands %d have no flags yet", line, all, len(s.later))
			}
		}
	}
}
