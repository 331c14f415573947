package tcp

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestOptionsSayWhatIsWrong(t *testing.T) {
	a := newAuthority(t, "Test CA")
	leaf := a.issue(nil)
	cert, key := a.files("leaf", leaf)
	_, otherKey := a.files("other", a.issue(nil))
	empty := a.write("empty", nil)
	text := a.write("text", []byte("hello\n"))
	der := a.write("der", leaf.Certificate[0])
	half := a.write("half", []byte("-----BEGIN CERTIFICATE-----\nMIIB\n"))
	damaged := a.file("damaged", certBlock([]byte{1, 2, 3}))
	encrypted := a.file("encrypted", &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}})
	oldEncrypted := a.file("old", &pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES-128-CBC,00"}, Bytes: []byte{1}})
	badKey := a.file("bad", &pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})
	missing := filepath.Join(a.dir, "missing")
	tests := []struct {
		name    string
		options TLSOptions
		server  bool
		host    string
		want    string // of the error
		hint    string
	}{
		{"no certificate", TLSOptions{}, true, "", "--cert: a TLS server needs a certificate", "--self-signed"},
		{"key only", TLSOptions{Key: key}, true, "", "--key " + key + ": a key without its certificate", "--cert FILE"},
		{"key only, client", TLSOptions{Key: key}, false, "h", "--key " + key + ": a key without its certificate", "--cert FILE"},
		{"missing file", TLSOptions{Cert: missing}, true, "", "--cert " + missing + ": no such file or directory", ""},
		{"missing CA", TLSOptions{CA: missing}, false, "h", "--ca " + missing + ": no such file or directory", ""},
		{"directory", TLSOptions{Cert: a.dir}, true, "", "--cert " + a.dir + ": this is a directory", "name the PEM file in it"},
		{"CA directory", TLSOptions{CA: a.dir}, false, "h", "--ca " + a.dir + ": this is a directory", "name the PEM file in it"},
		{"empty", TLSOptions{Cert: empty}, true, "", "the file is empty", ""},
		{"no PEM", TLSOptions{Cert: text}, true, "", "no PEM in it", ""},
		{"DER", TLSOptions{Cert: der}, true, "", "this is DER, and PEM is wanted", "openssl x509 -inform der"},
		{"cut", TLSOptions{Cert: half}, true, "", "damaged or cut short", ""},
		{"damaged", TLSOptions{Cert: damaged, Key: key}, true, "", "--cert " + damaged + ": certificate 1 in it is damaged", ""},
		{"damaged CA", TLSOptions{CA: damaged}, false, "h", "--ca " + damaged + ": certificate 1 in it is damaged", ""},
		{"swapped", TLSOptions{Cert: key, Key: cert}, true, "", "--cert " + key + ": no certificate in it, but PRIVATE KEY", "wrong way round"},
		{"CA is a key", TLSOptions{ClientCA: key, SelfSigned: true}, true, "", "--client-ca " + key + ": no certificate in it", ""},
		{"no key", TLSOptions{Cert: cert}, true, "", "--cert " + cert + ": no private key in it, but CERTIFICATE", "--key FILE"},
		{"key is a certificate", TLSOptions{Cert: cert, Key: cert}, true, "", "--key " + cert + ": no private key in it", "wrong way round"},
		{"other key", TLSOptions{Cert: cert, Key: otherKey}, true, "", "--key " + otherKey + ": the key is not that of the certificate in " + cert, ""},
		{"encrypted", TLSOptions{Cert: cert, Key: encrypted}, true, "", "--key " + encrypted + ": the private key is encrypted", "openssl pkey"},
		{"encrypted, old", TLSOptions{Cert: cert, Key: oldEncrypted}, true, "", "the private key is encrypted", "openssl pkey"},
		{"bad key", TLSOptions{Cert: cert, Key: badKey}, true, "", "--key " + badKey + ": failed to parse private key", ""},
		{"two certificates", TLSOptions{Cert: cert, SelfSigned: true}, true, "", "--self-signed: there is a certificate already", "one of the two"},
		{"no name", TLSOptions{}, false, "", "--server-name: there is no name", "--pin"},
		{"pin", TLSOptions{Pins: []string{"sha256:12"}}, false, "h", "--pin sha256:12: 1 bytes, and a SHA-256 has 32", "64 hexadecimal digits"},
		{"pin by SHA-1", TLSOptions{Pins: []string{"sha1:" + strings.Repeat("ab", 20)}}, false, "h", "only sha256 is known", ""},
		{"pin of nothing", TLSOptions{Pins: []string{"@!"}}, false, "h", "neither hexadecimal digits nor base64", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg, err := test.options.Client(test.host)
			if test.server {
				cfg, err = test.options.Server()
			}
			var option *TLSOptionError
			switch {
			case cfg != nil:
				t.Fatal("a configuration came with the error")
			case !errors.As(err, &option):
				t.Fatalf("got %v, want a TLSOptionError", err)
			case !strings.Contains(err.Error(), test.want):
				t.Errorf("got  %q\nwant %q", err, test.want)
			case !strings.Contains(option.Hint, test.hint):
				t.Errorf("hint %q, want %q", option.Hint, test.hint)
			}
			if strings.HasPrefix(test.name, "missing") && !errors.Is(err, fs.ErrNotExist) {
				t.Error("not an fs.ErrNotExist")
			}
		})
	}
}

