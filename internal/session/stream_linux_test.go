package session

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// A peer that has ended its half, and resets before it has taken all: the end of
// our half is no byte that was lost.
func TestUndeliveredBehindBothEnds(t *testing.T) {
	const size = 1 << 20
	ours, peer := pair(t)
	_ = peer.SetReadBuffer(4096)
	_ = ours.SetWriteBuffer(2 * size)
	_ = peer.CloseWrite()
	ended := make(chan error, 1)
	go func() {
		ended <- (&Stream{Conn: ours, In: bytes.NewReader(make([]byte, size)), Out: io.Discard, Linger: time.Minute}).Run(context.Background())
	}()
	left := 0
	for took := uint64(0); left == 0 || left+int(took) != size; time.Sleep(time.Millisecond) { // until nothing is under way
		us, err := tcp.Info(ours)
		if err != nil {
			t.Fatal(err)
		}
		it, err := tcp.Info(peer)
		if err != nil {
			t.Fatal(err)
		}
		took = it.BytesReceived
		if left = 0; us.State == "last_ack" {
			left, _ = tcp.Undelivered(ours)
		}
	}
	_ = peer.SetLinger(0)
	_ = peer.Close()
	var lost *Undelivered
	if err := <-ended; !errors.As(err, &lost) || lost.Bytes != int64(left) {
		t.Fatalf("%v; want %d bytes", err, left)
	}
}
