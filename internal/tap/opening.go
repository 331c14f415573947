package tap

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// opening follows the heads of an opening handshake that somebody else makes.
type opening struct {
	tracer *trace.Tracer
	id     trace.ID
	limits ws.Limits

	phase phase
	heads [2]headReader // by role
	x     handshake.Exchange
	begun time.Time
	early []byte // what the client sent behind its request, before the answer
	lost  bool   // there was more of that than is kept
	good  bool   // the handshake has succeeded
	told  bool   // it was said that what passes is not decoded
	extras
}

// phase is how far an opening handshake has come.
type phase uint8

const (
	awaitRequest phase = iota
	awaitResponse
	undecoded // something else is spoken
)

// mostEarly bounds what is kept of what a client sends before it has an answer.
const mostEarly = 1 << 20

// bodyShown is how much of a refusal's body is looked at for its cause.
const bodyShown = 4 << 10

// headReader collects a head from the pieces that it comes in.
type headReader struct {
	scan handshake.Scanner
	buf  []byte
}

// add takes bytes, and returns how many of those so far are a head.
func (h *headReader) add(b []byte) (int, error) {
	h.buf = append(h.buf, b...)
	return h.scan.Scan(h.buf, nil)
}

// take returns what stands behind the first n bytes, and begins anew.
func (h *headReader) take(n int, response bool) (rest []byte) {
	rest = h.buf[n:]
	*h = headReader{scan: handshake.Scanner{Response: response}}
	return rest
}

// feed takes what one end sent. It returns what goes on once frames pass.
func (o *opening) feed(from ws.Role, b []byte) *ws.Observer {
	switch {
	case o.phase == undecoded && from == ws.ClientRole && beginsRequest(b):
		o.again()
	case o.phase == undecoded:
		o.data(from, b)
		return nil
	}
	if from == ws.ServerRole {
		return o.response(b)
	}
	if o.phase == awaitResponse {
		o.behindRequest(b)
		return nil
	}
	return o.request(b)
}

// again begins another exchange on a connection that is kept.
func (o *opening) again() {
	o.phase, o.x, o.early, o.lost = awaitRequest, handshake.Exchange{}, nil, false
	o.heads[ws.ClientRole].take(0, false)
	o.heads[ws.ServerRole].take(0, true)
}

// beginsRequest reports whether bytes may be the beginning of a request.
func beginsRequest(b []byte) bool {
	method, _, ok := bytes.Cut(b[:min(len(b), 16)], []byte(" "))
	return ok && slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, string(method))
}

// request takes bytes of the request.
func (o *opening) request(b []byte) *ws.Observer {
	h := &o.heads[ws.ClientRole]
	n, err := h.add(b)
	switch {
	case errors.Is(err, handshake.ErrNeedMore):
		return nil
	case err != nil:
		o.noHTTP(ws.ClientRole, err)
		return nil
	}
	head := &handshake.Head{}
	_, _ = head.ParseRequest(h.buf, nil) // what is wrong with it, a rule says
	o.head(trace.Out, head)
	o.x.Request, o.begun, o.phase = head, o.now(), awaitResponse
	o.behindRequest(h.take(n, false))
	return o.response(nil) // a server may have answered before it had all
}

// behindRequest keeps what the client sends before it has an answer.
func (o *opening) behindRequest(b []byte) {
	if o.lost = o.lost || len(o.early)+len(b) > mostEarly; o.lost {
		o.early = nil
		return
	}
	o.early = append(o.early, b...)
}

// response takes bytes of the response, and of those that only say that it will
// come.
func (o *opening) response(b []byte) *ws.Observer {
	h := &o.heads[ws.ServerRole]
	h.scan.Response = true
	for n, err := h.add(b); len(h.buf) > 0; n, err = h.add(nil) {
		switch {
		case errors.Is(err, handshake.ErrNeedMore):
			return nil
		case err != nil:
			o.noHTTP(ws.ServerRole, err)
			return nil
		}
		head := &handshake.Head{}
		_, _ = head.ParseResponse(h.buf, nil)
		o.head(trace.In, head)
		rest := h.take(n, true)
		if !head.Interim() {
			o.x.Response = head
			return o.answered(rest)
		}
		h.buf = rest
	}
	return nil
}

// answered judges the exchange. The rest is what came behind the response.
func (o *opening) answered(rest []byte) *ws.Observer {
	o.x.Early = o.early
	if o.x.Response.Status == 101 && o.x.Request != nil {
		o.tell(&o.x)
		return o.upgraded(rest)
	}
	o.x.Body = rest[:min(len(rest), bodyShown)]
	o.tell(&o.x)
	switch {
	case o.x.Request == nil:
		o.note("the server answers before it has the whole request")
	case asks(o.x.Request), o.x.Response.Status == 426:
		o.findings()
		o.failed()
		o.cause()
	default:
		o.note("this request asks for no WebSocket")
	}
	o.decodeNoMore(rest)
	return nil
}

// asks reports whether a request means to open a WebSocket, however wrongly.
func asks(h *handshake.Head) bool {
	if h == nil {
		return false
	}
	for _, f := range h.Fields() {
		name := strings.ToLower(string(f.Name))
		if strings.HasPrefix(name, "sec-websocket-") || name == "upgrade" && strings.Contains(strings.ToLower(string(f.Value)), "websocket") {
			return true
		}
	}
	return false
}

