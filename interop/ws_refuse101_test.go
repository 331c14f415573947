package interop

import (
	"slices"
	"strings"
	"testing"
)

// broken101 are responses that curl 8.14 takes for an upgrade, each broken in
// one place, with the header and the clause that have to be named.
var broken101 = []struct {
	name   string
	flags  []string
	mend   func(lines []string) []string
	header string
	clause string
}{
	{"no Upgrade", nil, without("Upgrade"), "Upgrade", "RFC 6455 4"},
	{"no Connection", nil, without("Connection"), "Connection", "RFC 6455 4"},
	{"Connection: keep-alive", nil, with("Connection", "keep-alive"), "Connection", "RFC 6455 4"},
	{"Upgrade: h2c", nil, with("Upgrade", "h2c"), "Upgrade", "RFC 6455 4"},
	{"no Accept", nil, without("Sec-WebSocket-Accept"), "Sec-WebSocket-Accept", "RFC 6455 4"},
	{"wrong Accept", nil, with("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "Sec-WebSocket-Accept", "RFC 6455 4"},
	{"a subprotocol that was not asked for", nil, with("Sec-WebSocket-Protocol", "chat"), "Sec-WebSocket-Protocol", "RFC 6455 4"},
	{"another subprotocol than was asked for", []string{"-s", "v2"}, with("Sec-WebSocket-Protocol", "chat"), "Sec-WebSocket-Protocol", "RFC 6455 4"},
	{"an unknown extension", nil, with("Sec-WebSocket-Extensions", "x-nosuch"), "Sec-WebSocket-Extensions", "RFC 6455"},
	{"an extension that was not offered", nil, with("Sec-WebSocket-Extensions", "permessage-deflate"), "Sec-WebSocket-Extensions", "RFC 6455 4"},
	{"window bits of 99", []string{"--compress"}, with("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=99"), "Sec-WebSocket-Extensions|window", "RFC 7692"},
	{"HTTP/1.0", nil, func(lines []string) []string { lines[0] = "HTTP/1.0 101 Switching Protocols"; return lines }, "HTTP/1.0", "RFC 9110"},
	{"bare LF", nil, func(lines []string) []string { return append(lines, "bare LF") }, "LF", "RFC 9112"},
}

// without leaves out a header.
func without(name string) func([]string) []string {
	return func(lines []string) []string {
		return slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, name+":") })
	}
}

// with sets a header, or adds it.
func with(name, value string) func([]string) []string {
	return func(lines []string) []string { return append(without(name)(lines), name+": "+value) }
}

// answered101 is a server that answers with these lines, and then listens on.
func answered101(t *testing.T, mend func([]string) []string) (url string) {
	t.Helper()
	return "ws://" + rawServer(t, func(c *raw) {
		lines := mend([]string{"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: " + acceptOf(c.head())})
		end := "\r\n"
		if lines[len(lines)-1] == "bare LF" {
			lines, end = lines[:len(lines)-1], "\n"
		}
		c.write(strings.Join(lines, end) + end + end)
		if code, _ := c.closing(); code != 1006 {
			c.write(string(rawFrame{op: opClose, data: closeData(code, "")}.bytes(false)))
		}
	}) + "/path"
}

// The server of these tests is right where nothing is changed.
func TestWSDialRight101(t *testing.T) {
	t.Parallel()
	us := sockkit(t, "dial", answered101(t, func(lines []string) []string { return lines }), "--linger", "0", "-w", "100ms")
	us.want(0)
}

// dial refuses each, names the header and the clause, shows both heads, and
// ends with 3.
func TestWSDialBroken101(t *testing.T) {
	t.Parallel()
	for _, row := range broken101 {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			us := fed(t, strings.NewReader("hello\n"), append([]string{"dial", answered101(t, row.mend)}, row.flags...)...)
			us.wantSays(3, `^sockkit: dial ws://127\.0\.0\.1:\d+/path: `, row.header, row.clause,
				`GET /path HTTP/1\.1`, `HTTP/1\.[01] 101 Switching Protocols`, `^ +mend +\w`)
			if strings.Contains(us.err.String(), "Unexpected server response") {
				t.Errorf("wscat's words, which say nothing: %s", us.err)
			}
			if us.out.size() > 0 {
				t.Errorf("standard output has %q", us.out)
			}
			machine := sockkit(t, append([]string{"dial", "--json", answered101(t, row.mend)}, row.flags...)...)
			machine.want(3)
			machine.wantRecord(event("finding", fields{"clause": row.clause, "fault": "server"}))
			machine.wantRecord(event("upgrade_failed", fields{"status": 101}))
		})
	}
}

// That the server chose none of the subprotocols is a browser's rule: it is
// said, as such, and the connection goes on.
func TestWSDialNoSubprotocolChosen(t *testing.T) {
	t.Parallel()
	url := answered101(t, func(lines []string) []string { return lines })
	us := sockkit(t, "dial", "--explain", "-s", "chat", url, "--linger", "0", "-w", "100ms")
	us.wantSays(0, "only a browser's rule", "chat")
}
