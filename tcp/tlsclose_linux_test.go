package tcp

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"
)

// arrived waits until the peer's kernel has all that was written to conn.
func arrived(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := AwaitDelivered(testContext(t), conn); n != 0 || err != nil {
		t.Fatal(n, err)
	}
}

// A client that never reads has the server's session tickets in its kernel when
// it closes; they must not cost the server what was sent.
func TestCloseOverUnreadTickets(t *testing.T) {
	a := newAuthority(t, "Test CA")
	cfg := serving(a.issue(nil))
	cfg.ClientAuth = tls.RequestClientCert // has Go send the tickets after the client's last message
	client, server := handshakes(t, &tls.Config{ServerName: "localhost", RootCAs: a.pool(),
		ClientSessionCache: tls.NewLRUClientSessionCache(1)}, cfg)
	if client.err != nil || server.err != nil {
		t.Fatal(client.err, server.err)
	}
	arrived(t, server.conn)
	client.conn.Write(make([]byte, 1000))
	if err := client.conn.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(server.conn); len(got) != 1000 || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := io.ReadAll(Unwrap(server.conn)); err != nil {
		t.Errorf("below TLS: %v", err)
	}
}

// The alert that ends a handshake arrives whole, with an end and no reset,
// though the server closes at once and has not read all that came.
func TestAlertIsNotResetAway(t *testing.T) {
	a := newAuthority(t, "Test CA")
	client, server := joined(t)
	badMessage := []byte{22, 3, 1, 0, 4, 9, 0, 0, 0}
	client.Write(append(badMessage, bytes.Repeat([]byte{0}, 20<<10)...))
	arrived(t, client)
	_, err := ServerTLS(testContext(t), server, serving(a.issue(nil)), nil)
	failed(t, err, "the client broke the protocol: unexpected message", "")
	if got, err := io.ReadAll(client); !bytes.Equal(got, []byte{21, 3, 1, 0, 2, 2, 10}) || err != nil {
		t.Errorf("got %x, %v; want an alert", got, err)
	}
}

// CloseWrite sends close_notify, and leaves TCP's sending half open.
func TestHalfCloseSendsNoFIN(t *testing.T) {
	client, server, _, _ := secured(t, 0)
	if err := CloseWrite(client); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(server); err != nil {
		t.Fatal(err)
	}
	for name, conn := range map[string]net.Conn{"client": client, "server": server} {
		if info, err := Info(conn); err != nil || info.State != "established" {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
	server.Close()
	if _, err := io.ReadAll(client); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(Unwrap(client)); err != nil {
		t.Fatal(err)
	}
	if info, err := Info(client); err != nil || info.State != "close_wait" {
		t.Errorf("after the server's Close: %+v, %v", info, err)
	}
}
