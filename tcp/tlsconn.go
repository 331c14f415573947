package tcp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// ErrTruncated says that a TLS connection ended without the peer's close_notify,
// so that what came may have been cut short on its way (RFC 8446 section 6.1).
// It stands in the place of [io.EOF], and is an [io.ErrUnexpectedEOF] too.
var ErrTruncated error = truncated{}

type truncated struct{}

func (truncated) Error() string {
	return "the peer ended the connection without TLS's close_notify: what came may be cut short"
}

func (truncated) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// ClientTLS makes the client's side of a TLS handshake on conn, and returns the
// connection that speaks TLS. A conn that [Trace] reports goes on with its
// number and its tracer; any other is reported to t as open first.
//
// Cancelling ctx, or its deadline, ends the handshake. Every failure is a
// [*TLSError], and conn is closed then. The configuration is not changed.
//
// CloseWrite on the connection sends close_notify and no FIN, so that the peer
// may go on sending (RFC 8446 section 6.1); Close ends the connection below.
func ClientTLS(ctx context.Context, conn net.Conn, cfg *tls.Config, t *trace.Tracer) (net.Conn, error) {
	return startTLS(ctx, conn, cfg, t, trace.Client)
}

// ServerTLS makes the server's side of a TLS handshake on conn. All else is as
// in [ClientTLS].
func ServerTLS(ctx context.Context, conn net.Conn, cfg *tls.Config, t *trace.Tracer) (net.Conn, error) {
	return startTLS(ctx, conn, cfg, t, trace.Server)
}

// TLSState returns the state of conn's TLS layer, and whether it has one.
func TLSState(conn net.Conn) (tls.ConnectionState, bool) {
	if c := tlsConn(conn); c != nil {
		return c.ConnectionState(), true
	}
	return tls.ConnectionState{}, false
}

func startTLS(ctx context.Context, conn net.Conn, cfg *tls.Config, t *trace.Tracer, side string) (net.Conn, error) {
	c := reported(conn, t, side, 0)
	h := &handshake{side: side, started: time.Now(), wire: &wire{Conn: conn}}
	h.cfg = h.watchRequest(cfg)
	if c != nil {
		h.wire, h.tracer, h.id, conn = c.below(), c.tracer, c.id, c
		h.wire.tls = true
		h.cfg = h.logSecrets(h.cfg)
	}
	layer, err := h.run(ctx)
	switch {
	case err != nil:
		drain(conn)
		conn.Close()
		return nil, err
	case c != nil:
		return c.above(layer), nil
	}
	return layer, nil
}

// reported returns conn as one that a tracer hears of; nil where none does.
func reported(conn net.Conn, t *trace.Tracer, side string, took time.Duration) *Conn {
	c, ok := conn.(*Conn)
	if !ok {
		c, _ = Trace(conn, t, side, took).(*Conn)
	}
	return c
}

// handshake is one TLS handshake.
type handshake struct {
	side    string
	cfg     *tls.Config
	wire    *wire
	tracer  *trace.Tracer
	id      trace.ID
	started time.Time

	unanswered bool // the server asked for a certificate, and we have none
}

func (h *handshake) run(ctx context.Context) (*tlsStream, error) {
	h.tracer.Emit(h.id, trace.TLSStart{Side: h.side, ServerName: h.cfg.ServerName})
	conn := tls.Server(h.wire, h.cfg)
	if h.side == trace.Client {
		conn = tls.Client(h.wire, h.cfg)
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		failure := h.failure(ctx, err)
		h.tracer.Emit(h.id, trace.TLSFailed{Side: h.side, Error: failure.Reason})
		return nil, failure
	}
	if h.tracer.On(trace.Connection) {
		h.tracer.Emit(h.id, h.record(conn.ConnectionState()))
	}
	return &tlsStream{Conn: conn, handshake: h}, nil
}

// logSecrets returns cfg with a key log that goes to the tracer too, if the
// tracer wants it. A server's session tickets stay those of cfg.
func (h *handshake) logSecrets(cfg *tls.Config) *tls.Config {
	if !h.tracer.On(trace.Frame) {
		return cfg
	}
	logged := cfg.Clone()
	logged.KeyLogWriter = &secretLog{next: cfg.KeyLogWriter, tracer: h.tracer, id: h.id}
	if h.side == trace.Server && cfg.WrapSession == nil && cfg.UnwrapSession == nil {
		logged.WrapSession, logged.UnwrapSession = cfg.EncryptTicket, cfg.DecryptTicket
	}
	return logged
}

// record describes the finished handshake.
func (h *handshake) record(s tls.ConnectionState) trace.TLS {
	return trace.TLS{
		Side:         h.side,
		Version:      tls.VersionName(s.Version),
		Cipher:       tls.CipherSuiteName(s.CipherSuite),
		ALPN:         s.NegotiatedProtocol,
		ServerName:   s.ServerName,
		Resumed:      s.DidResume,
		Unverified:   h.unverified(s),
		Certificates: Certificates(s.PeerCertificates),
		Duration:     time.Since(h.started),
	}
}

// unverified reports whether the peer's certificate was not checked at all.
func (h *handshake) unverified(s tls.ConnectionState) bool {
	if h.cfg.VerifyConnection != nil || h.cfg.VerifyPeerCertificate != nil {
		return false
	}
	if h.side == trace.Client {
		return h.cfg.InsecureSkipVerify
	}
	return len(s.PeerCertificates) > 0 && h.cfg.ClientAuth < tls.VerifyClientCertIfGiven
}

// Certificates describes certificates for the trace.
func Certificates(chain []*x509.Certificate) []trace.Certificate {
	var list []trace.Certificate
	for _, c := range chain {
		list = append(list, trace.Certificate{
			Subject: c.Subject.String(), Issuer: c.Issuer.String(), Names: certificateNames(c),
			NotBefore: c.NotBefore, NotAfter: c.NotAfter, SHA256: hexSum(c.Raw),
		})
	}
	return list
}

// certificateNames returns all that c says it is for.
func certificateNames(c *x509.Certificate) []string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	return append(names, c.EmailAddresses...)
}

// tlsStream is a connection that speaks TLS.
type tlsStream struct {
	*tls.Conn
	handshake *handshake
}

// NetConn returns the [*tls.Conn].
func (s *tlsStream) NetConn() net.Conn { return s.Conn }

// Read implements [net.Conn]. The end of the stream is io.EOF after the peer's
// close_notify, and [ErrTruncated] without it. An alert is a [*TLSError]: a TLS
// 1.3 server refuses a client's certificate only after the handshake.
func (s *tlsStream) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err != nil {
		err = s.readError(err)
	}
	return n, err
}

func (s *tlsStream) readError(err error) error {
	switch {
	case err == io.EOF && s.handshake.wire.ended.Load(), errors.Is(err, io.ErrUnexpectedEOF):
		return ErrTruncated
	case isRemoteAlert(err):
		return s.handshake.failure(context.Background(), err)
	}
	return err
}
