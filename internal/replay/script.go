// Package replay plays one side of a recorded conversation again, and holds what
// the other says against what was recorded.
package replay

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/trace"
)

// Layer is what a conversation consists of.
type Layer int

// The layers.
const (
	Stream    Layer = iota // bytes without borders
	Datagrams              //
	Messages               // of a WebSocket
	Events                 // of Socket.IO, each a line: its name and arguments
)

var layerNames = [...]string{"pieces of a stream", "datagrams", "messages of a WebSocket", "events of Socket.IO"}

// String names what a layer consists of.
func (l Layer) String() string { return layerNames[l] }

// Item is one thing that was said.
type Item struct {
	At   time.Duration // since the conversation began
	Ours bool          // by the side that is played
	Text bool          // it is text: a text message, a line of an event
	Data []byte
	Ack  string // the acknowledgement that an event asks for, or gives: its number
	End  bool   // this side's end: a half-close, or a close frame with Code and Reason
	Code int
	Why  string
}

// Script is what was said on one connection.
type Script struct {
	Name        string // "connection 2", "session 8f3k…"
	Target      string // of a WebSocket: the path that was asked for
	Subprotocol string
	ID          string // of the socket of Socket.IO, which is another each time
	Items       []Item

	began   time.Time
	side    string // the end that made the records
	missing int    // events whose attachments the trace does not hold
}

// Began is when the conversation began.
func (s *Script) Began() time.Time { return s.began }

// said is the number of things that one side said, its end left out.
func (s *Script) said(ours bool) (n int) {
	for _, item := range s.Items {
		if item.Ours == ours && !item.End {
			n++
		}
	}
	return n
}

// endsFirst is where the other side ends, if that is before this side does; -1
// where it is not.
func (s *Script) endsFirst() int {
	i := slices.IndexFunc(s.Items, func(item Item) bool { return item.End })
	if i >= 0 && s.Items[i].Ours {
		return -1
	}
	return i
}

// withID is what is said, with the id that the socket has now in place of the
// recorded one.
func (s *Script) withID(item Item, now string) Item {
	if s.ID != "" && now != "" {
		item.Data = bytes.ReplaceAll(item.Data, []byte(s.ID), []byte(now))
	}
	return item
}

// Bounds of what is read, so that no trace fills the memory.
const (
	maxBytes   = 256 << 20
	maxScripts = 10_000
)

// Read makes scripts of a trace, for the side that is played: trace.Client or
// trace.Server. Where a trace has both ends of what passed, as tap's, those of
// the connections that were dialled count.
func Read(records iter.Seq2[trace.Record, error], layer Layer, side string) ([]*Script, error) {
	r := &reader{layer: layer, side: side, scripts: map[string]*Script{}, attachments: map[attached][][]byte{}, partials: map[attached]*partial{}}
	for record, err := range records {
		if err != nil {
			return nil, err
		}
		r.take(record)
		if r.bytes > maxBytes {
			return nil, fmt.Errorf("the trace holds more than %d MiB of %s", maxBytes>>20, layer)
		}
	}
	return r.done()
}

type reader struct {
	layer       Layer
	side        string
	scripts     map[string]*Script
	attachments map[attached][][]byte // binary packets of Engine.IO that no event has taken yet
	partials    map[attached]*partial
	bytes       int
	full        bool
}

// attached names one direction of a session.
type attached struct {
	session string
	dir     trace.Dir
}

// done is what was read, the earliest first.
func (r *reader) done() ([]*Script, error) {
	if r.full {
		return nil, fmt.Errorf("the trace has more than %d connections", maxScripts)
	}
	list := make([]*Script, 0, len(r.scripts))
	dialled := false
	for _, s := range r.scripts {
		if s.missing > 0 {
			return nil, fmt.Errorf("%s: the trace lacks the bytes of %d events with binary arguments: --trace FILE and -vvv record them", s.Name, s.missing)
		}
		if s.said(true)+s.said(false) > 0 {
			list = append(list, s)
			dialled = dialled || s.side == trace.Client
		}
	}
	if dialled {
		list = slices.DeleteFunc(list, func(s *Script) bool { return s.side == trace.Server })
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("the trace has no %s", r.layer)
	}
	slices.SortFunc(list, func(a, b *Script) int { return cmp.Or(a.began.Compare(b.began), cmp.Compare(a.Name, b.Name)) })
	return list, nil
}

func (r *reader) take(rec trace.Record) {
	switch e := rec.Event.(type) {
	case trace.Open:
		r.connection(rec).side = e.Side
	case trace.Upgrade:
		s := r.connection(rec)
		s.Target, s.Subprotocol = e.Target, e.Subprotocol
		s.side = cmp.Or(s.side, e.Side)
	case trace.Data:
		r.data(rec, e)
	case trace.Datagram:
		r.datagram(rec, e)
	case trace.HalfClose:
		if r.layer == Stream {
			r.add(r.connection(rec), rec, e.Dir, Item{End: true})
		}
	case trace.WSMessage:
		if r.layer == Messages {
			r.add(r.connection(rec), rec, e.Dir, Item{Data: e.Payload, Text: e.Type == "text"})
		}
	case trace.WSClose:
		if r.layer == Messages {
			r.add(r.connection(rec), rec, e.Dir, Item{End: true, Code: e.Code, Why: e.Reason})
		}
	case trace.EIOPacket:
		if r.layer == Events && e.Binary {
			r.attach(e)
		}
	case trace.SIOPacket:
		r.packet(rec, e)
	}
}

