package ws

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws/internal/h2"
)

// HTTP2Observer follows a connection of HTTP/2 (RFC 9113) whose bytes somebody
// else has seen, from the client's preface on: frames, heads, and the WebSockets
// that stand on its streams (RFC 8441). It answers nothing. Frames are recorded as
// the connection's, and name their stream; all else of a stream is recorded as
// OnRequest says. It is for one goroutine.
type HTTP2Observer struct {
	// OnRequest is called with the head of each request, and returns who follows
	// its stream; nil where nobody does. It may be nil itself.
	OnRequest func(stream uint32, head *handshake.Head) *HTTP2Stream
	Now       func() time.Time // of what is fed; nil is time.Now

	tracer  *trace.Tracer
	id      trace.ID
	limits  Limits
	sides   [2]http2Side // by role
	streams map[uint32]*observedStream
	full    bool // it was said that there are too many of them
	info    HTTP2Info
}

// HTTP2Stream follows one stream. Its functions may be nil.
type HTTP2Stream struct {
	// Tracer takes the records of the stream, by the number of ID; nil is the
	// connection's tracer, and 0 its number.
	Tracer *trace.Tracer
	ID     trace.ID

	Head func(head *handshake.Head)             // the response, but for interim ones
	Open func(x *handshake.Exchange, err error) // what came of the request for a WebSocket, as over HTTP/1.1
	Data func(from Role, b []byte)              // what passes, where no frames of a WebSocket do
	End  func(from Role, size int64)            // one end has ended its half, behind so many bytes
	Gone func(reset bool, out, in int64)        // nothing more passes
}

// http2Side is what one end sends.
type http2Side struct {
	begun   bool // the preface is over
	lost    bool // where frames begin
	deaf    bool // heads cannot be decompressed any more
	buf     []byte
	input   bytes.Reader // one frame, for framer
	largest int          // the largest frame, which framer keeps room for
	framer  *http2.Framer
	dec     *hpack.Decoder
	table   int // what dec may hold at most
	decoded int // bytes of the heads so far
	block   []byte
	stream  uint32 // whose the block is
	ends    bool   // with END_STREAM
}

// What is kept of a connection that is observed.
const (
	mostObservedFrame = 1 << 20   // bytes of a frame; peers that say nothing else send 16 KiB
	mostObservedHead  = 256 << 10 // bytes of a head, compressed and not
	mostObserved      = 1000      // streams that are followed
	mostTable         = 1 << 20   // bytes of the table of header compression
	firstTable        = 4096      // RFC 9113 section 6.5.2
	mostSettings      = 100       // that are told of
)

