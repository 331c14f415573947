// Package dissect says what the bytes of a trace record mean: which bits are
// which field, what each is for, and the clause that defines it. It is pure, and
// takes whatever came: what is malformed is shown as such.
//
// A record at frame level holds no bytes; an [Assembler] finds them among the
// records of the stream.
package dissect

import (
	"fmt"

	"github.com/sockkit/sockkit/trace"
)

// MaxBytes is how much of a record is shown.
const MaxBytes = 4096

// Field is a part of the bytes of a record.
type Field struct {
	Name    string  `json:"name"`
	Value   string  `json:"value"`             // what it holds, in words, text or hex: unmasked, where it is masked
	Bit     int     `json:"bit"`               // where it begins, in bits from the first byte
	Bits    int     `json:"bits"`              // how long it is; 0 is an empty one
	Meaning string  `json:"meaning,omitempty"` // what it is for, in a sentence
	Clause  string  `json:"clause,omitempty"`  // "RFC 6455 5.2"
	Link    string  `json:"link,omitempty"`    // where that clause can be read
	Fields  []Field `json:"fields,omitempty"`  // what it consists of, in order, with gaps perhaps
}

// Dissection is what there is to say of the bytes of a record.
type Dissection struct {
	Bytes  []byte  `json:"bytes,omitempty"` // MaxBytes at most
	Fields []Field `json:"fields,omitempty"`
	Note   string  `json:"note,omitempty"` // "the first 4096 of 70000 bytes"
}

// Event dissects a record. The wire is what passed for it, where that is known
// ([Assembler]); without it the record's payload is taken, or else the bytes are
// written again from its fields, which the note says. A record that stands for
// no bytes has none. Nothing of the event or the wire is kept.
func Event(e trace.Event, wire []byte) Dissection {
	switch e := e.(type) {
	case trace.HTTPHead:
		return headOf(e, wire)
	case trace.WSFrame:
		return frameOf(e, wire)
	case trace.WSMessage:
		return messageOf(e)
	case trace.WSPing:
		return pingOf(e)
	case trace.WSClose:
		return closeOf(e)
	case trace.EIOPacket:
		return engineOf(e, wire)
	case trace.SIOPacket:
		return packetOf(e)
	case trace.TLSRecord:
		return recordOf(e, wire)
	case trace.Bytes:
		return bytesOf(e.Payload, e.Size)
	case trace.Data:
		return plainOf(e.Payload, e.Size)
	case trace.Datagram:
		return datagramOf(e)
	case trace.AdapterMessage:
		return adapterOf(e)
	}
	return Dissection{}
}

// dissect makes a dissection of what a parser says about the bytes that are
// shown, of which there were size.
func dissect(b []byte, size int, note string, parse func([]byte) []Field) Dissection {
	if len(b) == 0 {
		return Dissection{Note: note}
	}
	shown := append([]byte(nil), b[:min(len(b), MaxBytes)]...)
	if size > len(shown) {
		note = join(note, fmt.Sprintf("the first %d of %d bytes", len(shown), size))
	}
	return Dissection{Bytes: shown, Fields: parse(shown), Note: note}
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// clause is a clause of a specification, and where it can be read.
type clause struct{ name, link string }

func rfc(number int, section string) clause {
	return clause{fmt.Sprintf("RFC %d %s", number, section),
		fmt.Sprintf("https://www.rfc-editor.org/rfc/rfc%d#section-%s", number, section)}
}

func engineIO(what, anchor string) clause {
	return clause{"Engine.IO 4, " + what, "https://socket.io/docs/v4/engine-io-protocol/#" + anchor}
}

func socketIO(what, anchor string) clause {
	return clause{"Socket.IO 5, " + what, "https://socket.io/docs/v4/socket-io-protocol/#" + anchor}
}

// at is a field of n bytes from a byte on.
func at(from, n int, name, value, meaning string, c clause) Field {
	return bits(8*from, 8*n, name, value, meaning, c)
}

func bits(bit, n int, name, value, meaning string, c clause) Field {
	return Field{Name: name, Value: value, Bit: bit, Bits: n, Meaning: meaning, Clause: c.name, Link: c.link}
}

// shift moves fields by so many bytes.
func shift(fields []Field, by int) []Field {
	for i := range fields {
		fields[i].Bit += 8 * by
		shift(fields[i].Fields, by)
	}
	return fields
}
