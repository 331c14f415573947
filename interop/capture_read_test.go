package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// captureTalk is a conversation between real peers, all of it in Node: ws with
// itself, compressed, and the official Socket.IO, by polling and by a WebSocket.
// With a certificate all of it is over TLS.
const captureTalk = `
const { WebSocket, WebSocketServer } = require('ws');
const { Server } = require('socket.io');
const { io } = require('socket.io-client');
const fs = require('fs');
const [port, cert, key] = process.argv.slice(1);
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
process.removeAllListeners('warning');
const server = cert ? require('https').createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) }) : require('http').createServer();
const wss = new WebSocketServer({ noServer: true, perMessageDeflate: { threshold: 0 } });
wss.on('connection', (c) => c.on('message', (m, binary) => c.send(m, { binary })));
const sio = new Server(server, { destroyUpgrade: false });
sio.on('connection', (s) => { s.emit('hello', { a: 1 }); s.on('up', (x, ack) => { s.emit('bin', Buffer.from([1, 2, 3])); ack('ok') }) });
server.on('upgrade', (q, socket, head) => { if (q.url === '/chat') wss.handleUpgrade(q, socket, head, (c) => wss.emit('connection', c)) });
server.listen(Number(port), '127.0.0.1', async () => {
  const home = (cert ? 'https' : 'http') + '://127.0.0.1:' + port;
  const c = new WebSocket(home.replace('http', 'ws') + '/chat');
  const next = () => new Promise((r) => c.once('message', (m) => r(m)));
  await new Promise((r) => c.once('open', r));
  for (const m of ['hello', 'again and again and again and again', Buffer.from([0, 255])]) { const came = next(); c.send(m); await came }
  const gone = new Promise((r) => c.once('close', r));
  c.close(1000, 'done');
  await gone;
  const s = io(home, { reconnection: false, rejectUnauthorized: false });
  const bin = new Promise((r) => s.once('bin', r));
  await new Promise((r) => s.once('hello', r));
  const ack = await new Promise((r) => s.emit('up', 5, r));
  await bin;
  if (s.io.engine.transport.name !== 'websocket') await new Promise((r) => s.io.engine.once('upgrade', r));
  await new Promise((r) => s.emit('up', 6, r));
  s.disconnect();
  server.closeAllConnections();
  console.log('done', ack);
  setTimeout(() => process.exit(0), 200);
});
`

