package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/load"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/socketio/redis"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/udp"
	"github.com/sockkit/sockkit/ws"
)

// The exit statuses. They may be added to, never changed.
const (
	statusOK          = 0
	statusFailure     = 1
	statusUsage       = 2
	statusFindings    = 3
	statusRefused     = 4
	statusUnresolved  = 5
	statusUnconnected = 6
	statusTLS         = 7
	statusLost        = 8
	statusUnmet       = 9
	statusTimeout     = 124
	statusInterrupted = 130
	statusTerminated  = 143
)

// usageError is a command line that makes no sense.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// opError is a conversation that failed after its socket was open.
type opError struct {
	op      string // dial, listen, tap
	address string
	err     error
}

func (e *opError) Error() string { return e.op + " " + e.address + ": " + tcp.Reason(e.err) }
func (e *opError) Unwrap() error { return e.err }

// failed is err with what was being done to which address; nil stays nil.
func failed(op string, address fmt.Stringer, err error) error {
	if err == nil {
		return nil
	}
	return &opError{op, address.String(), err}
}

// Status returns the exit status for err.
func Status(err error) int {
	var (
		stop      stopped
		usage     *usageError
		option    *tcp.TLSOptionError
		wrong     *verdictError
		unmet     *session.Unmet
		other     *differs
		dns       *net.DNSError
		security  *tcp.TLSError
		proxy     *tcp.ProxyError
		datagram  *udp.Error
		operation *tcp.Error
		opening   *ws.HandshakeError
		broken    *ws.Violation
		closed    *ws.CloseError
		ended     *session.Disconnected
		refused   *socketio.Error
		transport *engine.TransportError
		broker    *redis.Trouble
	)
	switch {
	case err == nil, errors.Is(err, session.ErrReaderLeft):
		return statusOK
	case errors.As(err, &stop):
		return stop.status
	case errors.As(err, &usage), errors.As(err, &option) && option.Option == "--pin":
		return statusUsage
	case errors.As(err, &wrong):
		return wrong.status
	case errors.As(err, &unmet), errors.As(err, &other), isBenchUnmet(err):
		return statusUnmet
	case errors.As(err, &broken) && broken.Level == handshake.Must:
		return statusFindings
	case errors.Is(err, socketio.ErrServerV2):
		return statusFindings
	case errors.As(err, &closed), errors.As(err, &ended), errors.Is(err, socketio.ErrDisconnected):
		return statusLost
	case errors.As(err, &refused):
		return statusRefused
	case errors.As(err, &broker):
		return brokerStatus(broker)
	case isTimeout(err):
		return statusTimeout
	case errors.As(err, &opening) && opening.Refused():
		return statusRefused
	case errors.As(err, &opening) && opening.Finding != nil:
		return statusFindings
	case errors.As(err, &transport) && transport.Message == engine.ReasonPingTimeout:
		return statusTimeout
	case errors.As(err, &transport) && transport.Message == engine.ReasonTransportClose:
		return statusLost
	case errors.As(err, &transport) && transport.Status >= 300:
		return statusRefused
	case errors.As(err, &transport) && foreign(transport):
		return statusFindings
	case errors.As(err, &dns):
		return statusUnresolved
	case errors.As(err, &security), errors.As(err, &option):
		return statusTLS
	case errors.As(err, &proxy) && proxy.Refused:
		return statusRefused
	case errors.As(err, &transport) && errors.Is(err, io.ErrUnexpectedEOF):
		return statusUnconnected
	case errors.As(err, &operation), errors.As(err, &datagram), tcp.IsReset(err), tcp.IsRefused(err):
		return statusUnconnected
	case errors.Is(err, load.ErrClosed):
		return statusUnmet
	}
	return statusFailure
}

// brokerStatus is the status of trouble with a Redis.
func brokerStatus(t *redis.Trouble) int {
	var dns *net.DNSError
	switch {
	case t.Kind == redis.Untrusted:
		return statusTLS
	case t.Kind == redis.NoRedis:
		return statusFindings
	case t.Kind == redis.Refused, t.Kind == redis.NotReady:
		return statusRefused
	case errors.As(t.Err, &dns):
		return statusUnresolved
	case isTimeout(t.Err):
		return statusTimeout
	}
	return statusUnconnected
}

// isTimeout reports whether err is that of a limit on time, ours or the
// system's. A name server that is silent counts as a name not resolved.
func isTimeout(err error) bool {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return false
	}
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// hintFor returns advice on err, or "".
func hintFor(err error) string {
	var usage *usageError
	if errors.As(err, &usage) && usage.hint != "" {
		return usage.hint
	}
	var wrong *verdictError
	if errors.As(err, &wrong) {
		return wrong.hint
	}
	var hint *endpoint.Hint
	if errors.As(err, &hint) {
		return hint.Text
	}
	var other *differs
	if errors.As(err, &other) {
		return other.hint()
	}
	var broker *redis.Trouble
	if errors.As(err, &broker) {
		return broker.Hint
	}
	var security *tcp.TLSError
	if errors.As(err, &security) {
		return security.Hint
	}
	if text := socketIOHint(err); text != "" {
		return text
	}
	return webSocketHint(err)
}

// webSocketHint returns advice on what went wrong with a WebSocket, or "".
func webSocketHint(err error) string {
	var opening *ws.HandshakeError
	var broken *ws.Violation
	var text *session.NotText
	var told *explained
	switch {
	case errors.As(err, &told):
	case errors.As(err, &text):
		return "--binary sends any bytes"
	case errors.As(err, &opening) && opening.Exchange != nil && opening.Refused():
		x := opening.Exchange
		if opening.HTTP2 != nil {
			x = opening.HTTP2.Equivalent
		}
		if causes := handshake.ExplainRefusal(x); len(causes) > 0 {
			return causes[0].Cause + " " + causes[0].Mend
		}
	case errors.As(err, &opening) && opening.Finding != nil:
		return opening.Finding.Mend
	case errors.As(err, &broken):
		return broken.Mend
	}
	return ""
}
