package cmd

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRefusalsSpare: a flood of refusals is ten lines and then one a second, and
// what is not logged costs no words.
func TestRefusalsSpare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log refusals
		worded := 0
		word := func() string { worded++; return "ended" }
		shown := 0
		for range 1000 {
			if log.sparing(word) != "" {
				shown++
			}
		}
		if shown != logBurst || worded != logBurst {
			t.Errorf("%d of 1000 lines at once were shown, and %d worded; want %d", shown, worded, logBurst)
		}
		time.Sleep(time.Second)
		if got := log.sparing(word); !strings.HasSuffix(got, "ended; 990 more were not logged") {
			t.Errorf("a second later it is %q", got)
		}
		if got := log.sparing(word); got != "" {
			t.Errorf("and at once again %q", got)
		}
	})
}
