package faults

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// pair is both ends of a connection on the loopback address.
func pair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return client, server
}

// TestDropSegments has everything lost until the sender has sent again, and then
// nothing: what was written arrives whole.
func TestDropSegments(t *testing.T) {
	client, server := pair(t)
	if err := DropSegments(server, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("lost, and sent again")); err != nil {
		t.Fatal(err)
	}
	for {
		info, err := tcp.Info(client)
		if err != nil {
			t.Fatal(err)
		}
		if info.Retransmits > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := DropSegments(server, 0); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 20)
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "lost, and sent again" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestDropSegmentsAtRandom loses a fifth of what arrives, on both sides and
// through a wrapper, and loses none of the bytes.
func TestDropSegmentsAtRandom(t *testing.T) {
	client, server := pair(t)
	for _, conn := range []net.Conn{client, tcp.Trace(server, trace.New(&trace.Recorder{}, trace.Connection), trace.Server, 0)} {
		if err := DropSegments(conn, 0.2); err != nil {
			t.Fatal(err)
		}
	}
	sent := make([]byte, 20_000)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	go func() {
		for piece := range slices.Chunk(sent, 1000) {
			if _, err := client.Write(piece); err != nil {
				return
			}
		}
	}()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%v, equal %v", err, bytes.Equal(got, sent))
	}
}

// TestDropSegmentsOff holds that it may be taken away at any time.
func TestDropSegmentsOff(t *testing.T) {
	client, _ := pair(t)
	for _, rate := range []float64{0, 0.5, 0.25, 0, 0} {
		if err := DropSegments(client, rate); err != nil {
			t.Errorf("%v: %v", rate, err)
		}
	}
	one, two := net.Pipe()
	defer one.Close()
	defer two.Close()
	if err := DropSegments(one, 0.5); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("of a pipe: %v", err)
	}
}
