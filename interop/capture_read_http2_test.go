package interop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"

	"github.com/sockkit/sockkit/trace"
)

// recordLines are the records of a trace that tell of HTTP/2 and of what stands on
// it, in a line each, sorted: the two directions have no order of their own.
func recordLines(t *testing.T, file string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	over2 := map[trace.ID]bool{}
	for rec, err := range trace.ReadJSON(bytes.NewReader(text)) {
		if err != nil {
			t.Fatal(err)
		}
		line := ""
		switch e := rec.Event.(type) {
		case trace.Open:
			if over2[rec.Conn] = e.Network == "http2"; over2[rec.Conn] {
				line = "a stream"
			}
		case trace.HTTPHead:
			line = fmt.Sprintf("%s %s %q", e.Dir, e.Line, e.Payload)
		case trace.Upgrade:
			line = fmt.Sprintf("upgrade %s %q %q", e.Target, e.Subprotocol, e.Extensions)
		case trace.UpgradeFailed:
			line = fmt.Sprintf("no upgrade %d", e.Status)
		case trace.WSMessage:
			line = fmt.Sprintf("%s %s %d %d %d %.50q", e.Dir, e.Type, e.Size, e.Wire, e.Frames, e.Payload)
		case trace.WSFrame:
			line = fmt.Sprintf("%s frame %s %v %d %q", e.Dir, e.Type, e.Fin, e.Size, e.Mask)
		case trace.WSClose:
			line = fmt.Sprintf("%s close %d %q", e.Dir, e.Code, e.Reason)
		case trace.HTTP2Frame:
			if e.Type != "WINDOW_UPDATE" && e.Type != "GOAWAY" && e.Type != "RST_STREAM" { // some come when nobody listens any more
				line = fmt.Sprintf("%s %s %d %q %d %q", e.Dir, e.Type, e.Stream, e.Flags, e.Size, e.Detail)
			}
		case trace.Finding:
			line = "finding " + e.Rule
		case trace.HalfClose:
			if over2[rec.Conn] && e.Dir == trace.In {
				line = "half_close"
			}
		case trace.Close:
			if over2[rec.Conn] {
				line = fmt.Sprintf("closed %d %d", e.Out, e.In)
			}
		case trace.Note:
			if strings.Contains(e.Text, "SETTINGS") {
				line = e.Text
			}
		}
		if line != "" {
			list = append(list, fmt.Sprintf("%v %s", over2[rec.Conn], line))
		}
	}
	slices.Sort(list)
	return list
}

// wantSame demands two lists to be one.
func wantSame(t *testing.T, got, want []string) {
	t.Helper()
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("only in the capture: %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("not in the capture: %s", line)
		}
	}
	if len(got) != len(want) || len(want) == 0 {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
}

// TestCaptureReadHTTP2Live holds what inspect reads in a capture of Node's HTTP/2
// against the records that dial has made of it while it lived.
func TestCaptureReadHTTP2Live(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	for name, row := range map[string]struct {
		o     wsOptions
		flags []string
	}{
		"prior knowledge": {wsOptions{}, nil},
		"ALPN":            {wsOptions{Cert: cert.cert, Key: cert.key}, []string{"--ca", a.pem}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, port := tempDir(t), freePort(t)
			row.o.Echo, row.o.Subprotocols, row.o.Port = true, []string{"chat", "v2"}, port
			p := wsServer(t, http2Node, row.o)
			end := dump(t, dir+"/x.pcap", port, "-i", "lo")
			args := append([]string{bin, "dial", "--http2", "-s", "v1", "-s", "v2", "--linger", "0", "--trace", dir + "/live.jsonl"}, row.flags...)
			us := start(t, program{args: append(args, p.url), env: []string{"SSLKEYLOGFILE=" + dir + "/keys"}, hold: true})
			p.next("open")
			dialTexts(us, p)
			dialParts(us, p, http2Node)
			us.in.Close()
			p.skipTo("close")
			us.want(0)
			p.it.signal(syscall.SIGTERM)
			p.it.wait()
			end()
			flags := []string{}
			if row.flags != nil {
				flags = []string{"--keylog", dir + "/keys"}
			}
			if _, err := inspectedFile(t, dir+"/x.pcap", append(flags, "--trace", dir+"/read.jsonl")...); err != nil {
				t.Fatal(err)
			}
			wantSame(t, recordLines(t, dir+"/read.jsonl"), recordLines(t, dir+"/live.jsonl"))
		})
	}
}

