package socketio

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"reflect"
	"testing"
	"time"
)

// vectors are golden cases that the official encoders and decoders made.
type vectors struct {
	SioEncode []struct {
		Packet vectorPacket
		Out    []json.RawMessage
	}
	SioDecode []struct {
		In            []json.RawMessage
		Decoded       []vectorPacket
		Error         string
		DecodedBefore []vectorPacket
	}
	Notepack []struct {
		Value json.RawMessage
		Hex   string
		Back  json.RawMessage
	}
}

type vectorPacket struct {
	Type PacketType
	Nsp  string
	ID   *uint64
	Data json.RawMessage
}

func loadVectors(t testing.TB) vectors {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// special makes of {"$bin":"01"} and its like what it stands for. What is
// undefined is left out of objects.
func special(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			if v[i] = special(v[i]); v[i] == undefined {
				v[i] = nil
			}
		}
	case map[string]any:
		if s, ok := v["$bin"].(string); ok {
			data, _ := hex.DecodeString(s)
			return append([]byte{}, data...)
		}
		if ms, ok := v["$date"].(float64); ok {
			return time.UnixMilli(int64(ms))
		}
		if v["$undef"] != nil {
			return undefined
		}
		if v["$negzero"] != nil {
			return math.Copysign(0, -1)
		}
		for key := range v {
			if v[key] = special(v[key]); v[key] == undefined {
				delete(v, key)
			}
		}
	}
	return v
}

// undefined is what JavaScript calls so.
var undefined = new(int)

// vectorData is the data of a packet as our encoder takes it. What holds nothing
// special goes as JSON, in the order of its keys.
func vectorData(t testing.TB, raw json.RawMessage) ([]byte, [][]byte) {
	t.Helper()
	var v any = raw
	if bytes.Contains(raw, []byte(`{"$`)) || bytes.Contains(raw, []byte(`e+`)) {
		var any any
		if err := json.Unmarshal(raw, &any); err != nil {
			t.Fatal(err)
		}
		v = special(any)
	}
	data, attachments, err := encodeValue(v)
	if err != nil {
		t.Fatal(err)
	}
	return data, attachments
}

func (v vectorPacket) packet(t testing.TB) *Packet {
	p := &Packet{Type: v.Type, Namespace: v.Nsp}
	if v.ID != nil {
		p.ID, p.HasID = *v.ID, true
	}
	if v.Data != nil {
		p.Data, p.Attachments = vectorData(t, v.Data)
	}
	return p
}

// vectorFrame is text, or {"$bin":"01"}.
func vectorFrame(t testing.TB, raw json.RawMessage) Frame {
	t.Helper()
	var bin struct {
		Bin *string `json:"$bin"`
	}
	if json.Unmarshal(raw, &bin) == nil && bin.Bin != nil {
		data, err := hex.DecodeString(*bin.Bin)
		if err != nil {
			t.Fatal(err)
		}
		return Frame{Binary: true, Data: data}
	}
	// Half a surrogate pair cannot stand in a Go string, but it can in JSON.
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		t.Fatal(err)
	}
	return Frame{Data: []byte(text)}
}

func TestVectorsEncode(t *testing.T) {
	for _, c := range loadVectors(t).SioEncode {
		frames := TextParser{}.NewEncoder().Encode(c.Packet.packet(t))
		if len(frames) != len(c.Out) {
			t.Errorf("%s: %d frames, want %d", c.Out[0], len(frames), len(c.Out))
			continue
		}
		for i, f := range frames {
			if want := vectorFrame(t, c.Out[i]); f.Binary != want.Binary || !bytes.Equal(f.Data, want.Data) {
				t.Errorf("frame %d: got %q, want %q", i, f.Data, want.Data)
			}
		}
	}
}

func TestVectorsDecode(t *testing.T) {
	for _, c := range loadVectors(t).SioDecode {
		d := TextParser{}.NewDecoder()
		var got []*Packet
		var err error
		for _, raw := range c.In {
			var p *Packet
			var done bool
			if p, done, err = d.Add(vectorFrame(t, raw)); err != nil {
				break
			}
			if done {
				got = append(got, p)
			}
		}
		want := c.Decoded
		if c.Error != "" {
			want = c.DecodedBefore
		}
		if text := errorText(err); text != c.Error {
			t.Errorf("%s: error %q, want %q", c.In, text, c.Error)
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d packets, want %d", c.In, len(got), len(want))
			continue
		}
		for i, p := range got {
			comparePacket(t, c.In, p, want[i])
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func comparePacket(t *testing.T, in any, p *Packet, want vectorPacket) {
	t.Helper()
	if p.Type != want.Type || p.Namespace != want.Nsp || p.HasID != (want.ID != nil) || p.HasID && p.ID != *want.ID {
		t.Errorf("%s: got %+v, want %+v", in, p, want)
	}
	if (p.Data == nil) != (want.Data == nil) {
		t.Errorf("%s: data %s, want %s", in, p.Data, want.Data)
	}
	if p.Data == nil {
		return
	}
	var got, due any
	if err := decodeValue(p.Data, p.Attachments, &got); err != nil {
		t.Errorf("%s: %v", in, err)
	}
	if err := json.Unmarshal(want.Data, &due); err != nil {
		t.Fatal(err)
	}
	due = special(due)
	// What is infinite to JavaScript is null in its JSON.
	if list, ok := got.([]any); ok {
		for i := range list {
			if f, ok := list[i].(float64); ok && math.IsInf(f, 0) {
				list[i] = nil
			}
		}
	}
	if !reflect.DeepEqual(got, due) {
		t.Errorf("%s: got %#v, want %#v", in, got, due)
	}
}
