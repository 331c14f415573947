package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/ws"
)

// refusal is a namespace that was refused, with the data that came along.
type refusal struct{ err *socketio.Error }

func (r *refusal) Error() string {
	if r.err.Data == nil {
		return r.err.Message
	}
	data, err := json.Marshal(r.err.Data)
	if err != nil {
		return r.err.Message
	}
	return r.err.Message + " " + string(data)
}

func (r *refusal) Unwrap() error { return r.err }

// unanswered is a request whose connection ended before its answer was complete.
type unanswered struct{ err *engine.TransportError }

func (u *unanswered) Error() string {
	if errors.Is(u.err, io.ErrUnexpectedEOF) {
		return u.err.Message + ": the connection was closed in the middle of an answer"
	}
	return u.err.Message + ": the connection was closed before an answer came"
}

func (u *unanswered) Unwrap() error { return u.err }

// reasonOf is a failure to connect without the words that say so.
func reasonOf(ctx context.Context, err error) error {
	var refused *socketio.Error
	var transport *engine.TransportError
	switch {
	case ctx.Err() != nil:
		if inner := errors.Unwrap(err); inner != nil {
			return inner
		}
	case errors.As(err, &refused):
		return &refusal{refused}
	case errors.Is(err, socketio.ErrServerV2):
		return socketio.ErrServerV2
	case errors.As(err, &transport) && errors.Is(transport.Err, io.EOF):
		return &unanswered{transport}
	case errors.As(err, &transport) && errors.Is(transport.Err, io.ErrUnexpectedEOF):
		return &unanswered{transport}
	case errors.As(err, &transport) && transport.Status != 0 && errors.As(err, new(*ws.HandshakeError)):
		return &refusedUpgrade{transport}
	case errors.As(err, &transport):
		return transport
	}
	return err
}

// refusedUpgrade is a WebSocket that the server refused. Its body is the reason,
// in plain words.
type refusedUpgrade struct{ err *engine.TransportError }

func (r *refusedUpgrade) Error() string {
	s := fmt.Sprintf("%s: the server answered %d %s", r.err.Message, r.err.Status, http.StatusText(r.err.Status))
	if text := firstLine(r.err.Body); text != "" {
		s += ": " + text
	}
	return s
}

func (r *refusedUpgrade) Unwrap() error { return r.err }

// firstLine is what a body says, unless it is a page.
func firstLine(body string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(body), "\n")
	if strings.HasPrefix(line, "<") {
		return ""
	}
	return render.Printable(line)
}

// codeOf is the code of the official server in an answer: that of a refused
// upgrade has the message alone.
func codeOf(e *engine.TransportError) (engine.Code, bool) {
	if code, ok := e.Code(); ok {
		return code, true
	}
	for code := engine.UnknownTransport; code <= engine.UnsupportedProtocolVersion; code++ {
		if e.Body == code.Message() {
			return code, true
		}
	}
	return 0, false
}

// foreign reports whether what answered speaks no Engine.IO.
func foreign(e *engine.TransportError) bool {
	return errors.Is(e, engine.ErrParse) || errors.Is(e, io.EOF) || e.Message == "server error"
}

// socketIOHint returns advice on what went wrong with Socket.IO, or "".
func socketIOHint(err error) string {
	var refused *socketio.Error
	var transport *engine.TransportError
	switch {
	case errors.Is(err, socketio.ErrServerV2):
		return codeHint(engine.UnsupportedProtocolVersion)
	case errors.As(err, &refused):
		return refusalHint(refused)
	case errors.As(err, &transport):
		code, ok := codeOf(transport)
		if ok && transport.Status != http.StatusServiceUnavailable {
			return codeHint(code)
		}
		return transportHint(transport, ok)
	}
	return ""
}

// notSocketIO is for whoever answers, and speaks something else, or nothing.
const notSocketIO = "what answers is no Socket.IO server: look at the address, and at --path, which is /socket.io/ by default"

func refusalHint(e *socketio.Error) string {
	switch {
	case e.Message == "Invalid namespace":
		return "the server knows no such namespace; the path of the address is the namespace, and --path is the engine's"
	}
	return "a middleware of the server refuses; --auth sends what it asks for"
}

// codeHint explains the codes of the official server.
func codeHint(code engine.Code) string {
	switch code {
	case engine.UnknownTransport:
		return "the server does not offer this transport: --transports polling, or --transports websocket"
	case engine.UnknownSID:
		return "the request reached another server than the one before: several servers behind a balancer need sticky sessions, or --transports websocket"
	case engine.BadHandshakeMethod:
		return "something on the way made another request of the handshake's GET, such as a redirect"
	case engine.BadRequest:
		return "the server holds the request against its session: the transport or the protocol does not fit, or a proxy removed Upgrade"
	case engine.Forbidden:
		return "the server's allowRequest, or its origin check, refuses: --origin, -H and --basic-auth change what is sent"
	case engine.UnsupportedProtocolVersion:
		return "the server speaks another version of Engine.IO: one of version 2 (EIO=3) and one of 3 and 4 (EIO=4) do not understand each other"
	}
	return ""
}

// transportHint explains what no Engine.IO server says of itself, but for its
// being full.
func transportHint(e *engine.TransportError, ours bool) string {
	switch {
	case e.Message == engine.ReasonTransportClose, e.Message == engine.ReasonPingTimeout: // of a session that there was
	case ours:
		return "the server has as many sessions as it takes"
	case e.Status == http.StatusUpgradeRequired:
		return "a WebSocket server answers, which speaks no Socket.IO: ws:// speaks to it"
	case e.Status == http.StatusNotFound:
		return "there is no Socket.IO at this path: --path sets the engine's, which is /socket.io/ by default"
	case e.Status == http.StatusBadGateway, e.Status == http.StatusServiceUnavailable, e.Status == http.StatusGatewayTimeout:
		return "a proxy answers in the place of the server: see whether that runs"
	case e.Status == http.StatusRequestEntityTooLarge:
		return "a payload is larger than the server takes (maxHttpBufferSize), or a proxy"
	case strings.Contains(e.Error(), "Socket.IO 2"):
		return codeHint(engine.UnsupportedProtocolVersion)
	case errors.As(e, new(*engine.OpenPacketError)):
		return "a server of Engine.IO answers, and its first packet is damaged: see whether Content-Length is the length of the body, and who writes or rewrites the answer"
	case foreign(e), e.Status == http.StatusOK, e.Status == 0 && errors.As(e, new(*ws.HandshakeError)):
		return notSocketIO
	}
	return ""
}
