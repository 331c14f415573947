package interop

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
	"github.com/sockkit/sockkit/ws"
)

// audited is a server as its documentation shows it, with nothing but
// compression and an echo added: its defaults are what is audited.
type audited struct {
	name    string
	version func(t *testing.T) string
	what    string // how it is set up, for the docs
	start   func(t *testing.T) (url string)
}

var auditedServers = []audited{
	{"sockkit listen", ours, "`sockkit listen -k --echo --compress ws://127.0.0.1:0`", func(t *testing.T) string {
		_, url := wsListen(t, "--echo", "--compress")
		return url
	}},
	{"sockkit ws.Server on net/http", ours, "`http.Handle(\"/\", &ws.Server{…})`", func(t *testing.T) string {
		return overHTTP(t, &ws.Server{OnMessage: func(p *ws.Peer, k ws.MessageType, b []byte) { _ = p.Write(k, b) }})
	}},
	{"gorilla/websocket", module("github.com/gorilla/websocket"), "`Upgrader{EnableCompression: true}` on net/http", func(t *testing.T) string {
		return overHTTP(t, http.HandlerFunc(echoGorilla))
	}},
	{"coder/websocket", module("github.com/coder/websocket"), "`Accept` with `CompressionContextTakeover` on net/http", func(t *testing.T) string {
		return overHTTP(t, http.HandlerFunc(echoCoder))
	}},
	{"gobwas/ws", module("github.com/gobwas/ws"), "`ws.Upgrade` on a listener, `wsutil.ReadClientData`", echoGobwas},
	{"lxzan/gws", module("github.com/lxzan/gws"), "`NewUpgrader` with compression, on net/http", func(t *testing.T) string {
		return overHTTP(t, http.HandlerFunc(echoGWS))
	}},
	{"ws (Node)", npm("ws"), "`new WebSocketServer({ perMessageDeflate: true })`", startNodeWS},
	{"socket.io (Node)", npm("socket.io"), "`new Server(httpServer)`, at `/socket.io/?EIO=4&transport=websocket`", func(t *testing.T) string {
		return byScript(t, "/socket.io/?EIO=4&transport=websocket", "node", "-e", `
			const http = require('http').createServer()
			new (require('socket.io').Server)(http)
			http.listen(0, '127.0.0.1', () => console.error('listening on ws://127.0.0.1:' + http.address().port))`)
	}},
	{"websockets (Python)", pythonVersion, "`websockets.serve(echo)`", func(t *testing.T) string {
		return byScript(t, "", debianPython, "-c", `
import asyncio, sys, websockets
async def echo(socket):
    async for message in socket: await socket.send(message)
async def main():
    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        print("listening on ws://127.0.0.1:%d" % server.sockets[0].getsockname()[1], file=sys.stderr, flush=True)
        await asyncio.Future()
asyncio.run(main())`)
	}},
	{"websocketd", debian("websocketd"), "`websocketd --port=N cat`", startWebsocketd},
	{"nginx before ws (Node)", versionOf("nginx", "-v"), "`proxy_http_version 1.1` and both headers", func(t *testing.T) string {
		return rightProxies["nginx"].start(t, hostPortOf(startNodeWS(t)))
	}},
	{"haproxy before ws (Node)", versionOf("haproxy", "-v"), "`mode http`", func(t *testing.T) string {
		return rightProxies["haproxy"].start(t, hostPortOf(startNodeWS(t)))
	}},
	{"nginx before sockkit listen", versionOf("nginx", "-v"), "`proxy_http_version 1.1` and both headers", func(t *testing.T) string {
		return behind(t, "nginx")
	}},
	{"haproxy before sockkit listen", versionOf("haproxy", "-v"), "`mode http`", func(t *testing.T) string {
		return behind(t, "haproxy")
	}},
}

func overHTTP(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)} // gws panics on a length of 2^63
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return "ws://" + l.Addr().String() + "/"
}

func echoGorilla(w http.ResponseWriter, r *http.Request) {
	up := gorilla.Upgrader{EnableCompression: true}
	c, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	for {
		kind, data, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, data) != nil {
			return
		}
	}
}

func echoCoder(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, data, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, data) != nil {
			return
		}
	}
}

func echoGobwas(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := gobwas.Upgrade(c); err != nil {
					return
				}
				for {
					data, op, err := wsutil.ReadClientData(c)
					if err != nil || wsutil.WriteServerMessage(c, op, data) != nil {
						return
					}
				}
			}()
		}
	}()
	return "ws://" + l.Addr().String() + "/"
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	_ = c.WriteMessage(m.Opcode, m.Bytes())
}

