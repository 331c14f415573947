package interop

import (
	"strings"
	"testing"
)

// replayed plays a trace to an address, and returns what is said of it.
func replayed(t *testing.T, status int, args ...string) string {
	t.Helper()
	p := sockkit(t, append([]string{"replay"}, args...)...)
	p.want(status)
	return p.out.String()
}

// wantReplayed demands lines of a report.
func wantReplayed(t *testing.T, report string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(report, line) {
			t.Errorf("%q is not in\n%s", line, report)
		}
	}
}

// TestReplayWebSocket records what Node's ws says, and plays it to Node's ws again
// and to Python's websockets: as the client, and as the server of both.
func TestReplayWebSocket(t *testing.T) {
	t.Parallel()
	file := tempDir(t) + "/x.jsonl"
	first := wsServer(t, wsLibraries["node ws"], wsOptions{Echo: true})
	us := held(t, "dial", "--trace", file, first.url)
	first.next("open")
	came := 0
	for _, text := range []string{"one", "grüße ☃"} { // each once the answer is there, as it is played then
		us.write(text + "\n")
		first.nextText(text)
		came += len(text) + 1
		us.awaitOutput(int64(came))
	}
	first.do(wsAct{Do: "close", Code: 4001, Reason: "so long"})
	us.want(8)
	for _, name := range []string{"node ws", "websockets"} {
		lib := wsLibraries[name]
		t.Run("client of "+name, func(t *testing.T) {
			for code, want := range map[int][]string{
				4001: {"2 sent; 2 messages were recorded and 2 came: the same"},
				4002: {"not the same", `  - (closed with 4001 "so long")`, `  + (closed with 4002 "so long")`},
			} {
				p := wsServer(t, lib, wsOptions{Echo: true})
				us := sockkit(t, "replay", file, p.url, "--fast")
				p.next("open")
				p.nextText("one")
				p.nextText("grüße ☃")
				p.do(wsAct{Do: "close", Code: code, Reason: "so long"})
				us.want(map[bool]int{true: 0, false: 9}[code == 4001])
				wantReplayed(t, us.out.String(), want...)
			}
		})
		t.Run("server of "+name, func(t *testing.T) {
			us := sockkit(t, "replay", file, "ws://127.0.0.1:0", "--side", "server", "--fast")
			p, _ := wsClient(t, lib, us.address(), wsOptions{})
			p.do(wsAct{Do: "text", Data: "one"})
			p.nextText("one")
			p.do(wsAct{Do: "text", Data: "GRÜSSE"})
			p.nextText("grüße ☃")
			if got := p.skipTo("close"); got.Code != 4001 || got.Reason != "so long" {
				t.Errorf("the client saw %+v", got)
			}
			us.want(9)
			wantReplayed(t, us.out.String(), `    "one"`, `  - "grüße ☃"`, `  + "GRÜSSE"`)
		})
	}
}

// TestReplayStream plays a conversation with socat again: to socat, to nc that is
// silent, and as the server of nc.
func TestReplayStream(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	script := fileOf(t, []byte("echo hello; while read l; do echo \"you said $l\"; done\n"))
	_, at := serve(t, "tcp4", func(at place) program {
		return program{args: []string{"socat", "TCP-LISTEN:" + at.port + ",bind=127.0.0.1,fork,reuseaddr", "EXEC:sh " + script}}
	})
	us := fed(t, strings.NewReader("one\ntwo\n"), "dial", "--trace", dir+"/x.jsonl", at.String())
	us.want(0)
	said := "hello\nyou said one\nyou said two\n"
	if us.out.String() != said {
		t.Fatalf("%q", us.out.String())
	}
	wantReplayed(t, replayed(t, 0, dir+"/x.jsonl", at.String(), "--fast"), "32 bytes were recorded and 32 came: the same")
	silent, nc := serve(t, "tcp4", func(at place) program {
		return program{args: []string{"nc.openbsd", "-N", "-l", at.host, at.port}, in: strings.NewReader("")}
	})
	wantReplayed(t, replayed(t, 9, dir+"/x.jsonl", nc.String(), "--fast"), "32 bytes were recorded and 0 came", `  - "hello\n"`, "  + (the end)")
	silent.want(0)
	if got := silent.out.String(); got != "one\ntwo\n" {
		t.Errorf("nc got %q", got)
	}
	server := sockkit(t, "replay", dir+"/x.jsonl", "127.0.0.1:0", "--side", "server", "--fast")
	to := placeOf("tcp4", server.address())
	client := start(t, program{args: []string{"nc.openbsd", "-N", to.host, to.port}, in: strings.NewReader("one\ntwo\n")})
	client.want(0)
	if got := client.out.String(); got != said {
		t.Errorf("nc got %q", got)
	}
	server.want(0)
	wantReplayed(t, server.out.String(), "8 bytes were recorded and 8 came: the same")
}

