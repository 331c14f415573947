package ws

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// noLeaks has a test fail whose goroutines do not end with it.
func noLeaks(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		var left []string
		for wait := time.Millisecond; wait < 64*time.Second; wait *= 2 {
			if left = ours(); len(left) == 0 {
				return
			}
			time.Sleep(wait)
		}
		t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	})
}

// ours are the goroutines that run this package or the server below it.
func ours() (found []string) {
	all := make([]byte, 4<<20)
	for stack := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
		inside := strings.Contains(stack, "sockkit/ws.") || strings.Contains(stack, "sockkit/tcp.")
		if inside && !strings.Contains(stack, "testing.tRunner(") && !strings.Contains(stack, "testing.runTests(") {
			found = append(found, stack)
		}
	}
	return found
}

// tick is a moment.
func tick() <-chan time.Time { return time.After(time.Millisecond) }
