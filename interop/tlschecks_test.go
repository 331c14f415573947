package interop

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// sServer starts openssl s_server with a certificate. It ends with its first
// connection.
func sServer(t *testing.T, p pair, flags ...string) place {
	t.Helper()
	_, at := serve(t, "tcp4", func(at place) program {
		return program{args: append(tlsListen["openssl"](at, nil, p), flags...), hold: true}
	})
	return at
}

// TestCertificates dials servers whose certificate is right or wrong: status 7
// and the reason, in words.
func TestCertificates(t *testing.T) {
	t.Parallel()
	a, b := newAuthority(t, "Interop CA"), newAuthority(t, "Somebody Else")
	other := leaf{name: "other", hosts: []string{"other.example", "www.other.example", "192.0.2.7"}}
	old := leaf{name: "old", hosts: here.hosts, expired: true}
	self := selfSigned(t)
	for name, row := range map[string]struct {
		p     pair
		flags []string
		want  int
		says  string
	}{
		"right":                                {a.issue(t, here), []string{"--ca", a.pem}, 0, ""},
		"wrong name":                           {a.issue(t, other), []string{"--ca", a.pem}, 7, `is not for "localhost": it is for other\.example, www\.other\.example(,| and) 192\.0\.2\.7`},
		"wrong name, asked for by its name":    {a.issue(t, other), []string{"--ca", a.pem, "--server-name", "www.other.example"}, 0, ""},
		"expired":                              {a.issue(t, old), []string{"--ca", a.pem}, 7, `the server's certificate expired on \d+`},
		"expired, unchecked":                   {a.issue(t, old), []string{"-k"}, 0, ""},
		"unknown authority":                    {b.issue(t, here), []string{"--ca", a.pem}, 7, `signed by an unknown authority: CN=Somebody Else`},
		"unknown authority, by the system's":   {a.issue(t, here), nil, 7, `signed by an unknown authority: CN=Interop CA`},
		"self-signed":                          {self, nil, 7, `\(CN=self\) is self-signed`},
		"self-signed, pinned":                  {self, []string{"--pin", fingerprint(t, self.cert)}, 0, ""},
		"self-signed, another pinned":          {self, []string{"--pin", fingerprint(t, a.pem)}, 7, `the certificate is not the pinned one: it is ` + fingerprint(t, self.cert)},
		"a client's certificate, on a server":  {a.issue(t, leaf{name: "client", hosts: here.hosts, client: true}), []string{"--ca", a.pem}, 7, `not meant for this use`},
		"no name, only a common name of old":   {a.issue(t, leaf{name: "localhost"}), []string{"--ca", a.pem}, 7, `it has no names at all`},
		"expired, and pinned: that is trusted": {a.issue(t, old), []string{"--pin", "sha256:" + strings.Repeat("00", 32)}, 7, `is not the pinned one`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			us := sockkit(t, append([]string{"dial", "tls://localhost:" + sServer(t, row.p).port}, row.flags...)...)
			us.want(row.want)
			if row.want != 0 {
				us.wantSays(row.want, `^sockkit: dial tls://localhost:\d+: .*`+row.says)
				wantOneError(t, us)
			}
		})
	}
}

// selfSigned is a certificate by openssl req.
func selfSigned(t *testing.T) pair {
	t.Helper()
	dir := tempDir(t)
	p := pair{dir + "/c.pem", dir + "/k.pem"}
	openssl(t, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", p.key, "-out", p.cert,
		"-days", "2", "-subj", "/CN=self", "-addext", "subjectAltName=DNS:localhost")
	return p
}

// fingerprint is a certificate's SHA-256 as openssl tells it, written as
// sockkit writes it.
func fingerprint(t *testing.T, cert string) string {
	t.Helper()
	_, hex, _ := strings.Cut(strings.TrimSpace(openssl(t, "x509", "-in", cert, "-noout", "-fingerprint", "-sha256")), "=")
	return "sha256:" + strings.ToLower(strings.ReplaceAll(hex, ":", ""))
}

