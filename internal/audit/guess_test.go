package audit

import (
	"bufio"
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// leaving upgrades, and closes with 1000 a moment later, whatever comes.
func leaving(c peer) {
	upgrade(c, func() {
		time.Sleep(time.Millisecond)
		_, _ = c.Write(bare(fin|opClose, closing(1000, "bye")))
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, c)
	})
}

// lastPing answers the last ping of those that come together, as it may
// (RFC 6455 5.5.3).
func lastPing(c peer) {
	upgrade(c, func() {
		in, buf := bufio.NewReader(c), make([]byte, 4096)
		for {
			n, err := in.Read(buf)
			if err != nil {
				return
			}
			last := ""
			for rest := buf[:n]; ; {
				f, size, err := parseFrame(rest)
				if err != nil || size == 0 {
					break
				}
				if rest = rest[size:]; f.Op == opPing {
					last = string(f.Data)
				}
			}
			_, _ = c.Write(bare(fin|opPong, last))
		}
	})
}

// Servers that are right, and look as if they were not: what they do makes no
// finding that is about them alone.
func TestNoGuess(t *testing.T) {
	for _, row := range []struct {
		name   string
		answer func(peer)
		ids    []string
		want   Kind
	}{
		{"leaves by itself", leaving, []string{"frame-opcode-3", "text-utf8", "ping", "text-parts", "pong-unasked"}, Undecided},
		{"leaves by itself, and closes rightly", leaving, []string{"close-1000", "close-utf8", "close-tcp"}, Pass},
		{"answers the last ping", lastPing, []string{"ping", "ping-125", "ping-between", "pong-unasked", "message-empty"}, Pass},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				probes, err := Pick(row.ids)
				if err != nil {
					t.Fatal(err)
				}
				r, err := Run(context.Background(), inMemory(t, row.answer), probes)
				time.Sleep(time.Second) // the servers end too
				if err != nil {
					t.Fatal(err)
				}
				for _, got := range r.Probes {
					if got.Verdict != row.want {
						t.Errorf("%s is %s: %s (%s)", got.ID, got.Verdict, got.Came, got.Text)
					}
				}
			})
		})
	}
}
