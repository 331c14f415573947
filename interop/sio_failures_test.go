package interop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// sioFails runs dial, which has to end with a status, one line of error that
// names the address, and words that explain.
func sioFails(t *testing.T, url string, status int, words []string, args ...string) {
	t.Helper()
	us := sockkit(t, append([]string{"dial", sioAddress(url), "-x", "echo 1", "-w", "30"}, args...)...)
	us.wantSays(status, append([]string{`^sockkit: dial sio://127\.0\.0\.1:\d+`}, words...)...)
	wantOneError(t, us)
}

// The usual failures are explained in words, whichever transport meets them.
func TestSIODialFailures(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		v2 := sioOfficial(t, sioWords{Package: "socket.io-2"})
		t.Run("a server of version 2", func(t *testing.T) {
			us := sockkit(t, append([]string{"dial", sioAddress(v2.url), "-x", "echo 1"}, way.flags()...)...)
			wantOneOf(t, us, []int{3, 4})
			us.wantSays(us.wait(), `^sockkit: dial sio://.*(Socket\.IO 2|v2\.x)`, `^hint: .*EIO=3`)
			wantOneError(t, us)
		})
		s := sioOfficial(t, sioWords{})
		t.Run("wrong path", func(t *testing.T) {
			us := sockkit(t, append([]string{"dial", sioAddress(s.url), "-x", "echo 1", "--path", "/wrong/"}, way.flags()...)...)
			wantOneOf(t, us, map[string][]int{"polling": {4}, "websocket": {3, 4}, "upgrade": {4}}[way.name]) // Node just hangs up on an upgrade that nobody wants
			us.wantSays(us.wait(), `^sockkit: dial sio://`, `^hint: .*--path`)
			wantOneError(t, us)
		})
		plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>hello</html>")) }))
		t.Cleanup(plain.Close)
		t.Run("not a Socket.IO server", func(t *testing.T) {
			us := sockkit(t, append([]string{"dial", sioAddress(plain.URL), "-x", "echo 1"}, way.flags()...)...)
			wantOneOf(t, us, []int{3, 4})
			wantShown(t, us, "sockkit: dial sio://", "hint: ", "--path")
			wantOneError(t, us)
		})
		t.Run("a WebSocket server that is none of Socket.IO", func(t *testing.T) {
			p := wsServer(t, wsLibraries["node ws"], wsOptions{})
			us := sockkit(t, append([]string{"dial", sioAddress("http" + strings.TrimPrefix(p.url, "ws")), "-w", "1"}, way.flags()...)...)
			wantOneOf(t, us, []int{3, 4, 124})
			wantShown(t, us, "hint: ")
			wantOneError(t, us)
		})
		t.Run("nobody", func(t *testing.T) {
			sioFails(t, "http://"+newPlace(t, "tcp4").hostPort(), 6, []string{`connection refused`}, way.flags()...)
		})
	})
}

// An origin that allowRequest refuses, and a transport that is not offered.
func TestSIODialRefusals(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		_, url := sioListen(t, "--echo")
		sioFails(t, url, 4, []string{`(?i)origin`, `^hint: .*(--origin|Origin)`}, append(way.flags(), "--origin", "http://evil.example")...)
		_, url = sioListen(t, "--echo", "--basic-auth", "ann:secret")
		sioFails(t, url, 4, []string{`login`, `^hint: `}, way.flags()...)
		us := sioDial(t, way, url, "--basic-auth", "ann:secret", "--ack", "-x", "echo 1", "--linger", "0")
		us.want(0)
		if way.transports == nil {
			return
		}
		other := map[string]string{"polling": "websocket", "websocket": "polling"}[way.name]
		s := sioOfficial(t, sioWords{Options: map[string]any{"transports": []string{other}}})
		sioFails(t, s.url, 4, []string{`Transport unknown|400`, `^hint: .*--transports`}, way.flags()...)
	})
}

// What is too large, or has too many attachments, ends the connection; dial says
// what is known of why.
func TestSIODialTooMuch(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		s := sioOfficial(t, sioWords{Options: map[string]any{"maxHttpBufferSize": 10_000}})
		large := fed(t, strings.NewReader("echo "+strings.Repeat("x", 20_000)+"\n"), append([]string{"dial", sioAddress(s.url), "-w", "30"}, way.flags()...)...)
		large.wantSays(8, `^sockkit: dial sio://`, `(?i)maxHttpBufferSize|too large|larger than|1009|413`)
		wantNoStack(t, large)
		var line strings.Builder
		for i := range 11 {
			fmt.Fprintf(&line, ` {"_base64":"%02dAA"}`, i)
		}
		many := fed(t, strings.NewReader("echo"+line.String()+"\n"), append([]string{"dial", sioAddress(s.url), "-w", "30"}, way.flags()...)...)
		if status := many.wait(); status == 0 || status == 124 {
			t.Errorf("%s: exit status %d", many, status)
		}
		many.wantSays(many.wait(), `(?i)attachments`)
		wantNoStack(t, many)
	})
}

// Two servers behind a balancer without sticky sessions: the second request
// reaches the wrong one. WebSocket alone works.
func TestSIODialNoStickySessions(t *testing.T) {
	t.Parallel()
	front := sioBalancer(t, sioOfficial(t, sioWords{}), sioOfficial(t, sioWords{}))
	for _, way := range []sioWay{sioWays[0], sioWays[2]} {
		sioFails(t, front, 4, []string{`Session ID unknown`, `^hint: .*sticky sessions`}, way.flags()...)
	}
	us := sioDial(t, sioWays[1], front, "--ack", "-x", "ask 1", "--linger", "0")
	us.want(0)
}

func sioBalancer(t *testing.T, one, two *sioPeer) (url string) {
	t.Helper()
	template, err := os.ReadFile("proxies/sio-balancer.conf")
	must(t, err)
	_, at := serve(t, "tcp4", func(at place) program {
		dir := tempDir(t)
		fill := strings.NewReplacer("@DIR@", dir, "@LISTEN@", at.hostPort(), "@ONE@", hostPortOf(one.url), "@TWO@", hostPortOf(two.url), "@LINES@", nginxRight)
		return program{args: []string{"nginx", "-p", dir, "-c", fileOf(t, []byte(fill.Replace(string(template)))), "-g", "daemon off;"}}
	})
	return "http://" + at.hostPort()
}
