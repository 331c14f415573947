package trace

import "bytes"

// EIOPacket is one packet of Engine.IO, as it passed in an HTTP body or in a
// message of a WebSocket.
type EIOPacket struct {
	Dir       Dir    `json:"dir"`
	Session   string `json:"session,omitempty"` // its id, where it is known by then
	Transport string `json:"transport"`         // polling or websocket
	Type      string `json:"type"`              // open, close, ping, pong, message, upgrade or noop
	Size      int    `json:"size"`              // bytes of its data
	Binary    bool   `json:"binary,omitempty"`
	Payload   []byte `json:"base64"`
}

// Name implements [Event].
func (EIOPacket) Name() string { return "eio_packet" }

// Level implements [Event].
func (EIOPacket) Level() Level { return Frame }

// Clone implements [Cloner].
func (e EIOPacket) Clone() Event { e.Payload = bytes.Clone(e.Payload); return e }
