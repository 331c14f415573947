package interop

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// doctored is what of a report is looked at.
type doctored struct {
	Doctor *struct {
		Verdicts []struct {
			ID, What, Where, Change string
			Because                 []string
		}
		Idle *struct {
			Runs []struct {
				Transport string
				Ended     bool
				Code      int
				Status    int
				Pings     int
			}
		}
	}
}

// wantVerdict inspects, and wants one verdict and no other: WHERE ID, or none
// where it is empty.
func wantVerdict(t *testing.T, status int, want string, args ...string) (r doctored) {
	t.Helper()
	us := sockkit(t, append([]string{"inspect", "--json", "--banner-wait", "100ms"}, args...)...)
	us.want(status)
	must(t, json.Unmarshal([]byte(us.out.String()), &r))
	var got []string
	if r.Doctor != nil {
		for _, v := range r.Doctor.Verdicts {
			got = append(got, v.Where+" "+v.ID)
			if v.What == "" || v.Change == "" || len(v.Because) == 0 {
				t.Errorf("something is left out: %+v", v)
			}
		}
	}
	if wanted := strings.Fields(want); len(wanted) == 0 && len(got) > 0 || len(wanted) > 0 && !slices.Equal(got, []string{want}) {
		t.Errorf("verdicts %q, want %q\n%s", got, want, us.out)
	}
	return r
}

// Proxies that do not pass the upgrade on are told from servers that refuse it.
func TestDoctorProxies(t *testing.T) {
	t.Parallel()
	for name, proxy := range wrongProxies {
		for _, server := range []string{"sockkit", "node ws", "gorilla", "websockets"} {
			if name == oldHTTP {
				continue // servers differ in what they make of it
			}
			t.Run(name+" before "+server, func(t *testing.T) {
				t.Parallel()
				wantVerdict(t, 4, "proxy upgrade_dropped", proxy.start(t, upgradeTarget(t, server)))
			})
		}
	}
	for name, proxy := range rightProxies {
		t.Run(name+" that is right", func(t *testing.T) {
			t.Parallel()
			wantVerdict(t, 0, "", "--doctor", proxy.start(t, upgradeTarget(t, "node ws")))
		})
	}
}

// Before a server that takes no upgrade over HTTP/1.0 the version is named.
func TestDoctorOldHTTP(t *testing.T) {
	t.Parallel()
	r := wantVerdict(t, 4, "proxy upgrade_dropped", wrongProxies[oldHTTP].start(t, upgradeTarget(t, "sockkit")))
	if v := r.Doctor.Verdicts; len(v) == 1 && !strings.Contains(v[0].Change, "proxy_http_version 1.1") {
		t.Errorf("%+v", v)
	}
}

// What proxies answer by themselves.
func TestDoctorProxyAnswers(t *testing.T) {
	t.Parallel()
	here := upgradeTarget(t, "gorilla")
	nowhere := "127.0.0.1:" + freePort(t)
	for name, row := range map[string]struct {
		proxy  wsProxy
		target string
		want   string
	}{
		"nginx, nobody behind":   {wsProxy{"nginx", nginxRight}, nowhere, "server bad_gateway"},
		"haproxy, nobody behind": {wsProxy{"haproxy", ""}, nowhere, "server unavailable"},
		"nginx, no location":     {wsProxy{"nginx", "return 404;"}, here, "proxy path"},
		"nginx, forbidden":       {wsProxy{"nginx", nginxRight + " deny all;"}, here, "server forbidden"},
		"haproxy, forbidden":     {wsProxy{"haproxy", "http-request deny"}, here, "server forbidden"},
		"haproxy, a login":       {wsProxy{"haproxy", "http-request auth realm here"}, here, "client credentials_due"},
		"nginx, elsewhere":       {wsProxy{"nginx", nginxRight + " if ($uri = /) { return 301 /chat; }"}, here, "client redirect"},
		"nginx, an origin":       {wsProxy{"nginx", nginxRight + " if ($http_origin = \"\") { return 403; }"}, here, "client origin_due"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantVerdict(t, 4, row.want, row.proxy.start(t, row.target))
		})
	}
}

// nodeServer runs a script of Node that listens on the port that is its argument.
func nodeServer(t *testing.T, script string) place {
	t.Helper()
	_, at := serve(t, "tcp4", func(at place) program { return program{args: []string{"node", "-e", script, at.port}} })
	return at
}

