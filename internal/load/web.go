package load

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"

	gobwas "github.com/gobwas/ws"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/ws"
)

// webTalk has a message in each message of a WebSocket, or in each event of
// Socket.IO.
type webTalk struct {
	*body
	index  uint32
	opcode ws.Opcode
	events *events // nil on a bare WebSocket
	dec    *ws.Decoder
	packer *ws.Encoder // where compression was agreed on
	plain  ws.Encoder  // of what is no message
}

func newWebTalk(r *run, l *Link, index uint32) *webTalk {
	t := &webTalk{body: r.body, index: index, opcode: ws.OpText, events: r.events, plain: ws.Encoder{Role: ws.ClientRole}}
	if r.Binary {
		t.opcode = ws.OpBinary
	}
	t.dec = ws.NewDecoder(ws.ServerRole, l.Agreed, ws.Limits{MaxMessage: max(32<<20, int64(2*r.Size))})
	if l.Agreed.Compressed {
		t.packer = ws.NewEncoder(ws.ClientRole, l.Agreed)
	}
	return t
}

func (t *webTalk) add(dst []byte, n int64) []byte {
	if t.packer != nil {
		return t.packer.AppendMessage(dst, t.opcode, t.payload(nil, n))
	}
	h := ws.Header{Fin: true, Opcode: t.opcode, Masked: true, Length: int64(len(t.text))}
	var head [20]byte
	var id []byte
	if t.events != nil {
		id = t.events.id(head[:0], n)
		h.Length += int64(t.events.around + len(id))
	}
	binary.LittleEndian.PutUint32(h.Key[:], rand.Uint32()) // ChaCha8, seeded by the system
	dst = h.AppendTo(dst)
	start := len(dst)
	dst = t.wrap(dst, id, n)
	gobwas.Cipher(dst[start:], h.Key, 0)
	return dst
}

// payload appends what a frame carries.
func (t *webTalk) payload(dst []byte, n int64) []byte {
	var head [20]byte
	if t.events == nil {
		return t.append(dst, t.index, n)
	}
	return t.wrap(dst, t.events.id(head[:0], n), n)
}

func (t *webTalk) wrap(dst, id []byte, n int64) []byte {
	if t.events == nil {
		return t.append(dst, t.index, n)
	}
	dst = append(append(append(dst, t.events.head...), id...), t.events.open...)
	return append(t.append(dst, t.index, n), t.events.end...)
}

func (t *webTalk) bye(dst []byte) []byte { return t.plain.AppendClose(dst, ws.StatusNormal, "") }

func (t *webTalk) take(f *flow, b []byte) error {
	for {
		n, ev := t.dec.Next(b)
		b = b[n:]
		var err error
		switch ev.Kind {
		case ws.EventNone:
			return nil
		case ws.EventMessage:
			err = t.message(f, ev.Payload)
		case ws.EventPing:
			f.reply(t.plain.AppendControl(nil, ws.OpPong, ev.Payload))
		case ws.EventClose:
			err = &ws.CloseError{Code: ev.Code, Reason: ev.Reason}
		case ws.EventBroken:
			err = ev.Violation
		}
		if err != nil {
			return err
		}
	}
}

func (t *webTalk) message(f *flow, p []byte) error {
	if t.events != nil {
		return t.packet(f, p)
	}
	if f.awaits() {
		return t.compare(f, p)
	}
	return nil
}

// compare holds the payload of an answer against the message.
func (t *webTalk) compare(f *flow, p []byte) error {
	at := 0
	if len(p) == len(t.text) {
		if at = t.differs(p, 0, f.from, f.back); at < 0 && !f.surprised() {
			f.answered(f.back)
			return nil
		}
	}
	if f.greeted(len(p) == len(t.text) && t.differs(p, 0, f.from, warm) < 0) {
		return nil
	}
	return f.mismatch(at, len(p))
}

// events is how events of Socket.IO look on the wire (Socket.IO protocol 5, in
// messages of Engine.IO 4).
type events struct {
	ack    bool
	head   []byte // before the number of an event
	open   []byte // between that and the text
	end    []byte
	around int    // the size of all three
	answer []byte // how an answer begins, before the number where it has one
	closed []byte // how it begins that the namespace was left
}

func newEvents(namespace, event string, ack bool) *events {
	prefix := ""
	if namespace != "/" && namespace != "" {
		prefix = namespace + ","
	}
	e := &events{
		ack: ack, head: []byte("42" + prefix), open: []byte("[" + quoted(event) + `,"`), end: []byte(`"]`),
		closed: []byte("41" + prefix),
	}
	e.around = len(e.head) + len(e.open) + len(e.end)
	e.answer = append([]byte("42"+prefix), e.open...)
	if ack {
		e.answer = []byte("43" + prefix)
	}
	return e
}

// quoted is s as JavaScript writes it.
func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)
	return strings.TrimSpace(b.String())
}

// id appends the number of an event, where it asks for an acknowledgement.
func (e *events) id(dst []byte, n int64) []byte {
	if !e.ack {
		return dst
	}
	return strconv.AppendInt(dst, n, 10)
}

// text is the argument of an answer to message n; ok is false where p is another
// packet, and whole where it has another form.
func (e *events) text(p []byte, n int64) (text []byte, ok, whole bool) {
	p, ok = bytes.CutPrefix(p, e.answer)
	if !ok {
		return nil, false, false
	}
	if e.ack {
		var head [24]byte
		if p, whole = bytes.CutPrefix(p, append(e.id(head[:0], n), `["`...)); !whole {
			return nil, true, false
		}
	}
	text, whole = bytes.CutSuffix(p, e.end)
	return text, true, whole
}

// The packets of Engine.IO that concern a client.
const (
	engineClose = '1'
	enginePing  = '2'
	enginePong  = "3"
)

// packet takes a packet of Engine.IO: a ping is answered, and events that are
// nothing to us are passed over.
func (t *webTalk) packet(f *flow, p []byte) error {
	switch {
	case len(p) > 0 && p[0] == enginePing:
		f.reply(t.plain.AppendMessage(nil, ws.OpText, []byte(enginePong)))
		return nil
	case len(p) > 0 && p[0] == engineClose, bytes.Equal(p, t.events.closed):
		return socketio.ErrDisconnected
	case !f.awaits():
		return nil
	}
	text, ours, whole := t.events.text(p, f.back)
	switch {
	case !ours:
		return nil
	case !whole && !f.greeted(false):
		return f.mismatch(0, len(p))
	case !whole:
		return nil
	}
	return t.compare(f, text)
}