func (r *reader) data(rec trace.Record, e trace.Data) {
	if r.layer == Stream {
		r.add(r.connection(rec), rec, e.Dir, Item{Data: e.Payload})
	}
}

func (r *reader) datagram(rec trace.Record, e trace.Datagram) {
	if r.layer != Datagrams {
		return
	}
	s := r.script("with "+e.Remote, rec)
	if rec.Conn != 0 {
		s = r.connection(rec)
	}
	s.side = cmp.Or(s.side, trace.Server) // a socket that has many peers was bound
	r.add(s, rec, e.Dir, Item{Data: e.Payload})
}

// packet takes an event or an acknowledgement. Its attachments stand before it
// where it came in, and behind it where it went out.
func (r *reader) packet(rec trace.Record, e trace.SIOPacket) {
	switch {
	case r.layer != Events:
		return
	case e.Type == "EVENT", e.Type == "ACK", e.Type == "CONNECT":
	default:
		return
	}
	s := r.script("session "+e.Session+" "+e.Namespace, rec)
	if c := r.scripts[connectionName(rec.Conn)]; c != nil {
		s.side = cmp.Or(s.side, c.side)
	}
	if e.Type == "CONNECT" {
		s.connected(e)
		return
	}
	r.add(s, rec, e.Dir, Item{Text: true, Ack: e.AckID})
	key := attached{e.Session, e.Dir}
	waiting := r.attachments[key] // in the order of their events: a poll brings several at once
	n := min(e.Attachments, len(waiting))
	p := &partial{script: s, at: len(s.Items) - 1, packet: e, have: waiting[:n:n]}
	r.attachments[key] = waiting[n:]
	s.missing++
	if !p.fill() {
		r.partials[key] = p
	}
}

// connected takes the id that a server gives a socket.
func (s *Script) connected(e trace.SIOPacket) {
	var told struct{ SID string }
	if serves := cmp.Or(s.side, trace.Client) == trace.Server; serves == (e.Dir == trace.Out) && json.Unmarshal(e.Payload, &told) == nil && len(told.SID) >= shortestID {
		s.ID = told.SID
	}
}

// shortestID is how long an id has to be to be known for one in a text; the
// official server's have 20 characters.
const shortestID = 8

// attach takes an attachment, of the event that went before or of one that comes.
func (r *reader) attach(e trace.EIOPacket) {
	key := attached{e.Session, e.Dir}
	r.bytes += len(e.Payload)
	p := r.partials[key]
	if p == nil {
		r.attachments[key] = append(r.attachments[key], e.Payload)
		return
	}
	if p.have = append(p.have, e.Payload); p.fill() {
		delete(r.partials, key)
	}
}

// partial is an event of which not all attachments are there yet.
type partial struct {
	script *Script
	at     int
	packet trace.SIOPacket
	have   [][]byte
}

// fill makes the line of the event, once all of it is there.
func (p *partial) fill() bool {
	n := p.packet.Attachments
	if len(p.have) < n {
		return false
	}
	args, err := socketio.ParseArgs(p.packet.Payload, p.have[:n])
	if err != nil {
		return true // nobody could send it
	}
	name := p.packet.EventName
	if p.packet.Type == "ACK" {
		name = "ack"
	} else {
		args = withoutName(args)
	}
	p.script.Items[p.at].Data = session.AppendEvent(nil, name, args)
	p.script.missing--
	return true
}

func connectionName(id trace.ID) string { return fmt.Sprintf("connection %d", id) }

func (r *reader) connection(rec trace.Record) *Script { return r.script(connectionName(rec.Conn), rec) }

func (r *reader) script(name string, rec trace.Record) *Script {
	s := r.scripts[name]
	if s == nil {
		s = &Script{Name: name, began: rec.Time}
		if r.full = r.full || len(r.scripts) >= maxScripts; !r.full {
			r.scripts[name] = s
		}
	}
	return s
}

func (r *reader) add(s *Script, rec trace.Record, dir trace.Dir, item Item) {
	side := cmp.Or(s.side, trace.Client)
	item.Ours = (side == r.side) == (dir == trace.Out)
	item.At = max(rec.Time.Sub(s.began), 0)
	s.Items = append(s.Items, item)
	r.bytes += len(item.Data)
}

// withoutName are the arguments of an event, whose packet begins with its name.
func withoutName(args socketio.Args) socketio.Args {
	data, attachments := args.Data()
	var list []json.RawMessage
	if json.Unmarshal(data, &list) != nil || len(list) == 0 {
		return args
	}
	rest, err := json.Marshal(list[1:])
	if err != nil {
		return args
	}
	if shorter, err := socketio.ParseArgs(rest, attachments); err == nil {
		return shorter
	}
	return args
}
