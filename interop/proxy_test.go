package interop

import (
	"strings"
	"testing"
)

// socks starts microsocks.
func socks(t *testing.T, flags ...string) place {
	t.Helper()
	_, at := serve(t, "tcp4", func(at place) program {
		return program{args: append([]string{"microsocks", "-i", at.host, "-p", at.port}, flags...)}
	})
	return at
}

// connectProxy starts tinyproxy with more lines of configuration.
func connectProxy(t *testing.T, lines ...string) place {
	t.Helper()
	_, at := serve(t, "tcp4", func(at place) program {
		config := append(lines, "Port "+at.port, "Listen "+at.host, "Allow 127.0.0.1", "Timeout 60", "MaxClients 10")
		return program{args: []string{"tinyproxy", "-d", "-c", fileOf(t, []byte(strings.Join(config, "\n")+"\n"))}}
	})
	return at
}

// TestThroughProxies sends data both ways through a proxy. Both proxies end the
// other half with the first, so the ends come last.
func TestThroughProxies(t *testing.T) {
	t.Parallel()
	for name, proxy := range map[string]func(t *testing.T) string{
		"socks5":  func(t *testing.T) string { return "socks5://" + socks(t).hostPort() },
		"socks5h": func(t *testing.T) string { return "socks5h://" + socks(t).hostPort() },
		"socks5, with password": func(t *testing.T) string {
			return "socks5://me:p%40ss@" + socks(t, "-u", "me", "-P", "p@ss").hostPort()
		},
		"http": func(t *testing.T) string { return "http://" + connectProxy(t).hostPort() },
		"http, with password": func(t *testing.T) string {
			return "http://me:secret@" + connectProxy(t, "BasicAuth me secret").hostPort()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			it, at := serve(t, "tcp4", func(at place) program { return program{args: listenPeer["socat"](at), hold: true} })
			us := held(t, "dial", "-v", "-q", "60", "--proxy", proxy(t), "localhost", at.port)
			ours, its := newBlob(2*mib+5), newBlob(mib+9)
			us.pour(ours)
			it.pour(its)
			us.awaitOutput(its.size)
			it.awaitOutput(ours.size)
			us.in.Close()
			it.in.Close()
			us.wantSays(0, `^\* .*proxy`)
			it.wait()
			us.out.want(t, "dial", its)
			it.out.want(t, "socat", ours)
			for _, secret := range []string{"p@ss", "p%40ss", "secret"} {
				if strings.Contains(us.err.String(), secret) {
					t.Errorf("the password is shown: %s", us.err)
				}
			}
		})
	}
}

// TLS through a proxy is checked for the target's name.
func TestTLSThroughAProxy(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	for name, proxy := range map[string]func(t *testing.T) string{
		"socks5": func(t *testing.T) string { return "socks5://" + socks(t).hostPort() },
		"http":   func(t *testing.T) string { return "http://" + connectProxy(t).hostPort() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, at := serve(t, "tcp4", func(at place) program {
				return program{args: append(tlsListen["openssl"](at, a, cert), "-rev"), hold: true}
			})
			us := held(t, "dial", "--proxy", proxy(t), "--ca", a.pem, "tls://localhost:"+at.port)
			us.write("abc\n")
			us.out.awaitText(t, "cba\n")
			us.in.Close()
			us.want(0)
		})
	}
}

// TestRefusedByAProxy is status 4, and says why.
func TestRefusedByAProxy(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		proxy func(t *testing.T) string
		says  string
	}{
		"tinyproxy denies the port":  {func(t *testing.T) string { return "http://" + connectProxy(t, "ConnectPort 443").hostPort() }, `403`},
		"tinyproxy cannot connect":   {func(t *testing.T) string { return "http://" + connectProxy(t).hostPort() }, `50\d`},
		"tinyproxy wants a password": {func(t *testing.T) string { return "http://" + connectProxy(t, "BasicAuth me secret").hostPort() }, `40[17].*`},
		"tinyproxy wants another": {func(t *testing.T) string {
			return "http://me:wrong@" + connectProxy(t, "BasicAuth me secret").hostPort()
		}, `40[17].*`},
		"tinyproxy does not let us in": {func(t *testing.T) string { return "http://" + connectProxy(t, "Deny 127.0.0.1").hostPort() }, `403`},
		"microsocks cannot connect":    {func(t *testing.T) string { return "socks5://" + socks(t).hostPort() }, `refused`},
		"microsocks wants a password":  {func(t *testing.T) string { return "socks5://" + socks(t, "-u", "me", "-P", "secret").hostPort() }, `(password|method)`},
		"microsocks wants another": {func(t *testing.T) string {
			return "socks5://me:wrong@" + socks(t, "-u", "me", "-P", "secret").hostPort()
		}, `(password|user)`},
		"microsocks knows no such name": {func(t *testing.T) string { return "socks5://" + socks(t).hostPort() }, ``},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := []string{"127.0.0.1", freePort(t)}
			if strings.Contains(name, "no such name") {
				target[0] = "nosuch.invalid"
			}
			url := row.proxy(t)
			us := fed(t, strings.NewReader("hello\n"), append([]string{"dial", "--proxy", url}, target...)...)
			us.wantSays(4, `^sockkit: dial tcp://`+strings.Join(target, ":")+`: .*proxy 127\.0\.0\.1:\d+: .*`+row.says)
			wantOneError(t, us)
			if strings.Contains(us.err.String(), "wrong") {
				t.Errorf("the password is shown: %s", us.err)
			}
		})
	}
}

// greeter is a server that says something at once and leaves.
func greeter(t *testing.T, says string) place {
	t.Helper()
	_, at := serve(t, "tcp4", func(at place) program {
		return program{args: []string{"socat", "-t", "1", socatListen["tcp4"](at), "-"}, in: strings.NewReader(says)}
	})
	return at
}

// What is not there, or is no proxy, has refused nothing: not connected, status 6.
func TestNoProxyThere(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		proxy func(t *testing.T) string
		says  string
	}{
		"no SOCKS, nobody":       {func(t *testing.T) string { return "socks5://127.0.0.1:" + freePort(t) }, `connection refused$`},
		"no HTTP proxy, nobody":  {func(t *testing.T) string { return "http://127.0.0.1:" + freePort(t) }, `connection refused$`},
		"no SOCKS, but HTTP":     {func(t *testing.T) string { return "socks5://" + greeter(t, "HTTP/1.1 400 Bad\r\n").hostPort() }, `it speaks no SOCKS5: .*"H`},
		"no HTTP proxy, but SSH": {func(t *testing.T) string { return "http://" + greeter(t, "SSH-2.0-x\r\n").hostPort() }, `it speaks no HTTP: .*"S`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			us := sockkit(t, "dial", "--proxy", row.proxy(t), "localhost", "80")
			us.wantSays(6, `^sockkit: dial tcp://localhost:80: (socks5|http) proxy 127\.0\.0\.1:\d+: .*`+row.says)
			wantOneError(t, us)
		})
	}
}
