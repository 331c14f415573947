package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
)

// trouble is a server that is wrong, or asked wrongly; what Chromium, Node's ws
// and curl say of it; and the doctor's verdict. docs/trouble.md has these texts.
type trouble struct {
	name    string
	url     func(t *testing.T) string
	offer   string   // a subprotocol
	browser string   // behind "failed: "
	node    string   // of the library ws
	curl    string   // an error, or a status
	verdict []string // of the doctor
}

func troubles() []trouble {
	listening := func(change func(string) string, flags ...string) func(*testing.T) string {
		return func(t *testing.T) string {
			return change(sockkit(t, append([]string{"listen", "-k", "--echo", "--allow-origin", "*"}, flags...)...).address())
		}
	}
	answering := func(flags ...string) func(*testing.T) string {
		return func(t *testing.T) string {
			return sockkit(t, append([]string{"handshake", "listen", "-k", "ws://127.0.0.1:0"}, flags...)...).address()
		}
	}
	as := func(s string) string { return s }
	scheme := func(scheme string) func(string) string {
		return func(s string) string { return scheme + s[strings.Index(s, ":"):] }
	}
	response := "Error during WebSocket handshake: Unexpected response code: "
	return []trouble{
		{"nobody", func(t *testing.T) string { return "ws://127.0.0.1:" + freePort(t) + "/" }, "",
			"Error in connection establishment: net::ERR_CONNECTION_REFUSED", "connect ECONNREFUSED", "(7) Failed to connect", []string{"nothing_listens"}},
		{"path", listening(func(s string) string { return strings.TrimSuffix(s, "chat") }, "ws://127.0.0.1:0/chat"), "",
			response + "404", "Unexpected server response: 404", "404", []string{"path"}},
		{"TLS", listening(scheme("ws"), "wss://127.0.0.1:0", "--self-signed"), "",
			"Connection closed before receiving a handshake response", "socket hang up", "(52) Empty reply from server", []string{"tls_port"}},
		{"no TLS", listening(scheme("wss"), "ws://127.0.0.1:0"), "",
			"Error in connection establishment: net::ERR_SSL_PROTOCOL_ERROR", "wrong version number", "wrong version number", []string{"plain_port"}},
		{"origin", func(t *testing.T) string { return sockkit(t, "listen", "-k", "--echo", "ws://127.0.0.1:0").address() }, "",
			response + "403", "opens", "", []string{"origin_refused"}},
		{"a login", listening(as, "ws://127.0.0.1:0", "--basic-auth", "me:secret"), "",
			"HTTP Authentication failed; no valid credentials available", "Unexpected server response: 401", "401", []string{"credentials_due"}},
		{"nginx", func(t *testing.T) string {
			return wrongProxies["nginx with nothing but proxy_pass"].start(t, upgradeTarget(t, "node ws"))
		}, "", response + "426", "Unexpected server response: 426", "426", []string{"upgrade_dropped"}},
		{"nobody behind nginx", func(t *testing.T) string { return rightProxies["nginx"].start(t, "127.0.0.1:"+freePort(t)) }, "",
			response + "502", "Unexpected server response: 502", "502", []string{"bad_gateway"}},
		{"redirect", func(t *testing.T) string { return wsProxy{"nginx", "return 301 /chat/;"}.start(t, "127.0.0.1:1") }, "",
			response + "301", "Unexpected server response: 301", "301", []string{"redirect"}},
		{"accept", answering("--accept", "wrong"), "",
			"Error during WebSocket handshake: Incorrect 'Sec-WebSocket-Accept' header value", "Invalid Sec-WebSocket-Accept header", "101", []string{"handshake"}},
		{"upgrade", answering("--omit", "Upgrade"), "",
			"Error during WebSocket handshake: 'Upgrade' header is missing", "Unexpected server response: 101", "101", []string{"handshake"}},
		{"connection", answering("--omit", "Connection"), "",
			"Error during WebSocket handshake: 'Connection' header is missing", "Unexpected server response: 101", "101", []string{"handshake"}},
		{"subprotocol", answering(), "chat.v1",
			"Error during WebSocket handshake: Sent non-empty 'Sec-WebSocket-Protocol' header but no response was received", "Server sent no subprotocol", "101", []string{"subprotocol_none"}},
		{"SSH", func(t *testing.T) string {
			_, at := serve(t, "tcp4", func(at place) program {
				return program{args: []string{"socat", socatListen["tcp4"](at) + ",fork", "SYSTEM:echo SSH-2.0-OpenSSH_9.9; cat >/dev/null"}}
			})
			return "ws://" + at.hostPort() + "/"
		}, "", "Error during WebSocket handshake: net::ERR_INVALID_HTTP_RESPONSE", "Parse Error: Expected HTTP/", "(1) Received HTTP/0.9 when not allowed", []string{"other_protocol"}},
	}
}

