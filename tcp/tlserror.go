package tcp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// TLSError is a TLS handshake that failed, or an alert that came later.
type TLSError struct {
	Side   string // ours: trace.Client or trace.Server
	Remote string // the peer's address
	Reason string // what was wrong, in words
	Hint   string // what may help; it names flags; often empty
	Err    error  // the cause: what crypto/tls, crypto/x509 or the network said
}

// Error implements error.
func (e *TLSError) Error() string {
	if e.Remote == "" {
		return "TLS: " + e.Reason
	}
	return "TLS with " + e.Remote + ": " + e.Reason
}

// Unwrap returns the cause.
func (e *TLSError) Unwrap() error { return e.Err }

// PinError is a certificate that is none of those that were pinned.
type PinError struct {
	Want        []string // the pins
	Certificate string   // the certificate's SHA-256: "sha256:" and hex
	Key         string   // its public key's
}

// Error implements error.
func (e *PinError) Error() string {
	return fmt.Sprintf("the certificate is not the pinned one: it is %s (its key is %s), and pinned is %s",
		e.Certificate, e.Key, strings.Join(e.Want, " or "))
}

// failure words what ended the handshake.
func (h *handshake) failure(ctx context.Context, err error) *TLSError {
	f := &TLSError{Side: h.side, Err: err}
	if addr := h.wire.RemoteAddr(); addr != nil {
		f.Remote = addr.String()
	}
	var header tls.RecordHeaderError
	var invalid *tls.CertificateVerificationError
	var pin *PinError
	switch {
	case ctx.Err() != nil:
		f.Err = context.Cause(ctx)
		f.Reason, f.Hint = h.outOfTime(f.Err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		f.Reason, f.Hint = h.outOfTime(err)
	case errors.As(err, &header):
		f.Reason, f.Hint = h.noTLS(header)
	case errors.As(err, &invalid), errors.As(err, &pin):
		f.Reason, f.Hint = h.untrusted(err)
	case isRemoteAlert(err):
		f.Reason, f.Hint = h.alerted(err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.Reason, f.Hint = "the "+h.peer()+" closed the connection during the handshake", h.silentHint()
	case IsReset(err):
		f.Reason, f.Hint = "the "+h.peer()+" reset the connection during the handshake", h.silentHint()
	default:
		f.Reason, f.Hint = h.local(err)
	}
	return f
}

// untrusted words what is wrong with the peer's certificate.
func (h *handshake) untrusted(err error) (reason, hint string) {
	var pin *PinError
	if errors.As(err, &pin) {
		return pin.Error(), "if the server's certificate was changed on purpose, pin the new one: --pin " + pin.Certificate
	}
	var invalid *tls.CertificateVerificationError
	if errors.As(err, &invalid) {
		return explainCertificate(invalid, h.cfg, h.side)
	}
	return err.Error(), ""
}

// peer is the word for the other side.
func (h *handshake) peer() string {
	if h.side == trace.Server {
		return trace.Client
	}
	return trace.Server
}

// silentHint is for a peer that ended without having said anything.
func (h *handshake) silentHint() string {
	if h.wire.came > 0 {
		return ""
	}
	return "it said nothing before; it may speak no TLS"
}

func (h *handshake) outOfTime(cause error) (reason, hint string) {
	if errors.Is(cause, context.Canceled) {
		return "the handshake was cancelled", ""
	}
	after := time.Since(h.started).Round(time.Millisecond)
	if h.wire.came == 0 {
		return fmt.Sprintf("the handshake timed out after %v, and the %s said nothing", after, h.peer()),
			"a " + h.peer() + " that speaks no TLS may wait just so"
	}
	return fmt.Sprintf("the handshake timed out after %v", after), ""
}

// noTLS words a record whose head is wrong, with the bytes that came.
func (h *handshake) noTLS(err tls.RecordHeaderError) (reason, hint string) {
	if looksLikeTLS(h.wire.seen()) {
		return "the " + h.peer() + " broke the protocol: " + err.Msg, ""
	}
	reason = "the " + h.peer() + " speaks no TLS: it sent " + firstWords(h.wire.seen())
	switch {
	case h.side == trace.Server:
		return reason, "the client has to speak TLS here: https://, wss://, tls://"
	case bytes.HasPrefix(h.wire.seen(), []byte("HTTP/")):
		return reason, "this is an HTTP server without TLS: ws://, sio:// or tcp:// reach it"
	}
	return reason, "tcp:// speaks to it without TLS"
}

// looksLikeTLS reports whether p begins as a TLS record does.
func looksLikeTLS(p []byte) bool {
	return len(p) >= recordHeadSize && p[0] >= 20 && p[0] <= 24 && p[1] == 3
}

// firstWords quotes the first line of what came.
func firstWords(p []byte) string {
	line, _, _ := bytes.Cut(p, []byte("\n"))
	return strconv.Quote(strings.TrimSuffix(string(line), "\r"))
}

// local words an error that crypto/tls found on this side. Its errors have no
// types; what is not known here is passed on as it stands.
func (h *handshake) local(err error) (reason, hint string) {
	var alert *net.OpError
	if errors.As(err, &alert) && alert.Op == "local error" { // the one that we sent
		if code, ok := h.clearAlert(); ok {
			return h.alertText(code)
		}
		return "the " + h.peer() + " broke the protocol: " + strings.TrimPrefix(Reason(alert), "tls: "), ""
	}
	text := strings.TrimPrefix(Reason(err), "tls: ")
	switch {
	case strings.HasPrefix(text, "server selected unsupported protocol version"):
		return "the server speaks " + versionsIn(text) + " only, and " + h.versions() + " is wanted", ""
	case strings.HasPrefix(text, "client offered only unsupported versions"):
		return "the client speaks " + versionsIn(text) + " only, and " + h.versions() + " is wanted", ""
	case strings.HasPrefix(text, "client requested unsupported application protocols"):
		asked := strings.Trim(strings.TrimPrefix(text, "client requested unsupported application protocols"), " ([])")
		return "no application protocol in common (ALPN): the client asked for " + asked +
			", and here is " + quoted(h.cfg.NextProtos), "--alpn says which are spoken"
	case strings.HasPrefix(text, "client didn't provide a certificate"):
		return "the client sent no certificate, and --client-ca demands one", ""
	case strings.HasPrefix(text, unexpectedMessage):
		return h.unexpected(strings.TrimPrefix(text, unexpectedMessage))
	case strings.HasPrefix(text, "either ServerName or InsecureSkipVerify must be specified"):
		return "there is no name to check the server's certificate for", "--server-name gives one"
	}
	return text, ""
}

const unexpectedMessage = "received unexpected handshake message of type "

// unexpected words a message of the handshake that was not due. What a server
// sends is never a ClientHello: whoever does sends back what came.
func (h *handshake) unexpected(types string) (reason, hint string) {
	names := strings.NewReplacer("*tls.", "", "Msg", "", "TLS13", "").Replace(types)
	came, due, _ := strings.Cut(names, " when waiting for ")
	if h.side == trace.Client && came == "clientHello" {
		return "the server speaks no TLS: it sends back what it is sent", "an echo service listens there; tcp:// speaks to it without TLS"
	}
	return fmt.Sprintf("the %s broke the protocol: its handshake has a %s where a %s is due", h.peer(), came, due), ""
}

// versions names the TLS versions that this side speaks.
func (h *handshake) versions() string {
	least, most := max(h.cfg.MinVersion, tls.VersionTLS12), h.cfg.MaxVersion
	if h.cfg.MinVersion != 0 {
		least = h.cfg.MinVersion
	}
	if most == 0 {
		most = tls.VersionTLS13
	}
	if least == most {
		return tls.VersionName(least)
	}
	return tls.VersionName(least) + " to " + tls.VersionName(most)
}

// versionsIn names the hexadecimal versions in the end of a message.
func versionsIn(text string) string {
	var names []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" []:", r) }) {
		if n, err := strconv.ParseUint(word, 16, 16); err == nil && n >= tls.VersionSSL30 { //nolint:staticcheck // named, not spoken
			names = append(names, tls.VersionName(uint16(n)))
		}
	}
	return strings.Join(names, ", ")
}

func quoted(list []string) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = strconv.Quote(s)
	}
	return strings.Join(words, " ")
}

// isRemoteAlert reports whether err is an alert that the peer sent.
func isRemoteAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}
