package tap

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// talk2 is a connection of HTTP/2 that a follower reads.
type talk2 struct {
	t       *testing.T
	f       *Follower
	frames  [2]*http2.Framer
	bytes   [2]bytes.Buffer
	heads   [2]bytes.Buffer
	enc     [2]*hpack.Encoder
	records trace.Recorder
	streams []string
}

func newTalk2(t *testing.T) *talk2 {
	k := &talk2{t: t}
	io := NewCaptured(trace.New(&k.records, trace.Frame))
	k.f = io.Follow(Following{
		ID: 1, Kept: 1000, Now: time.Now,
		OnStream: func(stream uint32) trace.ID { return trace.ID(100 + stream) },
		OnStreamEnd: func(id trace.ID, e trace.Close, ended bool) {
			k.streams = append(k.streams, fmt.Sprintf("%d %d %d %v %v", id, e.Out, e.In, e.Reset, ended))
		},
	})
	for role := range k.frames {
		k.frames[role] = http2.NewFramer(&k.bytes[role], nil)
		k.enc[role] = hpack.NewEncoder(&k.heads[role])
	}
	k.bytes[ws.ClientRole].WriteString(http2.ClientPreface)
	k.send(ws.ClientRole, k.frames[ws.ClientRole].WriteSettings())
	k.send(ws.ServerRole, k.frames[ws.ServerRole].WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1}))
	return k
}

func (k *talk2) send(from ws.Role, err error) {
	if err != nil {
		k.t.Fatal(err)
	}
	k.f.Feed(from, bytes.Clone(k.bytes[from].Bytes()))
	k.bytes[from].Reset()
}

func (k *talk2) head(from ws.Role, stream uint32, end bool, fields ...string) {
	k.heads[from].Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = k.enc[from].WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	k.send(from, k.frames[from].WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: k.heads[from].Bytes(), EndHeaders: true, EndStream: end}))
}

func (k *talk2) data(from ws.Role, stream uint32, end bool, text string) {
	k.send(from, k.frames[from].WriteData(stream, end, []byte(text)))
}

const engine2 = "/socket.io/?EIO=4&transport="

// ask sends the request for a poll, a post, or a WebSocket.
func (k *talk2) ask(stream uint32, method, target string, end bool) {
	fields := []string{":method", method, ":scheme", "https", ":path", target, ":authority", "a.example"}
	if method == "CONNECT" {
		fields = append(fields, ":protocol", "websocket", "sec-websocket-version", "13")
	}
	k.head(ws.ClientRole, stream, end, fields...)
}

func (k *talk2) answer(stream uint32, status, body string) {
	k.head(ws.ServerRole, stream, false, ":status", status)
	k.data(ws.ServerRole, stream, true, body)
}

func (k *talk2) reset(from ws.Role, stream uint32) {
	k.send(from, k.frames[from].WriteRSTStream(stream, http2.ErrCodeCancel))
}

// lines are the packets, findings and notes, by their connections.
func (k *talk2) lines() (list []string) {
	for _, r := range k.records.Records() {
		switch e := r.Event.(type) {
		case trace.EIOPacket:
			list = append(list, fmt.Sprintf("%d %s %s %s %s", r.Conn, e.Dir, e.Transport, e.Type, e.Session))
		case trace.SIOPacket:
			list = append(list, fmt.Sprintf("%d %s %s %s", r.Conn, e.Dir, e.Type, e.Payload))
		case trace.Finding:
			list = append(list, fmt.Sprintf("%d finding %s", r.Conn, e.Rule))
		case trace.Upgrade, trace.UpgradeFailed:
			list = append(list, fmt.Sprintf("%d %s", r.Conn, e.Name()))
		case trace.Note:
			if !strings.Contains(e.Text, "SETTINGS") {
				list = append(list, fmt.Sprintf("%d %s", r.Conn, e.Text))
			}
		}
	}
	return list
}

