package render

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// TestWebSocketWords holds the words of the records of a WebSocket.
func TestWebSocketWords(t *testing.T) {
	const request = "GET /chat HTTP/1.1\r\nHost: a\x1b[2J\r\nAuthorization: Bearer secret\r\n\r\n"
	tests := []struct {
		event trace.Event
		want  string
	}{
		{trace.HTTPHead{Dir: trace.Out, Line: "GET /chat HTTP/1.1", Size: len(request), Payload: []byte(request)},
			"> GET /chat HTTP/1.1\n> Host: a\\x1b[2J\n> Authorization: Bearer ******\n> \n"},
		{trace.HTTPHead{Dir: trace.In, Line: "HTTP/1.1 101", Size: 24, Payload: []byte("HTTP/1.1 101\nUpgrade: x\n\n")}, "< HTTP/1.1 101\n< Upgrade: x\n< \n"},
		{trace.HTTPHead{Dir: trace.In, Line: "HTTP/1.1 101"}, "< HTTP/1.1 101\n"},
		{trace.Upgrade{Side: trace.Client, Target: "/chat", Subprotocol: "v1", Extensions: "permessage-deflate", Duration: time.Millisecond},
			"* the WebSocket is open: /chat, subprotocol v1, permessage-deflate (1.0 ms)\n"},
		{trace.Upgrade{Target: "/\x07"}, "* the WebSocket is open: /\\x07\n"},
		{trace.UpgradeFailed{Status: 404, Error: "nothing there"}, "* the opening handshake failed with status 404: nothing there\n"},
		{trace.UpgradeFailed{Error: "no response came"}, "* the opening handshake failed: no response came\n"},
		{trace.Finding{Rule: "response-upgrade-missing", Clause: "RFC 6455 4.1", Binding: "MUST", Fault: "server", Summary: "The response has no Upgrade header.", Came: "none", Due: "Upgrade: websocket", Mend: "Send it."},
			"* finding response-upgrade-missing: The response has no Upgrade header (MUST, RFC 6455 4.1, by the server)\n*   came: none\n*   due:  Upgrade: websocket\n*   mend: Send it.\n"},
		{trace.WSFrame{Dir: trace.Out, Opcode: 1, Type: "text", Fin: true, RSV: 5, Mask: "37fa213d", Size: 7, Head: 6, Compressed: true},
			"> frame text (opcode 1), FIN, RSV1, RSV3, mask 37fa213d, header 6, payload 7 bytes, compressed\n"},
		{trace.WSFrame{Dir: trace.In, Type: "continuation", Size: 3, Head: 2}, "< frame continuation (opcode 0), not masked, header 2, payload 3 bytes\n"},
		{trace.HTTP2Frame{Dir: trace.Out, Type: "HEADERS", Stream: 1, Flags: "END_HEADERS", Size: 78}, "> HTTP/2 HEADERS, stream 1, END_HEADERS, payload 78 bytes\n"},
		{trace.HTTP2Frame{Dir: trace.In, Type: "SETTINGS", Size: 6, Detail: "ENABLE_CONNECT_PROTOCOL=1"}, "< HTTP/2 SETTINGS, stream 0, payload 6 bytes: ENABLE_CONNECT_PROTOCOL=1\n"},
		{trace.WSMessage{Dir: trace.In, Type: "text", Size: 2, Wire: 2, Frames: 1, Payload: []byte("hi")}, "< text message, 2 bytes \"hi\"\n"},
		{trace.WSMessage{Dir: trace.Out, Type: "binary", Size: 1000, Wire: 12, Frames: 3, Compressed: true}, "> binary message, 1000 bytes in 3 frames, compressed to 12\n"},
		{trace.WSPing{Dir: trace.Out, Payload: []byte("1")}, "> ping \"1\"\n"},
		{trace.WSPing{Dir: trace.In, Pong: true, RTT: time.Millisecond, Payload: []byte("1")}, "< pong after 1.0 ms \"1\"\n"},
		{trace.WSPing{Dir: trace.In, Pong: true}, "< pong\n"},
		{trace.WSClose{Dir: trace.In, Code: 1001, Title: "Going Away", Reason: "re\x1bstart"}, "< the peer closes with 1001, Going Away: \"re\\x1bstart\"\n"},
		{trace.WSClose{Dir: trace.Out, Code: 1005, Title: "No Status Rcvd"}, "> we close, without a code (1005)\n"},
	}
	for _, test := range tests {
		var out bytes.Buffer
		(&Text{W: &out}).Record(trace.Record{Conn: 1, Event: test.event})
		if out.String() != test.want {
			t.Errorf("%#v:\n%q\nwant\n%q", test.event, out.String(), test.want)
		}
	}
}

// A head that is all lines, or one that has no end, is cut.
func TestLongHead(t *testing.T) {
	for _, p := range []string{"GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 300) + "\r\n", strings.Repeat("\x00", 70000)} {
		var out bytes.Buffer
		(&Text{W: &out}).Record(trace.Record{Event: trace.HTTPHead{Dir: trace.In, Size: len(p), Payload: []byte(p)}})
		if out.Len() > 3000 || !strings.Contains(out.String(), "…") {
			t.Errorf("%d bytes are shown of %d", out.Len(), len(p))
		}
	}
}

// The sink of --json hides what the text hides.
func TestHeadIsMasked(t *testing.T) {
	var seen trace.Recorder
	head := []byte("GET / HTTP/1.1\r\nCookie: a=b\r\n\r\n")
	Masked{&seen}.Record(trace.Record{Event: trace.HTTPHead{Payload: head}})
	if got := string(seen.Records()[0].Event.(trace.HTTPHead).Payload); strings.Contains(got, "a=b") {
		t.Errorf("%q", got)
	}
}

func TestMaskText(t *testing.T) {
	for in, want := range map[string]string{
		`"Cookie: a=\xfc"`:        `"Cookie: *******`,
		"authorization: Basic aa": "authorization: Basic **",
		"X-Cookie: a":             "X-Cookie: a",
		"no Upgrade header":       "no Upgrade header",
	} {
		if got := MaskText(in); got != want {
			t.Errorf("%q became %q; want %q", in, got, want)
		}
	}
}
