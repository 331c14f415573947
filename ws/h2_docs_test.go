package ws

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

const http2Intro = `# WebSockets over HTTP/2

<!-- Made from the table in package ws: go test ./ws -run HTTP2Docs -update -->

RFC 8441 opens a WebSocket as one stream of an HTTP/2 connection (RFC 9113). Behind the opening handshake nothing is new: the same frames, masked by
the client, the same close codes (docs/frames.md). What differs is the opening:

| over HTTP/1.1 (RFC 6455) | over HTTP/2 (RFC 8441) |
|---|---|
| a TCP connection of its own | a stream; others go on beside it |
| nothing before the request | the server's SETTINGS, with ENABLE_CONNECT_PROTOCOL=1 |
| ` + "`GET /chat HTTP/1.1`, `Host`" + ` | ` + "`:method CONNECT`, `:scheme https`, `:path /chat`, `:authority`" + ` |
| ` + "`Upgrade: websocket`, `Connection: Upgrade`" + ` | ` + "`:protocol websocket`" + ` |
| ` + "`Sec-WebSocket-Key`" + ` | none |
| ` + "`Sec-WebSocket-Version`, `-Protocol`, `-Extensions`" + ` | the same |
| ` + "`101 Switching Protocols`" + ` | ` + "`:status 200`" + ` |
| ` + "`Sec-WebSocket-Accept`" + ` | none |
| the end of TCP (FIN) | END_STREAM |
| a reset (RST) | RST_STREAM with CANCEL |

## From the shell

    sockkit dial --http2 wss://localhost:9443 -k       # h2 by TLS's ALPN
    sockkit dial --http2 ws://localhost:9000           # with prior knowledge: nothing is asked before
    sockkit dial --http2 --explain ws://localhost:9000 # each step, and each rule
    sockkit listen -k --echo --self-signed wss://:9443 # takes both, by ALPN; ws:// knows HTTP/2 by its preface

` + "`-vv`" + ` shows it as it happens:

    * the server's HTTP/2 SETTINGS: MAX_CONCURRENT_STREAMS=100, ENABLE_CONNECT_PROTOCOL=1, INITIAL_WINDOW_SIZE=262144, MAX_HEADER_LIST_SIZE=65536
    * a stream is open on the HTTP/2 connection of 127.0.0.1:55700 and 127.0.0.1:9000
    > CONNECT /chat HTTP/2
    > :protocol: websocket
    > :scheme: http
    > :authority: 127.0.0.1:9000
    > sec-websocket-version: 13
    > sec-websocket-protocol: chat
    >
    < HTTP/2 200
    < sec-websocket-protocol: chat
    <
    * the WebSocket is open: /chat, subprotocol chat (1.5 ms)

HTTP/2 has no request line: the first line of a head is how it is shown, and the fields are those that passed, compressed. ` + "`-vvv`" + ` adds every frame of
HTTP/2, ` + "`-vvvv`" + ` every byte, of the connection and of each stream. In the trace a stream is a connection of its own, whose ` + "`open`" + ` has the network ` + "`http2`" + `.

## From Go

    d := &ws.Dialer{HTTP2: &ws.HTTP2{}}            // Share: true puts several WebSockets on one connection
    info, err := d.ProbeHTTP2(ctx, url)            // does a server take them? its SETTINGS, and no request
    srv := &ws.Server{HTTP2: &ws.HTTP2{}, ...}     // on listeners of its own; HTTP serves what asks for no WebSocket

A request is turned into the one that it would be over HTTP/1.1, so that Permit, the limits, subprotocols and compression are the same, and one table of
rules judges both (docs/handshake.md); ` + "`Request.HTTP2`" + ` tells which it was. A stream is a net.Conn with deadlines, whose CloseWrite is END_STREAM. A
reader that sleeps stops its own sender and nobody else on the connection: the windows of streams open as the application reads, and the connection's
has room for all of them.

A server mounted on net/http takes WebSockets over HTTP/1.1 only. ` + "`sio://`" + ` and ` + "`tap`" + ` open WebSockets over HTTP/1.1 only, too, and tap does not
decode HTTP/2. ` + "`inspect wss://`" + ` opens one over HTTP/1.1, and says whether the server takes them over HTTP/2; ` + "`inspect FILE`" + ` decodes
HTTP/2 in captures, and the WebSockets on its streams (` + "`ws.HTTP2Observer`" + `, docs/captures.md).

## Who speaks it

The tests talk to these both ways, where there are both: Node's http2 (enableConnectProtocol), Chromium, which opens a WebSocket over HTTP/2 where it has an HTTP/2
connection to the host already, and haproxy, which takes it and hands it on over HTTP/1.1.

h2spec 2.6, run by hand against ` + "`" + `listen --echo -k` + "`" + `: all of its 145 cases over ` + "`" + `wss://` + "`" + `; 144 over ` + "`" + `ws://` + "`" + `, where what is not the preface of HTTP/2 is taken for
HTTP/1.1, and answered in it.

`

