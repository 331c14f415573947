package socketio

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func (c *crew) resting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.idle)
}

// Goroutines that ran lanes are used again, end when they have rested, and are
// bounded.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crew
		defer c.end()
		lanes := make([]lane, mostHands+50)
		release := make(chan struct{})
		var ran sync.WaitGroup
		for i := range lanes {
			lanes[i].crew = &c
			ran.Add(1)
			lanes[i].must(func() { <-release; ran.Done() })
		}
		close(release)
		ran.Wait()
		synctest.Wait()
		if n := c.resting(); n != mostHands {
			t.Errorf("%d rest, not %d", n, mostHands)
		}
		time.Sleep(handRest * 3 / 2) // behind the first sweep, before the second
		for range 10 {
			lanes[0].must(func() {})
			synctest.Wait()
		}
		if n := c.resting(); n != mostHands {
			t.Errorf("%d rest, not %d: they are not used again", n, mostHands)
		}
		time.Sleep(handRest)
		synctest.Wait()
		if n := c.resting(); n != 1 {
			t.Errorf("%d rest, not the one that has worked since", n)
		}
		time.Sleep(2 * handRest)
		synctest.Wait()
		if n := c.resting(); n != 0 || c.armed {
			t.Errorf("%d rest still", n)
		}
	})
}

// Behind the end lanes run as before, and nobody rests.
func TestCrewEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crew
		l := lane{crew: &c}
		l.must(func() {})
		synctest.Wait()
		c.end()
		ran := false
		l.must(func() { ran = true })
		synctest.Wait()
		if n := c.resting(); !ran || n != 0 {
			t.Errorf("ran: %v; %d rest", ran, n)
		}
	})
}
