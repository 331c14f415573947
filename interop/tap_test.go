package interop

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestTap stands between nc and socat on every kind of stream: bytes pass
// unchanged both ways, and so do the ends.
func TestTap(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	for _, row := range []struct {
		name, client, server string // networks; tls is TLS over tcp4
		flags                []string
	}{
		{"TCP to TCP", "tcp4", "tcp4", nil},
		{"TCP to TCP, quietly", "tcp4", "tcp4", []string{"--quiet"}},
		{"IPv6 to Unix", "tcp6", "unix", []string{"--quiet"}},
		{"Unix to IPv4", "unix", "tcp4", []string{"--quiet"}},
		{"TLS to TCP", "tls", "tcp4", []string{"--quiet", "--cert", cert.cert, "--key", cert.key}},
		{"TCP to TLS", "tcp4", "tls", []string{"--quiet", "--ca", a.pem}},
		{"TLS to TLS", "tls", "tls", []string{"--quiet", "--cert", cert.cert, "--key", cert.key, "--ca", a.pem}},
	} {
		for _, o := range []order{weFirst, itFirst, atOnce} {
			t.Run(row.name+"/"+string(o), func(t *testing.T) {
				t.Parallel()
				server, target := tapTarget(t, row.server, a, cert)
				us, address := tap(t, append([]string{tapListen(t, row.client), target}, row.flags...)...)
				client := tapClient(t, row.client, a, address)
				exchange(t, client, server, o, newBlob(mib+1), newBlob(2*mib+1))
				us.signal(syscall.SIGTERM)
				us.want(143)
			})
		}
	}
}

// tap starts sockkit tap, which may be quiet, and returns where it listens.
func tap(t *testing.T, args ...string) (*proc, string) {
	t.Helper()
	name := tempDir(t) + "/addr"
	p := sockkit(t, append([]string{"tap", "--addr-file", name}, args...)...)
	poll(t, p.String()+" to listen", func() bool { return !p.alive() || !noFile(name)() })
	address, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%s: %v: %s", p, err, p.err)
	}
	return p, strings.TrimSpace(string(address))
}

// tapTarget starts socat behind the tap.
func tapTarget(t *testing.T, network string, a *authority, cert pair) (*proc, string) {
	t.Helper()
	if network == "tls" {
		it, at := serve(t, "tcp4", func(at place) program { return program{args: tlsListen["socat"](at, a, cert), hold: true} })
		return it, "tls://localhost:" + at.port
	}
	it, at := serve(t, network, func(at place) program { return program{args: listenPeer["socat"](at), hold: true} })
	return it, at.String()
}

func tapListen(t *testing.T, network string) string {
	t.Helper()
	if network == "tls" {
		return "tls://127.0.0.1:0"
	}
	return newPlace(t, network).any()
}

// tapClient starts socat in front of the tap.
func tapClient(t *testing.T, network string, a *authority, address string) *proc {
	t.Helper()
	if network == "tls" {
		return start(t, program{args: tlsDial["socat"](placeOf("tcp4", address), a), hold: true})
	}
	return start(t, program{args: dialPeer["socat"](placeOf(network, address)), hold: true})
}

// TestTapUDP passes datagrams between programs.
func TestTapUDP(t *testing.T) {
	t.Parallel()
	server, at := serve(t, "udp4", func(at place) program { return program{args: udpListen["socat"](at), hold: true} })
	us, address := tap(t, "--quiet", "udp://127.0.0.1:0", at.String())
	client := start(t, program{args: udpDial["nc"](placeOf("udp4", address)), hold: true})
	talkByTurns(t, client, server)
	us.signal(syscall.SIGTERM)
	us.want(143)
}

// TestTapExec puts a command behind the tap, one for each client.
func TestTapExec(t *testing.T) {
	t.Parallel()
	us, address := tap(t, "--quiet", "127.0.0.1:0", "exec:tr a-z A-Z")
	at := placeOf("tcp4", address)
	for _, peer := range []string{"nc", "ncat", "socat"} {
		it := start(t, program{args: dialPeer[peer](at), in: strings.NewReader("hello\n")})
		it.want(0)
		if it.out.String() != "HELLO\n" {
			t.Errorf("%s got %q", peer, it.out)
		}
	}
	noChildren(t, us)
	us.signal(syscall.SIGTERM)
	us.want(143)
}

// A target that is not there ends the client's connection, and the tap goes on.
func TestTapWithoutATarget(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	us := sockkit(t, "tap", "127.0.0.1:0", "127.0.0.1:"+port)
	at := placeOf("tcp4", us.address())
	early := start(t, program{args: dialPeer["nc"](at)})
	early.wait()
	await(t, "word of the refusal", us.anything, func() bool {
		return strings.Contains(us.err.String()+us.out.String(), "connection refused")
	})
	start(t, program{args: []string{"socat", "TCP4-LISTEN:" + port + ",bind=127.0.0.1,fork", "EXEC:cat"}})
	poll(t, "an echo through the tap", func() bool {
		it := start(t, program{args: dialPeer["nc"](at), in: strings.NewReader("hello\n")})
		it.wait()
		return it.out.String() == "hello\n"
	})
}

// anything is an event on either output.
func (p *proc) anything() <-chan struct{} {
	either := make(chan struct{})
	out, err := p.out.event(), p.err.event()
	go func() {
		defer close(either)
		select {
		case <-out:
		case <-err:
		case <-p.done:
		}
	}()
	return either
}
