package redis

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// The bytes that follow are those of the official adapters.

func TestClassicWire(t *testing.T) {
	io := socketio.NewServer(nil)
	conn, err := Open("redis://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	a := newClassic(conn, io.Of("/"), AdapterOptions{Key: "socket.io"})
	a.uid = "abc123"
	two := socketio.Selection{Rooms: []string{"a", "b", "a"}, Except: []string{"c"}}
	for _, row := range []struct {
		name          string
		m             message
		channel, body string
	}{
		{"broadcast", message{kind: kindBroadcast, data: []byte(`["ev",1]`)}, "socket.io#/#",
			"93a661626331323383a47479706502a46461746192a2657601a36e7370a12f83a5726f6f6d7390a665786365707490a5666c61677380"},
		{"to one room", message{kind: kindBroadcast, data: []byte(`["ev"]`), selection: socketio.Selection{Rooms: []string{"a"}}, flags: socketio.Flags{Volatile: true}}, "socket.io#/#a#",
			"93a661626331323383a47479706502a46461746191a26576a36e7370a12f83a5726f6f6d7391a161a665786365707490a5666c61677381a8766f6c6174696c65c3"},
		{"binary", message{kind: kindBroadcast, data: []byte(`["ev",{"_placeholder":true,"num":0}]`), attachments: [][]byte{{1, 2}}}, "socket.io#/#",
			"93a661626331323383a47479706502a46461746192a26576c4020102a36e7370a12f83a5726f6f6d7390a665786365707490a5666c61677380"},
		{"join", message{kind: kindJoin, selection: two, rooms: []string{"x"}}, "socket.io-request#/#",
			`{"uid":"abc123","type":2,"opts":{"rooms":["a","b"],"except":["c"]},"rooms":["x"]}`},
		{"leave", message{kind: kindLeave, rooms: []string{"x"}}, "socket.io-request#/#", `{"uid":"abc123","type":3,"opts":{"rooms":[],"except":[]},"rooms":["x"]}`},
		{"disconnect", message{kind: kindDisconnect, close: true}, "socket.io-request#/#", `{"uid":"abc123","type":4,"opts":{"rooms":[],"except":[]},"close":true}`},
		{"fetch", message{kind: kindFetch, request: `"r"`}, "socket.io-request#/#", `{"uid":"abc123","requestId":"r","type":5,"opts":{"rooms":[],"except":[]}}`},
		{"server event", message{kind: kindServerEvent, data: []byte(`["hi",{"<":1}]`)}, "socket.io-request#/#", `{"uid":"abc123","type":6,"data":["hi",{"<":1}]}`},
		{"server answer", message{kind: kindServerAnswer, request: `"r"`, data: []byte(`"x"`)}, "socket.io-response#/#", `{"type":6,"requestId":"r","data":"x","uid":"abc123"}`},
		{"count", message{kind: kindCount, request: `"r"`}, "socket.io-response#/#", `{"type":8,"requestId":"r","clientCount":0,"uid":"abc123"}`},
	} {
		row.m.uid = a.uid
		channel, body, err := a.encode(&row.m)
		text := string(body)
		if body[0] != '{' {
			text = hex.EncodeToString(body)
		}
		if err != nil || channel != row.channel || text != row.body {
			t.Errorf("%s: %v, over %q:\n%s\nwant over %q:\n%s", row.name, err, channel, text, row.channel, row.body)
		}
	}
}

func TestClassicBroadcastRead(t *testing.T) {
	raw, _ := hex.DecodeString("93a661626331323383a47479706502a46461746192a26576c4020102a36e7370a52f6368617483a5726f6f6d7392a16107a665786365707490a5666c61677381a8636f6d7072657373c2")
	m, namespace, err := decodeClassicBroadcast(raw)
	if err != nil || namespace != "/chat" || m.uid != "abc123" || strings.Join(m.selection.Rooms, " ") != "a 7" || !m.flags.NoCompress {
		t.Fatalf("%+v, %q, %v", m, namespace, err)
	}
	if string(m.data) != `["ev",{"_placeholder":true,"num":0}]` || string(m.attachments[0]) != "\x01\x02" {
		t.Errorf("%s, %q", m.data, m.attachments)
	}
}

func TestStreamName(t *testing.T) {
	for _, row := range []struct {
		namespace string
		count     int
		want      string
	}{{"/", 1, "socket.io"}, {"/", 4, "socket.io-3"}, {"/notifications", 4, "socket.io--3"}} {
		if got := streamName(&StreamsOptions{StreamName: "socket.io", StreamCount: row.count}, row.namespace); got != row.want {
			t.Errorf("%q of %d: %s, want %s", row.namespace, row.count, got, row.want)
		}
	}
}

func TestIDs(t *testing.T) {
	if after("5-7") != "5-8" || after("x") != "-" || !behind("10-0", "9-5") || behind("9-5", "9-5") || !behind("9-10", "9-9") {
		t.Error("ids are not compared as numbers")
	}
}

func TestOpen(t *testing.T) {
	for _, row := range []struct{ url, address, err string }{
		{"redis://u:secret@h:1/2", "redis://h:1", ""},
		{"rediss://:secret@h:1", "rediss://h:1", ""},
		{"redis://:secret@h:1,g:2,f", "redis://h:1,g:2,f", ""},
		{"redis://h:1/2?cluster=true", "", "a cluster has no database 2"},
		{"http://:secret@h", "", "redis: "},
		{"redis://:secret@h:port", "", "redis: "},
	} {
		c, err := Open(row.url, nil)
		if err == nil {
			if c.Address() != row.address {
				t.Errorf("%s leads to %s", row.url, c.Address())
			}
			c.Close()
			continue
		}
		if row.err == "" || !strings.Contains(err.Error(), row.err) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", row.url, err)
		}
	}
}

