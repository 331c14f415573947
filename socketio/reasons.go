package socketio

import (
	"encoding/json"
	"fmt"
)

// Why a socket was disconnected, in the words of the official server and client.
const (
	ReasonTransportError            = "transport error"
	ReasonTransportClose            = "transport close"
	ReasonForcedClose               = "forced close"
	ReasonPingTimeout               = "ping timeout"
	ReasonParseError                = "parse error"
	ReasonServerShuttingDown        = "server shutting down"
	ReasonForcedServerClose         = "forced server close"
	ReasonClientNamespaceDisconnect = "client namespace disconnect"
	ReasonServerNamespaceDisconnect = "server namespace disconnect"

	ReasonIOServerDisconnect = "io server disconnect" // at a client
	ReasonIOClientDisconnect = "io client disconnect" // at a client
)

// recoverable reports whether a socket that was lost for a reason may come back
// as it was.
func recoverable(reason string) bool {
	switch reason {
	case ReasonTransportError, ReasonTransportClose, ReasonForcedClose, ReasonPingTimeout,
		ReasonServerShuttingDown, ReasonForcedServerClose:
		return true
	}
	return false
}

// Error refuses a connection to a namespace, in a middleware: the client gets a
// connect_error with both.
type Error struct {
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// ReservedEventError is an event whose name is the protocol's own.
type ReservedEventError struct{ Event string }

// Error implements error.
func (e *ReservedEventError) Error() string {
	return fmt.Sprintf("socketio: %q is a reserved event name", e.Event)
}

// reserved reports whether an event's name is the protocol's own: emitting it
// is an error.
func reserved(event string) bool {
	switch event {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

// Args are the arguments of an event or of an acknowledgement, as they came.
type Args struct {
	raw         []json.RawMessage
	attachments [][]byte
}

// Len is how many there are.
func (a Args) Len() int { return len(a.raw) }

// JSON returns an argument as JSON; where it is binary or holds that, with
// placeholders. It is null where there is none.
func (a Args) JSON(i int) json.RawMessage {
	if i < 0 || i >= len(a.raw) {
		return json.RawMessage("null")
	}
	return a.raw[i]
}

// Binary reports whether there are binary values among the arguments.
func (a Args) Binary() bool { return len(a.attachments) > 0 }

// Decode stores the arguments in what targets point to, as a handler's
// parameters get them: what is missing is a zero value, what is left over is
// dropped.
func (a Args) Decode(targets ...any) error { return decodeInto(a.raw, a.attachments, targets) }

// Values returns the arguments as nil, bool, float64, string, []byte, []any and
// map[string]any.
func (a Args) Values() ([]any, error) {
	values := make([]any, len(a.raw))
	targets := make([]any, len(a.raw))
	for i := range values {
		targets[i] = &values[i]
	}
	return values, a.Decode(targets...)
}
