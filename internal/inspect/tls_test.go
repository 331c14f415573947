package inspect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

func TestTLSTrusted(t *testing.T) {
	a := newAuthority(t, "Test CA")
	port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{a.issue(nil)}, NextProtos: []string{"h2"}})
	r := run(t, Options{Address: tlsAt("127.0.0.1", port), TLS: tcp.TLSOptions{CA: a.file(), ALPN: []string{"h2"}}, BannerWait: -1})
	l := r.TLS
	switch {
	case len(r.Findings) != 0, r.Reached != ReachedTLS:
		t.Errorf("reached %q, findings %+v", r.Reached, r.Findings)
	case l.Version != "TLS 1.3", l.Cipher == "", l.KeyExchange == "", l.ALPN != "h2", l.Duration == 0:
		t.Errorf("%+v", l)
	case !l.Trusted, l.TrustedBy != ByCA, l.Anchor != "CN=Test CA", l.ServerName != "127.0.0.1", len(l.Certificates) != 1:
		t.Errorf("%+v", l)
	}
}

// The report is made though the certificate fails its check.
func TestTLSUntrusted(t *testing.T) {
	a, other := newAuthority(t, "Test CA"), newAuthority(t, "Other CA")
	expired := a.issue(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(-90*day), time.Now().Add(-12*day) })
	wrong := a.issue(func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"a.test", "b.test"}, nil })
	unknown := other.issue(nil)
	tests := []struct {
		name string
		cert tls.Certificate
		want string
		says string
	}{
		{"expired", expired, "error expired 1", "12 days ago"},
		{"wrong name", wrong, "error wrong_name 1", `is not for "127.0.0.1": it is for a.test, b.test`},
		{"unknown authority", unknown, "error unknown_authority 1", "its issuer, CN=Other CA, is neither sent nor trusted"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{test.cert}})
			r := run(t, Options{Address: tlsAt("127.0.0.1", port), TLS: tcp.TLSOptions{CA: a.file()}, BannerWait: -1})
			if got := ids(r.Findings); !slices.Equal(got, []string{test.want}) || !strings.Contains(r.Findings[0].What, test.says) {
				t.Fatalf("%+v", r.Findings)
			}
			if worst := r.Worst(); worst == nil || !worst.TLS || r.TLS.Trusted || r.TLS.Version == "" || len(r.TLS.Certificates) == 0 {
				t.Errorf("%+v, %+v", worst, r.TLS)
			}
			r = run(t, Options{Address: tlsAt("127.0.0.1", port), TLS: tcp.TLSOptions{CA: a.file(), Insecure: true}, BannerWait: -1})
			if r.Worst() != nil || len(r.Findings) != 1 || r.Findings[0].Severity != Note {
				t.Errorf("with Insecure: %+v", r.Findings)
			}
		})
	}
}

func TestTLSPins(t *testing.T) {
	cert := newAuthority(t, "Test CA").issue(nil)
	port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{cert}})
	o := Options{Address: tlsAt("127.0.0.1", port), BannerWait: -1, TLS: tcp.TLSOptions{Pins: []string{tcp.Fingerprint(cert.Certificate[0])}}}
	if r := run(t, o); r.Worst() != nil || !r.TLS.Trusted || r.TLS.TrustedBy != ByPin {
		t.Errorf("%+v", r.Findings)
	}
	o.TLS.Pins = []string{tcp.Fingerprint(nil)}
	if r := run(t, o); r.Worst() == nil || r.TLS.Trusted || !slices.Contains(ids(r.Findings), "error pin_mismatch 1") {
		t.Errorf("%+v", r.Findings)
	}
}

func TestTLSNameIsAsked(t *testing.T) {
	a := newAuthority(t, "Test CA")
	asked := make(chan string, 1)
	cert := a.issue(func(c *x509.Certificate) { c.DNSNames = []string{"app.test"} })
	port := serveTLS(t, &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		asked <- hello.ServerName
		return &cert, nil
	}})
	r := run(t, Options{Address: tlsAt("127.0.0.1", port), TLS: tcp.TLSOptions{CA: a.file(), ServerName: "app.test"}, BannerWait: -1})
	if got := <-asked; got != "app.test" || len(r.Findings) != 0 {
		t.Fatalf("asked for %q, %+v", got, r.Findings)
	}
}

