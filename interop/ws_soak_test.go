package interop

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

// TestSoakWS upgrades, talks and leaves in many ways for ten minutes: memory,
// open files, goroutines and children stay as they were after the first rounds.
func TestSoakWS(t *testing.T) {
	limit := soakTime(t)
	for name, args := range map[string][]string{
		"echo":      {"--echo"},
		"deflate":   {"--echo", "--compress"},
		"broadcast": {"--broadcast=all"},
		"exec":      {"--exec", "cat"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			us, at := wsListen(t, append([]string{"--metrics", "127.0.0.1:0"}, args...)...)
			staysSmall(t, us, limit, func() { visitWS(t, at) })
		})
	}
}

// visitWS is one round: ten clients at once, which leave in different ways.
func visitWS(t *testing.T, url string) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			conn, err := net.DialTimeout("tcp", hostPortOf(url), patience)
			if err != nil {
				t.Errorf("client %d: %v", i, err)
				return
			}
			defer conn.Close()
			leaveWS(newRaw(conn), i%6)
		})
	}
	all.Wait()
}

// leaveWS says a word and goes: politely, at once, by a reset, with a bad frame,
// within a frame, or before the upgrade is done.
func leaveWS(c *raw, how int) {
	head := strings.Join(rightRequest, "\r\n") + "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
	if how == 5 {
		c.write(head[:40])
		return
	}
	c.write(head)
	c.head()
	c.write(string(rawFrame{op: opText, data: fmt.Sprint("hello ", how)}.bytes(true)))
	switch how {
	case 0:
		_, _, _ = c.readFrame()
		c.write(string(rawFrame{op: opClose, data: closeData(1000, "")}.bytes(true)))
		c.drain()
	case 2:
		_ = c.Conn.(*net.TCPConn).SetLinger(0)
	case 3:
		c.write(string(rawFrame{op: 3}.bytes(true)))
		c.drain()
	case 4:
		c.write(string(rawFrame{op: opText, data: strings.Repeat("x", 1000)}.bytes(true)[:500]))
	}
}
