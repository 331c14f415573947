package ws

import "strconv"

// StatusCode says why a connection is closed (RFC 6455 section 7.4; the
// WebSocket Close Code Number Registry of IANA).
type StatusCode uint16

// The codes of the registry.
const (
	StatusNormal            StatusCode = 1000
	StatusGoingAway         StatusCode = 1001
	StatusProtocolError     StatusCode = 1002
	StatusUnsupportedData   StatusCode = 1003
	StatusNoStatus          StatusCode = 1005 // none came; never on the wire
	StatusAbnormal          StatusCode = 1006 // no close frame came; never on the wire
	StatusInvalidPayload    StatusCode = 1007
	StatusPolicyViolation   StatusCode = 1008
	StatusMessageTooBig     StatusCode = 1009
	StatusMandatoryExt      StatusCode = 1010
	StatusInternalError     StatusCode = 1011
	StatusServiceRestart    StatusCode = 1012
	StatusTryAgainLater     StatusCode = 1013
	StatusBadGateway        StatusCode = 1014
	StatusTLSHandshake      StatusCode = 1015 // never on the wire
	firstRegistered         StatusCode = 3000
	firstPrivate            StatusCode = 4000
	lastPrivate             StatusCode = 4999
	reservedForTheFuture    StatusCode = 1004
	lastOfTheProtocolItself StatusCode = 1014
)

var codeNames = [...]string{
	StatusNormal - 1000:          "normal closure",
	StatusGoingAway - 1000:       "going away",
	StatusProtocolError - 1000:   "protocol error",
	StatusUnsupportedData - 1000: "unsupported data",
	reservedForTheFuture - 1000:  "reserved",
	StatusNoStatus - 1000:        "no status received",
	StatusAbnormal - 1000:        "abnormal closure",
	StatusInvalidPayload - 1000:  "invalid payload data",
	StatusPolicyViolation - 1000: "policy violation",
	StatusMessageTooBig - 1000:   "message too big",
	StatusMandatoryExt - 1000:    "mandatory extension",
	StatusInternalError - 1000:   "internal error",
	StatusServiceRestart - 1000:  "service restart",
	StatusTryAgainLater - 1000:   "try again later",
	StatusBadGateway - 1000:      "bad gateway",
	StatusTLSHandshake - 1000:    "TLS handshake",
}

// Name is the code's name in the registry, in lower case.
func (c StatusCode) Name() string {
	switch {
	case c >= 1000 && c <= StatusTLSHandshake:
		return codeNames[c-1000]
	case c >= firstRegistered && c < firstPrivate:
		return "registered for libraries and frameworks"
	case c >= firstPrivate && c <= lastPrivate:
		return "private use"
	}
	return "not a code of the registry"
}

// String is the number and the name.
func (c StatusCode) String() string { return strconv.Itoa(int(c)) + " (" + c.Name() + ")" }

// Sendable reports whether the code may stand in a close frame (RFC 6455
// sections 7.4.1 and 7.4.2; 1012 to 1014 by the registry).
func (c StatusCode) Sendable() bool {
	switch c {
	case reservedForTheFuture, StatusNoStatus, StatusAbnormal:
		return false
	}
	return c >= StatusNormal && c <= lastOfTheProtocolItself || c >= firstRegistered && c <= lastPrivate
}
