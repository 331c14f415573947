package socketio

import (
	"bytes"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// What adapters for several servers need to put packets on the wire of a message
// broker, and to take them off.

// NewEvent returns the packet of an event, as [BroadcastOperator.Emit] makes it.
// It is for what sends to sockets without being a server.
func NewEvent(namespace, event string, args ...any) (*Packet, error) {
	if reserved(event) {
		return nil, &ReservedEventError{event}
	}
	data, attachments, err := encodeEvent(event, args)
	if err != nil {
		return nil, fmt.Errorf("socketio: emit %q: %w", event, err)
	}
	return &Packet{Type: PacketEvent, Namespace: namespace, Data: data, Attachments: attachments}, nil
}

// NewServerEvent returns the arguments of an event for servers, as
// [Namespace.ServerSideEmit] makes them: its name is the first.
func NewServerEvent(event string, args ...any) (Args, error) { return serverArgs(event, args) }

// EncodeMsgpack returns a JSON document as MessagePack, as notepack.io writes it;
// whole numbers that no 64 bits hold, which that damages, are floating point. Each
// attachment stands in the document as {"_placeholder":true,"num":i}.
func EncodeMsgpack(document []byte, attachments [][]byte) ([]byte, error) {
	if !validJSON(document, 10*defaultMaxDepth) {
		return nil, ErrInvalidPayload
	}
	var buf bytes.Buffer
	buf.Grow(len(document))
	w := msgpackWriter{Encoder: msgpack.NewEncoder(&buf), data: document, attachments: attachments}
	w.document()
	return buf.Bytes(), w.err
}

// maxDocumentBinaries is more than one packet has: a document may hold the data of
// every socket of a server.
const maxDocumentBinaries = 100_000

// DecodeMsgpack is the reverse of EncodeMsgpack: it takes one document, with no
// more than 100,000 attachments, and no more than 1,000 arrays and objects within
// each other. It is a [ParseError] where b is none.
func DecodeMsgpack(b []byte) (document []byte, attachments [][]byte, err error) {
	r := newMsgpackReader(b, msgpackDecoder{maxCount: maxDocumentBinaries, maxDepth: defaultMaxDepth})
	if document, err = r.document(); err != nil {
		return nil, nil, err
	}
	if document == nil || r.r.Len() > 0 {
		return nil, nil, ErrInvalidPayload
	}
	if r.forged && len(r.attachments) > 0 {
		return nil, nil, ErrIllegalPlaceholder
	}
	return document, r.attachments, nil
}