const nodeDials = `const [url, offer] = process.argv.slice(1); const w = new (require('ws'))(url, offer ? [offer] : [])
const say = (text) => { console.log(text); process.exit() }
w.on('error', (e) => say(e.message)); w.on('open', () => say('opens'))`

// The page on trouble has what browsers and tools say, word for word, and the
// doctor's verdict beside it.
func TestTroubleTexts(t *testing.T) {
	t.Parallel()
	written, err := os.ReadFile("../docs/trouble.md")
	must(t, err)
	_, port, _ := strings.Cut(site(t), ":")
	home := "http://app.example:" + port
	browser := chromium(t)
	for _, row := range troubles() {
		t.Run(row.name, func(t *testing.T) {
			url := row.url(t)
			if got := browserSays(t, browser, home, url, row.offer); !strings.HasSuffix(got, "failed: "+row.browser) {
				t.Errorf("the browser says %q", got)
			}
			node := start(t, program{args: []string{"node", "-e", nodeDials, url, row.offer}})
			node.wait()
			if got := node.out.String(); !strings.Contains(got, row.node) {
				t.Errorf("Node says %q", got)
			}
			if got := curlSays(t, url); !strings.Contains(got, row.curl) {
				t.Errorf("curl says %q", got)
			}
			for _, text := range append([]string{row.browser, "`" + row.verdict[0] + "`"}, row.node) {
				if row.node != "opens" && !strings.Contains(string(written), text) {
					t.Errorf("docs/trouble.md has no %q", text)
				}
			}
			wantVerdicts(t, row.verdict, url, home, row.offer)
		})
	}
}

// browserSays is what the browser's console says of a WebSocket from a page.
func browserSays(t *testing.T, browser context.Context, home, url, offer string) string {
	t.Helper()
	said := make(chan string, 16)
	tab, end := chromedp.NewContext(browser, chromedp.WithListener(func(event any) {
		if e, ok := event.(*log.EventEntryAdded); ok && strings.Contains(e.Entry.Text, "WebSocket connection to") {
			said <- e.Entry.Text
		}
	}))
	defer end()
	script := fmt.Sprintf("void new WebSocket(%q, %q.split(' ').filter(Boolean))", url, offer)
	must(t, chromedp.Do(tab, chromedp.Navigate(home+"/"), chromedp.Evaluate[chromedp.Void](script)))
	return within(t, "what the browser says", said)
}

// curlSays is its error, or the status of the answer to an opening request.
func curlSays(t *testing.T, url string) string {
	t.Helper()
	us := start(t, program{args: []string{"curl", "-sSk", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Upgrade: websocket", "-H", "Connection: Upgrade",
		"-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "http" + strings.TrimPrefix(url, "ws")}})
	us.wait()
	return us.out.String() + us.err.String()
}

func wantVerdicts(t *testing.T, want []string, url, origin, offer string) {
	t.Helper()
	args := []string{"inspect", "--json", url}
	if want[0] == "origin_refused" {
		args = append(args, "--origin", origin)
	}
	if offer != "" {
		args = append(args, "-s", offer)
	}
	us := sockkit(t, args...)
	us.wait()
	var r doctored
	must(t, json.Unmarshal([]byte(us.out.String()), &r))
	var got []string
	if r.Doctor != nil {
		for _, v := range r.Doctor.Verdicts {
			got = append(got, v.ID)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("verdicts %q, want %q", got, want)
	}
}