const http2Limits = `
## Limits

| what | default | beyond it |
|---|---|---|
| requests at once on one connection, one whose handler still runs too | 100, --http2-streams | REFUSED_STREAM |
| what comes on a stream before it is read | 256 KiB, --http2-window | FLOW_CONTROL_ERROR; the connection's window is that of all streams |
| a head, as RFC 9113 section 6.5.2 counts it | 64 KiB, --http2-head | 431; one field beyond it, twice as much in all, or 64 frames: ENHANCE_YOUR_CALM |
| frames a second without data: SETTINGS, PING, RST_STREAM, PRIORITY, empty DATA, requests that are refused | 1,000 | ENHANCE_YOUR_CALM |
| answers that the peer does not read | 64 KiB | ENHANCE_YOUR_CALM |
| SETTINGS of the peer, and a head that was begun | 10s, -w | PROTOCOL_ERROR |
| a connection to a server without a stream | 2m, --idle-timeout | GOAWAY |
| a peer that takes no bytes | 30s | the connection is closed |
| a stream that this end has ended and the peer has not | 2s | RST_STREAM with CANCEL |

WINDOW_UPDATEs count as frames without data where what was sent does not explain them. SETTINGS, requests and resets by the thousand ("rapid reset") end the
connection, and never run more handlers than there may be requests at once.
`

// TestHTTP2Docs holds docs/http2.md against the table.
func TestHTTP2Docs(t *testing.T) {
	path := filepath.Join("..", "docs", "http2.md")
	want := http2Docs()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
		t.Fatalf("docs/http2.md is not what the rules say (%v): go test ./ws -run HTTP2Docs -update", err)
	}
}

func http2Docs() []byte {
	var b bytes.Buffer
	b.WriteString(http2Intro)
	fmt.Fprintf(&b, "## The rules\n\nBesides those that it shares with HTTP/1.1 there are %d. A client *gives up* for those that say so.\n\n| rule | clause | level | by the | what is wrong | what was due | what it is for | what to do |\n|---|---|---|---|---|---|---|---|\n", len(HTTP2Rules()))
	for _, r := range HTTP2Rules() {
		weight := string(r.Level)
		if r.Fails {
			weight = "**" + weight + "**, gives up"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", r.ID, cell(r.Clause), weight, r.Fault, cell(r.Summary), cell(r.Due), cell(r.Why), cell(r.Mend))
	}
	b.WriteString(http2Limits)
	return b.Bytes()
}

// TestHTTP2Rules: each rule says all that its readers need.
func TestHTTP2Rules(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range HTTP2Rules() {
		for what, s := range map[string]string{"ID": r.ID, "Clause": r.Clause, "Summary": r.Summary, "Due": r.Due, "Why": r.Why, "Mend": r.Mend, "Source": string(r.Source), "Part": string(r.Part)} {
			if s == "" {
				t.Errorf("%s has no %s", r.ID, what)
			}
		}
		if seen[r.ID] || r.Fails && r.Cause == "" {
			t.Errorf("%s: twice, or without a cause", r.ID)
		}
		seen[r.ID] = true
	}
}
