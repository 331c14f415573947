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

// UnansweredError says that [Client.Connect] waited in vain: the session is open,
// and the server has not said whether it lets the client into the namespace.
type UnansweredError struct {
	Namespace string
	Err       error // what ended the wait
}

// Error implements error.
func (e *UnansweredError) Error() string {
	return fmt.Sprintf("%v: the session is open, and the namespace %s was not answered", e.Err, e.Namespace)
}

// Unwrap returns what ended the wait.
func (e *UnansweredError) Unwrap() error { return e.Err }

// reserved reports whether an event's name is the protocol's own: emitting it
// is an error.
func reserved(event string) bool { return isReservedEvent(event) }

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

// ParseArgs returns the arguments that a JSON array holds. Each attachment stands
// in it as {"_placeholder":true,"num":i}. It is for adapters.
func ParseArgs(data []byte, attachments [][]byte) (Args, error) {
	data = trimSpace(data)
	if !validJSON(data, defaultMaxDepth) || data[0] != '[' {
		return Args{}, ErrInvalidPayload
	}
	if len(attachments) > 0 && !checkPlaceholders(data, len(attachments)) {
		return Args{}, ErrIllegalPlaceholder
	}
	return Args{splitArray(nil, data), attachments}, nil
}

// Data returns the arguments as ParseArgs takes them. The attachments are not
// copied.
func (a Args) Data() (data []byte, attachments [][]byte) {
	data = append(data, '[')
	for i, raw := range a.raw {
		if i > 0 {
			data = append(data, ',')
		}
		data = append(data, raw...)
	}
	return append(data, ']'), a.attachments
}

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