func (gwsEcho) OnPing(c *gws.Conn, data []byte) { _ = c.WritePong(data) }

func echoGWS(w http.ResponseWriter, r *http.Request) {
	up := gws.NewUpgrader(gwsEcho{}, &gws.ServerOption{PermessageDeflate: gws.PermessageDeflate{Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true}})
	if c, err := up.Upgrade(w, r); err == nil {
		c.ReadLoop()
	}
}

// byScript starts a server that says where it listens, and adds a path to that.
func byScript(t *testing.T, path string, command ...string) string {
	t.Helper()
	p := start(t, program{args: command, hold: true})
	if path == "" {
		path = "/"
	}
	return p.address() + path
}

func startNodeWS(t *testing.T) string {
	return byScript(t, "", "node", "-e", `
		const { WebSocketServer } = require('ws')
		const s = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: true }, () => console.error('listening on ws://127.0.0.1:' + s.address().port))
		s.on('connection', (c) => { c.on('error', () => {}); c.on('message', (m, binary) => c.send(m, { binary })) })`)
}

func startWebsocketd(t *testing.T) string {
	_, at := serve(t, "tcp4", func(at place) program {
		_, port, _ := net.SplitHostPort(at.hostPort())
		return program{args: []string{"websocketd", "--address=127.0.0.1", "--port=" + port, "--loglevel=fatal", "cat"}}
	})
	return "ws://" + at.hostPort() + "/"
}

// behind starts a proxy before our own listener: what is found is the proxy's.
func behind(t *testing.T, proxy string) string {
	_, url := wsListen(t, "--echo", "--compress")
	return rightProxies[proxy].start(t, hostPortOf(url))
}

// The versions of what is audited.

func ours(*testing.T) string { return "this one" }

func module(path string) func(t *testing.T) string {
	return func(t *testing.T) string {
		text, err := os.ReadFile("go.mod")
		if err != nil {
			t.Fatal(err)
		}
		return firstMatch(t, regexp.QuoteMeta(path)+` (v\S+)`, string(text))
	}
}

func npm(name string) func(t *testing.T) string {
	return func(t *testing.T) string {
		text, err := os.ReadFile(filepath.Join("node_modules", name, "package.json"))
		if err != nil {
			t.Fatal(err)
		}
		var p struct{ Version string }
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		return p.Version + ", Node " + saidBy(t, "node", "--version")
	}
}

func pythonVersion(t *testing.T) string {
	return saidBy(t, debianPython, "-c", "import websockets, sys; print(websockets.__version__ + ', Python ' + sys.version.split()[0])")
}

func debian(name string) func(t *testing.T) string {
	return func(t *testing.T) string { return saidBy(t, "dpkg-query", "-W", "-f", "${Version}", name) }
}

func versionOf(command ...string) func(t *testing.T) string {
	return func(t *testing.T) string {
		out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		return firstMatch(t, `(\d+\.\d+\.\d+)`, string(out))
	}
}

func saidBy(t *testing.T, command ...string) string {
	t.Helper()
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(command, " "), err, out)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}

func firstMatch(t *testing.T, pattern, text string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no %s in %s", pattern, text)
	}
	return found[1]
}