// TestCaptureReadHTTP2Chromium reads what a browser has said to our server, which
// logs the secrets, against what that has recorded.
func TestCaptureReadHTTP2Chromium(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	dir, port := tempDir(t), freePort(t)
	end := dump(t, dir+"/x.pcap", port, "-i", "lo")
	us := start(t, program{args: []string{bin, "listen", "-k", "--echo", "--self-signed", "-s", "chat", "wss://127.0.0.1:" + port}, env: []string{"SSLKEYLOGFILE=" + dir + "/keys"}})
	url := us.address()
	p := chromiumDials(t, browser, "https"+strings.TrimPrefix(url, "wss"), url, "chat")
	p.next("open")
	for _, text := range wsTexts {
		p.do(wsAct{Do: "text", Data: text})
		p.nextText(text)
	}
	p.do(wsAct{Do: "close", Code: 4999, Reason: "grüße"})
	p.next("close")
	us.err.awaitText(t, "with 4999")
	us.signal(syscall.SIGTERM)
	us.want(143)
	end()
	r, list := readFile(t, dir+"/x.pcap", "--keylog", dir+"/keys")
	want := []string{"upgrade /", "out close 4999 grüße", "in close 4999 "}
	for _, text := range wsTexts {
		want = append(want, fmt.Sprintf("out text %q", text), fmt.Sprintf("in text %q", text))
	}
	for _, line := range want {
		if !slices.Contains(list, line) {
			t.Errorf("%.100q is missing; there are %d, the last %q", line, len(list), list[max(len(list)-3, 0):])
		}
	}
	if r.Findings != 0 || !slices.ContainsFunc(r.Connections, func(c fileConnection) bool { return c.Network == "http2" && c.End == "closed" }) {
		t.Errorf("%+v", r)
	}
}

// sioOver1 is the official server, with a page for its official client.
const sioOver1 = `
const server = require('http').createServer((q, r) => { r.setHeader('Content-Type', 'text/html'); r.end('<!doctype html><title>x</title><script src="/socket.io/socket.io.js"></script>') });
const io = new (require('socket.io').Server)(server);
io.on('connection', (s) => { s.emit('hello', { a: 1 }); s.on('up', (x, ack) => { s.emit('bin', new Uint8Array([1, 2, 3])); ack('ok') }) });
server.listen(0, '127.0.0.1', () => console.log('at ' + server.address().port));
`

// sioInPage talks to it as captureTalk does, and tells when it is done.
const sioInPage = `
(async () => {
  const s = io({ reconnection: false });
  s.on('connect_error', (e) => tell('error ' + e.message));
  const bin = new Promise((r) => s.once('bin', r));
  await new Promise((r) => s.once('hello', r));
  const ack = await s.emitWithAck('up', 5);
  await bin;
  if (s.io.engine.transport.name !== 'websocket') await new Promise((r) => s.io.engine.once('upgrade', r));
  await s.emitWithAck('up', 6);
  s.disconnect();
  await tell('done ' + ack);
})().catch((e) => tell('error ' + e));
void 0`

