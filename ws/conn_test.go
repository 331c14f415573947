package ws

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/handshake"
)

// pair returns the two ends of a connection over TCP.
func pair(t testing.TB, agreed handshake.Agreement) (client, server *Conn) {
	t.Helper()
	return pairOf(t, Config{Agreed: agreed})
}

func pairOf(t testing.TB, cfg Config) (client, server *Conn) {
	t.Helper()
	near, far := tcpPair(t)
	cfg.Role = ClientRole
	client = NewConn(near, cfg)
	cfg.Role = ServerRole
	server = NewConn(far, cfg)
	t.Cleanup(func() { client.CloseNow(); server.CloseNow() })
	return client, server
}

// tcpPair returns the two ends of a TCP connection.
func tcpPair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

var agreements = map[string]handshake.Agreement{
	"plain":     {},
	"deflate":   {Compressed: true, Deflate: handshake.Deflate{ServerNoContextTakeover: true, ClientNoContextTakeover: true}},
	"takeover":  {Compressed: true},
	"window 8":  {Compressed: true, Deflate: handshake.Deflate{ServerMaxWindowBits: 8, ClientMaxWindowBits: 8}},
	"window 9":  {Compressed: true, Deflate: handshake.Deflate{ServerMaxWindowBits: 9, ClientMaxWindowBits: 9, ServerNoContextTakeover: true}},
	"window 12": {Compressed: true, Deflate: handshake.Deflate{ServerMaxWindowBits: 12, ClientMaxWindowBits: 14}},
}

// echo sends back what comes until the end.
func echo(c *Conn) error {
	ctx := context.Background()
	for {
		kind, p, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, kind, p); err != nil {
			return err
		}
	}
}

func TestConnEcho(t *testing.T) {
	for name, agreed := range agreements {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t, agreed)
			done := make(chan error, 1)
			go func() { done <- echo(server) }()
			ctx := t.Context()
			for _, size := range []int{0, 1, 5, 125, 126, 127, 300, 4096, 65535, 65536, 1 << 20, 5 << 20, 7, 4000, 4000, 4000} {
				if raced && size > 1<<19 {
					continue
				}
				text := []byte(strings.Repeat("Grüße, κόσμε! ", size/17+1)[:size])
				for len(text) > 0 && text[len(text)-1] >= 0x80 {
					text = text[:len(text)-1]
				}
				errs := make(chan error, 1)
				go func() { errs <- client.Write(ctx, Text, text) }()
				kind, got, err := client.Read(ctx)
				if err != nil || kind != Text || !bytes.Equal(got, text) {
					t.Fatalf("%d bytes: %v, %v, %d bytes came", size, err, kind, len(got))
				}
				if err := <-errs; err != nil {
					t.Fatal(err)
				}
			}
			rtt := make(chan error, 1)
			go func() { _, err := client.Ping(ctx); rtt <- err; _ = client.Write(ctx, Binary, []byte{0xff}) }()
			if kind, got, err := client.Read(ctx); err != nil || kind != Binary || got[0] != 0xff {
				t.Fatal(kind, got, err)
			}
			if err := <-rtt; err != nil {
				t.Fatal(err)
			}
			if err := client.Close(StatusGoingAway, "bye"); err != nil {
				t.Fatal(err)
			}
			var closed *CloseError
			if err := <-done; !errors.As(err, &closed) || closed.Code != StatusGoingAway || closed.Reason != "bye" || closed.Local {
				t.Fatal(err)
			}
		})
	}
}

func TestConnContext(t *testing.T) {
	client, server := pair(t, handshake.Agreement{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := client.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	go func() { _ = server.Write(context.Background(), Text, []byte("still there")) }()
	if _, p, err := client.Read(t.Context()); err != nil || string(p) != "still there" {
		t.Fatal(string(p), err)
	}
}
