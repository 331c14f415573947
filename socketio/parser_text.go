package socketio

import "strconv"

// TextParser is the default parser of Socket.IO protocol v5: a packet is a text
// frame, followed by a binary frame for each attachment. The zero value works.
type TextParser struct {
	// MaxAttachments is how many attachments a packet may have; 10 where it is
	// not positive, as in the official parser.
	MaxAttachments int
	// MaxAttachmentsSize is how many bytes the attachments of one packet may
	// have together; 10,000,000 where it is not positive, which is ten messages
	// of the size that servers let in by default.
	MaxAttachmentsSize int
	// MaxDepth is how deep arrays and objects may stand within each other; 1000
	// where it is not positive.
	MaxDepth int
}

// NewEncoder returns an encoder, which holds no state.
func (TextParser) NewEncoder() Encoder { return textEncoder{} }

// NewDecoder returns the decoder of one connection.
func (p TextParser) NewDecoder() Decoder {
	return &textDecoder{
		maxCount: orDefault(p.MaxAttachments, defaultMaxAttachments),
		maxSize:  orDefault(p.MaxAttachmentsSize, defaultMaxAttachmentSize),
		maxDepth: orDefault(p.MaxDepth, defaultMaxDepth),
	}
}

type textEncoder struct{}

// Encode puts the text first and the attachments behind it.
func (textEncoder) Encode(p *Packet) []Frame {
	frames := make([]Frame, 1+len(p.Attachments))
	text := make([]byte, 0, headSize(p)+len(p.Data))
	frames[0].Data = appendPacket(text, p)
	for i, data := range p.Attachments {
		frames[1+i] = Frame{Binary: true, Data: data}
	}
	return frames
}

// headSize is enough for what stands before the data of a packet.
func headSize(p *Packet) int {
	size := len("5") + len(p.Namespace) + len(",")
	if len(p.Attachments) > 0 {
		size += len("1000-")
	}
	if p.HasID {
		size += 20
	}
	return size
}

// appendPacket appends the text of a packet: type, number of attachments,
// namespace, identifier, data (Socket.IO protocol v5, "Packet encoding").
func appendPacket(dst []byte, p *Packet) []byte { return append(appendHead(dst, p), p.Data...) }

// appendHead appends what stands before the data.
func appendHead(dst []byte, p *Packet) []byte {
	kind := p.Type.plain()
	if len(p.Attachments) > 0 && (kind == PacketEvent || kind == PacketAck) {
		dst = append(dst, '0'+byte(kind)+3)
		dst = strconv.AppendInt(dst, int64(len(p.Attachments)), 10)
		dst = append(dst, '-')
	} else {
		dst = append(dst, '0'+byte(kind))
	}
	if p.Namespace != "" && p.Namespace != "/" {
		dst = append(dst, p.Namespace...)
		dst = append(dst, ',')
	}
	if p.HasID {
		dst = strconv.AppendUint(dst, p.ID, 10)
	}
	return dst
}

// headRoom is enough for what stands before the data of any packet of a namespace.
func headRoom(namespace string) int { return len("51000-,18446744073709551615") + len(namespace) }
