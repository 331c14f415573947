package interop

import (
	"os"
	"strings"
	"testing"
)

// wsProxy is a proxy in front of a WebSocket server.
type wsProxy struct {
	program string
	lines   string // of its configuration
}

const nginxRight = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";"

// start starts the proxy before a target, host:port, and returns its URL.
func (p wsProxy) start(t *testing.T, target string) (url string) {
	t.Helper()
	name := map[string]string{"nginx": "nginx.conf", "haproxy": "haproxy.cfg"}[p.program]
	template, err := os.ReadFile("proxies/" + name)
	if err != nil {
		t.Fatal(err)
	}
	_, at := serve(t, "tcp4", func(at place) program {
		dir := tempDir(t)
		fill := strings.NewReplacer("@DIR@", dir, "@LISTEN@", at.hostPort(), "@TARGET@", target, "@LINES@", p.lines)
		config := fileOf(t, []byte(fill.Replace(string(template))))
		if p.program == "nginx" {
			return program{args: []string{"nginx", "-p", dir, "-c", config, "-g", "daemon off;"}}
		}
		return program{args: []string{"haproxy", "-db", "-f", config}}
	})
	return "ws://" + at.hostPort() + "/"
}

func hostPortOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

var rightProxies = map[string]wsProxy{
	"nginx":   {"nginx", nginxRight},
	"haproxy": {"haproxy", ""},
}

// Through a proxy that is rightly configured everything works, both ways.
func TestWSThroughProxies(t *testing.T) {
	t.Parallel()
	for name, proxy := range rightProxies {
		t.Run("dial through "+name, func(t *testing.T) {
			t.Parallel()
			p := wsServer(t, wsLibraries["node ws"], wsOptions{Echo: true, Subprotocols: []string{"chat"}, Compress: true, Takeover: true})
			us := held(t, "dial", "-s", "chat", "--compress", "--linger", "0", proxy.start(t, hostPortOf(p.url)))
			p.next("open")
			printed := dialTexts(us, p)
			us.in.Close()
			us.want(0)
			if us.out.hex() != sumOf([]byte(printed)) {
				t.Errorf("%d bytes were printed of %d", us.out.size(), len(printed))
			}
		})
		t.Run("clients through "+name, func(t *testing.T) {
			t.Parallel()
			_, url := wsListen(t, "--echo", "--compress")
			front := proxy.start(t, hostPortOf(url))
			for _, lib := range []string{"node ws", "websockets", "gobwas"} {
				p, _ := wsClient(t, wsLibraries[lib], front, wsOptions{Compress: lib != "gobwas", Takeover: true})
				clientTexts(p)
				p.do(wsAct{Do: "close", Code: 4000, Reason: "done"})
				wantAnswer(t, p, wsLibraries[lib], 4000)
			}
		})
	}
}

const oldHTTP = "nginx with HTTP/1.0"

// wrongProxies do not pass the upgrade on.
var wrongProxies = map[string]wsProxy{
	"nginx with nothing but proxy_pass": {"nginx", ""},
	"nginx with HTTP/1.1 alone":         {"nginx", "proxy_http_version 1.1;"},
	"nginx without Connection":          {"nginx", "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;"},
	oldHTTP:                             {"nginx", "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";"},
	"haproxy that deletes Upgrade":      {"haproxy", "http-request del-header Upgrade"},
}

// Through one that is not, dial is refused, and the explanation names the proxy
// and what its configuration lacks, whatever server stands behind it.
func TestWSDialThroughWrongProxies(t *testing.T) {
	t.Parallel()
	for name, proxy := range wrongProxies {
		for _, server := range []string{"sockkit", "node ws"} {
			if name == oldHTTP && server == "node ws" {
				continue // it takes HTTP/1.0 for an upgrade
			}
			t.Run(name+" before "+server, func(t *testing.T) {
				t.Parallel()
				us := sockkit(t, "dial", "-x", "hello", proxy.start(t, upgradeTarget(t, server)))
				us.wantSays(4, `^sockkit: dial ws://127\.0\.0\.1:\d+/?: `, `HTTP/1\.1 4\d\d `, `(?i)proxy`, `proxy_set_header`)
			})
		}
	}
}

// upgradeTarget is a server that stands behind a proxy.
func upgradeTarget(t *testing.T, server string) (hostPort string) {
	t.Helper()
	if lib, ok := wsLibraries[server]; ok {
		return hostPortOf(wsServer(t, lib, wsOptions{Echo: true}).url)
	}
	_, url := wsListen(t, "--echo")
	return hostPortOf(url)
}

// handshake dial shows both heads, and what is wrong with them.
func TestWSHandshakeDialThroughAProxy(t *testing.T) {
	t.Parallel()
	t.Run("wrong", func(t *testing.T) {
		t.Parallel()
		front := wrongProxies["nginx with nothing but proxy_pass"].start(t, upgradeTarget(t, "sockkit"))
		us := sockkit(t, "handshake", "dial", front)
		wantOneOf(t, us, []int{3, 4})
		wantShown(t, us, "GET / HTTP/1.1", "HTTP/1.1 4", "proxy", "proxy_set_header Upgrade $http_upgrade")
	})
	t.Run("right", func(t *testing.T) {
		t.Parallel()
		us := sockkit(t, "handshake", "dial", rightProxies["nginx"].start(t, upgradeTarget(t, "node ws")))
		us.want(0)
		wantShown(t, us, "GET / HTTP/1.1", "HTTP/1.1 101 Switching Protocols")
	})
}

// wantShown demands words on standard output or standard error.
func wantShown(t *testing.T, us *proc, words ...string) {
	t.Helper()
	all := us.out.String() + us.err.String()
	for _, word := range words {
		if !strings.Contains(all, word) {
			t.Errorf("%s: nothing says %q:\n%s", us, word, all)
		}
	}
}

// handshake listen shows the request that comes out of the proxy: there it is
// plain to see what the proxy has done to it.
func TestWSHandshakeListenBehindAProxy(t *testing.T) {
	t.Parallel()
	us := sockkit(t, "handshake", "listen", "ws://127.0.0.1:0")
	front := wrongProxies["nginx with nothing but proxy_pass"].start(t, hostPortOf(us.address()))
	it := sockkit(t, "handshake", "dial", front)
	it.want(4)
	await(t, "the verdict", us.outOrEnd, func() bool {
		return !us.alive() || strings.Contains(us.out.String(), "proxy_set_header Upgrade $http_upgrade")
	})
	wantShown(t, us, "GET / HTTP/1.0", "RFC 6455 4", "nginx")
}

// A proxy that gives an idle connection up leaves status 8 and a hint at pings,
// which keep the connection.
func TestWSDialProxyGivesUp(t *testing.T) {
	t.Parallel()
	p := wsServer(t, wsLibraries["gorilla"], wsOptions{Echo: true})
	front := wsProxy{"nginx", nginxRight + " proxy_read_timeout 1s;"}.start(t, hostPortOf(p.url))
	t.Run("silence", func(t *testing.T) {
		t.Parallel()
		us := held(t, "dial", front)
		us.wantSays(8, `^sockkit: dial ws://`, `(?i)close frame|lost|without`)
	})
	t.Run("pings", func(t *testing.T) {
		t.Parallel()
		us := held(t, "dial", "--ping-interval", "200ms", "--json", "-vvv", "--linger", "0", front)
		await(t, "ten pongs", us.outOrEnd, func() bool {
			return !us.alive() || strings.Count(us.out.String(), `"pong":true`) >= 10
		})
		us.in.Close()
		us.want(0)
	})
}
