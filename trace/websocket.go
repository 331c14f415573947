package trace

import (
	"bytes"
	"time"
)

// HTTPHead is the head of an HTTP request or response, byte for byte, as it
// passed in an opening handshake.
type HTTPHead struct {
	Dir     Dir    `json:"dir"`
	Line    string `json:"line"` // its first line
	Size    int    `json:"size"` // bytes of the whole head
	Payload []byte `json:"base64"`
}

// Upgrade says that an opening handshake has succeeded: from here on a
// WebSocket connection is open (RFC 6455 section 4).
type Upgrade struct {
	Side        string        `json:"side"`   // Client or Server
	Target      string        `json:"target"` // the path and query that were asked for
	Subprotocol string        `json:"subprotocol,omitempty"`
	Extensions  string        `json:"extensions,omitempty"` // as agreed
	Duration    time.Duration `json:"duration_ns"`
}

// UpgradeFailed is an opening handshake that came to nothing.
type UpgradeFailed struct {
	Side   string `json:"side"`
	Status int    `json:"status,omitempty"` // of HTTP; 0 where there was none
	Error  string `json:"error"`
}

// Finding is a rule of a specification that was broken.
type Finding struct {
	Rule    string `json:"rule"`   // its identifier
	Clause  string `json:"clause"` // RFC 6455 5.1
	Binding string `json:"binding"`
	Fault   string `json:"fault"` // client, server or proxy
	Summary string `json:"summary"`
	Came    string `json:"came,omitempty"`
	Due     string `json:"due,omitempty"`
	Mend    string `json:"mend,omitempty"`
}

// WSFrame is one frame of a WebSocket connection (RFC 6455 section 5.2).
type WSFrame struct {
	Dir        Dir    `json:"dir"`
	Opcode     int    `json:"opcode"`
	Type       string `json:"type"` // continuation, text, binary, close, ping, pong, or reserved
	Fin        bool   `json:"fin"`
	RSV        int    `json:"rsv,omitempty"`  // 4 is RSV1, 2 RSV2, 1 RSV3
	Mask       string `json:"mask,omitempty"` // the masking key in hex; absent where the frame is not masked
	Size       int64  `json:"size"`           // bytes of its payload on the wire
	Head       int    `json:"head"`           // bytes of its header
	Compressed bool   `json:"compressed,omitempty"`
}

// WSMessage is one whole message.
type WSMessage struct {
	Dir        Dir    `json:"dir"`
	Type       string `json:"type"` // text or binary
	Size       int    `json:"size"` // bytes of the message itself
	Wire       int64  `json:"wire"` // bytes of its frames' payloads, compressed where it was
	Frames     int    `json:"frames"`
	Compressed bool   `json:"compressed,omitempty"`
	Payload    []byte `json:"base64"`
}

// WSPing is a ping, or a pong.
type WSPing struct {
	Dir     Dir           `json:"dir"`
	Pong    bool          `json:"pong,omitempty"`
	RTT     time.Duration `json:"rtt_ns,omitempty"` // of a pong that answers a ping of ours
	Payload []byte        `json:"base64"`
}

// WSClose is a close frame.
type WSClose struct {
	Dir    Dir    `json:"dir"`
	Code   int    `json:"code"` // 1005 where the frame has none (RFC 6455 section 7.1.5)
	Title  string `json:"name"` // of the code, by the IANA registry
	Reason string `json:"reason,omitempty"`
}

// Name implements [Event]; so do those that follow.
func (HTTPHead) Name() string      { return "http_head" }
func (Upgrade) Name() string       { return "upgrade" }
func (UpgradeFailed) Name() string { return "upgrade_failed" }
func (Finding) Name() string       { return "finding" }
func (WSFrame) Name() string       { return "ws_frame" }
func (WSMessage) Name() string     { return "ws_message" }
func (WSPing) Name() string        { return "ws_ping" }
func (WSClose) Name() string       { return "ws_close" }

// Level implements [Event]; so do those that follow.
func (HTTPHead) Level() Level      { return Message }
func (Upgrade) Level() Level       { return Connection }
func (UpgradeFailed) Level() Level { return Connection }
func (Finding) Level() Level       { return Connection }
func (WSFrame) Level() Level       { return Frame }
func (WSMessage) Level() Level     { return Message }
func (WSPing) Level() Level        { return Frame }
func (WSClose) Level() Level       { return Connection }

// Clone implements [Cloner]; so do those that follow.
func (e HTTPHead) Clone() Event  { e.Payload = bytes.Clone(e.Payload); return e }
func (e WSMessage) Clone() Event { e.Payload = bytes.Clone(e.Payload); return e }
func (e WSPing) Clone() Event    { e.Payload = bytes.Clone(e.Payload); return e }
