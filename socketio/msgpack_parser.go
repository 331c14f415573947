package socketio

import (
	"bytes"
	"strconv"

	"github.com/vmihailenco/msgpack/v5"
)

// MsgpackParser is the official alternative parser, socket.io-msgpack-parser: a
// packet is one binary frame, a MessagePack map of its type, namespace, data and
// identifier. Both sides have to use it. The zero value works.
//
// Whole numbers are written as notepack.io writes them; those that no 64 bits
// hold, which notepack.io damages, are floating point. A Date of JavaScript
// arrives as its ISO 8601 text, which a time.Time reads, and a time.Time is sent
// as that text: as [TextParser] has it.
type MsgpackParser struct {
	// MaxAttachments is how many binary values a packet may have; 1000 where it
	// is not positive. The official parser knows no bound.
	MaxAttachments int
	// MaxDepth is how deep arrays and objects may stand within each other; 1000
	// where it is not positive.
	MaxDepth int
}

// defaultMaxBinaries is far beyond what programs send in one packet. Each costs
// more memory than its two bytes on the wire.
const defaultMaxBinaries = 1000

// NewEncoder returns an encoder, which holds no state.
func (MsgpackParser) NewEncoder() Encoder { return msgpackEncoder{} }

// NewDecoder returns a decoder, which holds no state but its limits.
func (p MsgpackParser) NewDecoder() Decoder {
	return msgpackDecoder{
		maxCount: orDefault(p.MaxAttachments, defaultMaxBinaries),
		maxDepth: orDefault(p.MaxDepth, defaultMaxDepth),
	}
}

type msgpackEncoder struct{}

// Encode makes one frame.
func (msgpackEncoder) Encode(p *Packet) []Frame {
	if p.Data != nil && !validJSON(p.Data, 10*defaultMaxDepth) {
		return nil
	}
	var buf bytes.Buffer
	buf.Grow(len(p.Data) + len(p.Namespace) + 32)
	w := msgpackWriter{Encoder: msgpack.NewEncoder(&buf), data: p.Data, attachments: p.Attachments}
	w.packet(p)
	if w.err != nil {
		return nil
	}
	return []Frame{{Binary: true, Data: buf.Bytes()}}
}

type msgpackDecoder struct{ maxCount, maxDepth int }

// Add takes a whole packet.
func (d msgpackDecoder) Add(f Frame) (*Packet, bool, error) {
	if !f.Binary {
		return nil, false, ErrInvalidType
	}
	r := newMsgpackReader(f.Data, d)
	values, err := r.packet()
	if err != nil {
		return nil, false, err
	}
	p := &Packet{Data: values.data, Attachments: values.attachments}
	if p.Type, err = msgpackType(values.kind); err != nil {
		return nil, false, err
	}
	if at(values.nsp, 0) != '"' {
		return nil, false, ErrInvalidNamespace
	}
	p.Namespace = unquote(values.nsp)
	if !msgpackPayloadFits(p.Type, p.Data) {
		return nil, false, ErrInvalidPayload
	}
	if values.id != nil {
		if p.ID, err = parseUint(values.id, 64); err != nil || !isDigit(values.id[0]) {
			return nil, false, ErrInvalidID
		}
		p.HasID = true
	}
	return p, true, nil
}

// msgpackType reads a type. The binary types do not exist here.
func msgpackType(number []byte) (PacketType, error) {
	n, err := strconv.ParseUint(string(number), 10, 8)
	if err != nil || PacketType(n) > PacketConnectError {
		return 0, ErrInvalidType
	}
	return PacketType(n), nil
}

// msgpackPayloadFits is stricter than the official parser, which lets in events
// without a name and reserved names.
func msgpackPayloadFits(kind PacketType, data []byte) bool {
	switch kind {
	case PacketConnect:
		return data == nil || payloadFits(kind, data)
	case PacketDisconnect:
		return data == nil
	}
	return payloadFits(kind, data)
}
