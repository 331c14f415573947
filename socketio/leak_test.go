package socketio

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain holds that no test leaves a goroutine behind: of this package, of
// those below it, or of an HTTP connection.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leftovers(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

var ours = regexp.MustCompile(`sockkit/(socketio|socketio/engine|ws|tcp)\.|net/http\.\(\*(persistConn|conn)\)`)

// leftovers returns the stacks of what is left, once what is about to end has
// had its time.
func leftovers() string {
	var left []string
	for began := time.Now(); time.Since(began) < patience; runtime.Gosched() {
		buf := make([]byte, 4<<20)
		left = left[:0]
		for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if ours.MatchString(stack) && !strings.Contains(stack, "leftovers") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return ""
		}
	}
	return strings.Join(left, "\n\n")
}