// Sessions of Socket.IO over HTTP/2 are decoded as over HTTP/1.1, and what is cut
// off is no fault.
func TestEngineOverHTTP2(t *testing.T) {
	const open = `0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100}`
	begin := func(k *talk2) {
		k.ask(1, "GET", engine2+"polling", true)
		k.answer(1, "200", open)
	}
	opened := "1 in polling open abc"
	text := func(masked bool, s string) string {
		f := ws.Frame{Fin: true, Opcode: ws.OpText, Masked: masked, Payload: []byte(s)}
		return string(f.AppendTo(nil))
	}
	for name, test := range map[string]struct {
		play    func(k *talk2)
		want    []string
		streams []string
	}{
		"polls": {func(k *talk2) {
			begin(k)
			k.ask(3, "POST", engine2+"polling&sid=abc", false)
			k.data(ws.ClientRole, 3, false, "4")
			k.data(ws.ClientRole, 3, true, "0")
			k.ask(5, "GET", engine2+"polling&sid=abc", true)
			k.answer(3, "200", "ok")
			k.answer(5, "200", `42["a",1]`)
		}, []string{opened, "1 out polling message abc", "1 out CONNECT ", "1 in polling message abc", `1 in EVENT ["a",1]`}, nil},
		"two polls at once": {func(k *talk2) {
			begin(k)
			k.ask(3, "GET", engine2+"polling&sid=abc", true)
			k.ask(5, "GET", engine2+"polling&sid=abc", true)
		}, []string{opened, "1 finding eio-two-polls"}, nil},
		"a poll that is given up": {func(k *talk2) {
			begin(k)
			k.ask(3, "GET", engine2+"polling&sid=abc", true)
			k.reset(ws.ClientRole, 3)
			k.ask(5, "GET", engine2+"polling&sid=abc", true)
			k.answer(5, "400", `{"code":1,"message":"Session ID unknown"}`)
		}, []string{opened, "1 finding eio-code-1"}, nil},
		"an answer before the whole request": {func(k *talk2) {
			begin(k)
			k.ask(3, "POST", engine2+"polling&sid=abc", false)
			k.answer(3, "413", "")
		}, []string{opened, "1 finding eio-payload", "1 finding eio-max-payload"}, nil},
		"more than is kept": {func(k *talk2) {
			begin(k)
			k.ask(3, "POST", engine2+"polling&sid=abc", false)
			for range 2 {
				k.data(ws.ClientRole, 3, false, strings.Repeat("x", 600))
			}
			k.data(ws.ClientRole, 3, true, "x")
			k.answer(3, "200", "ok")
		}, []string{opened, "1 the client sends more than 1000 bytes on stream 3: its packets are not decoded"}, nil},
		"a WebSocket": {func(k *talk2) {
			begin(k)
			k.ask(3, "CONNECT", engine2+"websocket&sid=abc", false)
			k.head(ws.ServerRole, 3, false, ":status", "200")
			k.data(ws.ClientRole, 3, false, text(true, "2probe"))
			k.data(ws.ServerRole, 3, false, text(false, "3probe"))
			k.data(ws.ClientRole, 3, false, text(true, "5"))
			k.data(ws.ServerRole, 3, true, text(false, `42["b"]`))
			k.data(ws.ClientRole, 3, true, "")
		}, []string{
			opened, "103 upgrade", "103 out websocket ping abc", "103 in websocket pong abc", "103 out websocket upgrade abc", "103 in websocket message abc", `103 in EVENT ["b"]`,
			"103 finding close-missing", "103 finding close-missing",
		}, []string{"103 19 17 false true"}},
		"a WebSocket that is refused": {func(k *talk2) {
			k.ask(1, "CONNECT", engine2+"websocket&sid=abc", false)
			k.answer(1, "400", `{"code":1,"message":"Session ID unknown"}`)
			k.data(ws.ClientRole, 1, true, "")
		}, []string{"101 upgrade_failed", "101 finding eio-code-1"}, []string{"101 0 41 false true"}},
		"a WebSocket that is refused for another reason": {func(k *talk2) {
			k.ask(1, "CONNECT", "/chat", false)
			k.answer(1, "404", "")
			k.reset(ws.ClientRole, 1)
		}, []string{"101 upgrade_failed", "101 likely cause: "}, []string{"101 0 0 true true"}},
		"the end of the capture": {func(k *talk2) {
			k.ask(1, "CONNECT", "/chat", false)
			k.head(ws.ServerRole, 1, false, ":status", "200")
			k.f.End(ws.ServerRole, true)
			k.f.End(ws.ClientRole, false)
		}, []string{"101 upgrade"}, []string{"101 0 0 false false"}},
		"the end of the connection": {func(k *talk2) {
			k.ask(1, "CONNECT", "/chat", false)
			k.head(ws.ServerRole, 1, false, ":status", "200")
			k.f.End(ws.ServerRole, true)
			k.f.End(ws.ClientRole, true)
		}, []string{"101 upgrade"}, []string{"101 0 0 true true"}},
		"a gap": {func(k *talk2) {
			k.ask(1, "CONNECT", engine2+"websocket", false)
			k.head(ws.ServerRole, 1, false, ":status", "200")
			k.f.Gap(ws.ServerRole, 10)
			k.data(ws.ClientRole, 1, false, text(true, "x"))
			k.f.GiveUp("too much")
		}, []string{
			"101 upgrade", "1 what the server sends over HTTP/2 is not decoded from here on: bytes are missing",
			"101 bytes are missing in this session, so this is not sure: ", "1 what the client sends over HTTP/2 is not decoded from here on: too much",
		}, []string{"101 7 0 false false"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newTalk2(t)
			test.play(k)
			got := k.lines()
			same := slices.EqualFunc(got, test.want, func(a, b string) bool {
				return a == b || strings.HasPrefix(a, b) && (strings.HasSuffix(b, ": ") || strings.HasSuffix(b, " "))
			})
			if !same {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if !slices.Equal(k.streams, test.streams) {
				t.Errorf("streams %q, want %q", k.streams, test.streams)
			}
			if k.f.over2.bodies != 0 && name != "two polls at once" {
				t.Errorf("%d bytes of bodies are kept", k.f.over2.bodies)
			}
		})
	}
}

// FuzzOver2 sends frames of HTTP/2 in any order, for the engine and for others:
// nothing panics, nothing is kept behind the end, and each stream ends once.
func FuzzOver2(f *testing.F) {
	f.Add([]byte{0, 1, 4, 1, 3, 1, 0, 3, 4, 3, 6, 3})
	f.Add([]byte{2, 1, 4, 1, 7, 1, 8, 1, 6, 1, 5, 1})
	f.Fuzz(func(t *testing.T, steps []byte) {
		k := newTalk2(t)
		for i := 0; i+1 < len(steps) && i < 400; i += 2 {
			stream := uint32(steps[i+1]) | 1
			k.step(steps[i], stream)
		}
		k.f.End(ws.ServerRole, true)
		k.f.End(ws.ClientRole, true)
		if k.f.over2.bodies != 0 || len(k.f.over2.streams) != 0 {
			t.Errorf("%d bytes and %d streams are kept", k.f.over2.bodies, len(k.f.over2.streams))
		}
		opened := 0
		for _, e := range trace.Events[trace.HTTPHead](k.records.Records()) {
			if strings.HasPrefix(e.Line, "CONNECT ") {
				opened++
			}
		}
		if len(k.streams) > opened {
			t.Errorf("%d ends of %d streams", len(k.streams), opened)
		}
	})
}

// step is one frame.
func (k *talk2) step(what byte, stream uint32) {
	frame := ws.Frame{Fin: true, Opcode: ws.OpText, Masked: what&0x40 != 0, Payload: []byte("42[1]")}
	switch what & 0x0f {
	case 0:
		k.ask(stream, "GET", engine2+"polling", true)
	case 1:
		k.ask(stream, "POST", engine2+"polling&sid=abc", what&0x80 != 0)
	case 2:
		k.ask(stream, "CONNECT", engine2+"websocket&sid=abc", false)
	case 3:
		k.ask(stream, "CONNECT", "/chat", what&0x80 != 0)
	case 4:
		k.head(ws.ServerRole, stream, what&0x80 != 0, ":status", "200")
	case 5:
		k.answer(stream, "400", `{"code":1,"message":"Session ID unknown"}`)
	case 6:
		k.data(ws.ClientRole, stream, what&0x80 != 0, string(frame.AppendTo(nil)))
	case 7:
		k.data(ws.ServerRole, stream, what&0x80 != 0, string(frame.AppendTo(nil)))
	case 8:
		k.reset(ws.Role(what>>7), stream)
	case 9:
		k.head(ws.ClientRole, stream, true, "trailer", "1")
	case 10:
		k.f.Gap(ws.Role(what>>7), 5)
	case 11:
		k.data(ws.ClientRole, stream, true, strings.Repeat("x", 1500))
	case 12:
		k.f.GiveUp("enough")
	}
}
