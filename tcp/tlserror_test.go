package tcp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// side is what one end of a handshake came to.
type side struct {
	conn net.Conn
	err  error
}

// handshakes runs both sides on a TCP connection of loopback. A nil tracer is
// fine.
func handshakes(t *testing.T, client, server *tls.Config, tracers ...*trace.Tracer) (c, s side) {
	t.Helper()
	tracers = append(tracers, nil, nil)
	ctx := testContext(t)
	clientEnd, serverEnd := joined(t)
	done := make(chan side, 1)
	go func() {
		conn, err := ServerTLS(ctx, serverEnd, server, tracers[1])
		done <- side{conn, err}
	}()
	c.conn, c.err = ClientTLS(ctx, clientEnd, client, tracers[0])
	if c.err != nil {
		clientEnd.Close()
	}
	s = <-done
	for _, end := range []side{c, s} {
		if end.conn != nil {
			t.Cleanup(func() { end.conn.Close() })
		}
	}
	return c, s
}

func serving(certs ...tls.Certificate) *tls.Config { return &tls.Config{Certificates: certs} }

// failed holds a failure against what it should say.
func failed(t *testing.T, err error, reason, hint string) *TLSError {
	t.Helper()
	var e *TLSError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a TLSError", err)
	}
	if !strings.Contains(e.Reason, reason) {
		t.Errorf("reason %q\n  want %q", e.Reason, reason)
	}
	if !strings.Contains(e.Hint, hint) {
		t.Errorf("hint %q\nwant %q", e.Hint, hint)
	}
	if strings.Contains(e.Reason, "x509:") || strings.Contains(e.Reason, "tls:") {
		t.Errorf("the reason %q has a package's name", e.Reason)
	}
	if e.Remote == "" || !strings.HasPrefix(e.Error(), "TLS with "+e.Remote+": ") {
		t.Errorf("no address in %q", e)
	}
	return e
}

