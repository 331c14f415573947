package ws

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws/internal/h2"
)

// observedStream is a stream that is followed: a WebSocket, the request for one,
// or what OnRequest wants to hear of.
type observedStream struct {
	HTTP2Stream
	sent   *handshake.Head // the request, as it was; nil where it asks for no WebSocket
	same   *handshake.Head // as it would be over HTTP/1.1; nil once it is answered
	frames *Observer       // of a WebSocket that is open
	ended  [2]bool
	size   [2]int64
	asking int // bytes of the request
	began  time.Time
}

func (t *observedStream) held() int {
	if t.frames != nil {
		return t.frames.Held()
	}
	return 3 * t.asking // as bytes, and taken apart
}

func (o *HTTP2Observer) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

func (o *HTTP2Observer) reporter(t *observedStream) reporter {
	if t == nil {
		return reporter{o.tracer, o.id}
	}
	return reporter{t.Tracer, t.ID}
}

// head takes a head that is whole: of a request, of its answer, or trailers.
func (o *HTTP2Observer) head(from Role, id uint32, head *h2.Head, ends bool) {
	t := o.streams[id]
	status, isResponse := h2.Get(head.Fields, ":status")
	trailers := !slices.ContainsFunc(head.Fields, func(f h2.Field) bool { return strings.HasPrefix(f.Name, ":") })
	if from == ClientRole && id != 0 && t == nil && !trailers {
		t = o.request(id, head)
	}
	if !trailers {
		o.reporter(t).http2Head(direction(from), head.Fields)
	}
	if t != nil && from == ServerRole && isResponse && !strings.HasPrefix(status, "1") {
		o.response(id, t, head, ends)
	}
	if ends {
		o.ended(from, id)
	}
}

// Upgraded begins with the request that went over to HTTP/2 (RFC 7540 section
// 3.2), which is that of stream 1. What HTTP2-Settings says counts at once.
func (o *HTTP2Observer) Upgraded(request *handshake.Head) {
	settings, _ := base64.RawURLEncoding.DecodeString(request.Get("HTTP2-Settings"))
	for ; len(settings) >= 6; settings = settings[6:] {
		if http2.SettingID(binary.BigEndian.Uint16(settings)) == http2.SettingHeaderTableSize {
			o.tableSize(ServerRole, binary.BigEndian.Uint32(settings[2:]))
		}
	}
	if o.OnRequest == nil {
		return
	}
	if s := o.OnRequest(1, request); s != nil {
		o.follow(1, s)
		o.ended(ClientRole, 1)
	}
}

// request begins to follow a stream, where somebody wants to. The order of a
// capture may put it behind its answer.
func (o *HTTP2Observer) request(id uint32, head *h2.Head) *observedStream {
	if wrong := head.WrongRequest(); wrong != "" {
		o.note(fmt.Sprintf("the request on stream %d is none that HTTP/2 has (RFC 9113 section 8.3.1): %s", id, wrong))
	}
	protocol, _ := h2.Get(head.Fields, ":protocol")
	opens := methodOf(head.Fields) == "CONNECT" && protocol == "websocket"
	if !opens && o.OnRequest == nil {
		return nil
	}
	if len(o.streams) >= mostObserved {
		if !o.full {
			o.full = true
			o.note(fmt.Sprintf("more than %d streams at once: those beyond are not followed", mostObserved))
		}
		return nil
	}
	shown := headOfHTTP2(head.Fields)
	var s *HTTP2Stream
	if o.OnRequest != nil {
		s = o.OnRequest(id, shown)
	}
	if s == nil && !opens {
		return nil
	}
	t := o.follow(id, cmp.Or(s, &HTTP2Stream{}))
	if opens {
		t.sent, t.same, t.asking = shown, requestOfHTTP1(head.Fields), head.Size
	}
	return t
}

func (o *HTTP2Observer) follow(id uint32, s *HTTP2Stream) *observedStream {
	t := &observedStream{HTTP2Stream: *s, began: o.now()}
	t.Tracer, t.ID = cmp.Or(t.Tracer, o.tracer), cmp.Or(t.ID, o.id)
	o.streams[id] = t
	return t
}

