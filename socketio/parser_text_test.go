package socketio

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestTextLimits(t *testing.T) {
	nested := func(depth int) []byte {
		return []byte(`2["a",` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + "]")
	}
	cases := []struct {
		name   string
		parser TextParser
		frames []Frame
		want   error
	}{
		{"as deep as may be", TextParser{}, []Frame{{Data: nested(1000)}}, nil},
		{"one deeper", TextParser{}, []Frame{{Data: nested(1001)}}, ErrInvalidPayload},
		{"a depth of its own", TextParser{MaxDepth: 3}, []Frame{{Data: nested(4)}}, ErrInvalidPayload},
		{"15,000 arrays (parser 4.2.7)", TextParser{}, []Frame{{Data: nested(15000)}}, ErrInvalidPayload},
		{"unbounded attachments (CVE-2026-33151)", TextParser{}, []Frame{{Data: []byte(`599999999999-["a"]`)}}, ErrTooManyAttachments},
		{"no attachments (parser 4.2.6)", TextParser{}, []Frame{{Data: []byte(`50-["a"]`)}}, ErrIllegalCount},
		{"infinite attachments", TextParser{MaxAttachments: 1 << 30}, []Frame{{Data: []byte(`51e999-["a"]`)}}, ErrIllegalCount},
		{"more of them, where allowed", TextParser{MaxAttachments: 11}, []Frame{{Data: []byte(`511-["a"]`)}}, nil},
		{"a number that is a method (CVE-2022-2421)", TextParser{}, []Frame{{Data: []byte(`51-["a",` + place(`"splice"`) + `]`)}, {true, []byte{1}}}, ErrIllegalPlaceholder},
		{"a name that is an object (CVE-2023-32695)", TextParser{}, []Frame{{Data: []byte(`2[{"toString":"foo"}]`)}}, ErrInvalidPayload},
		{"an escaped reserved name", TextParser{}, []Frame{{Data: []byte(`2["\u0064isconnect"]`)}}, ErrInvalidPayload},
		{"attachments that fit", TextParser{MaxAttachmentsSize: 4}, []Frame{{Data: []byte(`52-["a"]`)}, {true, []byte("12")}, {true, []byte("34")}}, nil},
		{"attachments that do not", TextParser{MaxAttachmentsSize: 3}, []Frame{{Data: []byte(`52-["a"]`)}, {true, []byte("12")}, {true, []byte("34")}}, ErrAttachmentsTooLarge},
		{"an id that no uint64 holds", TextParser{}, []Frame{{Data: []byte(`2` + strings.Repeat("9", 30) + `["a"]`)}}, ErrInvalidPayload},
		{"an id with space in it", TextParser{}, []Frame{{Data: []byte(`21 2["a"]`)}}, ErrInvalidPayload},
	}
	for _, c := range cases {
		d := c.parser.NewDecoder()
		var err error
		for _, f := range c.frames {
			if _, _, err = d.Add(f); err != nil {
				break
			}
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// TestTextNotUTF8 holds that what a body held that is no UTF-8 does not go on to
// others, whose connections it would end.
func TestTextNotUTF8(t *testing.T) {
	p, _, err := TextParser{}.NewDecoder().Add(Frame{Data: []byte("2/\xff,[\"\xc3\"]")})
	if err != nil || p.Namespace != "/\ufffd" || string(p.Data) != "[\"\ufffd\"]" {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestReservedNames(t *testing.T) {
	for _, name := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
		if !isReservedEvent(name) || !isReservedServerEvent(name) && name == "connect" {
			t.Errorf("%s is not reserved", name)
		}
		if _, _, err := (TextParser{}).NewDecoder().Add(Frame{Data: []byte(`2["` + name + `"]`)}); err != ErrInvalidPayload {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, name := range []string{"connect", "connection", "new_namespace"} {
		if !isReservedServerEvent(name) {
			t.Errorf("%s is not reserved between servers", name)
		}
	}
	if isReservedEvent("error") || isReservedEvent("connection") || isReservedServerEvent("disconnect") {
		t.Error("a free name is reserved")
	}
}

func TestPacketTypes(t *testing.T) {
	want := []string{"CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK", "UNKNOWN"}
	for i, name := range want {
		if got := PacketType(i).String(); got != name {
			t.Errorf("%d is %s, want %s", i, got, name)
		}
	}
}

// TestTextBinaryType holds that the attachments decide, not the type.
func TestTextBinaryType(t *testing.T) {
	e := TextParser{}.NewEncoder()
	for _, kind := range []PacketType{PacketEvent, PacketBinaryEvent} {
		plain := e.Encode(&Packet{Type: kind, Data: []byte(`["a"]`)})
		binary := e.Encode(&Packet{Type: kind, Data: []byte(`["a"]`), Attachments: [][]byte{{1}}})
		if string(plain[0].Data) != `2["a"]` || string(binary[0].Data) != `51-["a"]` || !reflect.DeepEqual(binary[1], Frame{true, []byte{1}}) {
			t.Errorf("%s: got %v, %v", kind, plain, binary)
		}
	}
}

func TestTextAllocs(t *testing.T) {
	p := &Packet{Type: PacketEvent, Namespace: "/chat", ID: 1, HasID: true, Data: []byte(`["message","hello"]`)}
	e, d := TextParser{}.NewEncoder(), TextParser{}.NewDecoder()
	frame := e.Encode(p)[0]
	buf := make([]byte, 0, 100)
	var args = splitArray(nil, p.Data)
	for _, c := range []struct {
		name string
		want float64
		run  func()
	}{
		{"encode", 2, func() { e.Encode(p) }}, // the frame, and the list that it stands in
		{"append", 0, func() { buf = appendPacket(buf[:0], p) }},
		{"decode", 1, func() { d.Add(frame) }}, // the packet
		{"split", 0, func() { args = splitArray(args[:0], p.Data) }},
	} {
		n := testing.AllocsPerRun(200, c.run)
		t.Logf("%s: %v allocations", c.name, n)
		if n > c.want {
			t.Errorf("%s: %v allocations, want at most %v", c.name, n, c.want)
		}
	}
}

func BenchmarkTextEncode(b *testing.B) {
	p := &Packet{Type: PacketEvent, ID: 7, HasID: true, Data: []byte(`["message","hello, world",42]`)}
	e := TextParser{}.NewEncoder()
	b.ReportAllocs()
	for b.Loop() {
		e.Encode(p)
	}
}

func BenchmarkTextDecode(b *testing.B) {
	d := TextParser{}.NewDecoder()
	small := Frame{Data: []byte(`27["message","hello, world",42]`)}
	large := Frame{Data: bytes.Join([][]byte{[]byte(`2["m","`), bytes.Repeat([]byte("x"), 100_000), []byte(`"]`)}, nil)}
	for name, frame := range map[string]Frame{"small": small, "100k": large} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(frame.Data)))
			for b.Loop() {
				d.Add(frame)
			}
		})
	}
}