func TestCertificatesThatFail(t *testing.T) {
	a := newAuthority(t, "Test CA")
	ca := a.caFile()
	past := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2021, 3, 4, 5, 6, 0, 0, time.UTC)
	}
	self, err := SelfSigned(nil)
	if err != nil {
		t.Fatal(err)
	}
	good, expired := a.issue(nil), a.issue(past)
	wrong := strings.Repeat("00", 32)
	tests := []struct {
		name         string
		cert         tls.Certificate
		options      TLSOptions
		host         string
		reason, hint string // of the client's error; no reason: it works
	}{
		{"good", good, TLSOptions{CA: ca}, "localhost", "", ""},
		{"expired", expired, TLSOptions{CA: ca}, "localhost",
			"the server's certificate expired on 2021-03-04 05:06 UTC, ", "-k"},
		{"not yet", a.issue(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = hours(49.5), hours(60) }), TLSOptions{CA: ca}, "localhost",
			"is not valid yet: from " + hours(49.5).UTC().Format("2006-01-02 15:04") + " UTC on, in 2 days", "clock"},
		{"unknown authority", good, TLSOptions{}, "localhost",
			"the server's certificate (CN=leaf) is signed by an unknown authority: CN=Test CA", "--ca FILE trusts an authority, --pin " + Fingerprint(good.Certificate[0])},
		{"self-signed", self, TLSOptions{}, "localhost", "(CN=sockkit self-signed) is self-signed", "--pin " + Fingerprint(self.Certificate[0])},
		{"wrong name", a.issue(func(c *x509.Certificate) {
			c.DNSNames, c.IPAddresses = []string{"a.example", "*.b.example"}, []net.IP{net.IPv4(10, 0, 0, 1)}
		}), TLSOptions{CA: ca}, "localhost",
			`is not for "localhost": it is for a.example, *.b.example, 10.0.0.1`, "--server-name"},
		{"wrong address", good, TLSOptions{CA: ca}, "127.0.0.1", `is not for "127.0.0.1": it is for localhost`, "--server-name"},
		{"no names", a.issue(func(c *x509.Certificate) { c.DNSNames = nil }), TLSOptions{CA: ca}, "localhost",
			`is not for "localhost": it has no names at all (CN=leaf)`, ""},
		{"many names", a.issue(func(c *x509.Certificate) {
			c.DNSNames = nil
			for i := range 15 {
				c.DNSNames = append(c.DNSNames, fmt.Sprintf("n%d.example", i))
			}
		}), TLSOptions{CA: ca}, "localhost", "n9.example and 5 more", ""},
		{"a name with an escape", a.issue(func(c *x509.Certificate) { c.Subject.CommonName = "\x1b[31mred" }), TLSOptions{}, "localhost",
			`"CN=\x1b[31mred"`, ""},
		{"a client's only", a.issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }),
			TLSOptions{CA: ca}, "localhost", "is not meant for this use", ""},
		{"unchecked", expired, TLSOptions{Insecure: true}, "elsewhere", "", ""},

		{"pin", self, TLSOptions{Pins: []string{Fingerprint(self.Certificate[0])}}, "elsewhere", "", ""},
		{"pin of the key", self, TLSOptions{Pins: []string{Fingerprint(self.Leaf.RawSubjectPublicKeyInfo)}}, "elsewhere", "", ""},
		{"second pin", self, TLSOptions{Pins: []string{wrong, Fingerprint(self.Certificate[0])}}, "elsewhere", "", ""},
		{"wrong pin", self, TLSOptions{Pins: []string{wrong}}, "localhost",
			"it is " + Fingerprint(self.Certificate[0]) + " (its key is " + Fingerprint(self.Leaf.RawSubjectPublicKeyInfo) + "), and pinned is sha256:" + wrong,
			"--pin " + Fingerprint(self.Certificate[0])},
		{"wrong pin, -k", self, TLSOptions{Pins: []string{wrong}, Insecure: true}, "localhost", "is not the pinned one", ""},
		{"pin and CA", good, TLSOptions{CA: ca, Pins: []string{Fingerprint(good.Certificate[0])}}, "localhost", "", ""},
		{"pin of the authority", good, TLSOptions{Pins: []string{Fingerprint(a.cert.Raw)}}, "localhost", "is not the pinned one", ""},
		{"right pin, wrong CA", self, TLSOptions{CA: ca, Pins: []string{Fingerprint(self.Certificate[0])}}, "localhost", "is self-signed", ""},
		{"wrong pin, right CA", good, TLSOptions{CA: ca, Pins: []string{wrong}}, "localhost", "is not the pinned one", ""},
		{"right pin, wrong name", good, TLSOptions{CA: ca, Pins: []string{Fingerprint(good.Certificate[0])}}, "elsewhere", "is not for", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg, err := test.options.Client(test.host)
			if err != nil {
				t.Fatal(err)
			}
			client, server := handshakes(t, cfg, serving(test.cert))
			if test.reason == "" {
				if client.err != nil || server.err != nil {
					t.Fatal(client.err, server.err)
				}
				return
			}
			e := failed(t, client.err, test.reason, test.hint)
			checked := test.options.Check(test.host, stateOf(t, test.cert))
			var same *TLSError
			if !errors.As(checked, &same) || same.Reason != e.Reason {
				t.Errorf("Check says %v", checked)
			}
		})
	}
}

func hours(n float64) time.Time { return time.Now().Add(time.Duration(n * float64(time.Hour))) }

// stateOf is the state that a client without checks has with cert's server.
func stateOf(t *testing.T, cert tls.Certificate) tls.ConnectionState {
	t.Helper()
	client, _ := handshakes(t, &tls.Config{InsecureSkipVerify: true}, serving(cert))
	if client.err != nil {
		t.Fatal(client.err)
	}
	state, ok := TLSState(client.conn)
	if !ok {
		t.Fatal("no TLS state")
	}
	return state
}

func TestCheckPasses(t *testing.T) {
	a := newAuthority(t, "Test CA")
	cert := a.issue(nil)
	options := &TLSOptions{CA: a.caFile(), Insecure: true, Pins: []string{Fingerprint(cert.Certificate[0])}}
	if err := options.Check("localhost", stateOf(t, cert)); err != nil {
		t.Fatal(err)
	}
}

func TestErrorTypes(t *testing.T) {
	a := newAuthority(t, "Test CA")
	cert := a.issue(nil)
	var authority x509.UnknownAuthorityError
	client, _ := handshakes(t, &tls.Config{ServerName: "localhost"}, serving(cert))
	if !errors.As(client.err, &authority) {
		t.Errorf("%v is no x509.UnknownAuthorityError", client.err)
	}
	var name x509.HostnameError
	client, _ = handshakes(t, &tls.Config{ServerName: "other", RootCAs: a.pool()}, serving(cert))
	if !errors.As(client.err, &name) {
		t.Errorf("%v is no x509.HostnameError", client.err)
	}
	var pin *PinError
	cfg, _ := (&TLSOptions{Pins: []string{strings.Repeat("00", 32)}}).Client("h")
	client, _ = handshakes(t, cfg, serving(cert))
	if !errors.As(client.err, &pin) {
		t.Errorf("%v is no PinError", client.err)
	}
}