// upgraded goes over to frames. Where a rule of the handshake was broken the
// client should give up; if it does not, frames follow all the same.
func (o *opening) upgraded(rest []byte) *ws.Observer {
	o.findings()
	agreed, err := handshake.CheckResponse(&o.x)
	if o.good = err == nil; o.good {
		o.emit(trace.Upgrade{
			Side: trace.Client, Target: string(o.x.Request.Target), Subprotocol: agreed.Subprotocol,
			Extensions: o.x.Response.Get("Sec-WebSocket-Extensions"), Duration: o.now().Sub(o.begun),
		})
	} else {
		o.failed()
		agreed = claimed(o.x.Response)
	}
	o.begin(agreed, func() *ws.Observer { return ws.NewObserver(o.tracer, o.id, agreed, o.limits) })
	frames := o.fresh()
	if o.lost {
		o.note(fmt.Sprintf("the client sent more than %d KiB before it had an answer: what it sends is not decoded", mostEarly>>10))
	}
	frames.Feed(ws.ClientRole, o.early)
	frames.Feed(ws.ServerRole, rest)
	o.early, o.x = nil, handshake.Exchange{}
	return frames
}

// claimed is what a response that breaks a rule says was agreed on.
func claimed(h *handshake.Head) (a handshake.Agreement) {
	list, err := handshake.ParseExtensions(h.Get("Sec-WebSocket-Extensions"))
	if err == nil && len(list) > 0 && list[0].Name == "permessage-deflate" {
		a.Deflate, a.Compressed = handshake.ParseDeflate(list[0], false)
	}
	return a
}

// findings reports every rule that was broken.
func (o *opening) findings() {
	for _, f := range handshake.Check(&o.x) {
		if f.Level == handshake.Must {
			o.emit(ws.FindingEvent(&f))
		}
	}
}

// failed reports that the handshake came to nothing.
func (o *opening) failed() {
	status, reason := 0, ""
	if o.x.Response != nil {
		status = o.x.Response.Status
	}
	if _, err := handshake.CheckResponse(&o.x); err != nil {
		reason = err.Error()
	}
	o.emit(trace.UpgradeFailed{Side: trace.Client, Status: status, Error: reason})
}

// cause says what is likeliest to have made the server refuse.
func (o *opening) cause() {
	if likely := handshake.ExplainRefusal(&o.x); len(likely) > 0 {
		o.note("likely cause: " + likely[0].Cause + " " + likely[0].Mend)
	}
}

// noHTTP gives up on a head that is none, or beyond every measure.
func (o *opening) noHTTP(from ws.Role, err error) {
	switch name := handshake.Sniff(o.heads[from].buf); {
	case o.told:
	case !errors.Is(err, handshake.ErrNotHTTP):
		o.note("the " + from.String() + "'s head goes beyond 64 KiB or 100 fields")
	case name != "":
		o.note("what the " + from.String() + " sends is not HTTP, but looks like " + name)
	default:
		o.note("what the " + from.String() + " sends is not HTTP")
	}
	o.decodeNoMore(nil)
}

// decodeNoMore shows what was collected as pieces, and so all that follows.
func (o *opening) decodeNoMore(rest []byte) {
	o.phase = undecoded
	if !o.told {
		o.told = true
		if o.pieces {
			o.note("what follows is shown as it came")
		} else {
			o.note("what follows is passed on as it is, and not decoded")
		}
	}
	o.data(ws.ClientRole, o.heads[ws.ClientRole].take(0, false))
	o.data(ws.ClientRole, o.early)
	o.data(ws.ServerRole, o.heads[ws.ServerRole].take(0, true))
	o.data(ws.ServerRole, rest)
	o.early, o.x = nil, handshake.Exchange{}
}

// data records a piece of what is not decoded.
func (o *opening) data(from ws.Role, b []byte) {
	if len(b) == 0 || !o.tracer.On(trace.Message) {
		return
	}
	o.emit(trace.Data{Dir: dirOf(from), Size: len(b), Payload: b})
}

func dirOf(from ws.Role) trace.Dir {
	if from == ws.ClientRole {
		return trace.Out
	}
	return trace.In
}

// end is the end of what one end sends, before frames pass.
func (o *opening) end(from ws.Role) {
	switch {
	case o.phase == awaitResponse && from == ws.ServerRole:
		o.x.Early = o.early
		if cut := o.heads[ws.ServerRole].buf; len(cut) > 0 {
			o.x.Response = &handshake.Head{}
			_, _ = o.x.Response.ParseResponse(cut, nil)
		}
		o.tell(&o.x)
		o.failed()
		o.phase = undecoded
	case o.phase == awaitRequest && from == ws.ClientRole && len(o.heads[from].buf) > 0:
		o.note(fmt.Sprintf("the client ended within its request, after %d bytes", len(o.heads[from].buf)))
	}
}

func (o *opening) head(dir trace.Dir, h *handshake.Head) {
	if o.tracer.On(trace.Message) {
		o.emit(trace.HTTPHead{Dir: dir, Line: string(h.AppendLine(nil)), Size: len(h.Raw), Payload: h.Raw})
	}
}

func (o *opening) note(text string) { o.emit(trace.Note{Text: text}) }

func (o *opening) emit(e trace.Event) { o.tracer.Emit(o.id, e) }
