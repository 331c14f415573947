package ws

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws/internal/h2"
)

// HTTP2Observer follows a connection of HTTP/2 (RFC 9113) whose bytes somebody
// else has seen, from the client's preface on: frames, heads, and the WebSockets
// that stand on its streams (RFC 8441). It answers nothing. All records are those
// of the connection; frames name their stream. It is for one goroutine.
type HTTP2Observer struct {
	tracer  *trace.Tracer
	id      trace.ID
	limits  Limits
	sides   [2]http2Side // by role
	tunnels map[uint32]*http2Tunnel
}

// http2Side is what one end sends.
type http2Side struct {
	begun  bool // the preface is over
	lost   bool // where frames begin
	deaf   bool // heads cannot be decompressed any more
	buf    []byte
	input  bytes.Buffer // one frame, for framer
	framer *http2.Framer
	dec    *hpack.Decoder
	block  []byte // of a head that is not complete
	stream uint32 // whose it is
}

// http2Tunnel is a WebSocket on a stream, or the request for one.
type http2Tunnel struct {
	request *handshake.Head // as it would be over HTTP/1.1; nil once it is answered
	frames  *Observer       // nil before
	ended   [2]bool
}

// What is kept of a connection that is observed.
const (
	mostObservedFrame = 1 << 20   // bytes of a frame; peers that say nothing else send 16 KiB
	mostObservedHead  = 256 << 10 // bytes of a head, compressed and not
	mostTunnels       = 1000
	mostTable         = 1 << 20 // bytes of the table of header compression
)

// NewHTTP2Observer returns an observer of a connection that begins.
func NewHTTP2Observer(t *trace.Tracer, id trace.ID, limits Limits) *HTTP2Observer {
	o := &HTTP2Observer{tracer: t, id: id, limits: limits, tunnels: map[uint32]*http2Tunnel{}}
	for role := range o.sides {
		s := &o.sides[role]
		s.framer = http2.NewFramer(nil, &s.input)
		s.framer.SetMaxReadFrameSize(mostObservedFrame)
		s.dec = hpack.NewDecoder(4096, nil)
		s.dec.SetMaxStringLength(mostObservedHead)
	}
	return o
}

// Feed takes bytes that one end sent, in one piece of any size.
func (o *HTTP2Observer) Feed(from Role, b []byte) {
	s := &o.sides[from]
	if s.lost {
		return
	}
	s.buf = append(s.buf, b...)
	rest := s.buf
	if from == ClientRole && !s.begun {
		if len(rest) < len(http2.ClientPreface) {
			return
		}
		rest = rest[len(http2.ClientPreface):]
	}
	s.begun = true
	for len(rest) >= 9 && !s.lost {
		size := 9 + (int(rest[0])<<16 | int(rest[1])<<8 | int(rest[2]))
		if size > 9+mostObservedFrame {
			o.lose(from, fmt.Sprintf("a frame of %d bytes", size-9))
			return
		}
		if len(rest) < size {
			break
		}
		o.frame(from, rest[:size])
		rest = rest[size:]
	}
	s.buf = append(s.buf[:0], rest...)
}

