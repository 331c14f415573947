package dissect_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/internal/dissect"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

var update = flag.Bool("update", false, "write the golden files anew")

// outline is a dissection as lines: the place in bytes and bits, the field, its
// value.
func outline(d dissect.Dissection) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d bytes", len(d.Bytes))
	if d.Note != "" {
		fmt.Fprintf(&out, " (%s)", d.Note)
	}
	out.WriteString("\n")
	outlineFields(&out, d.Fields, 1)
	return out.String()
}

func outlineFields(out *strings.Builder, fields []dissect.Field, depth int) {
	for _, f := range fields {
		fmt.Fprintf(out, "%s%d", strings.Repeat("  ", depth), f.Bit/8)
		if f.Bit%8 != 0 || f.Bits%8 != 0 {
			fmt.Fprintf(out, ".%d+%db", f.Bit%8, f.Bits)
		} else {
			fmt.Fprintf(out, "+%d", f.Bits/8)
		}
		fmt.Fprintf(out, " %s = %s", f.Name, f.Value)
		if f.Clause != "" {
			fmt.Fprintf(out, " [%s]", f.Clause)
		}
		out.WriteString("\n")
		outlineFields(out, f.Fields, depth+1)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

type sample struct {
	name string
	e    trace.Event
	wire []byte
}

// frameSample is a frame, seen whole.
func frameSample(name string, f ws.Frame) sample {
	e, b := framed(trace.Out, f)
	return sample{name, e, []byte(b)}
}

func pad(n int) []byte { return bytes.Repeat([]byte("*"), n) }

var rfcKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// frameSamples begin with those of RFC 6455 section 5.7.
func frameSamples() []sample {
	noBytes, _ := framed(trace.In, ws.Frame{Fin: true, Opcode: ws.OpText, Masked: true, Key: rfcKey, Payload: []byte("Hello")})
	cut, cutBytes := framed(trace.In, text("Hello"))
	long, _ := framed(trace.Out, text("Hello"))
	long.Head = 4
	packed, packedBytes := framed(trace.Out, ws.Frame{Fin: true, RSV: 4, Opcode: ws.OpText, Payload: []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}})
	packed.Compressed = true
	return []sample{
		{"a text, not masked", trace.WSFrame{Opcode: 1, Fin: true, Size: 5, Head: 2}, []byte("\x81\x05Hello")},
		{"a text, masked", trace.WSFrame{Opcode: 1, Fin: true, Size: 5, Head: 6, Mask: "37fa213d"}, []byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")},
		{"a fragment", trace.WSFrame{Opcode: 1, Size: 3, Head: 2}, []byte("\x01\x03Hel")},
		{"the last fragment", trace.WSFrame{Fin: true, Size: 2, Head: 2}, []byte("\x80\x02lo")},
		{"a ping", trace.WSFrame{Opcode: 9, Fin: true, Size: 5, Head: 2}, []byte("\x89\x05Hello")},
		{"a pong, masked", trace.WSFrame{Opcode: 10, Fin: true, Size: 5, Head: 6, Mask: "37fa213d"}, []byte("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")},
		frameSample("256 bytes", ws.Frame{Fin: true, Opcode: ws.OpBinary, Payload: pad(256)}),
		frameSample("64 KiB", ws.Frame{Fin: true, Opcode: ws.OpBinary, Payload: pad(65536)}),
		frameSample("125 bytes, masked", ws.Frame{Fin: true, Opcode: ws.OpText, Payload: pad(125), Masked: true, Key: rfcKey}),
		frameSample("126 bytes, masked", ws.Frame{Fin: true, Opcode: ws.OpText, Payload: pad(126), Masked: true, Key: rfcKey}),
		frameSample("an empty text", text("")),
		frameSample("a close, masked", ws.Frame{Fin: true, Opcode: ws.OpClose, Payload: []byte("\x03\xe8done"), Masked: true, Key: rfcKey}),
		frameSample("a close without a body", ws.Frame{Fin: true, Opcode: ws.OpClose}),
		frameSample("a close of one byte", ws.Frame{Fin: true, Opcode: ws.OpClose, Payload: []byte{3}}),
		frameSample("a reserved opcode and bits", ws.Frame{RSV: 3, Opcode: 5, Payload: []byte{0xff}}),
		{"compressed", packed, []byte(packedBytes)},
		frameSample("a packet of Socket.IO", maskedText(`42["message","hi"]`)),
		frameSample("a text that is no packet", text("4 apples")),
		{"its bytes are not known", noBytes, nil},
		{"a length in more bytes than it needs", long, nil},
		{"cut by the end", cut, []byte(cutBytes[:4])},
		{"cut in the header", cut, []byte("\x81")},
	}
}

const (
	openRequest = "GET /socket.io/?EIO=4&transport=websocket&sid=abc HTTP/1.1\r\nHost: localhost:3000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version:13\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other\r\n\r\n"
	openResponse = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
		"Sec-WebSocket-Protocol: chat\r\n\r\n\x81\x02hi"
	bentRequest = "GET\r\nno colon here\r\nX : space\r\n folded\r\nX-Long: one\r\n\ttwo\r\n: nameless\r\n\xff\xfe: \x00\x1b[31m\nHost: a"
)

func headSamples() []sample {
	return []sample{
		{"a request", headEvent(trace.Out, openRequest), nil},
		{"a response, and what stands behind it", headEvent(trace.In, openResponse), nil},
		{"a bent request", headEvent(trace.In, bentRequest), nil},
		{"a refusal", headEvent(trace.In, "HTTP/1.1 403\r\nContent-Length: 0\r\n\r\n"), nil},
		{"only the first line", trace.HTTPHead{Line: "GET / HTTP/1.1"}, nil},
		{"nothing", trace.HTTPHead{}, nil},
		{"the bytes of the wire", headEvent(trace.In, request), []byte("GET /other HTTP/1.1\r\n\r\n")},
	}
}

func engine(kind, data string) trace.EIOPacket {
	return trace.EIOPacket{Transport: "websocket", Type: kind, Size: len(data), Payload: []byte(data)}
}

func engineSamples() []sample {
	polled := engine("message", "hi")
	polled.Transport = "polling"
	binary, base64 := engine("message", "\x01\x02\xff"), polled
	binary.Binary, base64.Binary = true, true
	return []sample{
		{"open", engine("open", `{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000,"other":1}`), nil},
		{"ping", engine("ping", ""), nil},
		{"a probe", engine("ping", "probe"), nil},
		{"upgrade", engine("upgrade", ""), nil},
		{"a message that is no packet", polled, nil},
		{"binary", binary, nil},
		{"binary in a body", base64, nil},
		{"an event", engine("message", `2["message","Hello from the client!"]`), nil},
		{"an event with everything", engine("message", `52-/chat,17["up",{"_placeholder":true,"num":0},{"name":"a, \"b\"","n":[1,2]},[true,null], -1.5e3]`), nil},
		{"an acknowledgement", engine("message", `317["ok"]`), nil},
		{"joining", engine("message", `0/chat,{"token":"abc"}`), nil},
		{"joining the main namespace", engine("message", "0"), nil},
		{"refused", engine("message", `4{"message":"Authentication error","data":{"code":7}}`), nil},
		{"leaving", engine("message", "1/chat,"), nil},
		{"unknown", engine("hello", "x"), nil},
	}
}

func packetSamples() []sample {
	event := trace.SIOPacket{Namespace: "/", Type: "EVENT", EventName: "message", Payload: []byte(`["message","hi"]`)}
	full := trace.SIOPacket{Namespace: "/admin", Type: "EVENT", AckID: "7", Attachments: 1, Payload: []byte(`["up",{"_placeholder":true,"num":0}]`)}
	return []sample{
		{"an event", event, nil},
		{"an event with everything", full, nil},
		{"an acknowledgement with an attachment", trace.SIOPacket{Namespace: "/", Type: "ACK", AckID: "7", Attachments: 1, Payload: []byte(`[{"_placeholder":true,"num":0}]`)}, nil},
		{"joined", trace.SIOPacket{Namespace: "/", Type: "CONNECT", Payload: []byte(`{"sid":"abc"}`)}, nil},
		{"not JSON", trace.SIOPacket{Namespace: "/", Type: "EVENT", Payload: []byte(`["`)}, nil},
		{"unknown", trace.SIOPacket{Type: "HELLO", Payload: []byte(`1`)}, nil},
	}
}

func otherSamples() []sample {
	bytesOf := func(s string) trace.Bytes { return wire(trace.In, s) }
	return []sample{
		{"a message", trace.WSMessage{Type: "text", Size: 5, Wire: 5, Frames: 1, Payload: []byte("grüß\u202e")}, nil},
		{"a message that is a packet", trace.WSMessage{Type: "text", Size: 13, Frames: 1, Payload: []byte(`0{"sid":"ab"}`)}, nil},
		{"a compressed message", trace.WSMessage{Type: "binary", Size: 3, Wire: 2, Frames: 2, Compressed: true, Payload: []byte{1, 2, 3}}, nil},
		{"a ping", trace.WSPing{Payload: []byte("1")}, nil},
		{"an empty pong", trace.WSPing{Pong: true}, nil},
		{"a close", trace.WSClose{Code: 1001, Reason: "restart"}, nil},
		{"a close without a code", trace.WSClose{Code: 1005}, nil},
		{"a TLS record", trace.TLSRecord{Type: "application_data", Version: "TLS 1.2", Size: 300}, nil},
		{"a stream of lines", trace.Data{Size: 12, Payload: []byte("one\ntwo\r\nend")}, nil},
		{"a stream of bytes", trace.Data{Size: 3, Payload: []byte("\x00\x01\xff")}, nil},
		{"a datagram", trace.Datagram{Size: 9, Truncated: true, Payload: []byte("a\nb")}, nil},
		{"bytes of HTTP", bytesOf(request), nil},
		{"bytes of TLS", bytesOf("\x14\x03\x03\x00\x01\x01\x15\x03\x03\x00\x02\x02\x28\x17\x03\x03\x00\x05ab"), nil},
		{"bytes of anything", bytesOf("hello"), nil},
		{"a record without bytes", trace.Note{Text: "hello"}, nil},
	}
}

func TestOutlines(t *testing.T) {
	for name, samples := range map[string][]sample{
		"frames": frameSamples(), "heads": headSamples(), "engine": engineSamples(), "packets": packetSamples(), "others": otherSamples(),
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			for _, s := range samples {
				d := dissect.Event(s.e, s.wire)
				sound(t, d)
				fmt.Fprintf(&out, "%s: %s\n", s.name, outline(d))
			}
			golden(t, name, out.String())
		})
	}
}

// TestEveryEvent: none panics without its fields, and each field that has a
// clause of a specification says where it is.
func TestEveryEvent(t *testing.T) {
	for _, e := range append(trace.AllEvents(), trace.Unknown{}) {
		sound(t, dissect.Event(e, nil))
		sound(t, dissect.Event(e, []byte{0}))
	}
}
