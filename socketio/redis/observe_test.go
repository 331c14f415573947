package redis

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// watching is a watcher, with what it has recorded, and as many other servers as
// a test says.
type watching struct {
	*watcher
	*trace.Recorder
	others int
	ids    []string
	at     time.Time
}

func watchAll() *watching {
	w := &watching{Recorder: &trace.Recorder{}, others: 2, ids: []string{"def456", "ghi789"}, at: time.Unix(1000, 0)}
	o := &ObserverOptions{Tracer: trace.New(w.Recorder, trace.Byte)}
	o.fill()
	w.watcher = newWatcher(o, func(*sight, string, string, string) (int, []string) { return w.others, w.ids })
	return w
}

// over takes a message, a second behind the one before it.
func (w *watching) over(channel, body string) {
	raw := []byte(body)
	if h, ok := strings.CutPrefix(body, "hex:"); ok {
		raw, _ = hex.DecodeString(h)
	}
	w.at = w.at.Add(time.Second)
	w.take(&sight{at: w.at, channel: channel, raw: raw})
}

// messages are the records of messages as JSON, without payload and what all have.
func (w *watching) messages(t *testing.T) (all []string) {
	t.Helper()
	for _, r := range w.Records() {
		switch r.Event.(type) {
		case trace.AdapterMessage, trace.AdapterRequest, trace.Finding:
		default:
			continue
		}
		var fields map[string]any
		text, err := json.Marshal(r.Event)
		if err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(text, &fields)
		for _, name := range []string{"base64", "size", "channel", "clause", "binding", "fault", "mend", "due"} {
			delete(fields, name)
		}
		text, _ = json.Marshal(fields)
		all = append(all, string(text))
	}
	return all
}

// The bytes are those of the official adapters.
func TestObserverReads(t *testing.T) {
	const broadcast = "hex:93a661626331323383a47479706502a46461746191a26576a36e7370a12f83a5726f6f6d7391a161a665786365707490a5666c61677381a8766f6c6174696c65c3"
	for _, row := range []struct{ name, channel, body, want string }{
		{"broadcast", "socket.io#/#a#", broadcast,
			`{"adapter":"pubsub","name":"ev","namespace":"/","rooms":["a"],"server":"abc123","type":"BROADCAST","volatile":true}`},
		{"binary", "socket.io#/#", "hex:93a661626331323383a47479706502a46461746192a26576c4020102a36e7370a12f83a5726f6f6d7390a665786365707490a5666c61677380",
			`{"adapter":"pubsub","attachments":1,"name":"ev","namespace":"/","server":"abc123","type":"BROADCAST"}`},
		{"emitter", "socket.io-request#/chat#", `{"type":2,"opts":{"rooms":["a"],"except":["c"]},"rooms":["x"]}`,
			`{"adapter":"pubsub","change":["x"],"except":["c"],"namespace":"/chat","rooms":["a"],"type":"SOCKETS_JOIN"}`},
		{"older join", "socket.io-request#/#", `{"type":2,"uid":"abc123","requestId":"r","sid":"s","room":7}`,
			`{"adapter":"pubsub","change":["7"],"namespace":"/","request":"r","rooms":["s"],"server":"abc123","type":"SOCKETS_JOIN"}`},
		{"disconnect", "socket.io-request#/#", `{"uid":"abc123","type":4,"opts":{"rooms":[],"except":[]},"close":true}`,
			`{"adapter":"pubsub","close":true,"namespace":"/","server":"abc123","type":"DISCONNECT_SOCKETS"}`},
		{"server event", "socket.io-request#/#", `{"uid":"emitter","type":6,"data":["hi",{"<":1}]}`,
			`{"adapter":"pubsub","name":"hi","namespace":"/","server":"emitter","type":"SERVER_SIDE_EMIT"}`},
		{"answer to nobody known", "socket.io-response#/#abc123#", `{"requestId":"r","sockets":["x"]}`,
			`{"adapter":"pubsub","count":1,"namespace":"/","request":"r","to":"abc123","type":"FETCH_SOCKETS_RESPONSE"}`},
		{"garbage", "socket.io#/#", "garbage", `{"came":"neither JSON nor MessagePack: \"garbage\"","rule":"adapter-garbage"`},
		{"no options", "socket.io-request#/#", `{"type":5}`, `{"came":"no message: a request of type 5 has no opts: \"{\\\"type\\\":5}\"","rule":"adapter-garbage"`},
		{"no text", "socket.io-request#/#", `{"uid":1}`, `{"came":"no message: uid is of the type number: \"{\\\"uid\\\":1}\"","rule":"adapter-garbage"`},
		{"half", "socket.io-request#/#", `{"uid":` + strings.Repeat(" ", 30), `{"came":"no JSON: unexpected end of JSON input: \"{\\\"uid\\\":                         \" and 5 bytes more","rule"`},
		{"empty", "socket.io#/#", "", `{"came":"it is empty"`},
		{"of streams", "socket.io#/#", "hex:84a3756964b061336631633264346535623630373138a36e7370a12fa47479706507a46461746182a46f70747383a5726f6f6d7390a665786365707490a5666c61677380a9726571756573744964a17a",
			`{"adapter":"streams","namespace":"/","request":"z","server":"a3f1c2d4e5b60718","type":"FETCH_SOCKETS"}`},
		{"of another prefix", "other#/#", "garbage", ""},
	} {
		w := watchAll()
		w.over(row.channel, row.body)
		got := strings.Join(w.messages(t), "\n")
		if !strings.HasPrefix(got, row.want) || row.want == "" && got != "" {
			t.Errorf("%s:\n%s\nwant\n%s", row.name, got, row.want)
		}
	}
}

