package tcp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

func TestAccessDenied(t *testing.T) {
	conn, err := ClientTLS(testContext(t), speaking(t, string(AccessDenied()), func(c net.Conn) { c.Close() }), &tls.Config{ServerName: "localhost"}, nil)
	if conn != nil {
		t.Fatal("a connection")
	}
	failed(t, err, "the server turned us away (TLS alert 49, access denied)", "")
}

// OpenSSL refuses a TLS 1.3 server's certificate in the clear.
func TestAlertInTheClear(t *testing.T) {
	a := newAuthority(t, "Test CA")
	client, server := joined(t)
	done := make(chan error, 1)
	go func() {
		_, err := ServerTLS(testContext(t), server, serving(a.issue(nil)), nil)
		done <- err
	}()
	refuse := func(tls.ConnectionState) error {
		client.Write([]byte{21, 3, 3, 0, 2, 2, byte(alertUnknownCA)})
		client.(*net.TCPConn).CloseWrite() // what crypto/tls says after it is OpenSSL's silence
		return errors.New("no")
	}
	tls.Client(client, &tls.Config{InsecureSkipVerify: true, VerifyConnection: refuse}).Handshake()
	failed(t, <-done, "the client refused our certificate: it does not know the authority behind it (TLS alert 48", "--pin")
}

func TestEveryAlertHasAName(t *testing.T) {
	h := &handshake{side: trace.Client, cfg: &tls.Config{}, wire: &wire{}}
	for code := range 256 {
		err := &net.OpError{Op: "remote error", Err: tls.AlertError(code)}
		reason, _ := h.alerted(err)
		if !strings.Contains(reason, fmt.Sprintf("TLS alert %d, ", code)) {
			t.Errorf("alert %d: %q", code, reason)
		}
	}
}

// In TLS 1.3 the client's handshake is over before the server has seen its
// certificate: the refusal comes with the first read.
func TestClientCertificateRefusedLate(t *testing.T) {
	a, stranger := newAuthority(t, "Test CA"), newAuthority(t, "Stranger")
	own := stranger.issue(nil)
	cert, key := a.files("server", a.issue(nil))
	cfg, err := (&TLSOptions{Cert: cert, Key: key, ClientCA: a.caFile()}).Server()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name               string
		certs              []tls.Certificate
		reason, serverSays string
	}{
		{"none", nil, "the server demands a client certificate (TLS alert 116", "the client sent no certificate"},
		{"untrusted", []tls.Certificate{own}, "the server demands a client certificate", "the client sent no certificate"}, // Go does not send what was not asked for
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, server := handshakes(t, &tls.Config{ServerName: "localhost", RootCAs: a.pool(), Certificates: test.certs}, cfg)
			failed(t, server.err, test.serverSays, "")
			if client.err != nil {
				t.Fatal(client.err)
			}
			_, err := client.conn.Read(make([]byte, 1))
			failed(t, err, test.reason, "")
		})
	}
}
