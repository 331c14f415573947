package cmd

import (
	"os"
	"os/exec"
	"regexp"
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
	if ours == 0 || ours > 400 {
		t.Errorf("our packages allocate %d times before main; want some, and 400 at most\n%s", ours, said)
	}
	if others > 2400 {
		t.Errorf("libraries allocate %d times before main; want 2400 at most\n%s", others, said)
	}
	t.Logf("%d and %d allocations before main", ours, others)
}