// response takes the answer to a request.
func (o *HTTP2Observer) response(id uint32, t *observedStream, head *h2.Head, ends bool) {
	shown := headOfHTTP2(head.Fields)
	if t.same != nil {
		x := &handshake.Exchange{Request: t.same, Response: responseOfHTTP1(head.Fields, exampleKey)}
		over := &handshake.Exchange{Request: t.sent, Response: shown}
		t.same, t.sent, t.asking = nil, nil, 0
		info := o.info
		info.Equivalent, info.malformed, info.ended = x, head.WrongResponse(), ends
		o.answered(id, t, over, &info)
	}
	if t.Head != nil {
		t.Head(shown)
	}
}

// answered takes a response to the request for a WebSocket.
func (o *HTTP2Observer) answered(id uint32, t *observedStream, x *handshake.Exchange, info *HTTP2Info) {
	r, same := o.reporter(t), info.Equivalent
	broken := o.findings(r, x, info)
	agreed, err := handshake.CheckResponse(same)
	if broken != nil && err == nil {
		err = errors.New(broken.Rule.Summary)
	}
	if t.Open != nil {
		t.Open(same, err)
	}
	if err != nil {
		failed := trace.UpgradeFailed{Side: trace.Client, Error: trimLine(err.Error())}
		if same.Response.Status != 101 {
			failed.Status = same.Response.Status
		}
		r.emit(failed)
		return
	}
	if t.ID == o.id {
		o.note(fmt.Sprintf("stream %d is a WebSocket from here on", id))
	}
	r.emit(trace.Upgrade{
		Side: trace.Client, Target: string(same.Request.Target), Subprotocol: agreed.Subprotocol,
		Extensions: same.Response.Get("Sec-WebSocket-Extensions"), Duration: max(o.now().Sub(t.began), 0),
	})
	t.frames = NewObserver(t.Tracer, t.ID, agreed, o.limits)
}

// findings reports every MUST that was broken, of HTTP/2 and of those that are the
// same over HTTP/1.1. It returns the first for which a client gives up.
func (o *HTTP2Observer) findings(r reporter, x *handshake.Exchange, info *HTTP2Info) (first *handshake.Finding) {
	for _, v := range JudgeHTTP2(x, info) {
		if v.Finding != nil && v.Rule.Level == handshake.Must {
			r.emit(FindingEvent(v.Finding))
			if first == nil && v.Rule.Fails {
				first = v.Finding
			}
		}
	}
	if info.Equivalent.Response.Status != 101 {
		return first
	}
	for _, f := range handshake.Check(info.Equivalent) {
		if f.Level == handshake.Must && !strings.HasPrefix(f.Rule.ID, "request-key") { // the key is ours
			r.emit(FindingEvent(&f))
		}
	}
	return first
}

// data takes what passes on a stream.
func (o *HTTP2Observer) data(from Role, f *http2.DataFrame) {
	t := o.streams[f.StreamID]
	if t == nil {
		return
	}
	b := f.Data()
	t.size[from] += int64(len(b))
	switch {
	case len(b) == 0:
	case t.frames != nil:
		t.frames.Feed(from, b)
	case t.Data != nil:
		t.Data(from, b)
	}
	if f.StreamEnded() {
		o.ended(from, f.StreamID)
	}
}

// ended is END_STREAM of one end.
func (o *HTTP2Observer) ended(from Role, id uint32) {
	t := o.streams[id]
	if t == nil || t.ended[from] {
		return
	}
	t.ended[from] = true
	if t.frames != nil {
		t.frames.End(from)
	}
	if t.End != nil {
		t.End(from, t.size[from])
	}
	if t.ended[from.Peer()] {
		o.drop(id, false)
	}
}

// drop forgets a stream on which nothing more passes.
func (o *HTTP2Observer) drop(id uint32, reset bool) {
	t := o.streams[id]
	if t == nil {
		return
	}
	delete(o.streams, id)
	if t.Gone != nil {
		t.Gone(reset, t.size[ClientRole], t.size[ServerRole])
	}
}

// open are the streams that are followed, in their order.
func (o *HTTP2Observer) open() []uint32 { return slices.Sorted(maps.Keys(o.streams)) }
