package capture

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// harText is an export as Chromium makes it: a session of Engine.IO that begins
// by polling and moves to a WebSocket, with an answer listed before its time.
const harText = `{"log":{"version":"1.2","creator":{"name":"WebInspector"},"pages":[],"entries":[
{"startedDateTime":"2026-01-02T03:04:05.000Z","time":10,"_resourceType":"xhr","serverIPAddress":"127.0.0.1",
 "request":{"method":"GET","url":"http://localhost:3000/socket.io/?EIO=4&transport=polling","httpVersion":"HTTP/1.1","headers":[{"name":"Host","value":"localhost:3000"}]},
 "response":{"status":200,"statusText":"OK","httpVersion":"HTTP/1.1","headers":[{"name":"Content-Encoding","value":"gzip"}],"content":{"text":"0{\"sid\":\"abc\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}"}}},
{"startedDateTime":"2026-01-02T03:04:05.020Z","time":200,"_resourceType":"xhr",
 "request":{"method":"GET","url":"http://localhost:3000/socket.io/?EIO=4&transport=polling&sid=abc","httpVersion":"HTTP/1.1","headers":[]},
 "response":{"status":200,"statusText":"OK","httpVersion":"HTTP/1.1","headers":[],"content":{"text":"NDB7InNpZCI6IngifQ==","encoding":"base64"}}},
{"startedDateTime":"2026-01-02T03:04:05.030Z","time":5,"_resourceType":"xhr",
 "request":{"method":"POST","url":"http://localhost:3000/socket.io/?EIO=4&transport=polling&sid=abc","httpVersion":"HTTP/1.1","headers":[],"postData":{"mimeType":"text/plain","text":"40"}},
 "response":{"status":200,"statusText":"OK","httpVersion":"HTTP/1.1","headers":[],"content":{"text":"ok"}}},
{"startedDateTime":"2026-01-02T03:04:05.040Z","time":900,"_resourceType":"websocket",
 "request":{"method":"GET","url":"ws://localhost:3000/socket.io/?EIO=4&transport=websocket&sid=abc","httpVersion":"HTTP/1.1","headers":[{"name":"Host","value":"localhost:3000"},{"name":"Upgrade","value":"websocket"},{"name":"Connection","value":"Upgrade"},{"name":"Origin","value":"http://localhost:3000"},{"name":"Sec-WebSocket-Key","value":"dGhlIHNhbXBsZSBub25jZQ=="},{"name":"Sec-WebSocket-Version","value":"13"}]},
 "response":{"status":101,"statusText":"Switching Protocols","httpVersion":"HTTP/1.1","headers":[{"name":"Upgrade","value":"websocket"},{"name":"Connection","value":"Upgrade"},{"name":"Sec-WebSocket-Accept","value":"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}],"content":{}},
 "_webSocketMessages":[
  {"type":"send","time":1767323045.1,"opcode":1,"data":"2probe"},{"type":"receive","time":1767323045.11,"opcode":1,"data":"3probe"},
  {"type":"send","time":1767323045.3,"opcode":1,"data":"5"},{"type":"send","time":1767323045.4,"opcode":1,"data":"451-[\"up\",{\"_placeholder\":true,\"num\":0}]"},
  {"type":"send","time":1767323045.41,"opcode":2,"data":"AQID"},{"type":"receive","time":1767323045.5,"opcode":1,"data":"42[\"hello\"]"}]},
{"startedDateTime":"2026-01-02T03:04:07.000Z","time":1,"_resourceType":"document",
 "request":{"method":"GET","url":"http://localhost:3000/page","httpVersion":"h2","headers":[{"name":":method","value":"GET"}]},
 "response":{"status":0,"statusText":"","httpVersion":"","headers":[],"content":{},"_error":"net::ERR_ABORTED"}}
]}}`

