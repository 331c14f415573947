package render

import (
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

func TestAdapter(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.Local)
	for _, row := range []struct {
		event trace.Event
		want  string
	}{
		{trace.AdapterMessage{Adapter: "pubsub", Server: "abc", Namespace: "/", Type: "BROADCAST", EventName: "ev", Rooms: []string{"a", "b\x1b"}, Except: []string{"c"}, Volatile: true, Uncompressed: true, Attachments: 1, Size: 9, Payload: []byte("[\"ev\",\"\x1b\"]")},
			`> 03:04:05.006 pubsub abc in /: broadcast "ev" to "a", "b\x1b" except "c", volatile, uncompressed, 1 attachment, 9 bytes ["ev","\x1b"]`},
		{trace.AdapterMessage{Adapter: "streams", Server: "a\x1b", Namespace: "/x", Type: "FETCH_SOCKETS", Request: "r\x1b", Timeout: 2 * time.Second, Size: 9},
			`> 03:04:05.006 streams a\x1b in /x: fetchSockets of all, request r\x1b for 2.00 s, 9 bytes`},
		{trace.AdapterMessage{Adapter: "sharded", Server: "abc", Namespace: "/", Type: "SOCKETS_JOIN", Rooms: []string{"a"}, Change: []string{"b"}, Size: 9},
			`> 03:04:05.006 sharded abc in /: socketsJoin of "a": "b", 9 bytes`},
		{trace.AdapterMessage{Adapter: "sharded", Server: "abc", Namespace: "/", Type: "DISCONNECT_SOCKETS", Close: true, Size: 9},
			`> 03:04:05.006 sharded abc in /: disconnectSockets of all, with their connections, 9 bytes`},
		{trace.AdapterMessage{Adapter: "sharded", Server: "abc", Namespace: "/", Type: "HEARTBEAT", Size: 9}, `> 03:04:05.006 sharded abc in /: heartbeat, 9 bytes`},
		{trace.AdapterMessage{Adapter: "pubsub", To: "abc", Namespace: "/", Type: "FETCH_SOCKETS_RESPONSE", Count: 1, After: time.Millisecond, Late: true, Size: 9, Payload: []byte("[]")},
			`< 03:04:05.006 pubsub (a server without a name) to abc in /: has 1 socket, after 1.0 ms, too late, 9 bytes []`},
		{trace.AdapterMessage{Adapter: "pubsub", Server: "d", To: "abc", Namespace: "/", Type: "BROADCAST_CLIENT_COUNT", Count: 2, Size: 9}, `< 03:04:05.006 pubsub d to abc in /: asks 2 clients, 9 bytes`},
		{trace.AdapterMessage{Adapter: "pubsub", Server: "d", Namespace: "/", Type: "BROADCAST", EventName: "e", Size: 600, Payload: []byte(strings.Repeat("é", 300))},
			`> 03:04:05.006 pubsub d in /: broadcast "e" to all, 600 bytes ` + strings.Repeat("é", 256) + "… and 88 bytes more"},
		{trace.AdapterRequest{Adapter: "pubsub", Server: "abc", Namespace: "/", Type: "FETCH_SOCKETS", Request: "r", Expected: 2, Came: 1, Silent: []string{"x"}, TimedOut: true, Duration: 5 * time.Second},
			`* 03:04:05.006 fetchSockets of abc in /, request r: NOT ANSWERED by 1 of 2 other servers within 5.00 s; silent: "x"`},
		{trace.AdapterRequest{Server: "abc", Namespace: "/", Type: "SERVER_SIDE_EMIT", EventName: "e", Request: "r", Expected: 1, Came: 0, Silent: []string{"x", "y"}, Among: true, TimedOut: true, Duration: 5 * time.Second},
			`* 03:04:05.006 serverSideEmit "e" of abc in /, request r: NOT ANSWERED by the other server within 5.00 s; silent: some of "x", "y"`},
		{trace.AdapterRequest{Server: "abc", Namespace: "/", Type: "FETCH_SOCKETS", Request: "r", Expected: 2, Came: 1, Silent: []string{"x"}, Among: true, TimedOut: true, Duration: 5 * time.Second},
			`* 03:04:05.006 fetchSockets of abc in /, request r: NOT ANSWERED by 1 of 2 other servers within 5.00 s; silent: perhaps "x"`},
		{trace.AdapterRequest{Server: "abc", Namespace: "/", Type: "BROADCAST", EventName: "e", Request: "r", Expected: 1, Came: 1, Clients: 2, Acks: 1, TimedOut: true, Duration: time.Second},
			`* 03:04:05.006 broadcast "e" of abc in /, request r: answered by 1 other server, and not by all clients within 1.00 s; 1 of 2 clients acknowledged`},
		{trace.AdapterRequest{Server: "abc", Namespace: "/", Type: "ALL_ROOMS", Request: "r", Expected: -1, Came: 3, TimedOut: true, Duration: time.Second},
			`* 03:04:05.006 all rooms of abc in /, request r: 3 servers answered within 1.00 s, and how many there are Redis did not tell`},
	} {
		var b strings.Builder
		(&Text{W: &b, Times: true}).Record(trace.Record{Time: at, Event: row.event})
		if got := strings.TrimSuffix(b.String(), "\n"); got != row.want {
			t.Errorf("%s\nwant\n%s", got, row.want)
		}
	}
}