// TestAway is a server whose Redis was never there: it goes on by itself.
func TestAway(t *testing.T) {
	var states []State
	conn, err := Open("redis://127.0.0.1:1", &ConnOptions{Timeout: 100 * time.Millisecond, MaxQueue: 20, OnState: func(s State) { states = append(states, s) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, factory := range []socketio.AdapterFactory{conn.Adapter(nil), conn.ShardedAdapter(nil), conn.StreamsAdapter(nil)} {
		io := socketio.NewServer(&socketio.ServerOptions{Adapter: factory})
		if n, err := io.Of("/").Adapter().ServerCount(t.Context()); n != 1 || err != nil {
			t.Errorf("%d servers, %v", n, err)
		}
		asksNobody(t, io)
		if err := io.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	e := conn.Emitter(nil)
	for range 21 {
		err = e.Emit("x")
	}
	if !errors.Is(err, ErrQueueFull) || conn.Stats().Dropped == 0 || conn.Stats().Up {
		t.Errorf("%v, %+v", err, conn.Stats())
	}
	conn.Close()
	if len(states) == 0 || states[0].Up || states[0].Err == nil {
		t.Errorf("%+v", states)
	}
}

func FuzzReceive(f *testing.F) {
	for _, text := range []string{
		`{"type":2,"opts":{"rooms":["a",1],"except":[]},"rooms":["x"]}`, `{"uid":"x","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["a"]},"opts":{"rooms":[]}}}`,
		"\x93\xa1x\x82\xa4type\x02\xa4data\x91\xa1a\x80", `{"requestId":"a","sockets":[{"id":"x"}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if m, _, err := decodeClassicBroadcast(raw); err == nil {
			if body, err := encodeClassicBroadcast(m, "/"); err != nil {
				t.Errorf("what was read cannot be written: %v", err)
			} else if again, _, err := decodeClassicBroadcast(body); err != nil || len(again.attachments) > len(m.attachments) {
				t.Errorf("what was written cannot be read: %v", err)
			}
		}
		_, _, _ = decodeCluster(raw)
		_, _ = decodeClassicAnswer(raw)
		_, _, _ = decodeClassicRequest(raw)
		_, _, _ = decodeSession(string(raw))
	})
}
