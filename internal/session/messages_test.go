package session

import (
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// oneMessage is a connection over which one message comes.
type oneMessage struct {
	came  bool
	ended chan struct{}
}

func (c *oneMessage) ReadMessage() ([]byte, bool, error) {
	if !c.came {
		c.came = true
		return []byte("hello"), true, nil
	}
	<-c.ended
	return nil, false, io.EOF
}

func (c *oneMessage) WriteMessage([]byte) error { return nil }

func (c *oneMessage) Close() error {
	close(c.ended)
	return nil
}

// slowWriter takes its time.
type slowWriter struct{ took time.Duration }

func (w slowWriter) Write(p []byte) (int, error) {
	time.Sleep(w.took)
	return len(p), nil
}

// TestSlowOutput: there is no silence while somebody is slow to read what came,
// and it counts as come.
func TestSlowOutput(t *testing.T) {
	for _, expect := range []*Expectation{nil, {Count: 1}} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			m := &Messages{
				Conn: &oneMessage{ended: make(chan struct{})}, Out: slowWriter{10 * time.Second}, Framing: Lines, Linger: time.Second, Expect: expect,
			}
			if err := m.Run(t.Context()); err != nil {
				t.Error(err)
			}
			want := 11 * time.Second // and then the silence
			if expect != nil {
				want = 10 * time.Second
			}
			if took := time.Since(began); took != want {
				t.Errorf("it ended after %v; want %v", took, want)
			}
		})
	}
}
