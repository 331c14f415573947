package inspect

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// judged judges a chain for localhost and returns the findings and the layer.
func judged(j *judge, chain ...*x509.Certificate) ([]Finding, *TLS) {
	r := &Report{TLS: &TLS{}}
	if j.name == "" {
		j.name = "localhost"
	}
	if j.now.IsZero() {
		j.now = time.Now()
	}
	j.certificates(r, &tls.ConnectionState{PeerCertificates: chain})
	return r.Findings, r.TLS
}

func TestJudge(t *testing.T) {
	root := newAuthority(t, "Root CA")
	other := newAuthority(t, "Other CA")
	middle := root.intermediate("Middle CA", nil)
	oldMiddle := root.intermediate("Old CA", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })
	noCA := root.intermediate("No CA", func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature })
	leaf := func(a *authority, change func(*x509.Certificate)) *x509.Certificate { return a.issue(change).Leaf }
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	own := newKey(t)
	expired := func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(-90*day), time.Now().Add(-12*day) }
	tests := []struct {
		name  string
		chain []*x509.Certificate
		host  string
		want  []string
		says  string // of the first finding
	}{
		{"good", []*x509.Certificate{leaf(root, nil)}, "", nil, ""},
		{"good, with an intermediate", []*x509.Certificate{leaf(middle, nil), middle.cert}, "", nil, ""},
		{"good, with its root", []*x509.Certificate{leaf(root, nil), root.cert}, "", nil, ""},
		{"an address", []*x509.Certificate{leaf(root, nil)}, "127.0.0.1", nil, ""},
		{"expired", []*x509.Certificate{leaf(root, expired)}, "", []string{"error expired 1"}, "the server's certificate expired on "},
		{"expired, ago", []*x509.Certificate{leaf(root, expired)}, "", []string{"error expired 1"}, ", 12 days ago"},
		{"not yet valid", []*x509.Certificate{leaf(root, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(3*day + time.Hour) })}, "",
			[]string{"error not_yet_valid 1"}, "is not valid yet: from "},
		{"expires soon", []*x509.Certificate{leaf(root, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-80*day), time.Now().Add(5*day+time.Hour)
		})}, "",
			[]string{"warning expires_soon 1"}, "in 5 days"},
		{"short-lived and fresh", []*x509.Certificate{leaf(root, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(-day), time.Now().Add(5*day) })}, "", nil, ""},
		{"wrong name", []*x509.Certificate{leaf(root, nil)}, "app.test", []string{"error wrong_name 1"}, `is not for "app.test": it is for localhost, 127.0.0.1`},
		{"no names", []*x509.Certificate{leaf(root, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, nil })}, "",
			[]string{"error wrong_name 1"}, `it has no names at all (CN=leaf)`},
		{"self-signed", []*x509.Certificate{sign(t, leafTemplate(), nil, own, own)}, "", []string{"error self_signed 1"}, "(CN=leaf) is self-signed"},
		{"unknown authority, sent", []*x509.Certificate{leaf(other, nil), other.cert}, "", []string{"error unknown_authority 2"}, "the chain ends at CN=Other CA, an authority that is not trusted"},
		{"unknown authority, not sent", []*x509.Certificate{leaf(other, nil)}, "", []string{"error unknown_authority 1"}, "its issuer, CN=Other CA, is neither sent nor trusted"},
		{"intermediate left out", []*x509.Certificate{leaf(middle, func(c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://ca.test/middle.der"} })}, "",
			[]string{"error unknown_authority 1"}, "its issuer, CN=Middle CA, is neither sent nor trusted"},
		{"intermediate expired", []*x509.Certificate{leaf(oldMiddle, nil), oldMiddle.cert}, "", []string{"error expired 2"}, "certificate 2 (CN=Old CA) expired on "},
		{"expired certificate beside the way", []*x509.Certificate{leaf(middle, nil), middle.cert, oldMiddle.cert}, "",
			[]string{"note expired 3", "note unused_certificate 3"}, "certificate 3 (CN=Old CA) expired on "},
		{"not for servers", []*x509.Certificate{leaf(root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })}, "",
			[]string{"error wrong_use 1"}, "is not for servers"},
		{"signed by no authority", []*x509.Certificate{leaf(noCA, nil), noCA.cert}, "", []string{"error not_an_authority 2"}, "certificate 2 (CN=No CA) signed another and may not"},
		{"weak key", []*x509.Certificate{sign(t, leafTemplate(), root.cert, weak, root.key)}, "", []string{"error weak_key 1"}, "has a weak key: RSA 1024"},
		{"a stray", []*x509.Certificate{leaf(root, nil), other.cert}, "", []string{"note unused_certificate 2"}, "certificate 2 (CN=Other CA) is sent and part of no chain"},
		{"out of order", []*x509.Certificate{leaf(middle, nil), root.cert, middle.cert}, "",
			[]string{"note out_of_order 2", "note out_of_order 3"}, "certificate 2 (CN=Root CA) did not sign the one before it"},
		{"all at once", []*x509.Certificate{leaf(other, expired), other.cert}, "app.test",
			[]string{"error expired 1", "error wrong_name 1", "error unknown_authority 2"}, "expired"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			findings, layer := judged(&judge{roots: root.pool(), name: test.host}, test.chain...)
			if got := ids(findings); !slices.Equal(got, append([]string{}, test.want...)) {
				t.Fatalf("findings %v, want %v", got, test.want)
			}
			if len(findings) > 0 && !strings.Contains(findings[0].What, test.says) {
				t.Errorf("got %q, want %q in it", findings[0].What, test.says)
			}
			if wrong := slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity == Error }); layer.Trusted == wrong {
				t.Errorf("trusted %t", layer.Trusted)
			}
			for _, f := range findings {
				if !slices.Contains(layer.Certificates[f.Certificate-1].Findings, f.ID) {
					t.Errorf("%s is not at certificate %d", f.ID, f.Certificate)
				}
			}
		})
	}
}