func TestObserverReadsStreams(t *testing.T) {
	w := watchAll()
	for _, data := range []string{`{"opts":{"rooms":[],"except":[],"flags":{}},"packet":{"type":2,"nsp":"/","data":["ev"]}}`, "!"} {
		w.take(&sight{at: w.at, channel: "socket.io", entry: "1-0", values: map[string]any{"uid": "a3f1c2d4e5b60718", "nsp": "/", "type": "3", "data": data}})
	}
	w.take(&sight{at: w.at, sharded: true, channel: "socket.io#/#", raw: []byte(`{"uid":"b3f1c2d4e5b60718","nsp":"/","type":5,"data":{"opts":{"rooms":["a"]},"rooms":["b"]}}`)})
	want := []string{
		`{"adapter":"streams","entry":"1-0","name":"ev","namespace":"/","server":"a3f1c2d4e5b60718","type":"BROADCAST"}`,
		`{"came":"neither JSON nor base64: illegal base64 data at input byte 0","rule":"adapter-garbage","summary":"What came over socket.io is no message of an adapter."}`,
		`{"came":"a message of b3f1c2d4e5b60718 by sharded","rule":"adapter-mixed","summary":"Servers of the adapters streams and sharded are in the namespace /: they do not hear one another."}`,
		`{"adapter":"sharded","change":["b"],"namespace":"/","rooms":["a"],"server":"b3f1c2d4e5b60718","type":"SOCKETS_LEAVE"}`,
	}
	if got := w.messages(t); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	s := w.summary()
	if len(s.Servers) != 2 || s.Garbage != 1 || len(s.Messages) != 2 || s.Messages[1] != (ObservedKind{"streams", "BROADCAST", 1, 120}) {
		t.Errorf("%+v", s)
	}
}

