package capture

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// harExchange is an entry as it is played.
type harExchange struct {
	h      *har
	entry  *harEntry
	id     trace.ID
	report *Connection
	target string
	socket bool
	head   *handshake.Head
	asked  *engine.ObservedExchange
	engine *engine.ObservedSocket
}

// begin is the request.
func (x *harExchange) begin() {
	h, e := x.h, x.entry
	x.id = h.tracer.NewID()
	x.report = &Connection{ID: x.id, Network: "tcp", Client: e.creatorName(), Server: x.server(), Opened: h.now, Whole: true}
	h.report.add(x.report)
	h.emit(x.id, trace.Open{Side: trace.Client, Network: "tcp", Remote: x.server()})
	x.head = &handshake.Head{}
	x.head.SetRequestLine(e.Request.Method, x.target, protocol(e.Request.HTTPVersion))
	addFields(x.head, e.Request.Headers)
	h.head(x.id, trace.Out, x.head)
	if !x.socket {
		x.asked = h.io.Request(x.id, e.Request.Method, x.target, header(e.Request.Headers), e.posted())
	}
}

func (e *harEntry) creatorName() string { return "browser" }

func (x *harExchange) server() string {
	u, err := url.Parse(x.entry.Request.URL)
	if err != nil {
		return x.entry.ServerIP
	}
	port := cmp.Or(u.Port(), map[string]string{"https": "443", "wss": "443"}[u.Scheme], "80")
	return u.Hostname() + ":" + port
}

// posted are the bytes of a request's body. Chromium writes those that are no
// text as code points.
func (e *harEntry) posted() []byte {
	if e.Request.PostData == nil {
		return nil
	}
	return []byte(e.Request.PostData.Text)
}

// answer is the response.
func (x *harExchange) answer() {
	h, e := x.h, x.entry
	x.report.Duration = max(h.now.Sub(x.report.Opened), 0)
	if e.Response.Status == 0 {
		x.failed()
		return
	}
	response := &handshake.Head{}
	response.SetStatusLine(protocol(e.Response.HTTPVersion), e.Response.Status, e.Response.StatusText)
	addFields(response, e.Response.Headers)
	h.head(x.id, trace.In, response)
	body := e.content()
	if x.asked != nil {
		fields := header(e.Response.Headers)
		fields.Del("Content-Encoding") // the export has it undone
		x.asked.Response(e.Response.Status, fields, body)
	}
	if x.socket {
		x.upgrade(response, body)
	}
}

// upgrade judges the opening handshake by what the export has of it.
func (x *harExchange) upgrade(response *handshake.Head, body []byte) {
	h := x.h
	exchange := &handshake.Exchange{Request: x.head, Response: response, Body: body[:min(len(body), 4096)], Text: true, Rebuilt: true}
	if !x.head.Has("Sec-WebSocket-Key") {
		exchange.Request = nil
		h.note(x.id, "the export does not have the request as it was sent: the response is judged by itself")
	}
	if h.OnOpen != nil {
		h.OnOpen(x.id, exchange)
	}
	h.io.Judge(x.id, exchange)
	if response.Status == http.StatusSwitchingProtocols || response.Status == http.StatusOK {
		x.engine = h.io.WebSocket(x.id, x.target)
	}
}

// failed is a request that has no answer in the export.
func (x *harExchange) failed() {
	if x.asked != nil {
		x.asked.Aborted()
	}
	why := cmp.Or(x.entry.Response.Error, "no response is in the export")
	if x.socket {
		x.h.emit(x.id, trace.UpgradeFailed{Side: trace.Client, Error: why})
		return
	}
	x.h.note(x.id, why)
}

func (e *harEntry) content() []byte {
	if e.Response.Content.Encoding == "base64" {
		if b, err := base64.StdEncoding.DecodeString(e.Response.Content.Text); err == nil {
			return b
		}
	}
	return []byte(e.Response.Content.Text)
}

// message is one of a WebSocket. How many frames it had, and of what size, an
// export does not say.
func (x *harExchange) message(m harMessage) {
	h := x.h
	x.report.Duration = max(h.now.Sub(x.report.Opened), 0)
	kind, data := ws.Text, []byte(m.Data)
	switch {
	case m.Type == "error" || m.Opcode < 0:
		h.note(x.id, "the browser says: "+m.Data)
		return
	case m.Opcode == 2:
		kind = ws.Binary
		if b, err := base64.StdEncoding.DecodeString(m.Data); err == nil {
			data = b
		}
	case m.Opcode != 1:
		h.note(x.id, fmt.Sprintf("a frame with opcode %d, %s", m.Opcode, counted(len(m.Data), "byte")))
		return
	}
	dir := trace.In
	if m.Type == "send" {
		dir = trace.Out
	}
	if h.tracer.On(trace.Message) {
		h.emit(x.id, trace.WSMessage{Dir: dir, Type: kind.String(), Size: len(data), Payload: data})
	}
	if dir == trace.Out {
		x.report.Out += int64(len(data))
	} else {
		x.report.In += int64(len(data))
	}
	if x.engine != nil {
		x.engine.Message(dir, kind, data)
	}
}

// head shows a head that was put together from fields.
func (r *reader) head(id trace.ID, dir trace.Dir, head *handshake.Head) {
	raw := head.AppendTo(nil)
	if r.tracer.On(trace.Message) {
		r.emit(id, trace.HTTPHead{Dir: dir, Line: string(head.AppendLine(nil)), Size: len(raw), Payload: raw})
	}
}

// protocol is a version as a head has it: exports have h2 and HTTP/2.0, or
// nothing.
func protocol(version string) string {
	switch v := strings.ToUpper(version); {
	case v == "H2" || v == "HTTP/2.0" || v == "HTTP/2":
		return "HTTP/2"
	case v == "H3" || v == "HTTP/3":
		return "HTTP/3"
	case strings.HasPrefix(v, "HTTP/1."):
		return v
	}
	return "HTTP/1.1"
}

// mostFields bounds the fields of a head that is put together.
const mostFields = 1000

func addFields(head *handshake.Head, list []harHeader) {
	for _, f := range list[:min(len(list), mostFields)] {
		if !strings.HasPrefix(f.Name, ":") { // of HTTP/2: they are the first line
			head.Add(f.Name, f.Value)
		}
	}
}

func header(list []harHeader) http.Header {
	h := http.Header{}
	for _, f := range list {
		h.Add(f.Name, f.Value)
	}
	return h
}