func TestJudgeTrustedBy(t *testing.T) {
	root := newAuthority(t, "Root CA")
	_, layer := judged(&judge{roots: root.pool()}, root.issue(nil).Leaf)
	if layer.TrustedBy != ByCA || layer.Anchor != "CN=Root CA" {
		t.Errorf("by %q, anchor %q", layer.TrustedBy, layer.Anchor)
	}
}

func TestIntermediateLeftOutSaysWhereItIs(t *testing.T) {
	root := newAuthority(t, "Root CA")
	leaf := root.intermediate("Middle CA", nil).issue(func(c *x509.Certificate) {
		c.IssuingCertificateURL = []string{"http://ca.test/middle.der"}
	}).Leaf
	findings, _ := judged(&judge{roots: root.pool()}, leaf)
	if len(findings) != 1 || !strings.Contains(findings[0].Hint, "http://ca.test/middle.der") {
		t.Fatalf("%+v", findings)
	}
}

// The signature of a certificate by SHA-1 cannot be made with package x509 any
// more, so what is looked at is the algorithm that it names.
func TestJudgeWeakSignature(t *testing.T) {
	root := newAuthority(t, "Root CA")
	leaf := *root.issue(nil).Leaf
	leaf.SignatureAlgorithm = x509.ECDSAWithSHA1
	j := &judge{chain: []*x509.Certificate{&leaf}, now: time.Now()}
	j.strength(0, &leaf)
	if got := ids(j.findings); !slices.Equal(got, []string{"error weak_signature 1"}) {
		t.Fatal(got)
	}
	if !strings.Contains(j.findings[0].What, "ECDSA-SHA1") {
		t.Error(j.findings[0].What)
	}
}

func TestJudgeLenient(t *testing.T) {
	root, other := newAuthority(t, "Root CA"), newAuthority(t, "Other CA")
	findings, layer := judged(&judge{roots: root.pool(), lenient: true, name: "app.test"}, other.issue(nil).Leaf)
	if got := ids(findings); !slices.Equal(got, []string{"note wrong_name 1", "note unknown_authority 1"}) {
		t.Fatal(got)
	}
	if layer.Trusted {
		t.Error("trusted")
	}
}

func TestJudgePins(t *testing.T) {
	root, other := newAuthority(t, "Root CA"), newAuthority(t, "Other CA")
	leaf := other.issue(nil).Leaf
	match := func(tls.ConnectionState) error { return nil }
	mismatch := func(tls.ConnectionState) error {
		return &tcp.PinError{Want: []string{"sha256:aa"}, Certificate: "sha256:bb", Key: "sha256:cc"}
	}
	broken := func(tls.ConnectionState) error { return errors.New("out of order") }
	tests := []struct {
		name    string
		judge   judge
		want    []string
		trusted bool
	}{
		{"it alone", judge{pinned: match}, []string{"note unknown_authority 1"}, true},
		{"and --ca", judge{pinned: match, roots: root.pool()}, []string{"error unknown_authority 1"}, false},
		{"another", judge{pinned: mismatch, roots: other.pool()}, []string{"error pin_mismatch 1"}, false},
		{"another, with -k", judge{pinned: mismatch, lenient: true, roots: root.pool()}, []string{"note unknown_authority 1", "error pin_mismatch 1"}, false},
		{"none that can be had", judge{pinned: broken, roots: other.pool()}, []string{"error pin_mismatch 1"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			findings, layer := judged(&test.judge, leaf)
			if got := ids(findings); !slices.Equal(got, test.want) || layer.Trusted != test.trusted {
				t.Fatalf("findings %v, trusted %t", got, layer.Trusted)
			}
		})
	}
}

func TestNoCertificate(t *testing.T) {
	findings, layer := judged(&judge{})
	if got := ids(findings); !slices.Equal(got, []string{"error no_certificate_sent 0"}) || layer.Trusted {
		t.Fatalf("%v, trusted %t", got, layer.Trusted)
	}
}

func TestDescribe(t *testing.T) {
	root := newAuthority(t, "Root CA")
	c := root.issue(func(c *x509.Certificate) {
		c.NotAfter = time.Now().Add(90*day + time.Hour)
		c.IPAddresses = []net.IP{net.IPv6loopback}
	}).Leaf
	got := describe(c, time.Now())
	switch {
	case got.DaysLeft != 90:
		t.Errorf("%d days left", got.DaysLeft)
	case got.Key != "ECDSA P-256", got.Signature != "ECDSA-SHA256":
		t.Errorf("key %q, signature %q", got.Key, got.Signature)
	case !slices.Equal(got.Names, []string{"localhost", "::1"}):
		t.Errorf("names %v", got.Names)
	case got.SHA256 != tcp.Fingerprint(c.Raw), got.Authority, got.SelfSigned:
		t.Errorf("%+v", got)
	}
	if late := describe(c, c.NotAfter.Add(time.Hour)); late.DaysLeft != -1 {
		t.Errorf("%d days left an hour after the end", late.DaysLeft)
	}
	if ca := describe(root.cert, time.Now()); !ca.Authority || !ca.SelfSigned {
		t.Errorf("%+v", ca)
	}
}