// TestObserverAnswers follows requests to their end.
func TestObserverAnswers(t *testing.T) {
	const ask, answers = "socket.io-request#/#", "socket.io-response#/#"
	last := func(w *watching) string { all := w.messages(t); return all[len(all)-1] }
	const fetch = `{"uid":"abc123","requestId":"r","type":5,"opts":{"rooms":[],"except":[]}}`
	t.Run("all", func(t *testing.T) {
		w := watchAll()
		w.over(ask, fetch)
		w.over(answers, `{"requestId":"r","sockets":[{"id":"x","handshake":{"headers":{"cookie":"secret"}},"rooms":["x"],"data":{}}]}`)
		w.over(answers, `{"requestId":"r","uid":"ghi789","sockets":[]}`)
		if got, want := last(w), `{"adapter":"pubsub","answered":["ghi789"],"came":2,"duration_ns":2000000000,"expected":2,"namespace":"/","request":"r","server":"abc123","type":"FETCH_SOCKETS"}`; got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
		for _, r := range w.Records() {
			if text, _ := json.Marshal(r.Event); strings.Contains(string(text), "secret") {
				t.Errorf("a cookie is shown: %s", text)
			}
			if b, ok := r.Event.(trace.Bytes); ok && strings.Contains(string(b.Payload), "secret") {
				t.Errorf("a cookie is among the bytes: %s", b.Payload)
			}
		}
		if len(w.asked) != 0 {
			t.Error("an answered request is still waited for")
		}
	})
	t.Run("silent", func(t *testing.T) {
		w := watchAll()
		w.over(ask, fetch)
		w.over(answers, `{"requestId":"r","uid":"def456","sockets":[]}`)
		w.expire(w.at.Add(time.Second))
		w.expire(w.at.Add(10 * time.Second))
		if got, want := last(w), `{"adapter":"pubsub","answered":["def456"],"came":1,"duration_ns":5000000000,"expected":2,"namespace":"/","request":"r","server":"abc123","silent":["ghi789"],"timed_out":true,"type":"FETCH_SOCKETS"}`; got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
		w.at = w.at.Add(20 * time.Second)
		w.over(answers, `{"requestId":"r","uid":"ghi789","sockets":[]}`)
		if got := last(w); !strings.Contains(got, `"late":true`) {
			t.Errorf("%s", got)
		}
		w.expire(w.at.Add(2 * keptLate))
		if s := w.summary(); s.Requests != 1 || s.Unanswered != 1 || len(w.asked) != 0 {
			t.Errorf("%+v, %d are waited for", s, len(w.asked))
		}
	})
	t.Run("silent among", func(t *testing.T) {
		w := watchAll()
		w.over(ask, fetch)
		w.over(answers, `{"requestId":"r","sockets":[]}`)
		w.expire(w.at.Add(10 * time.Second))
		if got := last(w); !strings.Contains(got, `"among":true`) || !strings.Contains(got, `"silent":["def456","ghi789"]`) {
			t.Errorf("%s", got)
		}
	})
	t.Run("a stranger", func(t *testing.T) { // who is counted, and is no server
		w := watchAll()
		census := w.census
		w.census = func(s *sight, adapter, uid, namespace string) (int, []string) {
			others, ids := census(s, adapter, uid, namespace)
			return others, ids[:1]
		}
		w.over(ask, fetch)
		w.over(answers, `{"requestId":"r","sockets":[]}`)
		w.expire(w.at.Add(10 * time.Second))
		if got := last(w); !strings.Contains(got, `"among":true`) || !strings.Contains(got, `"silent":["def456"]`) {
			t.Errorf("%s", got)
		}
	})
	t.Run("acknowledgements", func(t *testing.T) {
		w := watchAll()
		w.over(ask, `{"uid":"abc123","requestId":"r","type":7,"packet":{"type":2,"data":["who"],"nsp":"/"},"opts":{"rooms":[],"except":[],"flags":{"timeout":1000}}}`)
		w.over(answers, `{"type":8,"requestId":"r","clientCount":1}`)
		w.over(answers, `{"type":8,"requestId":"r","clientCount":0}`)
		w.over(answers, "hex:83a474797065"+"09a9726571756573744964a172a67061636b6574a26f6b")
		if got, want := last(w), `{"acks":1,"adapter":"pubsub","came":2,"clients":1,"duration_ns":3000000000,"expected":2,"name":"who","namespace":"/","request":"r","server":"abc123","type":"BROADCAST"}`; got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	})
	t.Run("seen before it was asked", func(t *testing.T) { // over another server of a Redis Cluster
		w := watchAll()
		w.over(answers, `{"requestId":"r","uid":"def456","sockets":[]}`)
		w.over(answers, `{"requestId":"r","uid":"ghi789","sockets":[]}`)
		w.over(ask, fetch)
		if got, want := last(w), `{"adapter":"pubsub","answered":["def456","ghi789"],"came":2,"duration_ns":0,"expected":2,"namespace":"/","request":"r","server":"abc123","type":"FETCH_SOCKETS"}`; got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
		w.over(answers, `{"requestId":"never asked","uid":"ghi789","sockets":[]}`)
		w.expire(w.at.Add(time.Hour))
		if len(w.asked) != 0 || w.summary().Unanswered != 0 {
			t.Errorf("%d are waited for", len(w.asked))
		}
	})
	t.Run("alone", func(t *testing.T) {
		w := watchAll()
		w.others, w.ids = 0, nil
		w.over(ask, fetch)
		w.expire(w.at.Add(time.Hour))
		if len(w.messages(t)) != 1 {
			t.Errorf("%s", w.messages(t))
		}
	})
	t.Run("many", func(t *testing.T) {
		w := watchAll()
		for i := range 2 * mostObserved {
			id, _ := json.Marshal(i)
			w.over(ask, strings.Replace(strings.Replace(fetch, `"r"`, string(id), 1), "abc123", string(id), 1))
		}
		if len(w.asked) != mostObserved || len(w.servers) > mostObserved {
			t.Errorf("%d requests and %d servers are kept", len(w.asked), len(w.servers))
		}
	})
}