func TestTLSOldVersion(t *testing.T) {
	a := newAuthority(t, "Test CA")
	port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{a.issue(nil)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	r := run(t, Options{Address: tlsAt("127.0.0.1", port), TLS: tcp.TLSOptions{CA: a.file()}, BannerWait: -1})
	if got := ids(r.Findings); !slices.Equal(got, []string{"error old_version 0"}) || r.TLS.Version != "TLS 1.1" {
		t.Fatalf("%v with %s", got, r.TLS.Version)
	}
}

func TestTLSCiphers(t *testing.T) {
	for cipher, want := range map[string]string{
		"TLS_RSA_WITH_RC4_128_SHA": "error weak_cipher 0", "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA": "error weak_cipher 0",
		"TLS_RSA_WITH_AES_128_GCM_SHA256": "warning no_forward_secrecy 0", "TLS_AES_128_GCM_SHA256": "",
	} {
		in := &Inspection{Report: &Report{}}
		in.cipherFindings(&TLS{Cipher: cipher})
		if got := strings.Join(ids(in.Report.Findings), " "); got != want {
			t.Errorf("%s: %q, want %q", cipher, got, want)
		}
	}
}

func TestKeyExchange(t *testing.T) {
	for want, state := range map[string]tls.ConnectionState{
		"X25519": {CurveID: tls.X25519}, "P-256": {CurveID: tls.CurveP256}, "P-384": {CurveID: tls.CurveP384}, "P-521": {CurveID: tls.CurveP521},
		"RSA": {CipherSuite: tls.TLS_RSA_WITH_AES_128_GCM_SHA256}, "": {CipherSuite: tls.TLS_AES_128_GCM_SHA256},
	} {
		if got := keyExchange(&state); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTLSNoALPN(t *testing.T) {
	a := newAuthority(t, "Test CA")
	port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{a.issue(nil)}})
	r := run(t, Options{Address: tlsAt("127.0.0.1", port), TLS: tcp.TLSOptions{CA: a.file(), ALPN: []string{"h2"}}, BannerWait: -1})
	if got := ids(r.Findings); !slices.Equal(got, []string{"warning no_alpn 0"}) {
		t.Fatal(got)
	}
}

func TestNotTLS(t *testing.T) {
	port := serve(t, func(conn net.Conn) {
		fmt.Fprint(conn, "220 mail.test\r\n")
		stay(conn)
	})
	r, err := Run(within(t), Options{Address: tlsAt("127.0.0.1", port)})
	var failed *tcp.TLSError
	if !errors.As(err, &failed) || !strings.Contains(r.Error, `speaks no TLS: it sent "220 mail.test"`) {
		t.Fatal(err)
	}
	if r.Reached != ReachedConnection || r.TLS == nil || r.TLS.Version != "" || !strings.Contains(r.Text(TextOptions{}), "tls          failed after") {
		t.Errorf("reached %q\n%s", r.Reached, r.Text(TextOptions{}))
	}
}

func TestTLSOptionIsWrong(t *testing.T) {
	_, err := Run(within(t), Options{Address: tlsAt("127.0.0.1", "1"), TLS: tcp.TLSOptions{CA: "/nosuch"}})
	var option *tcp.TLSOptionError
	if !errors.As(err, &option) {
		t.Fatal(err)
	}
}

// A TLS 1.3 server refuses after the handshake, an older one within it.
func TestClientCertificateDemanded(t *testing.T) {
	a := newAuthority(t, "Test CA")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			port := serveTLS(t, &tls.Config{
				Certificates: []tls.Certificate{a.issue(nil)}, MaxVersion: version, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool(),
			})
			o := Options{Address: tlsAt("127.0.0.1", port), TLS: tcp.TLSOptions{CA: a.file()}, BannerWait: long}
			r, err := Run(within(t), o)
			said := r.Error
			if version == tls.VersionTLS13 {
				if err != nil || r.Worst() == nil {
					t.Fatalf("%v, %+v", err, r.Findings)
				}
				said = r.Worst().What
			}
			if said != "the server demands a client certificate" || r.TLS.ClientCertificate == nil || r.TLS.ClientCertificate.Sent ||
				!slices.Equal(r.TLS.ClientCertificate.Authorities, []string{"CN=Test CA"}) || len(r.TLS.Certificates) != 1 {
				t.Fatalf("%q, %+v", said, r.TLS)
			}
		})
	}
}

func TestClientCertificateSent(t *testing.T) {
	a := newAuthority(t, "Test CA")
	ours := a.issue(nil)
	port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{a.issue(nil)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool()})
	r := run(t, Options{Address: tlsAt("127.0.0.1", port), TLS: tcp.TLSOptions{
		CA: a.file(), Cert: pemFile(t, "CERTIFICATE", ours.Certificate[0]), Key: keyFile(t, ours),
	}, BannerWait: -1})
	if c := r.TLS.ClientCertificate; c == nil || !c.Sent || len(r.Findings) != 0 {
		t.Fatalf("%+v, %+v", c, r.Findings)
	}
}

func TestClientCertificateAskedFor(t *testing.T) {
	a := newAuthority(t, "Test CA")
	port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{a.issue(nil)}, ClientAuth: tls.RequestClientCert})
	r := run(t, Options{Address: tlsAt("127.0.0.1", port), TLS: tcp.TLSOptions{CA: a.file()}, BannerWait: -1})
	if got := ids(r.Findings); !slices.Equal(got, []string{"note client_certificate 0"}) {
		t.Fatal(got)
	}
}

func TestTLSEndsWithoutCloseNotify(t *testing.T) {
	a := newAuthority(t, "Test CA")
	config := &tls.Config{Certificates: []tls.Certificate{a.issue(nil)}}
	port := serve(t, func(conn net.Conn) { // closed below TLS
		_ = tls.Server(conn, config).HandshakeContext(t.Context())
	})
	r := run(t, Options{Address: tlsAt("127.0.0.1", port), TLS: tcp.TLSOptions{CA: a.file()}, BannerWait: long})
	if got := ids(r.Findings); !slices.Equal(got, []string{"note no_close_notify 0"}) || r.Peer.End != EndClosed {
		t.Fatalf("%v, %+v", got, r.Peer)
	}
}

// The trace says that the certificates were checked, as they are.
func TestTLSTraced(t *testing.T) {
	a := newAuthority(t, "Test CA")
	port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{a.issue(nil)}})
	var seen trace.Recorder
	run(t, Options{Address: tlsAt("127.0.0.1", port), TLS: tcp.TLSOptions{CA: a.file()}, BannerWait: -1, Tracer: trace.New(&seen, trace.Frame)})
	handshakes := trace.Events[trace.TLS](seen.Records())
	if len(handshakes) != 1 || handshakes[0].Unverified || len(handshakes[0].Certificates) != 1 {
		t.Fatalf("%+v", handshakes)
	}
}
