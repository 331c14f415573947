package demo

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// goodbye is how the reader closes.
type goodbye struct {
	Who    string `json:"who"`
	Code   int    `json:"code"` // 0: none
	Reason string `json:"reason"`
}

// mostReason bounds the reason of a close frame: a control frame has 125 bytes,
// and the code takes two.
const mostReason = 123

// check says what of it cannot be sent at all.
func (a *goodbye) check() error {
	switch {
	case a.Code < 0 || a.Code > 0xffff:
		return fmt.Errorf("%d is no code: two bytes hold 0 to 65535", a.Code)
	case len(a.Reason) > mostReason:
		return fmt.Errorf("the reason has %s: a close frame has room for %d", counted(len(a.Reason), "byte"), mostReason)
	case a.Code == 0 && a.Reason != "":
		return errors.New("a reason stands behind a code: give one")
	}
	return nil
}

// bye closes with a code, which may be one that must not be sent.
func (b *framesBench) bye(ctx context.Context, a goodbye) (any, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	this, other, err := b.ends(ctx, a.Who)
	if err != nil {
		return nil, err
	}
	from := b.stage.cast.Next()
	if err := this.bye(ctx, a); err != nil {
		return nil, err
	}
	if err := b.ended(ctx); err != nil {
		return nil, err
	}
	b.stage.Push("frames", append(b.sent(from, this.who), b.sent(from, other.who)...))
	return reaction{fmt.Sprintf("The %s's program is told: %s. The %s's program is told: %s.", this.who, this.told, other.who, other.told), b.verdict(from)}, nil
}

// bye closes as the rules have it, and sends a bare frame where they have it not.
func (e *framesEnd) bye(ctx context.Context, a goodbye) error {
	if mayBeSent(a.Code) {
		return e.Close(ws.StatusCode(a.Code), a.Reason)
	}
	return e.WriteFrame(ctx, e.frame(ws.OpClose, closeBody(a.Code, a.Reason)))
}

// mayBeSent reports whether a code may stand in a close frame (RFC 6455 7.4).
func mayBeSent(code int) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
}

// closeBody is the payload of a close frame.
func closeBody(code int, reason string) string {
	if code == 0 {
		return ""
	}
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
}

// frame is one that is right for this end. The key is that of the RFC's
// examples, so that frames can be compared.
func (e *framesEnd) frame(op ws.Opcode, payload string) ws.Frame {
	f := masked(op, true, payload)
	f.Masked = e.who == "client"
	return f
}

// ended waits until both programs know of the end.
func (b *framesBench) ended(ctx context.Context) error {
	for _, e := range []*framesEnd{b.client, b.server} {
		select {
		case <-e.over:
		case <-ctx.Done():
			return fmt.Errorf("the %s's program still reads: %w", e.who, context.Cause(ctx))
		}
	}
	b.stage.Push("state", "closed")
	return nil
}

// verdict are the records since one that say what was found and how it ended.
func (b *framesBench) verdict(from int) (rows []int) {
	for _, e := range b.stage.cast.since(from) {
		switch e.Event.(type) {
		case trace.Finding, trace.WSClose:
			rows = append(rows, e.number)
		}
	}
	return rows
}

// offence is a frame that breaks a rule, and who sends it.
type offence struct {
	who   string
	frame func(f *ws.Frame) // makes it of a right one that says Hello
}

// offences are those by their names in the page.
var offences = map[string]offence{
	"unmasked":      {"client", func(f *ws.Frame) { f.Masked = false }},
	"masked":        {"server", func(f *ws.Frame) { f.Masked = true }},
	"opcode":        {"client", func(f *ws.Frame) { f.Opcode = 3 }},
	"fragment-ping": {"client", func(f *ws.Frame) { f.Opcode, f.Fin = ws.OpPing, false }},
	"long-ping":     {"client", func(f *ws.Frame) { f.Opcode, f.Payload = ws.OpPing, []byte(strings.Repeat("x", 126)) }},
	"utf8":          {"client", func(f *ws.Frame) { f.Payload = []byte("H\xffllo") }},
	"close-1005":    {"client", func(f *ws.Frame) { f.Opcode, f.Payload = ws.OpClose, []byte(closeBody(1005, "")) }},
	"close-999":     {"client", func(f *ws.Frame) { f.Opcode, f.Payload = ws.OpClose, []byte(closeBody(999, "")) }},
	"rsv1":          {"client", func(f *ws.Frame) { f.RSV = 4 }},
	"continuation":  {"client", func(f *ws.Frame) { f.Opcode = ws.OpContinuation }},
}

// offenceName names one.
type offenceName struct {
	What string `json:"what"`
}

// offend sends a wrong frame on a new connection, and says what the other end
// does about it.
func (b *framesBench) offend(ctx context.Context, a offenceName) (any, error) {
	o, ok := offences[a.What]
	if !ok {
		return nil, fmt.Errorf("%.20q is no offence of this list", a.What)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.connect(ctx, deflateNo); err != nil {
		return nil, err
	}
	this, other, err := b.ends(ctx, o.who)
	if err != nil {
		return nil, err
	}
	from, f := b.stage.cast.Next(), this.frame(ws.OpText, greeting)
	o.frame(&f)
	if err := this.WriteFrame(ctx, f); err != nil {
		return nil, err
	}
	if err := b.ended(ctx); err != nil {
		return nil, err
	}
	b.stage.Push("frames", b.sent(from, this.who))
	return reaction{b.sentence(from, other.who), b.verdict(from)}, nil
}

// sentence is what who found, and did.
func (b *framesBench) sentence(from int, who string) string {
	list := b.stage.cast.since(from)
	found, closed := events[trace.Finding](list, who), closings(list, who, trace.Out)
	if len(found) == 0 || len(closed) == 0 {
		return "The " + who + " lets it pass."
	}
	return fmt.Sprintf("The %s finds: %s (%s) It closes with %d, %s.", who, found[0].Summary, found[0].Clause, closed[0].Code, closed[0].Title)
}