// TestCaptureReadHTTP2SocketIO reads a session of Socket.IO over HTTP/2, of a
// browser and the official server behind haproxy: polls on streams, and then the
// WebSocket on one. The browser logs the secrets.
func TestCaptureReadHTTP2SocketIO(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	dir := tempDir(t)
	server := start(t, program{args: []string{"node", "-e", sioOver1}})
	await(t, "the server", server.outOrEnd, func() bool { return strings.HasSuffix(server.out.String(), "\n") })
	at := strings.TrimSpace(strings.TrimPrefix(server.out.String(), "at "))
	proxy, _, secure := http2HAProxy(t, newAuthority(t, "Interop CA").issue(t, here), "127.0.0.1:"+at)
	_, port, _ := net.SplitHostPort(secure)
	end := dump(t, dir+"/x.pcap", port, "-i", "lo")
	tab, leave := chromedp.NewContext(browser)
	defer leave()
	told := make(chan string, 10)
	tell := func(_ context.Context, s string) (chromedp.Void, error) {
		told <- s
		return chromedp.Void{}, nil
	}
	if err := chromedp.Do(tab, chromedp.ExposeFunc("tell", tell), chromedp.Navigate("https://"+secure+"/"), chromedp.Evaluate[chromedp.Void](sioInPage)); err != nil {
		t.Fatal(err)
	}
	if got := <-told; got != "done ok" {
		t.Error(got)
	}
	leave()
	proxy.signal(syscall.SIGTERM)
	proxy.wait()
	end()
	r, list := readFile(t, dir+"/x.pcap", "--keylog", chromiumKeys())
	for _, want := range []string{
		"upgrade /socket.io/", "out CONNECT  0", "in CONNECT  0", "in EVENT hello 0", "out EVENT up 0", "in EVENT bin 1", "in ACK  0", "out DISCONNECT  0",
	} {
		if !slices.Contains(list, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if r.Findings != 0 {
		t.Errorf("%d findings", r.Findings)
	}
	if !slices.ContainsFunc(r.Connections, func(c fileConnection) bool { return c.Network == "http2" && c.Packets.Out > 0 && c.Packets.In > 0 }) {
		t.Errorf("no stream has packets: %+v", r.Connections)
	}
	if !slices.ContainsFunc(r.Connections, func(c fileConnection) bool { return c.Network == "tcp" && c.Packets.In > 0 && c.TLS.ALPN == "h2" }) {
		t.Errorf("no poll has packets: %+v", r.Connections)
	}
	if t.Failed() {
		t.Log(strings.Join(list, "\n"))
	}
}

// TestCaptureReadHTTP2Curl reads the polls that curl sends over HTTP/2: with prior
// knowledge, as an upgrade of HTTP/1.1, and by ALPN.
func TestCaptureReadHTTP2Curl(t *testing.T) {
	t.Parallel()
	const open = `0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100}`
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch {
		case r.Method == http.MethodPost:
			_, _ = io.WriteString(w, "ok")
		case r.URL.Query().Get("sid") == "":
			_, _ = io.WriteString(w, open)
		default:
			_, _ = io.WriteString(w, `40{"sid":"x"}`+"\x1e"+`42["news",1]`)
		}
	})
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	for name, row := range map[string]struct{ scheme, flag string }{
		"prior knowledge": {"http", "--http2-prior-knowledge"}, "upgrade": {"http", "--http2"}, "ALPN": {"https", "--http2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, port := tempDir(t), freePort(t)
			l, err := net.Listen("tcp", "127.0.0.1:"+port)
			if err != nil {
				t.Fatal(err)
			}
			s := &http.Server{Handler: h2c.NewHandler(handler, &http2.Server{})}
			if row.scheme == "https" {
				go s.ServeTLS(l, cert.cert, cert.key)
			} else {
				go s.Serve(l)
			}
			defer s.Close()
			end := dump(t, dir+"/x.pcap", port, "-i", "lo")
			base := row.scheme + "://" + l.Addr().String() + "/socket.io/?EIO=4&transport=polling"
			for _, args := range [][]string{{base}, {base + "&sid=abc", "--data-binary", "40"}, {base + "&sid=abc", "--data-binary", `42["up",{}]`}, {base + "&sid=abc"}} {
				cmd := exec.Command("curl", append([]string{"-sS", "-k", row.flag, "-w", " over %{http_version}"}, args...)...)
				cmd.Env = append(environment(), "SSLKEYLOGFILE="+dir+"/keys")
				if out, err := cmd.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "over 2") {
					t.Fatalf("curl: %v %s", err, out)
				}
			}
			s.Close()
			end()
			flags := []string{}
			if row.scheme == "https" {
				flags = []string{"--keylog", dir + "/keys"}
			}
			r, list := readFile(t, dir+"/x.pcap", flags...)
			for _, want := range []string{"out CONNECT  0", "out EVENT up 0", "in CONNECT  0", "in EVENT news 0"} {
				if !slices.Contains(list, want) {
					t.Errorf("%s is missing in %q", want, list)
				}
			}
			if r.Findings != 0 {
				t.Errorf("%q", list)
			}
		})
	}
}