func openssl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("openssl", args...).Output()
	if err != nil {
		t.Fatalf("openssl %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// The SHA-256 that --self-signed prints is that of the certificate that openssl
// is shown, and --pin takes it as it stands.
func TestSelfSignedIsPinned(t *testing.T) {
	t.Parallel()
	us := sockkit(t, "listen", "-k", "--echo", "--self-signed", "tls://127.0.0.1:0")
	address := us.address()
	us.err.awaitText(t, "certificate sha256:")
	printed := regexp.MustCompile(`certificate (sha256:[0-9a-f]{64})\n`).FindStringSubmatch(us.err.String())
	if printed == nil {
		t.Fatalf("no fingerprint: %s", us.err)
	}
	shown := start(t, program{args: []string{"openssl", "s_client", "-connect", placeOf("tcp4", address).hostPort()}})
	shown.wait()
	file := fileOf(t, []byte(shown.out.String()))
	if got := fingerprint(t, file); got != printed[1] {
		t.Errorf("openssl was shown %s; printed was %s", got, printed[1])
	}
	client := fed(t, strings.NewReader("hello\n"), "dial", address, "--pin", printed[1])
	client.want(0)
	if client.out.String() != "hello\n" {
		t.Errorf("the echo was %q", client.out)
	}
}

// TestClientCertificates demands a certificate of the client, in both roles.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	a, b := newAuthority(t, "Interop CA"), newAuthority(t, "Somebody Else")
	cert := a.issue(t, here)
	mine, foreign := a.issue(t, leaf{name: "me", client: true}), b.issue(t, leaf{name: "stranger", client: true})
	for name, row := range map[string]struct {
		client *pair
		want   int
		dials  string // what dial says
		hears  string // what listen says
	}{
		"of the authority": {&mine, 0, "", ""},
		"none":             {nil, 7, `the server demands a client certificate`, `the client sent no certificate, and --client-ca demands one`},
		"of another":       {&foreign, 7, `the server demands a client certificate.*\nhint: ours is by none of the authorities that it accepts`, `the client's certificate \(CN=stranger\) is signed by an unknown authority: CN=Somebody Else`},
	} {
		for _, version := range []string{"-tls1_2", "-tls1_3"} {
			t.Run("dial/"+name+version, func(t *testing.T) {
				t.Parallel()
				at := sServer(t, cert, version, "-Verify", "1", "-verify_return_error", "-CAfile", a.pem)
				flags := []string{"dial", "--ca", a.pem, "tls://localhost:" + at.port}
				if row.client != nil {
					flags = append(flags, "--cert", row.client.cert, "--key", row.client.key)
				}
				us := sockkit(t, flags...)
				us.wantSays(row.want, row.dials)
			})
			t.Run("listen/"+name+version, func(t *testing.T) {
				t.Parallel()
				us := sockkit(t, "listen", "--client-ca", a.pem, "--cert", cert.cert, "--key", cert.key, "tls://127.0.0.1:0")
				args := append(tlsDial["openssl"](placeOf("tcp4", us.address()), a), version)
				if row.client != nil {
					args = append(args, "-cert", row.client.cert, "-key", row.client.key)
				}
				start(t, program{args: args, hold: true})
				us.wantSays(row.want, row.hears)
			})
		}
	}
}

// TestALPN agrees on a protocol, or says that there is none in common.
func TestALPN(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	t.Run("dial", func(t *testing.T) {
		t.Parallel()
		us := sockkit(t, "dial", "-v", "--ca", a.pem, "--alpn", "h2,http/1.1", "tls://localhost:"+sServer(t, cert, "-alpn", "http/1.1").port)
		us.wantSays(0, `^\* TLS 1.3, .*http/1\.1`)
	})
	t.Run("dial, nothing in common", func(t *testing.T) {
		t.Parallel()
		us := sockkit(t, "dial", "--ca", a.pem, "--alpn", "h2", "tls://localhost:"+sServer(t, cert, "-alpn", "http/1.1").port)
		us.wantSays(7, `^sockkit: dial .*no application protocol in common \(ALPN\): offered was "h2"`)
	})
	t.Run("listen", func(t *testing.T) {
		t.Parallel()
		us := sockkit(t, "listen", "-k", "--echo", "--alpn", "a,b", "--cert", cert.cert, "--key", cert.key, "tls://127.0.0.1:0")
		at := placeOf("tcp4", us.address()).hostPort()
		it := start(t, program{args: []string{"openssl", "s_client", "-connect", at, "-alpn", "b,c"}})
		it.out.awaitText(t, "ALPN protocol: b")
		none := start(t, program{args: []string{"openssl", "s_client", "-connect", at, "-alpn", "x"}})
		none.err.awaitText(t, "no application protocol")
		us.err.awaitText(t, `the client asked for "x", and here is "a" "b"`)
	})
}

// A client that refuses the certificate, one that speaks no TLS and one that
// leaves: listen -k says so, and serves the next.
func TestListenGoesOnAfterAFailedHandshake(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	us := sockkit(t, "listen", "-k", "--echo", "--cert", cert.cert, "--key", cert.key, "tls://127.0.0.1:0")
	at := placeOf("tcp4", us.address())
	refuses := start(t, program{args: tlsDial["openssl"](at, newAuthority(t, "Somebody Else"))})
	if refuses.wait() == 0 {
		t.Error("openssl took a certificate by an unknown authority")
	}
	us.err.awaitText(t, "refused our certificate: it does not know the authority behind it")
	speaksHTTP := start(t, program{args: dialPeer["nc"](at), in: strings.NewReader("GET / HTTP/1.0\r\n\r\n")})
	speaksHTTP.wait()
	us.err.awaitText(t, `the client speaks no TLS: it sent "GET / HTTP/1.0"`)
	escapes := start(t, program{args: dialPeer["nc"](at), in: strings.NewReader("\x1b]0;title\x07\x1b[2J\n")})
	escapes.wait()
	us.err.awaitText(t, `\x1b]0;title`)
	leaves := start(t, program{args: dialPeer["nc"](at)})
	leaves.wait()
	us.err.awaitText(t, "closed the connection during the handshake")
	right := start(t, program{args: tlsDial["openssl"](at, a), hold: true})
	right.write("hello\n")
	right.out.awaitText(t, "hello\n")
	if strings.ContainsRune(us.err.String(), 0x1b) {
		t.Errorf("a terminal escape of the peer was passed on: %q", us.err)
	}
}

// curl fetches from a listener whose answer is a file, by its name.
func TestCurl(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	body := newBlob(300_000)
	response := append([]byte("HTTP/1.0 200 OK\r\nContent-Length: 300000\r\n\r\n"), body.bytes()...)
	us := sockkit(t, "listen", "-k", "--exec", "cat "+fileOf(t, response), "--cert", cert.cert, "--key", cert.key, "tls://127.0.0.1:0")
	port := us.port()
	for range 3 {
		it := start(t, program{args: []string{"curl", "-sS", "--http1.0", "--cacert", a.pem, "https://localhost:" + port + "/"}})
		it.want(0)
		it.out.want(t, "curl", body)
	}
}

// The key log and the capture of a TLS connection decrypt it: the one by
// SSLKEYLOGFILE, the other by itself.
func TestKeyLog(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	for _, side := range []string{"dial", "listen"} {
		t.Run(side, func(t *testing.T) {
			keys, capture := dir+"/"+side+".keys", dir+"/"+side+".pcapng"
			logged := []string{"SSLKEYLOGFILE=" + keys}
			server := sockkitProgram("listen", "--self-signed", "tls://127.0.0.1:0", "-x", "from the server", "--trace", capture)
			client := sockkitProgram("dial", "-k", "-x", "from the client")
			if side == "dial" {
				server.args = server.args[:len(server.args)-2]
				client.args = append(client.args, "--trace", capture)
				client.env = logged
			} else {
				server.env = logged
			}
			us := start(t, server)
			client.args = append(client.args, us.address())
			it := start(t, client)
			it.want(0)
			us.want(0)
			bare := dir + "/" + side + ".bare.pcapng"
			if out, err := exec.Command("editcap", "--discard-all-secrets", capture, bare).CombinedOutput(); err != nil {
				t.Fatalf("editcap: %v: %s", err, out)
			}
			want := []string{"from the client", "from the server"}
			wantFollowed(t, true, want, capture)
			wantFollowed(t, true, want, bare, "-o", "tls.keylog_file:"+keys)
			wantFollowed(t, false, want, bare)
			if info, err := os.Stat(keys); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the key log: %v, %v; want a file of mode 0600", info.Mode(), err)
			}
		})
	}
}

// wantFollowed demands that tshark's plaintext of the first TLS stream has the
// words, or has none of them.
func wantFollowed(t *testing.T, found bool, words []string, capture string, flags ...string) {
	t.Helper()
	text := tshark(t, capture, append(flags, "-q", "-z", "follow,tls,ascii,0")...)
	for _, w := range words {
		if strings.Contains(text, w) != found {
			t.Errorf("%s %v: %q found is %v; want %v:\n%s", capture, flags, w, !found, found, text)
		}
	}
}
