package dissect

import (
	"encoding/base64"
	"strings"

	"github.com/sockkit/sockkit/trace"
)

// engineTypes are the packets of Engine.IO by the digit that they begin with.
var engineTypes = []struct {
	name, meaning string
	clause        clause
}{
	{"open", "The first packet of the server: the session's id, and what it is allowed and expected to do.", engineIO("handshake", "handshake")},
	{"close", "This transport is to be closed.", engineIO("packet encoding", "packet-encoding")},
	{"ping", "Sent by the server in the heartbeat; with \"probe\" sent by the client, to try whether a WebSocket gets through.", engineIO("heartbeat", "heartbeat")},
	{"pong", "The answer to a ping.", engineIO("heartbeat", "heartbeat")},
	{"message", "Data of the application: a packet of Socket.IO, where that is spoken.", engineIO("message", "message")},
	{"upgrade", "The probe was answered: from here on the WebSocket is used in place of polling.", engineIO("upgrade", "upgrade")},
	{"noop", "Nothing: it ends a request that waits, while the transport is changed.", engineIO("upgrade", "upgrade")},
}

var (
	encoding     = engineIO("packet encoding", "packet-encoding")
	openMeanings = map[string]string{
		"sid":          "The session's id: it stands in every later request, and tells the server who asks.",
		"upgrades":     "The transports that the session can go on to.",
		"pingInterval": "How long the server waits between pings, in milliseconds.",
		"pingTimeout":  "How long an answer may take, in milliseconds; after that the connection counts as lost.",
		"maxPayload":   "How many bytes the client may put into one request.",
	}
)

// engineOf is a packet of Engine.IO as it stands in a message, or in the body of
// a request.
func engineOf(e trace.EIOPacket, wire []byte) Dissection {
	digit := engineDigit(e.Type)
	switch {
	case e.Binary && e.Transport == "websocket":
		return dissect(e.Payload, max(e.Size, len(e.Payload)), "the message of the WebSocket; frames are not shown", binaryData)
	case e.Binary:
		text := "b" + base64.StdEncoding.EncodeToString(e.Payload)
		return dissect([]byte(text), len(text), "written again from the record; in a body packets are joined by the byte 1e", base64Data)
	case digit < 0 && len(wire) == 0:
		return dissect(e.Payload, max(e.Size, len(e.Payload)), "the data of a packet of unknown type", binaryData)
	}
	note := ""
	if len(wire) == 0 {
		wire = append([]byte{byte('0' + digit)}, e.Payload...)
		note = "written again from the record"
		if e.Transport == "polling" {
			note += "; in a body packets are joined by the byte 1e"
		}
	}
	return dissect(wire, max(len(wire), 1+e.Size), note, engineFields)
}

func engineDigit(name string) int {
	for i, t := range engineTypes {
		if t.name == name {
			return i
		}
	}
	return -1
}

func binaryData(b []byte) []Field {
	return []Field{at(0, len(b), "data", hexOf(b), "Binary data has no type in front: it is always a message.", encoding)}
}

func base64Data(b []byte) []Field {
	value := show(b[1:])
	if plain, err := base64.StdEncoding.DecodeString(string(b[1 : len(b)-(len(b)-1)%4])); err == nil {
		value = hexOf(plain)
	}
	return []Field{
		at(0, 1, "b", "b", "Binary data follows, in base64: a body is text.", encoding),
		at(1, len(b)-1, "data", value, "The bytes of a message, in base64; the value is what they are.", encoding),
	}
}

// engineFields are those of a packet in its text form.
func engineFields(b []byte) []Field {
	digit := int(b[0]) - '0'
	if digit < 0 || digit >= len(engineTypes) {
		return lines(b, "No packet of Engine.IO begins like this.")
	}
	t := engineTypes[digit]
	fields := []Field{at(0, 1, "packet type", string(b[0])+" "+t.name, t.meaning, t.clause)}
	if len(b) == 1 {
		return fields
	}
	data := at(1, len(b)-1, "data", show(b[1:]), "What the packet holds.", t.clause)
	switch t.name {
	case "open":
		data.Name, data.Meaning = "handshake", "The session, in JSON."
		data.Fields = jsonFields(b[1:], keyed(openMeanings, t.clause))
	case "message":
		if inner, ok := packetFields(b[1:]); ok {
			data.Name, data.Meaning, data.Fields = "Socket.IO packet", "A packet of the protocol above: events, acknowledgements, namespaces.", inner
		}
	case "ping", "pong":
		if strings.HasPrefix(string(b[1:]), "probe") {
			data.Meaning = "This ping or pong tries the new transport; the heartbeat's have no data."
			data.Clause, data.Link = engineIO("upgrade", "upgrade").name, engineIO("upgrade", "upgrade").link
		}
	}
	shift(data.Fields, 1)
	return append(fields, data)
}