func TestIntermediateExpired(t *testing.T) {
	root := newAuthority(t, "Root")
	middle := &testAuthority{t: t, key: newKey(t), dir: t.TempDir()}
	middle.cert = root.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "Middle"}, NotBefore: hours(-48), NotAfter: hours(-1.5),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, root.cert, middle.key.Public())
	client, _ := handshakes(t, &tls.Config{ServerName: "localhost", RootCAs: root.pool()}, serving(middle.issue(nil)))
	failed(t, client.err, "the authority's certificate (CN=Middle) behind the server's certificate expired on", "")
}

func TestHandshakesThatFail(t *testing.T) {
	a := newAuthority(t, "Test CA")
	stranger := newAuthority(t, "Stranger")
	cert := a.issue(nil)
	plain := func() *tls.Config { return &tls.Config{ServerName: "localhost", RootCAs: a.pool()} }
	with := func(c *tls.Config, change func(*tls.Config)) *tls.Config { change(c); return c }
	wantsCert := with(serving(cert), func(c *tls.Config) { c.ClientCAs, c.ClientAuth = a.pool(), tls.RequireAndVerifyClientCert })
	tests := []struct {
		name           string
		client, server *tls.Config
		clientReason   string
		clientHint     string
		serverReason   string
		serverHint     string
	}{
		{"old server", plain(), with(serving(cert), func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }),
			"the server speaks no TLS version in common: offered was TLS 1.2 to TLS 1.3 (TLS alert 70, protocol version not supported)", "",
			"the client speaks TLS 1.3, TLS 1.2 only, and TLS 1.0 to TLS 1.1 is wanted", ""},
		{"old client", with(plain(), func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), serving(cert),
			"the server speaks no TLS version in common: offered was TLS 1.0 to TLS 1.1", "",
			"the client speaks TLS 1.1, TLS 1.0 only, and TLS 1.2 to TLS 1.3 is wanted", ""},
		{"new client", with(plain(), func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }), with(serving(cert), func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }),
			"the server speaks no TLS version in common: offered was TLS 1.3", "", "the client speaks TLS 1.3 only, and TLS 1.2 is wanted", ""},
		{"ALPN", with(plain(), func(c *tls.Config) { c.NextProtos = []string{"h2", "x"} }), with(serving(cert), func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }),
			`no application protocol in common (ALPN): offered was "h2" "x"`, "--alpn",
			`no application protocol in common (ALPN): the client asked for "h2" "x", and here is "http/1.1"`, "--alpn"},
		{"no client certificate, TLS 1.2", with(plain(), func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), wantsCert,
			"the server demands a client certificate", "--cert", "the client sent no certificate, and --client-ca demands one", ""},
		{"a stranger's certificate, TLS 1.2", with(plain(), func(c *tls.Config) {
			c.MaxVersion = tls.VersionTLS12
			own := stranger.issue(nil)
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
		}), wantsCert,
			"the server refused our certificate", "", "the client's certificate (CN=leaf) is signed by an unknown authority: CN=Stranger", "--client-ca"},
		{"distrust", &tls.Config{ServerName: "localhost", RootCAs: stranger.pool()}, serving(cert),
			"unknown authority", "--ca", "the client refused our certificate (TLS alert 42, bad certificate)", "--pin"},
		{"no server name", &tls.Config{}, serving(cert), "there is no name to check", "--server-name", "the client closed the connection during the handshake", "may speak no TLS"},
		{"no certificate", plain(), &tls.Config{}, "TLS alert", "", "no certificates configured", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, server := handshakes(t, test.client, test.server)
			if e := failed(t, client.err, test.clientReason, test.clientHint); e.Side != trace.Client {
				t.Error(e.Side)
			}
			if e := failed(t, server.err, test.serverReason, test.serverHint); e.Side != trace.Server {
				t.Error(e.Side)
			}
		})
	}
}

// speaking is a peer that answers a handshake with text and is then done.
func speaking(t *testing.T, text string, end func(net.Conn)) (client net.Conn) {
	t.Helper()
	client, peer := joined(t)
	go func() {
		io.ReadFull(peer, make([]byte, 1))
		io.WriteString(peer, text)
		end(peer)
	}()
	return client
}

