package redis

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// hostile is what broke others, or looks as if it might: each decoder has to
// refuse it, or to read it as what it is.
func hostile() []string {
	deep := strings.Repeat("[", 15000) + strings.Repeat("]", 15000)
	return []string{
		"", "{", "}", "null", "true", "0", `""`, "[]", "{}", "\x00", "\xff", "\xc1", "\xc0", "\x80", "\x90",
		"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff\x00", // lengths that are not there
		strings.Repeat("\x91", 100000), strings.Repeat("\x81\xa1a", 100000), // depth
		`{"uid":1,"nsp":"/","type":3,"data":{}}`, `{"uid":"x","nsp":7,"type":3,"data":{}}`, `{"uid":"x","nsp":"/","type":"3","data":{}}`,
		`{"uid":"x","nsp":"/","type":1e99,"data":{}}`, `{"uid":"x","nsp":"/","type":-3,"data":{}}`, `{"uid":"x","nsp":"/","type":101,"data":{}}`,
		`{"uid":"x","nsp":"/","type":3,"data":null}`, `{"uid":"x","nsp":"/","type":3,"data":[]}`, `{"uid":"x","nsp":"/","type":3,"data":{"packet":null,"opts":null}}`,
		`{"uid":"x","nsp":"/","type":3,"data":{"packet":{"type":2,"data":[{"toString":"foo"}]},"opts":{"rooms":[],"except":[]}}}`,
		`{"uid":"x","nsp":"/","type":3,"data":{"packet":{"type":2,"data":[]},"opts":{"rooms":[],"except":[]}}}`,
		`{"uid":"x","nsp":"/","type":3,"data":{"packet":{"type":0,"data":["a"]},"opts":{"rooms":[],"except":[]}}}`,
		`{"uid":"x","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["a"]},"opts":{"rooms":"all"}}}`,
		`{"uid":"x","nsp":"/","type":3,"data":{"packet":{"type":2,"data":["a",` + deep + `]},"opts":{"rooms":[]}}}`,
		`{"uid":"x","nsp":"/","type":8,"data":{"requestId":"r","sockets":[{"id":7}]}}`, `{"uid":"x","nsp":"/","type":11,"data":{"requestId":"r","clientCount":-1}}`,
		`{"uid":"x","nsp":"/","type":11,"data":{"requestId":"r","clientCount":1e30}}`, `{"type":5}`, `{"type":7,"requestId":"r","packet":{"type":2,"data":["a"]}}`,
		`{"type":6,"data":["a"],"requestId":{"__proto__":{}}`, `{"requestId":"r","sockets":[{"id":7}]}`, `{"type":8,"requestId":"r","clientCount":-5}`,
	}
}

// TestHostile has each decoder read what is hostile: it ends with an error or a
// message, soon, and never with a selection that is wider than what came.
func TestHostile(t *testing.T) {
	for _, text := range hostile() {
		name := fmt.Sprintf("%.60q", text)
		if m, _, err := decodeClassicBroadcast([]byte(text)); err == nil {
			t.Errorf("%s is a broadcast: %+v", name, m)
		}
		if m, _, err := decodeCluster([]byte(text)); err == nil && m.kind == kindBroadcast {
			t.Errorf("%s is a broadcast: %+v", name, m)
		}
		if m, err := decodeClassicAnswer([]byte(text)); err == nil && (len(m.sockets) > 0 || m.count < 0) {
			t.Errorf("%s is an answer: %+v", name, m)
		}
		if m, _, err := decodeClassicRequest([]byte(text)); err == nil && m != nil && m.kind == kindBroadcast {
			t.Errorf("%s is a request: %+v", name, m)
		}
		for _, value := range []string{text, base64.StdEncoding.EncodeToString([]byte(text))} {
			if s, _, err := decodeSession(value); err == nil {
				t.Errorf("%s is a session: %+v", name, s)
			}
			if m, err := readEntry(map[string]any{"uid": "x", "nsp": "/", "type": "3", "data": value}, "/"); err == nil {
				t.Errorf("%s is an entry: %+v", name, m)
			}
		}
	}
	for _, values := range []map[string]any{{"nsp": "/"}, {"nsp": "/", "type": 3}, {"nsp": "/", "type": "x"}, {"nsp": "/", "type": "99999999999999999999"}, {"nsp": "/", "type": "3"}, {"nsp": "/", "type": "101", "data": "{}"}} {
		if m, err := readEntry(values, "/"); err == nil {
			t.Errorf("%v is an entry: %+v", values, m)
		}
	}
	if m, err := readEntry(map[string]any{"what": "ever"}, "/"); m != nil || err != nil {
		t.Errorf("an entry of no namespace: %+v, %v", m, err)
	}
}