func TestHAR(t *testing.T) {
	r, rec := readBytes(t, []byte(harText))
	wantStory(t, rec,
		"open", "out GET /socket.io/?EIO=4&transport=polling HTTP/1.1", "in HTTP/1.1 200 OK",
		"open", "out GET /socket.io/?EIO=4&transport=polling&sid=abc HTTP/1.1",
		"open", "out POST /socket.io/?EIO=4&transport=polling&sid=abc HTTP/1.1", "out CONNECT ", "in HTTP/1.1 200 OK",
		"open", "out GET /socket.io/?EIO=4&transport=websocket&sid=abc HTTP/1.1",
		"in HTTP/1.1 101 Switching Protocols", "upgrade /socket.io/?EIO=4&transport=websocket&sid=abc",
		`out text "2probe"`, `in text "3probe"`,
		"in HTTP/1.1 200 OK", `in CONNECT {"sid":"x"}`,
		`out text "5"`, `out text "451-[\"up\",{\"_placeholder\":true,\"num\":0}]"`, `out binary "\x01\x02\x03"`, `out EVENT ["up",{"_placeholder":true,"num":0}]`,
		`in text "42[\"hello\"]"`, `in EVENT ["hello"]`,
		"open", "out GET /page HTTP/2", "note net::ERR_ABORTED",
	)
	if r.Format != "har" || r.Musts != 0 || len(r.Connections) != 5 || r.Connections[3].Messages != (Count{4, 2}) || r.Connections[3].Server != "localhost:3000" {
		t.Errorf("%+v", r)
	}
}

// An export of Firefox has no messages, and perhaps no key: the response is
// judged by itself, and nothing is made up.
func TestHARWithoutKey(t *testing.T) {
	text := strings.Replace(harText, `{"name":"Sec-WebSocket-Key","value":"dGhlIHNhbXBsZSBub25jZQ=="},`, "", 1)
	r, rec := readBytes(t, []byte(text))
	if r.Musts != 0 || !mentions(rec, "the export does not have the request as it was sent") {
		t.Errorf("%q", story(rec))
	}
}

func TestHARFindings(t *testing.T) {
	text := strings.Replace(harText, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "AAAALMBiTxaQ9kYGzzhZRbK+xOo=", 1)
	r, rec := readBytes(t, []byte(text))
	if r.Musts != 1 || !slices.Contains(story(rec), "finding response-accept-wrong") {
		t.Errorf("%q", story(rec))
	}
}

// A browser's two clocks may disagree, and a file may say anything: nothing of an
// entry comes before its request.
func TestHARClocks(t *testing.T) {
	for _, row := range [][2]string{
		{`"time":1767323045.1,`, `"time":1767323045.0,`}, // a message before the request
		{`"time":1767323045.11,`, `"time":1767323000,`},
		{`"time":200,`, `"time":-200,`},
		{`"time":900,`, `"time":-1e300,`},
		{`"time":5,`, `"time":1e300,`},
	} {
		text := strings.Replace(harText, row[0], row[1], 1)
		r, _ := readBytes(t, []byte(text))
		if text == harText || len(r.Connections) != 5 || r.Connections[3].Messages != (Count{4, 2}) {
			t.Errorf("%s: %+v", row[1], r)
		}
	}
}

func TestHARBroken(t *testing.T) {
	for cut := 10; cut < len(harText); cut++ {
		r, _, err := readAll(t, strings.NewReader(harText[:cut]), Options{})
		var format *FormatError
		if !errors.As(err, &format) || format.Offset > int64(cut) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		_ = r.Lines()
	}
	endless := io.MultiReader(strings.NewReader(`{"log":{"entries":[{"startedDateTime":"`), endlessly('x'))
	_, _, err := readAll(t, endless, Options{})
	if err == nil || !strings.Contains(err.Error(), "an entry of more than 64 MiB") {
		t.Error(err)
	}
}

type endlessly byte

func (e endlessly) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte{byte(e)}, len(p)))
	return len(p), nil
}
