package render

import (
	"bytes"
	"encoding/json"

	"github.com/sockkit/sockkit/trace"
)

// socketIOPacket words a packet of Socket.IO.
func socketIOPacket(e trace.SIOPacket) string {
	s := "Socket.IO " + printable(e.Type)
	if e.EventName != "" {
		s += " " + quoted([]byte(e.EventName))
	}
	if e.Namespace != "/" {
		s += " in " + printable(e.Namespace)
	}
	if e.AckID != "" {
		s += ", acknowledgement " + printable(e.AckID)
	}
	if e.Attachments > 0 {
		s += ", " + counted(e.Attachments, "attachment")
	}
	if e.Size > 0 {
		s += ", " + bytesOf(e.Size)
	}
	return s
}

// maskConnect hides what a client sends along to be let in, and the secret id of
// recovery: the values of the object in a CONNECT packet, but for sid.
func maskConnect(data []byte) []byte {
	start := bytes.IndexByte(data, '{')
	if start < 0 {
		return data
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(data[start:], &object) != nil {
		return append(bytes.Clone(data[:start]), "***"...)
	}
	for name := range object {
		if name != "sid" {
			object[name] = json.RawMessage(`"***"`)
		}
	}
	masked, _ := json.Marshal(object)
	return append(bytes.Clone(data[:start]), masked...)
}

// maskConnectAt is maskConnect for a text packet behind what it is wrapped in.
func maskConnectAt(data []byte, wrapping string) []byte {
	if bytes.HasPrefix(data, []byte(wrapping+"0{")) || bytes.HasPrefix(data, []byte(wrapping+"0/")) {
		return maskConnect(data)
	}
	return data
}