// TestMonitored takes messages out of lines as Redis writes them.
func TestMonitored(t *testing.T) {
	for _, row := range []struct{ line, channel, message string }{
		{`+1700000000.123456 [0 127.0.0.1:50000] "SPUBLISH" "socket.io#/#" "{\"uid\":\"x\"}"`, "socket.io#/#", `{"uid":"x"}`},
		{`+1700000000.123456 [0 [::1]:50000] "spublish" "a\x00\\\n" "\xe2\x9c\x93\r\t\a\b"`, "a\x00\\\n", "✓\r\t\a\b"},
		{`+1700000000.123456 [0 lua] "SPUBLISH" "a" ""`, "a", ""},
		{`+1700000000.123456 [0 127.0.0.1:50000] "publish" "a" "b"`, "-", ""},
		{`+1700000000.123456 [0 127.0.0.1:50000] "SPUBLISH" "a`, "-", ""},
		{`+1700000000.123456 [0 127.0.0.1:50000] "SPUBLISH" "a" "\xzz"`, "-", ""},
		{`+1700000000.123456 [0 127.0.0.1:50000] "SPUBLISH" "a" "\q"`, "-", ""},
		{`+1795686746.573268 [0 127.0.0.1:55768] "SPUBLISH" "socket.io#/#" "{"a":"\xc3\xa9","b":"\"\\xff\n"}"`, "socket.io#/#", `{"a":"é","b":"\"\\xff\n"}`},
		{`+1795686746.573268 [0 127.0.0.1:55768] "SPUBLISH" "a" "\x82"q\n\r\"\z""`, "a", "\x82\"q\n\r\\\"\\z\""},
		{`+OK`, "-", ""}, {``, "-", ""},
	} {
		channel, raw, ok := monitored([]byte(row.line))
		if ok != (row.channel != "-") || ok && (channel != row.channel || string(raw) != row.message) {
			t.Errorf("%s: %q, %q, %v", row.line, channel, raw, ok)
		}
	}
}

// TestMonitorLines leaves out what is too long, and goes on behind it.
func TestMonitorLines(t *testing.T) {
	conn, err := Open("redis://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	o := conn.Observer(&ObserverOptions{MaxMessage: 1, MaxQueue: 2})
	line := `+1 [0 lua] "SPUBLISH" "socket.io#/#" "x"` + "\r\n"
	long := `+1 [0 lua] "SPUBLISH" "socket.io#/#" "` + strings.Repeat("x", 100<<10) + "\"\r\n"
	_ = (&looking{Observer: o}).lines(bufio.NewReader(strings.NewReader(line + long + line + line)))
	if len(o.queue) != 2 || o.Summary().Dropped != 2 {
		t.Errorf("%d are in the queue, %d dropped", len(o.queue), o.Summary().Dropped)
	}
}

// TestObserverQueue drops what is more than may wait, and counts it.
func TestObserverQueue(t *testing.T) {
	conn, err := Open("redis://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	o := conn.Observer(&ObserverOptions{MaxQueueBytes: 10})
	for range 3 {
		o.see(sight{raw: make([]byte, 4)})
	}
	if len(o.queue) != 2 || o.Summary().Dropped != 1 || o.waiting.Load() != 8 {
		t.Errorf("%d are in the queue, %d bytes; %d dropped", len(o.queue), o.waiting.Load(), o.Summary().Dropped)
	}
}

func FuzzObserver(f *testing.F) {
	for _, seed := range []string{`{"uid":"abc123","requestId":"r","type":5,"opts":{}}`, `{"requestId":"r","sockets":[1]}`, "\x93\xa1x\x82\xa4type\x02\xa4data\x91\xa1a\x80",
		`{"uid":"x","nsp":"/","type":3,"data":{"requestId":1,"packet":{"type":2,"data":["a"]},"opts":{"rooms":[]}}}`} {
		f.Add(byte(0), "/#", []byte(seed))
		f.Add(byte(3), "/#a#", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, way byte, rest string, raw []byte) {
		w := watchAll()
		for range 2 {
			s := &sight{at: w.at, channel: []string{"socket.io#", "socket.io-request#", "socket.io-response#", "socket.io#"}[way%4] + rest, raw: raw, sharded: way%4 == 3}
			w.take(s)
			w.take(&sight{at: w.at, entry: "1-0", channel: "socket.io", values: map[string]any{"nsp": "/", "type": string('0' + rune(way%10)), "data": string(raw)}})
		}
		w.expire(w.at.Add(time.Hour))
		w.summary()
		_, _, _ = monitored(raw)
	})
}
