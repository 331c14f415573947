package trace

import "bytes"

// SIOPacket is one whole packet of Socket.IO, with its attachments.
type SIOPacket struct {
	Dir         Dir    `json:"dir"`
	Session     string `json:"session"`          // the id of the Engine.IO session
	Namespace   string `json:"namespace"`        // / is the main one
	Type        string `json:"type"`             // CONNECT, DISCONNECT, EVENT, ACK or CONNECT_ERROR
	EventName   string `json:"name,omitempty"`   // of an event
	AckID       string `json:"ack_id,omitempty"` // a number: what an acknowledgement is asked for, or given, under
	Attachments int    `json:"attachments,omitempty"`
	Size        int    `json:"size"`   // bytes of its data and attachments
	Payload     []byte `json:"base64"` // its data, JSON; attachments are placeholders in it
}

// Name implements [Event].
func (SIOPacket) Name() string { return "sio_packet" }

// Level implements [Event].
func (SIOPacket) Level() Level { return Message }

// Clone implements [Cloner].
func (e SIOPacket) Clone() Event { e.Payload = bytes.Clone(e.Payload); return e }