// A server of Node's ws with a path refuses every other.
func TestDoctorPath(t *testing.T) {
	t.Parallel()
	const script = `const { WebSocketServer } = require('ws'); new WebSocketServer({ host: '127.0.0.1', port: +process.argv[1], path: '/ws' })`
	url := "ws://" + nodeServer(t, script).hostPort()
	r := wantVerdict(t, 4, "client path", url+"/")
	if v := r.Doctor.Verdicts; len(v) == 1 && !strings.Contains(v[0].Change, url+"/ws") {
		t.Errorf("%+v", v)
	}
	wantVerdict(t, 4, "client path", url+"/ws/")
	wantVerdict(t, 0, "", url+"/ws", "--doctor")
	front := wsProxy{"nginx", nginxRight + " rewrite ^/app/(.*)$ /$1 break;"}.start(t, hostPortOf(url))
	wantVerdict(t, 4, "client path", front+"app")
	wantVerdict(t, 0, "", front+"app/ws", "--doctor")
}

// TLS where none was asked for, and the other way round.
func TestDoctorTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	for _, lib := range []string{"node ws", "gorilla", "websockets"} {
		t.Run(lib, func(t *testing.T) {
			t.Parallel()
			secured := wsServer(t, wsLibraries[lib], wsOptions{Cert: cert.cert, Key: cert.key}).url
			us := sockkit(t, "inspect", "--json", "ws"+strings.TrimPrefix(secured, "wss"))
			wantOneOf(t, us, []int{3, 4, 6})
			if !strings.Contains(us.out.String(), `"id": "tls_port"`) {
				t.Errorf("%s", us.out)
			}
			wantVerdict(t, 7, "client plain_port", "wss"+strings.TrimPrefix(wsServer(t, wsLibraries[lib], wsOptions{}).url, "ws"))
			wantVerdict(t, 7, "server unknown_authority", secured)
		})
	}
}

// What listens is something else.
func TestDoctorOthers(t *testing.T) {
	t.Parallel()
	t.Run("SSH", func(t *testing.T) {
		t.Parallel()
		_, at := serve(t, "tcp4", func(at place) program {
			return program{args: []string{"socat", socatListen["tcp4"](at) + ",fork", "SYSTEM:echo SSH-2.0-OpenSSH_9.9; cat >/dev/null"}}
		})
		wantVerdict(t, 3, "client other_protocol", "ws://"+at.hostPort(), "-w", "20")
	})
	t.Run("a web server of HTTP/1.0", func(t *testing.T) {
		t.Parallel()
		dir := tempDir(t)
		_, at := serve(t, "tcp4", func(at place) program {
			return program{args: []string{"python3", "-m", "http.server", "--bind", at.host, "--directory", dir, at.port}}
		})
		wantVerdict(t, 4, "server upgrade_ignored", "ws://"+at.hostPort())
	})
	t.Run("HTTP/2 alone", func(t *testing.T) {
		t.Parallel()
		const script = `require('http2').createServer(() => {}).listen(+process.argv[1], '127.0.0.1')`
		us := sockkit(t, "inspect", "--json", "ws://"+nodeServer(t, script).hostPort(), "-w", "20")
		wantOneOf(t, us, []int{3, 4, 6})
		if !strings.Contains(us.out.String(), `"id": "http2_only"`) {
			t.Errorf("%s", us.out)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		wantVerdict(t, 6, "server nothing_listens", "ws://127.0.0.1:"+freePort(t))
	})
}

// tunnelFor is haproxy with an end to silent tunnels.
func tunnelFor(t *testing.T, target, time string) (url string) {
	t.Helper()
	template, err := os.ReadFile("proxies/haproxy.cfg")
	must(t, err)
	_, at := serve(t, "tcp4", func(at place) program {
		fill := strings.NewReplacer("@LISTEN@", at.hostPort(), "@TARGET@", target, "@LINES@", "", "timeout tunnel 60s", "timeout tunnel "+time)
		return program{args: []string{"haproxy", "-db", "-f", fileOf(t, []byte(fill.Replace(string(template))))}}
	})
	return "ws://" + at.hostPort() + "/"
}

// A proxy that ends silent connections is found, and pings keep them.
func TestDoctorIdle(t *testing.T) {
	t.Parallel()
	target := upgradeTarget(t, "node ws")
	for name, url := range map[string]string{
		"nginx":   wsProxy{"nginx", nginxRight + " proxy_read_timeout 2s;"}.start(t, target),
		"haproxy": tunnelFor(t, target, "2s"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := wantVerdict(t, 3, "proxy idle_closed", url, "--idle", "50s")
			if runs := r.Doctor.Idle.Runs; len(runs) != 2 || !runs[0].Ended || runs[0].Code != 1006 || runs[1].Ended || runs[1].Pings == 0 {
				t.Errorf("%+v", runs)
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		r := wantVerdict(t, 0, "", "ws://"+target, "--idle", "500ms")
		if runs := r.Doctor.Idle.Runs; len(runs) != 1 || runs[0].Ended {
			t.Errorf("%+v", runs)
		}
	})
}