// NewHTTP2Observer returns an observer of a connection that begins.
func NewHTTP2Observer(t *trace.Tracer, id trace.ID, limits Limits) *HTTP2Observer {
	o := &HTTP2Observer{tracer: t, id: id, limits: limits, streams: map[uint32]*observedStream{}}
	for role := range o.sides {
		s := &o.sides[role]
		s.framer = http2.NewFramer(nil, &s.input)
		s.framer.SetMaxReadFrameSize(mostObservedFrame)
		s.table = firstTable
		s.dec = hpack.NewDecoder(firstTable, nil)
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
	rest := b
	if len(s.buf) > 0 {
		s.buf = append(s.buf, b...)
		rest = s.buf
	}
	if from == ClientRole && !s.begun {
		if len(rest) < len(http2.ClientPreface) {
			s.buf = append(s.buf[:0], rest...)
			return
		}
		if string(rest[:len(http2.ClientPreface)]) != http2.ClientPreface {
			o.lose(from, "it does not begin with the preface of HTTP/2 (RFC 9113 section 3.4)")
			return
		}
		rest = rest[len(http2.ClientPreface):]
	}
	s.begun = true
	for len(rest) >= 9 && !s.lost {
		size := 9 + (int(rest[0])<<16 | int(rest[1])<<8 | int(rest[2]))
		if size > 9+mostObservedFrame {
			o.lose(from, fmt.Sprintf("a frame of %d bytes, and %d are the most that is read", size-9, mostObservedFrame))
			return
		}
		if len(rest) < size {
			break
		}
		o.frame(from, rest[:size])
		rest = rest[size:]
	}
	switch {
	case s.lost:
	case len(rest) == 0: // most connections are silent most of the time
		s.buf = nil
	default:
		s.buf = append(s.buf[:0], rest...)
	}
}

// frame takes one that is whole.
func (o *HTTP2Observer) frame(from Role, b []byte) {
	s := &o.sides[from]
	s.input.Reset(b)
	s.largest = max(s.largest, len(b))
	f, err := s.framer.ReadFrame()
	s.input.Reset(nil)
	if err != nil {
		if errors.As(err, new(http2.StreamError)) {
			o.note("a frame of the " + from.String() + " is wrong: " + err.Error())
			return
		}
		o.lose(from, wrongFrameText(s.framer, err))
		return
	}
	if o.tracer.On(trace.Frame) {
		o.tracer.Emit(o.id, h2.FrameEvent(direction(from), f))
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		o.settings(from, f)
	case *http2.HeadersFrame:
		s.stream, s.ends = f.StreamID, f.StreamEnded()
		o.block(from, f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.PushPromiseFrame:
		s.stream = 0 // its request is the server's own idea
		o.block(from, f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.ContinuationFrame:
		o.block(from, f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.DataFrame:
		o.data(from, f)
	case *http2.RSTStreamFrame:
		o.drop(f.StreamID, true)
	}
}

// wrongFrameText says what is wrong with a frame that ends its connection.
func wrongFrameText(f *http2.Framer, err error) string {
	if detail := f.ErrorDetail(); detail != nil {
		return detail.Error()
	}
	return err.Error()
}

// settings takes what bounds the header compression of the other end, and what a
// server says of itself.
func (o *HTTP2Observer) settings(from Role, f *http2.SettingsFrame) {
	if size, ok := f.Value(http2.SettingHeaderTableSize); ok {
		o.tableSize(from.Peer(), size)
	}
	if from == ClientRole || f.IsAck() {
		return
	}
	if v, ok := f.Value(http2.SettingEnableConnectProtocol); ok {
		o.info.Connect = v == 1
	}
	if !o.info.Spoken {
		o.info.Spoken = true
		for i := range min(f.NumSettings(), mostSettings) {
			set := f.Setting(i)
			o.info.Settings = append(o.info.Settings, HTTP2Setting{set.ID.String(), set.Val})
		}
		o.note("the server's HTTP/2 SETTINGS: " + o.info.settingsText())
	}
}

// tableSize bounds what the heads of one end are compressed by.
func (o *HTTP2Observer) tableSize(of Role, size uint32) {
	if s := &o.sides[of]; s.dec != nil {
		s.table = max(s.table, int(min(size, mostTable)))
		s.dec.SetAllowedMaxDynamicTableSize(min(size, mostTable))
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
	head, err := h2.ReadHead(s.dec, s.block, mostObservedHead)
	s.block = s.block[:0]
	if err != nil {
		o.deafen(from, err.Error())
		return
	}
	s.decoded += min(head.Size, mostTable)
	if head.Large {
		o.note(fmt.Sprintf("a head of the %s has %d bytes behind its compression; %d are shown", from, head.Size, mostObservedHead))
	}
	o.head(from, s.stream, &head, s.ends)
}

// Gap says that bytes of one end are not known: frames and the table of the
// heads are lost with them.
func (o *HTTP2Observer) Gap(from Role) { o.lose(from, "bytes are missing") }

// GiveUp has nothing more decoded, for the reason that is told.
func (o *HTTP2Observer) GiveUp(why string) {
	o.lose(ClientRole, why)
	o.lose(ServerRole, why)
	o.Close(false)
}

// Close says that nothing more passes on the connection. Reset says that what
// its streams carry was cut off.
func (o *HTTP2Observer) Close(reset bool) {
	for _, id := range o.open() {
		o.drop(id, reset)
	}
}

// lose gives up what one end sends.
func (o *HTTP2Observer) lose(from Role, why string) {
	s := &o.sides[from]
	if s.lost {
		return
	}
	*s = http2Side{lost: true, deaf: true}
	o.note("what the " + from.String() + " sends over HTTP/2 is not decoded from here on: " + why)
}

// deafen gives up the heads of one end, whose table is not known any more.
func (o *HTTP2Observer) deafen(from Role, why string) {
	s := &o.sides[from]
	s.deaf, s.block, s.dec, s.table, s.decoded = true, nil, nil, 0, 0
	o.note("the heads of the " + from.String() + " are not decoded from here on: " + why)
}

func (o *HTTP2Observer) note(text string) { o.tracer.Emit(o.id, trace.Note{Text: text}) }

// Held is how many bytes are kept.
func (o *HTTP2Observer) Held() (n int) {
	for role := range o.sides {
		s := &o.sides[role]
		n += cap(s.buf) + cap(s.block) + s.largest + min(s.table, s.decoded)
	}
	for _, t := range o.streams {
		n += t.held()
	}
	return n
}