// frame takes one that is whole.
func (o *HTTP2Observer) frame(from Role, b []byte) {
	s := &o.sides[from]
	s.input.Reset()
	s.input.Write(b)
	f, err := s.framer.ReadFrame()
	if err != nil {
		if errors.As(err, new(http2.StreamError)) {
			o.note("a frame of the " + from.String() + " is wrong: " + err.Error())
			return
		}
		o.lose(from, err.Error())
		return
	}
	if o.tracer.On(trace.Frame) {
		o.tracer.Emit(o.id, h2.FrameEvent(direction(from), f))
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		o.settings(from, f)
	case *http2.HeadersFrame:
		s.stream = f.StreamID
		o.block(from, f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.PushPromiseFrame:
		s.stream = 0 // its request is the server's own idea
		o.block(from, f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.ContinuationFrame:
		o.block(from, f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.DataFrame:
		o.data(from, f)
	case *http2.RSTStreamFrame:
		delete(o.tunnels, f.StreamID)
	}
}

// settings takes what bounds the header compression of the other end.
func (o *HTTP2Observer) settings(from Role, f *http2.SettingsFrame) {
	if size, ok := f.Value(http2.SettingHeaderTableSize); ok {
		o.sides[from.Peer()].dec.SetAllowedMaxDynamicTableSize(min(size, mostTable))
	}
}

// block takes a piece of a head.
func (o *HTTP2Observer) block(from Role, b []byte, last bool) {
	s := &o.sides[from]
	switch {
	case s.deaf:
		return
	case len(s.block)+len(b) > mostObservedHead:
		o.deafen(from, fmt.Sprintf("one has more than %d bytes", mostObservedHead))
		return
	}
	s.block = append(s.block, b...)
	if !last {
		return
	}
	fields, err := s.fields()
	s.block = s.block[:0]
	if err != nil {
		o.deafen(from, err.Error())
		return
	}
	reporter{o.tracer, o.id}.http2Head(direction(from), fields)
	if s.stream != 0 {
		o.head(from, s.stream, fields)
	}
}

// fields are those of the block that is complete, as far as there is room.
func (s *http2Side) fields() (fields []h2.Field, err error) {
	left := mostObservedHead
	s.dec.SetEmitFunc(func(f hpack.HeaderField) {
		if left -= int(f.Size()); left >= 0 {
			fields = append(fields, h2.Field{Name: f.Name, Value: f.Value})
		}
	})
	if _, err = s.dec.Write(s.block); err == nil {
		err = s.dec.Close()
	}
	return fields, err
}

// head takes a head: WebSockets begin with two.
func (o *HTTP2Observer) head(from Role, stream uint32, fields []h2.Field) {
	if from == ClientRole {
		protocol, _ := h2.Get(fields, ":protocol")
		if methodOf(fields) == "CONNECT" && protocol == "websocket" && len(o.tunnels) < mostTunnels {
			o.tunnels[stream] = &http2Tunnel{request: requestOfHTTP1(fields)}
		}
		return
	}
	t := o.tunnels[stream]
	status, _ := h2.Get(fields, ":status")
	if t == nil || t.request == nil || strings.HasPrefix(status, "1") {
		return
	}
	x := &handshake.Exchange{Request: t.request, Response: responseOfHTTP1(fields, exampleKey)}
	t.request = nil
	o.answered(stream, t, x)
}

// answered takes a response to the request for a WebSocket.
func (o *HTTP2Observer) answered(stream uint32, t *http2Tunnel, x *handshake.Exchange) {
	agreed, err := handshake.CheckResponse(x)
	if err != nil {
		delete(o.tunnels, stream)
		var broken *handshake.Finding
		if errors.As(err, &broken) && broken.Level == handshake.Must && x.Response.Status == 101 {
			o.tracer.Emit(o.id, FindingEvent(broken))
		}
		failed := trace.UpgradeFailed{Side: trace.Client}
		if failed.Error = trimLine(err.Error()); x.Response.Status != 101 {
			failed.Status = x.Response.Status
		}
		o.tracer.Emit(o.id, failed)
		return
	}
	o.note(fmt.Sprintf("stream %d is a WebSocket from here on", stream))
	o.tracer.Emit(o.id, trace.Upgrade{
		Side: trace.Client, Target: string(x.Request.Target), Subprotocol: agreed.Subprotocol,
		Extensions: x.Response.Get("Sec-WebSocket-Extensions"),
	})
	t.frames = NewObserver(o.tracer, o.id, agreed, o.limits)
}

// data takes what passes on a stream.
func (o *HTTP2Observer) data(from Role, f *http2.DataFrame) {
	t := o.tunnels[f.StreamID]
	if t == nil || t.frames == nil {
		return
	}
	t.frames.Feed(from, f.Data())
	if f.StreamEnded() {
		t.frames.End(from)
		if t.ended[from] = true; t.ended[from.Peer()] {
			delete(o.tunnels, f.StreamID)
		}
	}
}

// Gap says that bytes of one end are not known: frames and the table of the
// heads are lost with them.
func (o *HTTP2Observer) Gap(from Role) { o.lose(from, "bytes are missing") }

// GiveUp has nothing more decoded, for the reason that is told.
func (o *HTTP2Observer) GiveUp(why string) {
	o.lose(ClientRole, why)
	o.lose(ServerRole, why)
	clear(o.tunnels)
}

// lose gives up what one end sends.
func (o *HTTP2Observer) lose(from Role, why string) {
	s := &o.sides[from]
	if s.lost {
		return
	}
	s.lost, s.buf, s.block = true, nil, nil
	o.note("what the " + from.String() + " sends over HTTP/2 is not decoded from here on: " + why)
}

// deafen gives up the heads of one end, whose table is not known any more.
func (o *HTTP2Observer) deafen(from Role, why string) {
	s := &o.sides[from]
	s.deaf, s.block = true, nil
	o.note("the heads of the " + from.String() + " are not decoded from here on: " + why)
}

func (o *HTTP2Observer) note(text string) { o.tracer.Emit(o.id, trace.Note{Text: text}) }

// Held is how many bytes are kept.
func (o *HTTP2Observer) Held() (n int) {
	for role := range o.sides {
		s := &o.sides[role]
		n += cap(s.buf) + cap(s.block) + s.input.Cap()
	}
	for _, t := range o.tunnels {
		if t.frames != nil {
			n += t.frames.Held()
		}
	}
	return n
}
