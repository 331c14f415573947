package engine

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Code is the code of a request that is refused, in the body of its answer.
type Code int

// The codes of the official server.
const (
	UnknownTransport Code = iota
	UnknownSID
	BadHandshakeMethod
	BadRequest
	Forbidden
	UnsupportedProtocolVersion
)

var codeMessages = [...]string{
	UnknownTransport:           "Transport unknown",
	UnknownSID:                 "Session ID unknown",
	BadHandshakeMethod:         "Bad handshake method",
	BadRequest:                 "Bad request",
	Forbidden:                  "Forbidden",
	UnsupportedProtocolVersion: "Unsupported protocol version",
}

// Message is the code's text.
func (c Code) Message() string {
	if c >= 0 && int(c) < len(codeMessages) {
		return codeMessages[c]
	}
	return "Unknown error"
}

// The contexts that say more about [BadRequest], as the official server names
// them.
const (
	ContextMiddlewareFailure  = "MIDDLEWARE_FAILURE"
	ContextInvalidOrigin      = "INVALID_ORIGIN"
	ContextTransportMismatch  = "TRANSPORT_MISMATCH"
	ContextProtocolMismatch   = "PROTOCOL_MISMATCH"
	ContextTransportHandshake = "TRANSPORT_HANDSHAKE_ERROR"
	ContextIDGeneration       = "ID_GENERATION_ERROR"
)

// ConnectionError is a request that did not come to be a session, or does not
// fit the one that it names.
type ConnectionError struct {
	Code    Code
	Text    string // in place of the code's message, where AllowRequest gave one
	Context string // what exactly; see the Context constants
	Request *http.Request

	status int // in place of the code's
}

// Error implements error.
func (e *ConnectionError) Error() string {
	s := fmt.Sprintf("engine: %s (code %d)", e.Message(), e.Code)
	if e.Context != "" {
		s += ": " + e.Context
	}
	return s
}

// Message is the text that the client is sent.
func (e *ConnectionError) Message() string {
	if e.Text != "" {
		return e.Text
	}
	return e.Code.Message()
}

// Status is the HTTP status that goes with it.
func (e *ConnectionError) Status() int {
	if e.status != 0 {
		return e.status
	}
	if e.Code == Forbidden {
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// body is the answer's, as the official server writes it.
func (e *ConnectionError) body() []byte {
	b, _ := json.Marshal(struct {
		Code    Code   `json:"code"`
		Message string `json:"message"`
	}{e.Code, e.Message()})
	return b
}
