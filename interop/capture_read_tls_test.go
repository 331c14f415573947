package interop

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// sealedTalk is a conversation of OpenSSL with itself, captured by tcpdump.
type sealedTalk struct {
	t    *testing.T
	dir  string
	port string
	cert pair
	end  func()
	keys string
}

func newSealedTalk(t *testing.T) *sealedTalk {
	t.Helper()
	dir, port := tempDir(t), freePort(t)
	return &sealedTalk{t: t, dir: dir, port: port, cert: newAuthority(t, "sealed").issue(t, here), end: dump(t, dir+"/x.pcap", port, "-i", "lo"), keys: dir + "/keys"}
}

// server begins one, and returns what it is ended by.
func (s *sealedTalk) server(flags ...string) (p *proc, end func()) {
	s.t.Helper()
	args := append([]string{"openssl", "s_server", "-accept", "127.0.0.1:" + s.port, "-cert", s.cert.cert, "-key", s.cert.key}, flags...)
	p = start(s.t, program{args: args, hold: true})
	await(s.t, "the server", p.outOrEnd, func() bool { return strings.Contains(p.out.String(), "ACCEPT") })
	return p, func() {
		p.signal(syscall.SIGTERM)
		p.wait()
	}
}

// say has a client say lines, each once the server has the one before; R is what
// asks for a renegotiation.
func (s *sealedTalk) say(server *proc, flags []string, lines ...string) {
	s.t.Helper()
	args := append([]string{"openssl", "s_client", "-connect", "127.0.0.1:" + s.port, "-keylogfile", s.keys}, flags...)
	client := start(s.t, program{args: args, hold: true})
	renegotiated := 0
	for _, line := range lines {
		client.write(line + "\n")
		if line == "R" {
			renegotiated++
			await(s.t, "the renegotiation", client.errOrEnd, func() bool { return strings.Count(client.err.String(), "RENEGOTIATING") == renegotiated })
			continue
		}
		await(s.t, line, server.outOrEnd, func() bool { return strings.Contains(server.out.String(), line) })
	}
	client.write("Q\n")
	client.wait()
}

// read is what inspect says of all that.
func (s *sealedTalk) read() (fileReport, string) {
	s.t.Helper()
	p := sockkit(s.t, "inspect", s.dir+"/x.pcap", "--keylog", s.keys)
	p.want(0)
	r, err := inspectedFile(s.t, s.dir+"/x.pcap", "--keylog", s.keys)
	if err != nil {
		s.t.Fatal(err)
	}
	return r, p.out.String()
}

func (s *sealedTalk) wants(said string, texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		if !strings.Contains(said, text) {
			s.t.Errorf("%s is not there:\n%s", text, said)
		}
	}
	if s.t.Failed() {
		s.t.Logf("%s", tool(s.t, "tshark", "-r", s.dir+"/x.pcap"))
	}
}

