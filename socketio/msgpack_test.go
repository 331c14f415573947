package socketio

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// toMsgpack is one value, as the encoder writes it.
func toMsgpack(t testing.TB, data []byte, attachments [][]byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := msgpackWriter{Encoder: msgpack.NewEncoder(&buf), data: data, attachments: attachments}
	w.document()
	if w.err != nil || len(w.counts) != 0 || w.i != len(data) {
		t.Fatalf("%s: %v, %d counts left, %d of %d bytes", data, w.err, len(w.counts), w.i, len(data))
	}
	return buf.Bytes()
}

func TestVectorsNotepack(t *testing.T) {
	for _, c := range loadVectors(t).Notepack {
		if string(c.Value) == "1e+300" {
			continue // notepack.io damages it, see TestMsgpackNumbers
		}
		golden, err := hex.DecodeString(c.Hex)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(c.Value), "$undef") && !strings.Contains(string(c.Value), "$date") {
			data, attachments := vectorData(t, c.Value)
			if got := toMsgpack(t, data, attachments); !bytes.Equal(got, golden) {
				t.Errorf("%s: got %x, want %x", c.Value, got, golden)
			}
		}
		r := newMsgpackReader(golden, MsgpackParser{}.NewDecoder().(msgpackDecoder))
		data, err := r.document()
		if err != nil {
			t.Errorf("%s: %v", c.Hex, err)
			continue
		}
		wantData, wantBin := vectorData(t, c.Back)
		if !sameJSON(data, wantData) || !reflect.DeepEqual(r.attachments, wantBin) {
			t.Errorf("%s: got %s, %v, want %s, %v", c.Hex, data, r.attachments, wantData, wantBin)
		}
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// TestMsgpackNumbers holds what JavaScript numbers become, beyond the golden cases.
func TestMsgpackNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"1e300": "cb7e37e43c8800759c", "-1e300": "cbfe37e43c8800759c", "18446744073709551616": "cb43f0000000000000",
		"18446744073709551615": "cfffffffffffffffff", "-9223372036854775808": "d38000000000000000", "-9223372036854775809": "d38000000000000000",
		"1e20": "cb4415af1d78b58c40", "1e3": "cd03e8", "1.0": "01", "-0": "00", "-0.0": "00", "1e400": "cb7ff0000000000000", "9007199254740993": "cf0020000000000001",
	} {
		if got := hex.EncodeToString(toMsgpack(t, []byte(text), nil)); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// TestMsgpackExt holds what notepack.io 2, which the official parser uses, writes
// for values that MessagePack does not know.
func TestMsgpackExt(t *testing.T) {
	for in, want := range map[string]string{
		"d40000":                         `null`,
		"92d4000001":                     `[null,1]`,
		"82a161d40000a16201":             `{"b":1}`,
		"82a16101a162d40000":             `{"a":1}`,
		"d7000000018bcfe5687b":           `"2023-11-14T22:13:20.123Z"`,
		"d6ff6553f100":                   `"2023-11-14T22:13:20.000Z"`,
		"c70cff075407c0000000006553f100": `"2023-11-14T22:13:20.122Z"`,
		"c70200" + "0102":                place("0"),
		"d50a" + "0102":                  `[10,` + place("0") + `]`,
		"8101c3":                         `{"1":true}`,
		"ca3fc00000":                     `1.5`,
		"cb7ff8000000000000":             `null`,
	} {
		frame, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		r := newMsgpackReader(frame, msgpackDecoder{10, 10})
		if _, err := r.value(); err != nil || string(r.out) != want || r.r.Len() != 0 {
			t.Errorf("%s: got %s, %v, want %s", in, r.out, err, want)
		}
	}
}

func TestMsgpackPackets(t *testing.T) {
	e, d := MsgpackParser{}.NewEncoder(), MsgpackParser{}.NewDecoder()
	for _, c := range loadVectors(t).SioEncode {
		p := c.Packet.packet(t)
		if p.Type == PacketConnectError && p.Data == nil {
			continue
		}
		frames := e.Encode(p)
		if len(frames) != 1 || !frames[0].Binary {
			t.Fatalf("%+v: %d frames", p, len(frames))
		}
		back, done, err := d.Add(frames[0])
		if err != nil || !done {
			t.Errorf("%s: %v", p.Data, err)
			continue
		}
		same := back.Type == p.Type && back.Namespace == p.Namespace && back.ID == p.ID && back.HasID == p.HasID &&
			reflect.DeepEqual(back.Attachments, p.Attachments) && (p.Data == nil) == (back.Data == nil)
		if !same || p.Data != nil && !sameJSON(p.Data, back.Data) {
			t.Errorf("got %+v %s, want %+v %s", back, back.Data, p, p.Data)
		}
	}
	if frames := e.Encode(&Packet{Type: PacketEvent, Data: []byte(`["a"`)}); frames != nil {
		t.Errorf("what is no JSON became %v", frames)
	}
	bad := &Packet{Type: PacketEvent, Data: []byte(`["a",` + place("1") + `]`), Attachments: [][]byte{{1}}}
	if frames := e.Encode(bad); frames != nil {
		t.Errorf("a wrong placeholder became %v", frames)
	}
}

func TestMsgpackRefused(t *testing.T) {
	deep := append(bytes.Repeat([]byte{0x91}, 2000), 1)
	cases := []struct {
		value any
		want  string
	}{
		{1, "invalid packet type"}, {map[string]any{}, "invalid packet type"},
		{map[string]any{"type": 5, "nsp": "/"}, "invalid packet type"}, {map[string]any{"type": -1, "nsp": "/"}, "invalid packet type"},
		{map[string]any{"type": "0", "nsp": "/"}, "invalid packet type"}, {map[string]any{"type": 0.5, "nsp": "/"}, "invalid packet type"},
		{map[string]any{"type": 0}, "invalid namespace"}, {map[string]any{"type": 0, "nsp": 1}, "invalid namespace"},
		{map[string]any{"type": 0, "nsp": "/", "data": []int{}}, "invalid payload"}, {map[string]any{"type": 0, "nsp": "/", "data": nil}, "invalid payload"},
		{map[string]any{"type": 1, "nsp": "/", "data": "x"}, "invalid payload"},
		{map[string]any{"type": 2, "nsp": "/"}, "invalid payload"}, {map[string]any{"type": 2, "nsp": "/", "data": []any{}}, "invalid payload"},
		{map[string]any{"type": 2, "nsp": "/", "data": []any{"connect"}}, "invalid payload"},
		{map[string]any{"type": 2, "nsp": "/", "data": []any{map[string]any{"toString": "foo"}}}, "invalid payload"},
		{map[string]any{"type": 3, "nsp": "/", "data": map[string]any{}}, "invalid payload"},
		{map[string]any{"type": 4, "nsp": "/", "data": 1}, "invalid payload"},
		{map[string]any{"type": 2, "nsp": "/", "data": []any{"a"}, "id": "1"}, "invalid packet id"},
		{map[string]any{"type": 2, "nsp": "/", "data": []any{"a"}, "id": -1}, "invalid packet id"},
		{map[string]any{"type": 2, "nsp": "/", "data": []any{"a"}, "id": 1.5}, "invalid packet id"},
		{map[string]any{"type": 2, "nsp": "/", "data": []any{"a", make([][]byte, 0), [][]byte{{1}, {2}, {3}, {4}}}}, "too many attachments"},
		{map[string]any{"type": 2, "nsp": "/", "data": []any{"a", []byte{1}, map[string]any{"_placeholder": true, "num": 0}}}, "illegal attachments"},
		{msgpack.RawMessage(append([]byte("\x81\xa4data"), deep...)), "invalid payload"},
		{msgpack.RawMessage(append([]byte("\x81\xa7options"), deep...)), "invalid payload"},
		{msgpack.RawMessage("\x81\xa4data\xdd\xff\xff\xff\xff"), "invalid payload"},
		{msgpack.RawMessage("\x81\xa4data\xdf\xff\xff\xff\xff"), "invalid payload"},
		{msgpack.RawMessage("\x81\xa4data\xdb\xff\xff\xff\xff"), "invalid payload"},
		{msgpack.RawMessage("\x81\xa4data\xc6\xff\xff\xff\xff"), "invalid payload"},
		{msgpack.RawMessage("\x81\xa4data\xc9\xff\xff\xff\xff\x00"), "invalid payload"},
		{msgpack.RawMessage("\xdf\xff\xff\xff\xff"), "invalid payload"},
		{msgpack.RawMessage("\x81\xa4data\xc1"), "invalid payload"},
		{msgpack.RawMessage("\x80\x01\x02"), "2 trailing bytes"},
	}
	d := MsgpackParser{MaxAttachments: 3}.NewDecoder()
	for _, c := range cases {
		frame, err := msgpack.Marshal(c.value)
		if err != nil {
			t.Fatal(err)
		}
		if _, done, err := d.Add(Frame{Binary: true, Data: frame}); done || errorText(err) != c.want {
			t.Errorf("%v: got %v, want %s", c.value, err, c.want)
		}
	}
	if _, _, err := d.Add(Frame{Data: []byte(`2["a"]`)}); err == nil {
		t.Error("a text frame was taken")
	}
}

// FuzzMsgpack holds that no frame makes the decoder panic, and that what it lets
// in comes back the same when it is sent on.
func FuzzMsgpack(f *testing.F) {
	for _, c := range loadVectors(f).SioEncode {
		frames := MsgpackParser{}.NewEncoder().Encode(c.Packet.packet(f))
		f.Add(frames[0].Data)
	}
	f.Add([]byte("\x84\xa4type\x02\xa3nsp\xa1/\xa4data\x93\xa1a\xc7\x01\x00\x05\xd4\x00\x00\xa7options\x80"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := MsgpackParser{}.NewDecoder()
		p, done, err := d.Add(Frame{Binary: true, Data: data})
		if err != nil {
			return
		}
		if !done {
			t.Fatal("not done")
		}
		checkPacket(t, p)
		frames := MsgpackParser{}.NewEncoder().Encode(p)
		if len(frames) != 1 {
			t.Fatalf("%s was not written", p.Data)
		}
		back, _, err := d.Add(frames[0])
		if err != nil || !sameMsgpack(p, back) {
			t.Fatalf("got %+v %s, %v, want %+v %s", back, back.Data, err, p, p.Data)
		}
	})
}

// sameMsgpack compares packets. What both write for one number may differ.
func sameMsgpack(a, b *Packet) bool {
	x, y := *a, *b
	same := x.Data == nil && y.Data == nil || sameJSON(x.Data, y.Data)
	x.Data, y.Data = nil, nil
	return same && reflect.DeepEqual(x, y)
}
