package dissect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/sockkit/sockkit/trace"
)

var (
	connecting  = socketIO("connection to a namespace", "connection-to-a-namespace")
	leaving     = socketIO("disconnection from a namespace", "disconnection-from-a-namespace")
	sending     = socketIO("sending and receiving data", "sending-and-receiving-data")
	acking      = socketIO("acknowledgement", "acknowledgement")
	format      = socketIO("packet encoding", "packet-encoding")
	attachments = format
)

// packetTypes are the packets of Socket.IO by the digit that they begin with.
var packetTypes = []struct {
	name, meaning string
	clause        clause
}{
	{"CONNECT", "Asks to join a namespace; the server answers with one, too.", connecting},
	{"DISCONNECT", "Leaves a namespace; the connection stays for the others.", leaving},
	{"EVENT", "An event: its name, and its arguments.", sending},
	{"ACK", "The answer to an event that asked for one.", acking},
	{"CONNECT_ERROR", "The server does not let the client into the namespace.", connecting},
	{"BINARY_EVENT", "An event with binary values among its arguments, which follow in messages of their own.", sending},
	{"BINARY_ACK", "An acknowledgement with binary values, which follow in messages of their own.", acking},
}

var connectMeanings = map[string]string{
	"sid":     "The id of the socket in this namespace; it is not that of the Engine.IO session.",
	"pid":     "A private id of the session, with which its state can be recovered.",
	"offset":  "The last event that came before the connection was lost.",
	"token":   "What the client proves itself with: the server's middleware looks at it.",
	"message": "Why, in words.",
	"data":    "More about why, as the server's middleware gave it.",
}

// packetOf is a packet of Socket.IO, written again as the text parser would.
func packetOf(e trace.SIOPacket) Dissection {
	text := packetText(e)
	if text == nil {
		return dissect(e.Payload, len(e.Payload), "the data of a packet of unknown type", binaryData)
	}
	note := "written again from the record, behind the 4 of its Engine.IO message"
	if e.Attachments > 0 {
		note += fmt.Sprintf("; its %s passed in messages of their own", count(e.Attachments, "attachment"))
	}
	return dissect(text, len(text), note, func(b []byte) []Field {
		fields, ok := packetFields(b)
		if !ok && len(b) == len(text) {
			return lines(b, "The record holds no packet of Socket.IO.")
		}
		return fields
	})
}

// adapterOf is what one server of a cluster has told others.
func adapterOf(e trace.AdapterMessage) Dissection {
	return dissect(e.Payload, len(e.Payload), "the data of the message as JSON; in Redis it stands among what says who sent it, and for whom it is", func(b []byte) []Field {
		return lines(b, "What the servers exchange: an event with its arguments, or what one of them answers.")
	})
}

// packetText is nil where a record's type is none.
func packetText(e trace.SIOPacket) []byte {
	for digit, t := range packetTypes {
		if t.name != e.Type {
			continue
		}
		if e.Attachments > 0 && (e.Type == "EVENT" || e.Type == "ACK") {
			digit += 3
		}
		b := []byte{byte('0' + digit)}
		if e.Attachments > 0 {
			b = append(strconv.AppendInt(b, int64(e.Attachments), 10), '-')
		}
		if e.Namespace != "/" && e.Namespace != "" {
			b = append(append(b, e.Namespace...), ',')
		}
		return append(append(b, e.AckID...), e.Payload...)
	}
	return nil
}

// packetFields are those of a packet; ok is false where b is none. What is cut
// behind MaxBytes is one.
func packetFields(b []byte) (fields []Field, ok bool) {
	if len(b) == 0 || b[0] < '0' || b[0] > '6' {
		return nil, false
	}
	digit := int(b[0] - '0')
	t := packetTypes[digit]
	fields = []Field{at(0, 1, "packet type", string(b[0])+" "+t.name, t.meaning, t.clause)}
	if digit >= 5 {
		if fields, ok = attachmentCount(fields, b); !ok {
			return nil, false
		}
	}
	fields = address(fields, b, digit)
	return packetData(fields, b, end(fields), digit)
}

// attachmentCount adds the number of attachments, which has to be there.
func attachmentCount(fields []Field, b []byte) ([]Field, bool) {
	n := digits(b[1:])
	if n == 0 || 1+n >= len(b) || b[1+n] != '-' {
		return nil, false
	}
	return append(fields, at(1, n+1, "attachments", string(b[1:1+n]), "How many binary values follow, each in a message of its own.", attachments)), true
}

// address adds the namespace and the number of an acknowledgement, where they
// are there.
func address(fields []Field, b []byte, digit int) []Field {
	from := end(fields)
	if from < len(b) && b[from] == '/' {
		n := namespaceLen(b[from:])
		fields = append(fields, at(from, n, "namespace", show(bytes.TrimSuffix(b[from:from+n], []byte(","))),
			"Which of the conversations that share this connection it belongs to; without it that is /.", format))
		from += n
	}
	if n := digits(b[from:]); n > 0 && digit != 0 && digit != 4 {
		fields = append(fields, at(from, n, "acknowledgement id", string(b[from:from+n]), ackMeaning(digit), acking))
	}
	return fields
}

func ackMeaning(digit int) string {
	if digit == 3 || digit == 6 {
		return "The number of the event that this answers."
	}
	return "The sender wants an answer, under this number."
}

// packetData adds the JSON of a packet.
func packetData(fields []Field, b []byte, from, digit int) ([]Field, bool) {
	data := b[from:]
	switch {
	case len(data) == 0:
		return fields, digit < 2
	case !json.Valid(data) && len(b) < MaxBytes-1:
		return nil, false
	}
	f := at(from, len(data), "data", show(data), "JSON: what the packet is about.", packetTypes[digit].clause)
	switch digit {
	case 2, 5:
		f.Meaning = "A JSON array: the name of the event, and its arguments."
		f.Fields = jsonFields(data, eventPart)
	case 3, 6:
		f.Meaning = "A JSON array: the arguments of the acknowledgement."
		f.Fields = jsonFields(data, ackPart)
	case 0:
		f.Meaning = "From the client what it proves itself with, from the server the id of the socket."
		f.Fields = jsonFields(data, keyed(connectMeanings, connecting))
	case 4:
		f.Meaning = "Why the namespace was refused."
		f.Fields = jsonFields(data, keyed(connectMeanings, connecting))
	}
	shift(f.Fields, from)
	return append(fields, f), true
}

func eventPart(i int, m member) (string, string, clause) {
	if i == 0 {
		return "event", "The name that the other side listens for, as in socket.on(name, …).", sending
	}
	return fmt.Sprintf("argument %d", i), "What the listener of the event is given.", sending
}

func ackPart(i int, _ member) (string, string, clause) {
	return fmt.Sprintf("argument %d", i+1), "What the callback of the event's sender is given.", acking
}

// digits is how many digits b begins with.
func digits(b []byte) (n int) {
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}

// namespaceLen is the length of a namespace with the comma behind it.
func namespaceLen(b []byte) int {
	if i := bytes.IndexByte(b, ','); i >= 0 {
		return i + 1
	}
	return len(b)
}
