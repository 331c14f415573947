package inspect

import (
	"fmt"
	"strings"
	"time"

	"github.com/sockkit/sockkit/internal/explain"
	"github.com/sockkit/sockkit/internal/render"
)

// handshake shows the opening handshake: in two lines where it is right, and
// else both heads and what they mean.
func (p *page) handshake(h *Handshake) {
	if h == nil {
		return
	}
	p.section("handshake")
	if h.Verdict.Outcome != explain.Opens || h.Verdict.Must > 0 {
		p.wrong(h)
		return
	}
	p.lines(fmt.Sprintf("GET %s for %s was answered %s, in %s", printable(h.Exchange.Request.Target), printable(h.x.Request.Get("Host")),
		p.paint(green, h.x.Response.Text()), render.Duration(h.Duration)))
	p.lines(sentence("; ", agreedOn("subprotocol", h.Subprotocol, h.x.Request.Get("Sec-WebSocket-Protocol")),
		agreedOn("extension", h.Extensions, h.x.Request.Get("Sec-WebSocket-Extensions"))))
	if server := h.x.Response.Get("Server"); server != "" {
		p.lines("the server calls itself " + printable(server))
	}
}

// agreedOn words what came of what was offered.
func agreedOn(what, agreed, offered string) string {
	switch {
	case agreed != "":
		return what + " " + printable(agreed)
	case offered != "":
		return "no " + what + ", of " + printable(offered)
	}
	return "no " + what + " was offered"
}

func (p *page) wrong(h *Handshake) {
	p.numbered = true
	p.lines(p.paint(red, printable(h.Verdict.Summary)))
	o := explain.Options{Width: p.room(), Color: p.o.Color, ShowSecrets: h.showSecrets}
	for _, part := range [][]string{explain.Heads(h.x, h.Findings, o), explain.Refusal(h.x, h.Findings, o)} {
		for _, line := range part {
			p.WriteString(strings.TrimRight(strings.Repeat(" ", labelWidth)+line, " ") + "\n")
		}
	}
}

// webSocket shows what passed on the open connection.
func (p *page) webSocket(w *WebSocket) {
	if w == nil {
		return
	}
	p.section("websocket")
	if w.RTT > 0 {
		p.lines("a ping was answered in " + render.Duration(w.RTT))
	}
	if w.Sent > 0 {
		p.lines("was sent a message of " + plural(w.Sent, "byte"))
	}
	p.messages(w)
	if c := w.Close; c != nil {
		p.lines(c.words())
	}
}

func (p *page) messages(w *WebSocket) {
	if w.Count == 0 {
		p.lines("said nothing within " + render.Duration(w.Waited.Round(time.Millisecond)))
		return
	}
	for _, m := range w.Messages {
		p.lines(fmt.Sprintf("said a %s message of %s after %s", m.Type, plural(m.Size, "byte"), render.Duration(m.After)))
		for _, line := range banner(&Peer{Banner: m.Payload, More: m.Size > len(m.Payload)}) {
			p.line(line, 0)
		}
	}
	if more := w.Count - len(w.Messages); more > 0 {
		p.lines("and " + plural(more, "message") + " more")
	}
}

// words say who closed first, and whether the other side answered.
func (c *WebSocketClose) words() string {
	code := fmt.Sprint(c.Code)
	if c.Title != "" {
		code += " (" + c.Title + ")"
	}
	if c.Reason != "" {
		code += ": " + printable(c.Reason)
	}
	switch {
	case c.By == ByPeer && !c.Answered:
		return "the connection was lost after " + render.Duration(c.Duration)
	case c.By == ByPeer:
		return "the peer closed after " + render.Duration(c.Duration) + " with " + code
	case c.Answered:
		return "closed with " + code + ", answered in " + render.Duration(c.Duration)
	}
	return "closed with " + code + ", not answered within " + render.Duration(c.Duration)
}
