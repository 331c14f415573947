//go:build unix

package endpoint

import (
	"io"
	"os"
	"testing"
)

// TestLeft: what a process has not read is there when it is gone, also where its
// input has ended before.
func TestLeft(t *testing.T) {
	for _, ended := range []bool{false, true} {
		left := make(chan string, 1)
		c := &Command{Args: Shell("dd bs=5 count=1 2>/dev/null"), Left: func(input *os.File) {
			b, _ := io.ReadAll(input)
			left <- string(b)
		}}
		conn, err := c.Start()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("hello, world")); err != nil {
			t.Fatal(err)
		}
		if ended {
			_ = conn.(interface{ CloseWrite() error }).CloseWrite()
		}
		if said, err := io.ReadAll(conn); err != nil || string(said) != "hello" {
			t.Errorf("it said %q, %v", said, err)
		}
		conn.Close()
		if got := <-left; got != ", world" {
			t.Errorf("%q was left", got)
		}
		if _, err := conn.Write([]byte("more")); err == nil {
			t.Error("bytes are taken that nobody reads")
		}
	}
}