func TestUnreadableFile(t *testing.T) {
	err := fileError("--ca", "ca.pem", &fs.PathError{Op: "open", Path: "ca.pem", Err: syscall.EACCES})
	if !errors.Is(err, fs.ErrPermission) || err.Error() != "--ca ca.pem: "+syscall.EACCES.Error() {
		t.Fatal(err)
	}
}

func TestCertificateAndKeyInOneFile(t *testing.T) {
	a := newAuthority(t, "Test CA")
	leaf := a.issue(nil)
	both := a.file("both.pem", &pem.Block{Type: "EC PARAMETERS"}, keyBlock(t, leaf.PrivateKey), certBlock(leaf.Certificate[0]))
	cfg, err := (&TLSOptions{Cert: both}).Server()
	if err != nil {
		t.Fatal(err)
	}
	if string(cfg.Certificates[0].Certificate[0]) != string(leaf.Certificate[0]) {
		t.Fatal("another certificate")
	}
}

func TestClientName(t *testing.T) {
	tests := []struct{ host, option, want string }{
		{"example.com", "", "example.com"},
		{"example.com", "other.example", "other.example"},
		{"[::1]", "", "::1"},
		{"fe80::1%eth0", "", "fe80::1"},
		{"127.0.0.1", "", "127.0.0.1"},
	}
	for _, test := range tests {
		cfg, err := (&TLSOptions{ServerName: test.option}).Client(test.host)
		if err != nil || cfg.ServerName != test.want || cfg.MinVersion != tls.VersionTLS12 {
			t.Errorf("%q, %q: %v, %v", test.host, test.option, cfg, err)
		}
	}
}

func TestParsePin(t *testing.T) {
	const hexSum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	const colons = "9F:86:D0:81:88:4C:7D:65:9A:2F:EA:A0:C5:5A:D0:15:A3:BF:4F:1B:2B:0B:82:2C:D1:5D:6C:15:B0:F0:0A:08"
	const b64 = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="
	for _, s := range []string{
		"sha256:" + hexSum, hexSum, "SHA256:" + strings.ToUpper(hexSum), "sha256:" + colons, "SHA256 Fingerprint=" + colons,
		"sha256:" + b64, "sha256//" + b64, strings.TrimRight(b64, "="), " sha256:" + hexSum + "\n",
		"sha256:n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg",
	} {
		sum, err := parsePin(s)
		if err != nil {
			t.Errorf("%q: %v", s, err)
		} else if got := Fingerprint([]byte("test")); got != "sha256:"+hexSum || sum[0] != 0x9f || sum[31] != 0x08 {
			t.Errorf("%q: %x, fingerprint %s", s, sum, got)
		}
	}
	for _, s := range []string{"", "sha256:", hexSum[1:], hexSum + "00", "md5:" + hexSum, "sha256:" + b64 + b64} {
		if sum, err := parsePin(s); err == nil {
			t.Errorf("%q: taken as %x", s, sum)
		}
	}
}

func TestSelfSigned(t *testing.T) {
	cert, err := SelfSigned([]string{"Example.COM.", "10.1.2.3", "[fe80::1%eth0]", "0.0.0.0", "::", "", "bad name", "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	leaf := cert.Leaf
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "example.com", "10.1.2.3", "fe80::1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if host, err := os.Hostname(); err == nil && isHostName(strings.ToLower(host)) {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	for _, name := range leaf.DNSNames {
		if strings.Contains(name, " ") || name == "" {
			t.Errorf("the name %q", name)
		}
	}
	for i, ip := range leaf.IPAddresses {
		if ip.IsUnspecified() {
			t.Errorf("the address %v", ip)
		}
		for _, other := range leaf.IPAddresses[:i] {
			if net.IP.Equal(ip, other) {
				t.Errorf("%v twice", ip)
			}
		}
	}
	if d := leaf.NotAfter.Sub(leaf.NotBefore); d != 90*24*time.Hour {
		t.Errorf("valid for %v", d)
	}
	if ago := time.Since(leaf.NotBefore); ago < time.Hour || ago > 2*time.Hour {
		t.Errorf("valid since %v", ago)
	}
	if leaf.SerialNumber.Sign() <= 0 || leaf.SerialNumber.BitLen() < 64 {
		t.Errorf("serial number %v", leaf.SerialNumber)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "localhost"}); err != nil {
		t.Error("as its own --ca:", err)
	}
}

func FuzzParsePin(f *testing.F) {
	f.Add("sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
	f.Add("sha256//n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=")
	f.Add("9F:86")
	f.Fuzz(func(t *testing.T, s string) {
		sum, err := parsePin(s)
		if err != nil {
			return
		}
		again, err := parsePin(pinPrefix + hexOf(sum[:]))
		if err != nil || again != sum {
			t.Fatalf("%q was taken as %x, which is read as %x (%v)", s, sum, again, err)
		}
		if digits := strings.Count(s, ""); digits < 43 {
			t.Fatalf("%d characters cannot hold 32 bytes", digits)
		}
	})
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}
