package inspect

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/explain"
	"github.com/sockkit/sockkit/ws"
)

// WebSocketOptions say how the opening handshake of a WebSocket is made.
type WebSocketOptions struct {
	Header       []handshake.Field // added to the request
	Subprotocols []string          // offered, in order of preference
	Origin       string
	NoDeflate    bool // offer no compression
	ShowSecrets  bool // of the heads in the report
}

// Handshake is the opening handshake of a WebSocket, held against the rules.
type Handshake struct {
	URL         string        `json:"url"`
	Duration    time.Duration `json:"duration_ns"`
	Status      int           `json:"status,omitempty"` // of the response; 0 where none came
	Subprotocol string        `json:"subprotocol,omitempty"`
	Extensions  string        `json:"extensions,omitempty"` // as agreed
	*explain.Judgement

	x           *handshake.Exchange
	showSecrets bool
}

// webSocket inspects a WebSocket on an open stream.
func (in *Inspection) webSocket(ctx context.Context, conn net.Conn) error {
	d := &ws.Dialer{
		Header: in.o.WebSocket.Header, Subprotocols: in.o.WebSocket.Subprotocols, Origin: in.o.WebSocket.Origin,
		Timeout: in.o.Timeout, CloseTimeout: min(in.o.Timeout, longestClose), Tracer: in.o.Tracer,
	}
	if !in.o.WebSocket.NoDeflate {
		d.Deflate = &handshake.Deflate{ClientMaxWindowBits: handshake.Unvalued}
	}
	url := in.o.Address.URL()
	started := time.Now()
	c, x, err := d.Upgrade(ctx, conn, url)
	if x != nil {
		in.judged(x, url, time.Since(started))
	}
	if err != nil {
		in.Conn = nil // it is closed
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if isAlert(err) { // TLS 1.3 tells of a certificate that is due behind its handshake only
			return in.alerted(err)
		}
		return &notUpgraded{err, "dial " + url + ": "}
	}
	in.ws, in.Report.Reached = c, ReachedWebSocket
	in.Report.Handshake.agreed(c.Agreed())
	return in.talk(ctx, c)
}

// notUpgraded is an opening handshake that failed, in words that stand behind
// the address.
type notUpgraded struct {
	err    error
	prefix string
}

func (e *notUpgraded) Error() string { return strings.TrimPrefix(e.err.Error(), e.prefix) }
func (e *notUpgraded) Unwrap() error { return e.err }

// judged reports an exchange and what is wrong with it.
func (in *Inspection) judged(x *handshake.Exchange, url string, took time.Duration) {
	show := in.o.WebSocket.ShowSecrets
	h := &Handshake{URL: url, Duration: took, Judgement: explain.New(x, show), x: x, showSecrets: show}
	if x.Response != nil && len(x.Response.Raw) > 0 {
		h.Status = x.Response.Status
		in.Report.Reached = ReachedHandshake
	}
	in.Report.Handshake = h
	for _, f := range h.Findings {
		if f.Part == handshake.InRefusal && f.Level == handshake.Note {
			continue // it names the refusal, which is the error
		}
		in.Report.add(handshakeFinding(f))
	}
}

// agreed reports what both sides agreed on.
func (h *Handshake) agreed(a handshake.Agreement) {
	h.Subprotocol = a.Subprotocol
	if a.Compressed {
		h.Extensions = a.Deflate.String()
	}
}

// handshakeFinding is a broken rule of the opening handshake. What breaks no
// MUST is worth knowing.
func handshakeFinding(f handshake.Finding) Finding {
	severity := Note
	if f.Level == handshake.Must {
		severity = Error
	}
	return Finding{ID: f.ID, Severity: severity, Clause: f.Clause, What: withCame(f.Summary, f.Came), Due: f.Due, Hint: f.Mend, opening: true}
}

// withCame is what is wrong, and what came where that says more.
func withCame(summary, came string) string {
	summary = strings.TrimSuffix(summary, ".")
	if strings.Contains(strings.ToLower(summary), strings.ToLower(came)) {
		return summary
	}
	return summary + ": " + came
}

// onUnix reports whether the address is that of a WebSocket on a Unix socket.
func (in *Inspection) onUnix() bool { return in.o.Address.Scheme == endpoint.WSUnix }
