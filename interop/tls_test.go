package interop

import (
	"regexp"
	"strings"
	"testing"
)

// tlsListen and tlsDial are how the peers speak TLS. Each checks what it is
// shown where it can.
var tlsListen = map[string]func(place, *authority, pair) []string{
	"openssl": func(at place, _ *authority, p pair) []string {
		return []string{"openssl", "s_server", "-quiet", "-naccept", "1", "-accept", at.hostPort(), "-cert", p.cert, "-key", p.key}
	},
	"socat": func(at place, _ *authority, p pair) []string {
		return []string{"socat", "-t", "60", "-", "OPENSSL-LISTEN:" + at.port + ",bind=" + at.host + ",verify=0,cert=" + p.cert + ",key=" + p.key}
	},
	"ncat": func(at place, _ *authority, p pair) []string {
		return []string{"ncat", "--ssl", "-n", "-l", at.host, at.port, "--ssl-cert", p.cert, "--ssl-key", p.key}
	},
}

var tlsDial = map[string]func(place, *authority) []string{
	"openssl": func(at place, a *authority) []string {
		return []string{"openssl", "s_client", "-quiet", "-verify_quiet", "-verify_return_error", "-servername", "localhost",
			"-verify_hostname", "localhost", "-CAfile", a.pem, "-connect", at.hostPort()}
	},
	"socat": func(at place, a *authority) []string {
		return []string{"socat", "-t", "60", "-", "OPENSSL:localhost:" + at.port + ",pf=ip4,cafile=" + a.pem}
	},
	"ncat": func(at place, a *authority) []string {
		return []string{"ncat", "--ssl-verify", "--ssl-trustfile", a.pem, "--ssl", "localhost", at.port}
	},
}

// versionFlags bind a peer to one version of TLS.
var versionFlags = map[string]func(args []string, version string) []string{
	"openssl": func(args []string, version string) []string {
		return append(args, "-tls"+strings.ReplaceAll(version, ".", "_"))
	},
	"socat": func(args []string, version string) []string {
		args[len(args)-1] += ",openssl-min-proto-version=TLS" + version + ",openssl-max-proto-version=TLS" + version
		return args
	},
}

// TestTLS sends data both ways at once over TLS, with each peer in both roles.
func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	for peer := range tlsDial {
		for _, version := range []string{"1.2", "1.3"} {
			bind := versionFlags[peer]
			if bind == nil {
				if version == "1.2" {
					continue // ncat has no flag for the version
				}
				bind = func(args []string, _ string) []string { return args }
			}
			t.Run(peer+" listens/"+version, func(t *testing.T) {
				t.Parallel()
				it, at := serve(t, "tcp4", func(at place) program {
					return program{args: bind(tlsListen[peer](at, a, cert), version), hold: true}
				})
				us := held(t, "dial", "-v", "-q", "60", "--ca", a.pem, "tls://localhost:"+at.port)
				wholeBothWays(t, us, it, version)
			})
			t.Run(peer+" dials/"+version, func(t *testing.T) {
				t.Parallel()
				us := held(t, "listen", "-v", "-q", "60", "tls://127.0.0.1:0", "--cert", cert.cert, "--key", cert.key)
				at := placeOf("tcp4", us.address())
				it := start(t, program{args: bind(tlsDial[peer](at, a), version), hold: true})
				wholeBothWays(t, us, it, version)
			})
		}
	}
}

// wholeBothWays sends to and fro at once. Our end comes once all has arrived:
// most of these peers leave at it, whatever they had still to say.
func wholeBothWays(t *testing.T, us, it *proc, version string) {
	t.Helper()
	ours, its := newBlob(2*mib+1), newBlob(mib+3)
	us.pour(ours)
	it.pour(its)
	us.awaitOutput(its.size)
	it.awaitOutput(ours.size)
	us.in.Close()
	it.in.Close()
	if us.wait() != 7 || !unclosed.MatchString(us.err.String()) || !strings.Contains(it.String(), "ncat") {
		us.want(0)
	}
	us.out.want(t, us.String(), its)
	it.out.want(t, it.String(), ours)
	if !strings.Contains(us.err.String(), "TLS "+version+",") {
		t.Errorf("TLS %s was not spoken: %s", version, us.err)
	}
}

// unclosed is what is said of a peer that leaves without a close_notify, as ncat
// does: nobody can know whether that was the end.
var unclosed = regexp.MustCompile("without TLS's close_notify: what came may be cut short$")

// The half-close of TLS is a close_notify: socat sees ours, and what it says
// after it is whole.
func TestHalfCloseOverTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	_, at := serve(t, "tcp4", func(at place) program {
		args := tlsListen["socat"](at, a, cert)
		args[3] = "SYSTEM:cat >/dev/null; sleep 0.7; echo late"
		return program{args: args}
	})
	us := fed(t, strings.NewReader("hello\n"), "dial", "--ca", a.pem, "tls://localhost:"+at.port)
	us.want(0)
	if us.out.String() != "late\n" {
		t.Errorf("got %q", us.out)
	}
}
