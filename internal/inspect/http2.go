package inspect

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// HTTP2 is whether the server of a wss address takes WebSockets over HTTP/2, too
// (RFC 8441). It was asked on a connection of its own, and sent no request.
type HTTP2 struct {
	WebSockets bool              `json:"websockets"`
	Spoken     bool              `json:"spoken"` // its SETTINGS came
	Settings   map[string]uint32 `json:"settings,omitempty"`
	Rule       string            `json:"rule,omitempty"`  // that says why not, of docs/http2.md
	Error      string            `json:"error,omitempty"` // why it is not known
	Duration   time.Duration     `json:"duration_ns"`

	why string
}

const (
	longestHTTP2 = 5 * time.Second
	ruleALPN     = "http2-alpn"
)

// http2 asks about HTTP/2 once TLS is known to be there; err is what became of
// the plain way.
func (in *Inspection) http2(ctx context.Context, err error) {
	overTLS := in.Report.Reached != ReachedConnection || noProtocol(err)
	if in.o.Address.Scheme != endpoint.WSS || !overTLS || ctx.Err() != nil {
		return
	}
	d := &ws.Dialer{Timeout: min(in.o.Timeout, longestHTTP2), NetDial: in.again, TLSFor: in.withH2, Tracer: in.o.Tracer}
	started := time.Now()
	info, err := d.ProbeHTTP2(ctx, in.o.Address.URL())
	h := &HTTP2{WebSockets: err == nil, Duration: time.Since(started)}
	if info != nil {
		h.Spoken = info.Spoken
		h.Settings = map[string]uint32{}
		for _, s := range info.Settings {
			h.Settings[s.Name] = s.Value
		}
	}
	h.fails(err)
	in.Report.HTTP2 = h
}

// noProtocol reports whether the server's alert is no_application_protocol
// (RFC 7301 section 3.2).
func noProtocol(err error) bool {
	var op *net.OpError
	return isAlert(err) && errors.As(err, &op) && op.Err.Error() == tls.AlertError(120).Error()
}

// fails takes why there are no WebSockets, or why that is not known.
func (h *HTTP2) fails(err error) {
	var failed *ws.HandshakeError
	switch {
	case err == nil:
	case noProtocol(err):
		h.Rule, h.why = ruleALPN, "the server does not know h2 (ALPN)"
	case errors.As(err, &failed) && failed.Finding != nil:
		h.Rule, h.why = failed.Finding.ID, lowered(failed.Finding.Summary)
	default:
		h.Error = tcp.Reason(err)
	}
}

// lowered is a sentence as it stands behind a colon.
func lowered(s string) string { return strings.ToLower(s[:1]) + strings.TrimSuffix(s[1:], ".") }

// again connects to the address that the report is about.
func (in *Inspection) again(ctx context.Context, network, _ string) (net.Conn, error) {
	d := &tcp.Dialer{LocalAddr: in.o.Source, Tracer: in.o.Tracer}
	return d.DialContext(ctx, network, in.Report.Connection.Remote)
}

// withH2 is how TLS is spoken where the certificate has been looked at.
func (in *Inspection) withH2(string) (*tls.Config, error) {
	o := in.o.TLS
	o.Insecure, o.Pins, o.CA, o.ALPN = true, nil, "", []string{"h2"}
	return o.Client(in.host())
}

// words say what came of it.
func (h *HTTP2) words() string {
	took := ", in " + render.Duration(h.Duration)
	switch {
	case h.WebSockets:
		return "WebSockets are taken (RFC 8441)" + took
	case h.Error != "":
		return "not known: " + printable(h.Error)
	}
	return "no WebSockets: " + h.why + took
}

// http2 shows it.
func (p *page) http2(h *HTTP2) {
	if h != nil {
		p.section("http/2")
		p.lines(h.words())
	}
}