// auditRow is what the audit says of one probe.
type auditRow struct {
	ID      string `json:"id"`
	Group   string `json:"group,omitempty"`
	Clause  string `json:"clause,omitempty"`
	Binding string `json:"binding,omitempty"`
	Verdict string `json:"verdict"`
	Sent    string `json:"sent"`
	Came    string `json:"came"`
	Text    string `json:"text,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	Status  int    `json:"status,omitempty"`

	Bytes  *auditBytes `json:"bytes,omitempty"`
	Frames *auditBytes `json:"frames,omitempty"`
}

// auditBytes are bytes that were sent.
type auditBytes struct {
	Size    int    `json:"size"`
	Payload []byte `json:"base64"`
}

// auditResult is the audit of one server, or client, as testdata/audit.json and
// the docs have it.
type auditResult struct {
	Name     string     `json:"name"`
	Version  string     `json:"version"`
	What     string     `json:"what"`
	Asked    int        `json:"asked"`
	Findings []auditRow `json:"findings"`
	Notes    []string   `json:"notes"`
}

// updateAudit is set by make audit-table: what is found is written then, and
// not compared.
var updateAudit = os.Getenv("SOCKKIT_AUDIT_TABLE") != ""

// TestAuditServers audits each server, and holds its findings to those that are
// known, each of them confirmed by a request by hand.
func TestAuditServers(t *testing.T) {
	t.Parallel()
	results := make([]auditResult, len(auditedServers))
	t.Run("all", func(t *testing.T) {
		for i, it := range auditedServers {
			t.Run(it.name, func(t *testing.T) {
				t.Parallel()
				url := it.start(t)
				us := sockkit(t, "handshake", "audit", url, "--json", "-c", "4", "--slow", "1s")
				wantOneOf(t, us, []int{0, 3})
				results[i] = readAudit(t, us.out.String(), it.name, it.version(t), it.what)
				for n := range results[i].Findings {
					confirm(t, hostPortOf(url), &results[i].Findings[n])
				}
			})
		}
	})
	compareAudit(t, "servers.json", results)
	for i, a := range results {
		for _, b := range results[:i] {
			if set := auditKeys(a); set == auditKeys(b) && !strings.Contains(a.Name, "sockkit") {
				t.Errorf("the audit does not tell %s and %s apart: %s", a.Name, b.Name, set)
			}
		}
	}
}

// confirm sends again what a finding says was sent, by hand, and wants the same
// to come of it.
func confirm(t *testing.T, hostPort string, row *auditRow) {
	t.Helper()
	request, frames := row.Bytes, row.Frames
	row.Bytes, row.Frames = nil, nil // not kept
	if request == nil || request.Size > len(request.Payload) || row.Outcome == "silence" {
		return
	}
	c := rawDial(t, "ws://"+hostPort+"/")
	defer c.Close()
	c.write(string(request.Payload))
	head := c.head()
	status := 0
	_, _ = fmt.Sscanf(head, "HTTP/1.1 %d", &status)
	upgraded := row.Outcome == "upgraded"
	if upgraded != (status == 101) || row.Status != 0 && row.Status != status {
		t.Errorf("%s: by hand %q comes, and the audit says %s", row.ID, head, row.Came)
	}
	if frames == nil || !strings.HasPrefix(row.Text, "it goes on") {
		return
	}
	c.write(string(frames.Payload) + string(rawFrame{op: opPing, data: "by hand"}.bytes(true)))
	for {
		f, _, err := c.readFrame()
		if err != nil || f.op == opClose {
			t.Errorf("%s: by hand the connection ends (%v), and the audit says %s", row.ID, err, row.Text)
			return
		}
		if f.op == opPong && f.data == "by hand" {
			return
		}
	}
}

// readAudit reads the report of handshake audit --json.
func readAudit(t *testing.T, text, name, version, what string) auditResult {
	t.Helper()
	var report struct {
		Survived bool
		Summary  struct{ Asked, Flaky int }
		Probes   []auditRow
	}
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatalf("%v: %s", err, tail(text))
	}
	if !report.Survived {
		t.Errorf("%s has not survived", name)
	}
	a := auditResult{Name: name, Version: version, What: what, Asked: report.Summary.Asked, Findings: []auditRow{}, Notes: []string{}}
	for _, row := range report.Probes {
		switch row.Verdict {
		case "finding":
			a.Findings = append(a.Findings, row)
		case "note":
			a.Notes = append(a.Notes, row.ID)
		case "flaky", "undecided":
			t.Logf("%s: %s is %s: %s %s", name, row.ID, row.Verdict, row.Came, row.Text)
		}
	}
	return a
}

// auditKeys are the findings, and what came.
func auditKeys(a auditResult) string {
	var keys []string
	for _, row := range a.Findings {
		keys = append(keys, strings.TrimSpace(fmt.Sprint(row.ID, " ", row.Outcome)))
	}
	return strings.Join(keys, "; ")
}

// compareAudit holds results to those that are known, in testdata/audit.
func compareAudit(t *testing.T, name string, results []auditResult) {
	t.Helper()
	if t.Failed() {
		return
	}
	path := filepath.Join("testdata", "audit", name)
	if updateAudit {
		text, err := json.MarshalIndent(results, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var known []auditResult
	if err := json.Unmarshal(text, &known); err != nil {
		t.Fatal(err)
	}
	for i, got := range results {
		if i >= len(known) || known[i].Name != got.Name {
			t.Fatalf("%s is not in %s; make audit-table writes it anew", got.Name, path)
		}
		if is, want := auditKeys(got), auditKeys(known[i]); is != want {
			t.Errorf("%s %s: the findings are\n%s\nand those of %s\n%s\nmake audit-table writes them anew", got.Name, got.Version, is, known[i].Version, want)
		}
	}
}