// TestPassedOver is a server whose own entries Redis has dropped before they were
// read: its sockets get those, and they are forgotten; and one that reads nothing
// remembers only so many.
func TestPassedOver(t *testing.T) {
	conn, err := Open("redis://127.0.0.1:1", &ConnOptions{MaxQueue: 5, Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	a := newStream(&streams{conn: conn, options: StreamsOptions{StreamCount: 1}}, socketio.NewServer(nil).Of("/"))
	a.reader = &reader{all: a.all}
	entryOf := func(id, text string) *entry {
		return &entry{id: id, at: time.Now(), message: &message{kind: kindBroadcast, data: []byte(`["` + text + `"]`)}}
	}
	a.pending = []*entry{entryOf("1-0", "a"), entryOf("2-0", "b"), entryOf("3-0", "b"), entryOf("", "c")}
	e, passed := a.pick(&message{kind: kindBroadcast, data: []byte(`["b"]`)}, "3-0")
	if e == nil || e.id != "3-0" || len(passed) != 2 || len(a.pending) != 1 {
		t.Errorf("%+v, passed over: %d, due: %d", e, len(passed), len(a.pending))
	}
	if e, passed = a.pick(&message{kind: kindBroadcast, data: []byte(`["c"]`)}, "4-0"); e == nil || len(passed) != 0 || len(a.pending) != 0 {
		t.Errorf("%+v, passed over: %d, due: %d", e, len(passed), len(a.pending))
	}
	for i := range 50 {
		a.pending = append(a.pending, entryOf(fmt.Sprint(i, "-0"), "x"))
	}
	conn.wrote(errUnsent)
	a.overdue()
	if len(a.pending) != 5 || a.pending[4].id != "49-0" {
		t.Errorf("%d are remembered", len(a.pending))
	}
}

// TestCauses has several reasons be one line, in which each is once.
func TestCauses(t *testing.T) {
	refused := fmt.Errorf("dial tcp 127.0.0.1:1: connect: connection refused")
	s := &status{writing: refused, reading: map[any]error{1: fmt.Errorf("reading: %w", refused), 2: errSilent}}
	if got := s.cause().Error(); got != "dial tcp 127.0.0.1:1: connect: connection refused; no answer in time" {
		t.Error(got)
	}
}

func FuzzEntry(f *testing.F) {
	f.Add("3", `{"packet":{"type":2,"data":["a"]},"opts":{"rooms":["r"],"except":[]}}`)
	f.Add("3", "gqZwYWNrZXSCpHR5cGUCpGRhdGGRoWGkb3B0c4Glcm9vbXOQ")
	f.Add("3", `{"packet":{"type":2,"data":[7]},"opts":{"rooms":[null,{"a":true}],"except":[true],"flags":{"timeout":"1"}}}`)
	f.Add("4", `{"opts":{"rooms":[],"except":[]},"rooms":["x"]}`)
	f.Fuzz(func(t *testing.T, kind, data string) {
		m, err := readEntry(map[string]any{"uid": "x", "nsp": "/", "type": kind, "data": data}, "/")
		if err != nil || m == nil || m.kind != kindBroadcast {
			return
		}
		c, err := clusterOf(m, "/")
		if err != nil {
			t.Fatal(err)
		}
		values, err := fields(c, m.attachments)
		if err != nil {
			t.Fatal(err)
		}
		again, err := readEntry(map[string]any{"uid": "x", "nsp": "/", "type": "3", "data": values[7]}, "/")
		if err != nil || len(again.attachments) != len(m.attachments) || strings.Join(again.selection.Rooms, " ") != strings.ToValidUTF8(strings.Join(list(m.selection.Rooms), " "), "\ufffd") {
			t.Errorf("what was written is read as %+v, %v; it was %+v", again, err, m)
		}
	})
}

func FuzzOpen(f *testing.F) {
	for _, u := range []string{"redis://u:sEcReT@h:1/2?ca_file=x", "rediss://:sEcReT@a,b", "redis-sentinel://:sEcReT@h/1?master_name=m&sentinel_password=sEcReT", "unix:///tmp/x?db=1"} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, u string) {
		if strings.Contains(u, "file") || strings.Count(u, "sEcReT") != 1 || !strings.Contains(u, ":sEcReT@") {
			return
		}
		c := &Conn{}
		if err := c.open(u); err != nil {
			return
		}
		c.client.Close()
	})
}