func TestPeersWithoutTLS(t *testing.T) {
	stay := func(net.Conn) {}
	tests := []struct {
		name, says   string
		end          func(net.Conn)
		reason, hint string
	}{
		{"HTTP", "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", stay, `the server speaks no TLS: it sent "HTTP/1.1 400 Bad Request"`, "HTTP server without TLS"},
		{"SSH", "SSH-2.0-OpenSSH_9.6\r\n", stay, `it sent "SSH-2.0-OpenSSH_9.6"`, "tcp://"},
		{"binary", "\x00\x01\x1b[31m\xff and more", stay, `it sent "\x00\x01\x1b[31m\xff and more"`, ""},
		{"less than a record's head", "-ERR", func(c net.Conn) { c.(*net.TCPConn).CloseWrite() }, "the server closed the connection during the handshake", ""},
		{"nothing", "", func(c net.Conn) { c.(*net.TCPConn).CloseWrite() }, "the server closed the connection during the handshake", "it may speak no TLS"},
		{"a reset", "", func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() }, "the server reset the connection during the handshake", "it may speak no TLS"},
		{"oversized", "\x16\x03\x03\xff\xff", stay, "oversized record", ""},
		{"application data", "\x17\x03\x03\x00\x01x", stay, "the server broke the protocol: first record does not look like a TLS handshake", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conn, err := ClientTLS(testContext(t), speaking(t, test.says, test.end), &tls.Config{ServerName: "localhost"}, nil)
			if conn != nil {
				t.Fatal("a connection")
			}
			failed(t, err, test.reason, test.hint)
		})
	}
}

// An echo service sends the ClientHello back.
func TestEchoInPlaceOfTLS(t *testing.T) {
	client, peer := joined(t)
	go io.Copy(peer, peer)
	_, err := ClientTLS(testContext(t), client, &tls.Config{ServerName: "localhost"}, nil)
	failed(t, err, "the server speaks no TLS: it sends back what it is sent", "echo service")
}

func TestClientWithoutTLS(t *testing.T) {
	a := newAuthority(t, "Test CA")
	client, server := joined(t)
	io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_, err := ServerTLS(testContext(t), server, serving(a.issue(nil)), nil)
	failed(t, err, `the client speaks no TLS: it sent "GET / HTTP/1.1"`, "https://")
}

func TestHandshakeOutOfTime(t *testing.T) {
	client, _ := joined(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, &timeoutForTest{})
	defer cancel()
	_, err := ClientTLS(ctx, client, &tls.Config{ServerName: "localhost"}, nil)
	e := failed(t, err, "the handshake timed out after", "may wait just so")
	if !strings.Contains(e.Reason, "said nothing") {
		t.Error(e.Reason)
	}
	var cause *timeoutForTest
	if !errors.As(err, &cause) {
		t.Errorf("the cause is %v", e.Err)
	}
	if _, err := client.Write([]byte{0}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection is left open: %v", err)
	}
}

type timeoutForTest struct{}

func (*timeoutForTest) Error() string { return "out of time" }

func TestHandshakeDeadline(t *testing.T) {
	client, server := joined(t)
	io.WriteString(server, "\x16")
	client.SetDeadline(time.Now().Add(20 * time.Millisecond))
	_, err := ClientTLS(testContext(t), client, &tls.Config{ServerName: "localhost"}, nil)
	failed(t, err, "the handshake timed out after", "")
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

func TestHandshakeCancelled(t *testing.T) {
	client, server := joined(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		io.ReadFull(server, make([]byte, 1))
		cancel()
	}()
	_, err := ClientTLS(ctx, client, &tls.Config{ServerName: "localhost"}, nil)
	failed(t, err, "the handshake was cancelled", "")
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1 second", 119 * time.Second: "119 seconds", 2 * time.Minute: "2 minutes", 47 * time.Hour: "47 hours",
		48 * time.Hour: "2 days", 24 * 400 * time.Hour: "400 days",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestBrokenPipeInHandshake(t *testing.T) {
	h := &handshake{side: trace.Server, cfg: &tls.Config{}, wire: &wire{Conn: &net.TCPConn{}}}
	e := h.failure(context.Background(), &net.OpError{Op: "write", Err: syscall.EPIPE})
	if e.Reason != "the client reset the connection during the handshake" {
		t.Error(e.Reason)
	}
}