// TestCaptureReadSealed decrypts what OpenSSL has sealed by every other kind of
// suite that it has, with the MAC of what is encrypted and of what is not.
func TestCaptureReadSealed(t *testing.T) {
	t.Parallel()
	loose := ":@SECLEVEL=0"
	for name, test := range map[string]struct {
		cipher string
		flags  []string
	}{
		"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA":    {"ECDHE-ECDSA-AES128-SHA", []string{"-tls1_2"}},
		"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": {"ECDHE-ECDSA-AES128-SHA256", []string{"-tls1_2"}},
		"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA":    {"ECDHE-ECDSA-AES256-SHA", []string{"-tls1_2", "-no_etm"}},
		"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384": {"ECDHE-ECDSA-AES256-SHA384", []string{"-tls1_2"}},
		"TLS_PSK_WITH_AES_256_CBC_SHA384":         {"PSK-AES256-CBC-SHA384", []string{"-tls1_2", "-no_etm", "-psk", "0123"}},
		"TLS_PSK_WITH_AES_128_CBC_SHA":            {"PSK-AES128-CBC-SHA", []string{"-tls1_1", "-psk", "0123"}},
		"TLS_PSK_WITH_AES_256_CBC_SHA":            {"PSK-AES256-CBC-SHA", []string{"-tls1", "-psk", "0123"}},
		"TLS_ECDHE_ECDSA_WITH_AES_128_CCM":        {"ECDHE-ECDSA-AES128-CCM", []string{"-tls1_2"}},
		"TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8":      {"ECDHE-ECDSA-AES256-CCM8", []string{"-tls1_2"}},
		"TLS_AES_128_CCM_SHA256":                  {"", []string{"-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"}},
		"TLS_AES_128_CCM_8_SHA256":                {"", []string{"-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_8_SHA256"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSealedTalk(t)
			flags := test.flags
			if test.cipher != "" {
				flags = append(flags, "-cipher", test.cipher+loose)
			}
			server, end := s.server(flags...)
			s.say(server, flags, "one", "two", strings.Repeat("three", 500))
			end()
			s.end()
			r, said := s.read()
			s.wants(said, `"one\n"`, `"two\n"`, `"threethree`)
			if c := r.Connections[0].TLS; !c.Decrypted || c.Cipher != name {
				t.Errorf("%+v", c)
			}
		})
	}
	t.Run("a suite that is not decrypted", func(t *testing.T) {
		t.Parallel()
		s := newSealedTalk(t)
		flags := []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-CAMELLIA128-SHA256"}
		server, end := s.server(flags...)
		s.say(server, flags, "one")
		end()
		s.end()
		r, _ := s.read()
		if c := r.Connections[0].TLS; c.Decrypted || c.Why != "the cipher suite is not one of those that are decrypted here" || c.Cipher != "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_CBC_SHA256" || len(c.Certificates) != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// TestCaptureReadTurns follows what turns up in a handshake: another hello that
// is asked for, other keys on the way, data ahead of its end.
func TestCaptureReadTurns(t *testing.T) {
	t.Parallel()
	t.Run("hello retry", func(t *testing.T) {
		t.Parallel()
		s := newSealedTalk(t)
		server, end := s.server("-groups", "P-384")
		s.say(server, []string{"-tls1_3", "-groups", "X25519:P-384"}, "one", "two")
		end()
		s.end()
		_, said := s.read()
		s.wants(said, `"one\n"`, `"two\n"`)
	})
	t.Run("renegotiation", func(t *testing.T) {
		t.Parallel()
		for _, cipher := range []string{"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256"} {
			s := newSealedTalk(t)
			server, end := s.server("-tls1_2", "-client_renegotiation", "-cipher", cipher)
			s.say(server, []string{"-tls1_2"}, "one", "R", "two", "R", "three")
			end()
			s.end()
			_, said := s.read()
			s.wants(said, `"one\n"`, `"two\n"`, `"three\n"`)
		}
	})
	early := func(t *testing.T, flags ...string) (*sealedTalk, func(lines ...string), func()) {
		s := newSealedTalk(t)
		server, end := s.server(append([]string{"-tls1_3", "-early_data", "-max_early_data", "1000"}, flags...)...)
		first := start(t, program{args: []string{"openssl", "s_client", "-connect", "127.0.0.1:" + s.port, "-tls1_3", "-sess_out", s.dir + "/session"}, hold: true})
		awaitFile(t, s.dir+"/session")
		first.write("first\n")
		await(t, "the first client", server.outOrEnd, func() bool { return strings.Contains(server.out.String(), "first") })
		first.write("Q\n")
		first.wait()
		if err := os.WriteFile(s.dir+"/early", []byte("ahead of it all\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return s, func(lines ...string) {
			s.say(server, []string{"-tls1_3", "-sess_in", s.dir + "/session", "-early_data", s.dir + "/early"}, lines...)
		}, end
	}
	for _, suite := range []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"} {
		t.Run("early data/"+suite, func(t *testing.T) {
			t.Parallel()
			s, say, end := early(t, "-ciphersuites", suite)
			say("later")
			end()
			s.end()
			_, said := s.read()
			s.wants(said, `"ahead of it all\n"`, `"later\n"`, "early data (0-RTT), and the server takes it")
			if strings.Index(said, "ahead of it all") > strings.Index(said, `"later`) {
				t.Errorf("in another order:\n%s", said)
			}
		})
	}
	t.Run("early data/refused", func(t *testing.T) {
		t.Parallel()
		s, _, end := early(t)
		end()
		server, end := s.server("-tls1_3")
		s.say(server, []string{"-tls1_3", "-sess_in", s.dir + "/session", "-early_data", s.dir + "/early"}, "later")
		end()
		s.end()
		_, said := s.read()
		s.wants(said, `"later\n"`, "16 bytes of early data (0-RTT) that the server has not taken are not shown")
	})
	t.Run("early data/no secret", func(t *testing.T) {
		t.Parallel()
		s, say, end := early(t)
		say("later")
		end()
		s.end()
		keys, err := os.ReadFile(s.keys)
		if err != nil {
			t.Fatal(err)
		}
		s.keys = fileOf(t, []byte(strings.ReplaceAll(string(keys), "CLIENT_EARLY_TRAFFIC_SECRET", "NOTHING")))
		_, said := s.read()
		s.wants(said, `"later\n"`, "early data (0-RTT) is not decrypted: the secrets that are given lack CLIENT_EARLY_TRAFFIC_SECRET")
	})
}