// dump starts tcpdump on a port, and returns what ends it once nobody listens
// there any more: a connection that is refused is the last that it sees.
func dump(t *testing.T, file, port string, flags ...string) (end func()) {
	t.Helper()
	p := start(t, program{args: slices.Concat([]string{"tcpdump", "-n", "-U", "-B", "16384", "-w", file}, flags, []string{"tcp port " + port})})
	await(t, "tcpdump to listen", p.errOrEnd, func() bool { return strings.Contains(p.err.String(), "listening on") || !p.alive() })
	if !p.alive() {
		t.Fatalf("tcpdump cannot capture, which takes root or CAP_NET_RAW: %s", p.err.String())
	}
	return func() {
		t.Helper()
		defer func() {
			if t.Failed() {
				r, err := inspectedFile(t, file)
				t.Logf("%+v %v", r, err)
			}
		}()
		poll(t, "nobody to listen", func() bool { // a program that is being started may hold the socket until it runs
			c, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		poll(t, "the end of all connections in the capture", func() bool {
			r, err := inspectedFile(t, file)
			return err == nil && slices.ContainsFunc(r.Connections, func(c fileConnection) bool { return c.End == "refused" })
		})
		p.signal(syscall.SIGINT)
		p.wait()
	}
}

// fileReport is what the tests read of inspect FILE --json.
type fileReport struct {
	Format      string
	Packets     int
	Connections []fileConnection
	Findings    int
	Musts       int
	Left        map[string]int
}

type fileConnection struct {
	Network string
	Packets struct{ Out, In int }
	End     string
	Gaps    int
	Missing int64
	TLS     *struct {
		Version, Cipher, ALPN string
		ServerName            string `json:"server_name"`
		Decrypted             bool
		Why                   string            `json:"not_decrypted"`
		Certificates          []json.RawMessage `json:"certificates"`
	}
	Findings []trace.Finding
}

func inspectedFile(t *testing.T, file string, flags ...string) (r fileReport, err error) {
	t.Helper()
	cmd := exec.Command(bin, append([]string{"inspect", file, "--json"}, flags...)...)
	cmd.Env = environment()
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if bad := json.Unmarshal(out, &r); bad != nil {
		return r, fmt.Errorf("%v: %w: %s%s", err, bad, out, tail(said.String()))
	}
	return r, err
}

// readFile is what inspect makes of a capture: its report, and what passed, in a
// line each.
func readFile(t *testing.T, file string, flags ...string) (fileReport, []string) {
	t.Helper()
	records := filepath.Join(tempDir(t), "records.jsonl")
	r, err := inspectedFile(t, file, append(flags, "--trace", records)...)
	if err != nil {
		t.Fatalf("inspect %s: %v", file, err)
	}
	text, err := os.ReadFile(records)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for rec, err := range trace.ReadJSON(bytes.NewReader(text)) {
		if err != nil {
			t.Fatal(err)
		}
		switch e := rec.Event.(type) {
		case trace.Upgrade:
			path, _, _ := strings.Cut(e.Target, "?")
			list = append(list, "upgrade "+path)
		case trace.WSMessage:
			if !strings.HasPrefix(string(e.Payload), "2") && !strings.HasPrefix(string(e.Payload), "3") { // pings, probes
				list = append(list, fmt.Sprintf("%s %s %q", e.Dir, e.Type, e.Payload))
			}
		case trace.WSClose:
			list = append(list, fmt.Sprintf("%s close %d %s", e.Dir, e.Code, e.Reason))
		case trace.SIOPacket:
			list = append(list, fmt.Sprintf("%s %s %s %d", e.Dir, e.Type, e.EventName, e.Attachments))
		case trace.Finding:
			list = append(list, "finding "+e.Rule+" "+e.Came)
		}
	}
	return r, list
}

// wantTalk demands all of captureTalk.
func wantTalk(t *testing.T, list []string) {
	t.Helper()
	for _, want := range []string{
		"upgrade /chat", `out text "hello"`, `in text "hello"`, `in text "again and again and again and again"`, `out binary "\x00\xff"`, `in binary "\x00\xff"`,
		"out close 1000 done", "in close 1000 done", "upgrade /socket.io/",
		"out CONNECT  0", "in CONNECT  0", "in EVENT hello 0", "out EVENT up 0", "in EVENT bin 1", "in ACK  0", "out DISCONNECT  0",
	} {
		if !slices.Contains(list, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, line := range list {
		if strings.HasPrefix(line, "finding") {
			t.Error(line)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(list, "\n"))
	}
}

// talkCaptured has the conversation captured by tcpdump.
func talkCaptured(t *testing.T, file string, node, words, flags []string) {
	t.Helper()
	port := freePort(t)
	end := dump(t, file, port, flags...)
	args := append(append([]string{"node"}, node...), "-e", captureTalk, "--", port)
	p := start(t, program{args: append(args, words...)})
	p.want(0)
	if !strings.Contains(p.out.String(), "done ok") {
		t.Fatalf("the peers: %s %s", p.out.String(), p.err.String())
	}
	end()
}

// TestCaptureRead reads what tcpdump has captured of real peers, on every kind of
// device, and in every form that Wireshark's tools make of it.
func TestCaptureRead(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	file := dir + "/lo.pcap"
	talkCaptured(t, file, nil, nil, []string{"-i", "lo"})
	check := func(t *testing.T, file, format string) {
		r, list := readFile(t, file)
		wantTalk(t, list)
		if r.Format != format || slices.ContainsFunc(r.Connections, func(c fileConnection) bool { return c.Gaps > 0 || c.End == "open" }) {
			t.Errorf("%+v", r)
		}
	}
	t.Run("pcap", func(t *testing.T) { check(t, file, "pcap") })
	for _, format := range []string{"pcapng", "nsecpcap"} {
		t.Run(format, func(t *testing.T) {
			out := dir + "/" + format
			tool(t, "editcap", "-F", format, file, out+".pcap")
			check(t, out+".pcap", strings.TrimPrefix(format, "nsec"))
		})
	}
	t.Run("reordered", func(t *testing.T) { check(t, reordered(t, dir, file), "pcapng") })
	t.Run("twice", func(t *testing.T) {
		out := dir + "/twice.pcapng"
		tool(t, "mergecap", "-w", out, file, file)
		check(t, out, "pcapng")
	})
	t.Run("dump of packets", func(t *testing.T) {
		text := tool(t, "tshark", "-r", file, "-x")
		if err := os.WriteFile(dir+"/x.txt", text, 0o600); err != nil {
			t.Fatal(err)
		}
		check(t, dir+"/x.txt", "hex")
	})
	t.Run("gzip", func(t *testing.T) {
		cmd := exec.Command("gzip", "-k", file)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		check(t, file+".gz", "pcap")
	})
	t.Run("streams as bytes", func(t *testing.T) {
		dialled, accepted := followed(t, file, "0")
		request := bytes.Index(dialled, []byte("\r\n\r\n")) + 4
		if err := os.WriteFile(dir+"/raw", slices.Concat(dialled[:request], accepted, dialled[request:]), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, list := readFile(t, dir+"/raw"); !slices.Contains(list, `in text "hello"`) || !slices.Contains(list, `out text "hello"`) {
			t.Errorf("%q", list)
		}
	})
	t.Run("cut by the snap length", func(t *testing.T) {
		out := dir + "/snap.pcapng"
		tool(t, "editcap", "-s", "150", file, out)
		r, _ := readFile(t, out)
		missing := int64(0)
		for _, c := range r.Connections {
			missing += c.Missing
		}
		if missing == 0 || r.Findings != 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("broken bytes", func(t *testing.T) { // it ends, and nothing is said that is not so of the file
		for _, seed := range []string{"1", "2", "3", "4", "5"} {
			out := dir + "/broken" + seed + ".pcapng"
			tool(t, "editcap", "-E", "0.01", "--seed", seed, file, out)
			if _, err := inspectedFile(t, out); err != nil && !strings.Contains(err.Error(), "exit status 3") {
				t.Errorf("seed %s: %v", seed, err)
			}
		}
	})
}

// reordered is a capture whose packets stand in another order: of each three the
// last comes first.
func reordered(t *testing.T, dir, file string) string {
	t.Helper()
	total := strings.Count(string(tool(t, "tshark", "-r", file)), "\n")
	parts := []string{"-a", "-w", dir + "/reordered.pcapng"}
	for from := 1; from <= total; from += 3 {
		for _, n := range []int{from + 2, from, from + 1} {
			if n > total {
				continue
			}
			part := fmt.Sprintf("%s/part%d.pcap", dir, n)
			tool(t, "editcap", "-r", file, part, fmt.Sprint(n))
			parts = append(parts, part)
		}
	}
	tool(t, "mergecap", parts...)
	return dir + "/reordered.pcapng"
}

func tool(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = environment()
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v %s", name, strings.Join(args, " "), err, said.String())
	}
	return out
}

// Captures of all devices have a link layer of their own.
func TestCaptureReadAnyDevice(t *testing.T) {
	t.Parallel()
	for _, link := range []string{"LINUX_SLL", "LINUX_SLL2"} {
		t.Run(link, func(t *testing.T) {
			file := tempDir(t) + "/any.pcap"
			talkCaptured(t, file, nil, nil, []string{"-i", "any", "-y", link})
			_, list := readFile(t, file)
			wantTalk(t, list)
		})
	}
}

// TestCaptureReadTLS decrypts what OpenSSL has sealed, with the secrets that Node
// logs: beside the capture, and within it.
func TestCaptureReadTLS(t *testing.T) {
	t.Parallel()
	suites := map[string][]string{
		"TLS_AES_128_GCM_SHA256":                        {"--tls-min-v1.3", "--tls-cipher-list=TLS_AES_128_GCM_SHA256"},
		"TLS_AES_256_GCM_SHA384":                        {"--tls-min-v1.3", "--tls-cipher-list=TLS_AES_256_GCM_SHA384"},
		"TLS_CHACHA20_POLY1305_SHA256":                  {"--tls-min-v1.3", "--tls-cipher-list=TLS_CHACHA20_POLY1305_SHA256"},
		"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256":       {"--tls-max-v1.2", "--tls-cipher-list=ECDHE-ECDSA-AES128-GCM-SHA256"},
		"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384":       {"--tls-max-v1.2", "--tls-cipher-list=ECDHE-ECDSA-AES256-GCM-SHA384"},
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": {"--tls-max-v1.2", "--tls-cipher-list=ECDHE-ECDSA-CHACHA20-POLY1305"},
		"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256":       {"--tls-max-v1.2", "--tls-cipher-list=ECDHE-ECDSA-AES128-SHA256"},
	}
	cert := newAuthority(t, "captures").issue(t, here)
	for name, flags := range suites {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tempDir(t)
			file, keys := dir+"/tls.pcap", dir+"/keys.txt"
			talkCaptured(t, file, append(flags, "--tls-keylog="+keys), []string{cert.cert, cert.key}, []string{"-i", "lo"})
			r, list := readFile(t, file, "--keylog", keys)
			wantTalk(t, list)
			for _, c := range r.Connections {
				if c.End != "refused" && (c.TLS == nil || !c.TLS.Decrypted || c.TLS.Cipher != name) {
					t.Errorf("%+v", c.TLS)
				}
			}
			within := dir + "/with.pcapng"
			tool(t, "editcap", "--inject-secrets", "tls,"+keys, file, within)
			_, list = readFile(t, within)
			wantTalk(t, list)
			r, list = readFile(t, file)
			if len(list) != 0 || r.Connections[0].TLS.Decrypted || !strings.HasPrefix(r.Connections[0].TLS.Why, "its secrets are not given") {
				t.Errorf("%+v %q", r.Connections[0].TLS, list)
			}
		})
	}
}

// Keys that change on the way (RFC 8446 section 4.6.3) are followed.
func TestCaptureReadKeyUpdate(t *testing.T) {
	t.Parallel()
	dir, port := tempDir(t), freePort(t)
	cert := newAuthority(t, "updates").issue(t, here)
	end := dump(t, dir+"/x.pcap", port, "-i", "lo")
	server := start(t, program{args: []string{"openssl", "s_server", "-accept", "127.0.0.1:" + port, "-cert", cert.cert, "-key", cert.key, "-tls1_3"}, hold: true})
	await(t, "the server", server.outOrEnd, func() bool { return strings.Contains(server.out.String(), "ACCEPT") })
	client := start(t, program{args: []string{"openssl", "s_client", "-connect", "127.0.0.1:" + port, "-keylogfile", dir + "/keys"}, hold: true})
	for _, line := range []string{"one\n", "K\n", "two\n", "k\n", "three\n"} {
		client.write(line)
		if len(line) > 2 {
			await(t, line, server.outOrEnd, func() bool { return strings.Contains(server.out.String(), line) })
		} else {
			await(t, "the update", client.errOrEnd, func() bool {
				return strings.Count(client.err.String(), "KEYUPDATE") >= map[string]int{"K\n": 1, "k\n": 2}[line]
			})
		}
	}
	client.write("Q\n")
	client.wait()
	server.signal(syscall.SIGTERM)
	server.wait()
	end()
	p := sockkit(t, "inspect", dir+"/x.pcap", "--keylog", dir+"/keys")
	p.want(0)
	for _, line := range []string{`"one\n"`, `"two\n"`, `"three\n"`} {
		if !strings.Contains(p.out.String(), line) {
			t.Errorf("%s is not there:\n%s\n%s", line, p.out.String(), tool(t, "tshark", "-r", dir+"/x.pcap"))
		}
	}
}
