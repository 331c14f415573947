package cmd

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestSecondSignal has one signal come twice, as from timeout(1), which lets what has
// begun to end go on; the next one does not.
func TestSecondSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan os.Signal, 2)
		go func() {
			ch <- os.Interrupt
			time.Sleep(sameSignal / 2)
			ch <- os.Interrupt
			time.Sleep(time.Second)
			ch <- syscall.SIGTERM
		}()
		if s := secondOf(ch); s != syscall.SIGTERM {
			t.Errorf("%v counts as the second signal", s)
		}
	})
}
