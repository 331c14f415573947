package socketio

import "github.com/sockkit/sockkit/socketio/engine"

// encoded is a packet as it goes over the wire. The packet itself goes beside it,
// so that it needs no memory of its own.
type encoded struct {
	first  engine.Packet
	more   []engine.Packet // behind the first: attachments
	empty  bool            // there is nothing to send
	shared *engine.Prepared
}

// encode encodes a packet. Nothing of it is copied that goes as it is.
func (s *Server) encode(p *Packet) encoded {
	if s.text {
		text := appendPacket(make([]byte, 0, headSize(p)+len(p.Data)), p)
		return encoded{first: textMessage(text), more: attached(p)}
	}
	return s.encodeOther(p)
}

// encodeOther is encode by a parser that is not the usual one.
func (s *Server) encodeOther(p *Packet) encoded {
	kept := *p
	frames := s.encoder.Encode(&kept)
	e := encoded{empty: len(frames) == 0}
	for i, f := range frames {
		m := engine.Packet{Type: engine.Message, Data: f.Data, Binary: f.Binary}
		if i == 0 {
			e.first = m
		} else {
			e.more = append(e.more, m)
		}
	}
	return e
}

// encodeInPlace is encode where the packet's data stand in buf, behind room for
// what goes before them: the text is made where they are.
func (s *Server) encodeInPlace(p *Packet, buf []byte, room int) encoded {
	p.Data = buf[room:len(buf):len(buf)]
	if !s.text {
		return s.encodeOther(p)
	}
	var few [64]byte
	head := appendHead(few[:0], p)
	text := buf[room-len(head) : len(buf) : len(buf)]
	copy(text, head)
	return encoded{first: textMessage(text), more: attached(p)}
}

// encodeShared is encode for many sockets.
func (s *Server) encodeShared(p *Packet) encoded {
	e := s.encode(p)
	if !e.empty {
		e.shared = engine.Prepare(append([]engine.Packet{e.first}, e.more...)...)
	}
	return e
}

func textMessage(text []byte) engine.Packet {
	return engine.Packet{Type: engine.Message, Data: text}
}

// attached are the attachments of a packet as messages.
func attached(p *Packet) (all []engine.Packet) {
	for _, data := range p.Attachments {
		all = append(all, engine.Packet{Type: engine.Message, Data: data, Binary: true})
	}
	return all
}

// sendTo hands what was encoded to a session.
func (e *encoded) sendTo(session *engine.Session, f Flags) {
	switch {
	case e.empty:
	case e.shared != nil && !f.NoCompress:
		session.SendPrepared(e.shared)
	case e.more == nil:
		session.SendPackets(engine.Packet{Type: e.first.Type, Data: e.first.Data, Binary: e.first.Binary, NoCompress: f.NoCompress})
	default:
		all := append([]engine.Packet{e.first}, e.more...)
		for i := range all {
			all[i].NoCompress = f.NoCompress
		}
		session.SendPackets(all...)
	}
}