// TestReplayDatagrams does it with datagrams.
func TestReplayDatagrams(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	_, at := serve(t, "udp4", func(at place) program {
		return program{args: []string{"socat", "UDP-RECVFROM:" + at.port + ",bind=127.0.0.1,fork", "EXEC:cat"}}
	})
	us := held(t, "dial", at.String(), "--count", "2", "--trace", dir+"/x.jsonl")
	us.write("a\n")
	us.awaitOutput(2) // a process for each, so that two at once have no order
	us.write("b\n")
	us.want(0)
	wantReplayed(t, replayed(t, 0, dir+"/x.jsonl", at.String(), "--fast"), "2 datagrams were recorded and 2 came: the same")
}

// sioNames is a server that says the id of its client, and when it is.
const sioNames = `
const server = require('http').createServer();
const io = new (require('socket.io').Server)(server);
io.on('connection', (s) => { s.emit('welcome', { id: s.id, at: new Date().toISOString(), a: 1 }); s.on('whoami', (ack) => ack(s.id)); s.on('iam', (id, ack) => ack(id === s.id)) });
server.listen(0, '127.0.0.1', () => console.log('at ' + server.address().port));
`

// sioAsks is a client of it.
const sioAsks = `
const s = require('socket.io-client').io(process.argv[1], { reconnection: false });
s.onAny((...a) => console.log(JSON.stringify(a) === JSON.stringify(['welcome', { id: s.id, at: a[1].at, a: 1 }])));
s.on('connect', async () => { console.log(await s.emitWithAck('whoami') === s.id, await s.emitWithAck('iam', s.id)) });
s.on('disconnect', () => process.exit(0));
`

// TestReplaySocketIO plays a conversation with the official server again: the id
// of the socket is another each time, and no difference.
func TestReplaySocketIO(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	server := start(t, program{args: []string{"node", "-e", sioNames}})
	await(t, "the server", server.outOrEnd, func() bool { return strings.HasSuffix(server.out.String(), "\n") })
	url := "sio://127.0.0.1:" + strings.TrimSpace(strings.TrimPrefix(server.out.String(), "at "))
	us := held(t, "dial", url, "--ack", "--trace", dir+"/x.jsonl")
	await(t, "the welcome", us.outOrEnd, func() bool { return strings.HasSuffix(us.out.String(), "\n") })
	us.write("whoami\n")
	await(t, "the id", us.outOrEnd, func() bool { return strings.Count(us.out.String(), "\n") == 2 })
	_, id, _ := strings.Cut(us.out.String(), `ack "`)
	us.write("iam " + strings.TrimSuffix(id, "\n")[:20] + "\n")
	us.in.Close()
	us.want(0)
	if !strings.HasSuffix(us.out.String(), "ack true\n") {
		t.Fatalf("%s", us.out.String())
	}
	wantReplayed(t, replayed(t, 0, dir+"/x.jsonl", url, "--fast", "--ignore", `20\d\d-[^"]*Z`), "2 sent; 3 events were recorded and 3 came: the same")
	got := replayed(t, 9, dir+"/x.jsonl", url, "--fast")
	wantReplayed(t, got, `  - welcome {"id":"`, `  + welcome {"id":"`, "    ack true")
	if strings.Contains(got, "- ack") {
		t.Errorf("%s", got)
	}
	front := sockkit(t, "replay", dir+"/x.jsonl", "sio://127.0.0.1:0", "--side", "server", "--fast")
	client := start(t, program{args: []string{"node", "-e", sioAsks, "--", "http" + strings.TrimPrefix(front.address(), "sio")}})
	client.want(0)
	if got := client.out.String(); got != "true\ntrue true\n" {
		t.Errorf("the client saw %q", got)
	}
	front.want(0)
	wantReplayed(t, front.out.String(), "2 events were recorded and 2 came: the same")
}
