package redis

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/socketio"
)

// What follows are bytes of the official adapters, of programs that give them what
// TypeScript would not: official servers take it all.

// TestLooseBroadcast is a broadcast whose event is a number, to rooms that are none
// and one that is, with flags that are none. Nobody gets it who is not meant.
func TestLooseBroadcast(t *testing.T) {
	raw, _ := hex.DecodeString("93a661626331323383a47479706502a464617461920701a36e7370a12f83a5726f6f6d7394d40000a161c380a665786365707491c0a5666c61677383" +
		"a8636f6d707265737300a774696d656f7574a3353030a8766f6c6174696c65c3")
	text := `{"uid":"abc123","nsp":"/","type":3,"data":{"packet":{"type":2,"data":[7,1],"nsp":"/"},` +
		`"opts":{"rooms":[null,"a",true,{}],"except":[null],"flags":{"compress":0,"timeout":"500","volatile":true}}}}`
	classic, _, err := decodeClassicBroadcast(raw)
	if err != nil {
		t.Fatal(err)
	}
	sharded, _, err := decodeCluster([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*message{classic, sharded} {
		if string(m.data) != "[7,1]" || m.flags != (socketio.Flags{Volatile: true}) {
			t.Errorf("%s, %+v", m.data, m.flags)
		}
		s := m.selection
		if len(s.Rooms) != 4 || !s.Includes(map[string]bool{"a": true}) {
			t.Errorf("%q", s)
		}
		if s.Includes(map[string]bool{"": true, "null": true, "true": true, "{}": true, "[object Object]": true, "undefined": true}) {
			t.Errorf("%q are rooms", s)
		}
		s.Rooms = s.Rooms[:1]
		if s.Includes(map[string]bool{"a": true}) {
			t.Errorf("%q is everybody", s)
		}
	}
}

// TestLooseRequests are those in which a room is none: it is neither joined nor left,
// and leaves nobody out.
func TestLooseRequests(t *testing.T) {
	for _, text := range []string{
		`{"uid":"x","type":2,"opts":{"rooms":[],"except":[null]},"rooms":[null,"a",7]}`,
		`{"uid":"x","nsp":"/","type":5,"data":{"opts":{"rooms":[],"except":[null]},"rooms":[null,"a",7]}}`,
		`{"uid":"x","requestId":"r","type":5,"opts":{"rooms":[],"except":[null]}}`,
	} {
		m, _, err := decodeClassicRequest([]byte(text))
		if strings.Contains(text, "nsp") {
			m, _, err = decodeCluster([]byte(text))
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if !m.selection.Includes(map[string]bool{"a": true}) || m.kind != kindFetch && strings.Join(m.rooms, " ") != "a 7" {
			t.Errorf("%s: %q, %q", text, m.selection, m.rooms)
		}
	}
}

const looseSockets = "84a3756964a175a36e7370a12fa47479706508a46461746182a9726571756573744964a172a7736f636b6574739284a26964a173a968616e647368616b6583a461757468" +
	"a5746f6b656ea6697373756564a47468656ea761646472657373a7312e322e332e34a5726f6f6d7393a17307c0a46461746181a36b6579c402010284a26964a174a968616e647368616b65" +
	"81a46175746881a16101a5726f6f6d7391a174a46461746181a16e05"

// TestLooseSockets are sockets of which a program has changed the handshake, with rooms
// that are numbers, and data that is binary: none costs the others.
func TestLooseSockets(t *testing.T) {
	raw, _ := hex.DecodeString(looseSockets)
	m, _, err := decodeCluster(raw)
	if err != nil || len(m.sockets) != 2 {
		t.Fatalf("%+v, %v", m, err)
	}
	s := m.sockets[0]
	if s.ID != "s" || strings.Join(s.Rooms, " ") != "s 7" || s.Handshake.Address != "1.2.3.4" || len(s.Handshake.Auth) != 0 || s.Handshake.Auth == nil {
		t.Errorf("%+v, %+v", s, s.Handshake)
	}
	var data struct{ Key []byte }
	if err := json.Unmarshal(s.Data, &data); err != nil || string(data.Key) != "\x01\x02" {
		t.Errorf("%s: %v", s.Data, err)
	}
	if other := m.sockets[1]; string(other.Data) != `{"n":5}` || other.Handshake.Auth["a"] != 1.0 {
		t.Errorf("%s, %+v", other.Data, other.Handshake)
	}
	m, err = decodeClassicAnswer([]byte(`{"requestId":"r","sockets":[{"id":"s","handshake":{"auth":[1],"query":null,"url":7},"rooms":["s",123],"data":"x"}]}`))
	if err != nil || len(m.sockets) != 1 || strings.Join(m.sockets[0].Rooms, " ") != "s 123" || string(m.sockets[0].Data) != `"x"` {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestManySockets are more than 1,000 with something binary each, in one answer.
func TestManySockets(t *testing.T) {
	one := `{"id":"s","handshake":{},"rooms":["s"],"data":{"_placeholder":true,"num":0}}`
	document := `{"uid":"u","nsp":"/","type":8,"data":{"requestId":"r","sockets":[` + strings.Repeat(one+",", 2999) + one + `]}}`
	raw, err := socketio.EncodeMsgpack([]byte(document), [][]byte{{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := decodeCluster(raw)
	if err != nil || len(m.sockets) != 3000 || string(m.sockets[2999].Data) != `"AQI="` {
		t.Errorf("%d sockets: %v", len(m.sockets), err)
	}
}

// TestSessionData is data of a socket that comes back: it is as it was, as far as JSON
// and bytes go.
func TestSessionData(t *testing.T) {
	type user struct {
		Name string `json:"name"`
		Key  []byte `json:"key,omitempty"`
	}
	for _, row := range []struct {
		data any
		want string
	}{
		{nil, `{}`}, {"text", `"text"`}, {map[string]any{"n": 1.5}, `{"n":1.5}`}, {user{Name: "<ü>"}, `{"name":"<ü>"}`}, {(*user)(nil), `{}`},
		{user{"x", []byte{1, 2}}, `{"key":"AQI=","name":"x"}`}, {[]byte{1}, `"AQ=="`}, {map[int]bool{7: true}, `{"7":true}`},
	} {
		value, err := encodeSession(&socketio.LostSession{SID: "s", PID: "p", Rooms: []string{"s"}, Data: row.data}, "/")
		if err != nil {
			t.Errorf("%v: %v", row.data, err)
			continue
		}
		s, _, err := decodeSession(value)
		if err != nil {
			t.Errorf("%v: %v", row.data, err)
			continue
		}
		if got, _ := marshal(s.Data); string(got) != row.want {
			t.Errorf("%v came back as %s", row.data, got)
		}
		if raw, is := row.data.([]byte); is && !slices.Equal(s.Data.([]byte), raw) {
			t.Errorf("%v came back as %T", row.data, s.Data)
		}
	}
}

// TestLooseSession is the session of a socket with binary data and odd rooms.
func TestLooseSession(t *testing.T) {
	s, _, err := decodeSession("hKNzaWShc6NwaWShcKVyb29tc5OhcwfApGRhdGGCo2tlecQCAQKhbgE=")
	if err != nil {
		t.Fatal(err)
	}
	data, _ := s.Data.(map[string]any)
	if key, _ := data["key"].([]byte); string(key) != "\x01\x02" || data["n"] != 1.0 || !slices.Equal(s.Rooms, []string{"s", "7"}) {
		t.Errorf("%+v", s)
	}
	if raw, err := socketio.EncodeMsgpack([]byte(`{"sid":"s","pid":"p","rooms":[]}`), nil); err != nil {
		t.Error(err)
	} else if s, _, err = decodeSession(base64.StdEncoding.EncodeToString(raw)); err != nil || s.Data != nil {
		t.Errorf("%+v, %v", s, err)
	}
}
