package engine

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/sockkit/sockkit/ws"
)

func itoa(n int) string { return strconv.Itoa(n) }

// vector is a packet as the official encoder's cases have it.
type vector struct {
	Type string
	Data json.RawMessage
}

// text is a vector's data or wire form: a text, or the bytes in hex of $bin.
func text(t *testing.T, raw json.RawMessage) (s string, binary bool) {
	t.Helper()
	var bin struct {
		Hex string `json:"$bin"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &s) == nil {
		return s, false
	}
	if err := json.Unmarshal(raw, &bin); err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(bin.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), true
}

func (v vector) packet(t *testing.T) Packet {
	data, binary := text(t, v.Data)
	for i, name := range typeNames {
		if name == v.Type {
			return Packet{Type: PacketType(i), Data: []byte(data), Binary: binary}
		}
	}
	t.Fatalf("the type %q is unknown", v.Type)
	return Packet{}
}

func describe(p Packet) string { return fmt.Sprintf("%s %v %q", p.Type, p.Binary, p.Data) }

// TestVectors holds the encoders and decoders against cases that the official
// ones have made.
func TestVectors(t *testing.T) {
	var all struct {
		EIO []struct {
			Packet      vector
			WS, Polling json.RawMessage
		}
		Payload []struct {
			Packets []vector
			Payload string
		}
		PayloadDecode []struct {
			Payload string
			Packets []vector
		}
	}
	file, err := os.ReadFile("testdata/engine-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file, &all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all.EIO {
		p := c.Packet.packet(t)
		want, binary := text(t, c.WS)
		kind, got := p.message(nil, 4, false)
		if string(got) != want || (kind == ws.Binary) != binary {
			t.Errorf("%s: as a message %v %q, want %q", describe(p), kind, got, want)
		}
		if back, err := parseMessage(kind, got, 4); err != nil || describe(back) != describe(p) {
			t.Errorf("%s: read back as %s (%v)", describe(p), describe(back), err)
		}
		if want, _ = text(t, c.Polling); string(p.AppendText(nil)) != want {
			t.Errorf("%s: in a payload %q, want %q", describe(p), p.AppendText(nil), want)
		}
	}
	for _, c := range all.Payload {
		var packets []Packet
		for _, v := range c.Packets {
			packets = append(packets, v.packet(t))
		}
		if got := AppendPayload(nil, packets); string(got) != c.Payload {
			t.Errorf("the payload is %q, want %q", got, c.Payload)
		}
	}
	for _, c := range all.PayloadDecode {
		var got, want []string
		if err := ParsePayload([]byte(c.Payload), func(p Packet) bool { got = append(got, describe(p)); return true }); err != nil {
			got = append(got, "error")
		}
		for _, v := range c.Packets {
			if v.Type == "error" {
				want = append(want, "error")
			} else {
				want = append(want, describe(v.packet(t)))
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q is %q, want %q", c.Payload, got, want)
		}
	}
}

func TestPacketType(t *testing.T) {
	if Noop.String() != "noop" || PacketType(9).String() != "unknown 9" {
		t.Error(Noop, PacketType(9))
	}
}
