package inspect

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// configure makes the configuration of a handshake that looks at everything and
// refuses nothing; in.judge holds what the certificates are held against.
func (in *Inspection) configure() error {
	o := in.o.TLS
	o.Insecure, o.MinVersion = true, tls.VersionTLS10
	in.assumed = (in.o.Address.WebSocket() || in.o.Address.SocketIO()) && len(o.ALPN) == 0
	if in.assumed {
		o.ALPN = []string{"http/1.1"} // a server that prefers HTTP/2 would answer in that
	}
	config, err := o.Client(in.host())
	if err != nil {
		return err
	}
	in.judge = &judge{
		name: config.ServerName, roots: config.RootCAs, pinned: config.VerifyConnection,
		now: in.o.Now(), lenient: in.o.TLS.Insecure,
	}
	config.CipherSuites = allCiphers()
	config.VerifyConnection = func(state tls.ConnectionState) error {
		in.seen = state // also where the handshake fails later
		return nil
	}
	config.GetClientCertificate = in.clientCertificate(config.Certificates)
	in.tls = config
	in.Report.TLS = &TLS{Offered: config.NextProtos, ServerName: config.ServerName, Certificates: []Certificate{}}
	return nil
}

// allCiphers are all that can be spoken, so that an old server can be looked
// at. Those that are worth having come first.
func allCiphers() []uint16 {
	var ids []uint16
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		ids = append(ids, suite.ID)
	}
	return ids
}

// clientCertificate notes that the server asks for a certificate, and gives it
// the one that we have.
func (in *Inspection) clientCertificate(ours []tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		noted := &ClientCertificate{Authorities: distinguishedNames(asked.AcceptableCAs)}
		in.Report.TLS.ClientCertificate = noted
		if len(ours) == 0 {
			return &tls.Certificate{}, nil
		}
		noted.Sent = true
		return &ours[0], nil
	}
}

// distinguishedNames words names in DER.
func distinguishedNames(list [][]byte) []string {
	var names []string
	for _, der := range list {
		var rdn pkix.RDNSequence
		if rest, err := asn1.Unmarshal(der, &rdn); err != nil || len(rest) > 0 {
			names = append(names, fmt.Sprintf("%x", der))
			continue
		}
		names = append(names, rdn.String())
	}
	return names
}

// secure makes the handshake and judges what the server showed.
func (in *Inspection) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	ctx, cancel := in.within(ctx)
	defer cancel()
	started := time.Now()
	secured, err := tcp.ClientTLS(ctx, conn, in.tls, in.o.Tracer)
	in.Report.TLS.Duration = time.Since(started)
	if err != nil {
		if len(in.seen.PeerCertificates) > 0 {
			in.judge.certificates(in.Report, &in.seen)
		}
		return nil, in.demanded(err)
	}
	state, _ := tcp.TLSState(secured)
	in.agreed(&state)
	in.judge.certificates(in.Report, &state)
	return secured, nil
}

// agreed reports what the handshake has come to.
func (in *Inspection) agreed(state *tls.ConnectionState) {
	t := in.Report.TLS
	t.Version, t.Cipher = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
	t.KeyExchange, t.ALPN = keyExchange(state), state.NegotiatedProtocol
	t.OCSP, t.SCTs, t.HelloRetry = len(state.OCSPResponse) > 0, len(state.SignedCertificateTimestamps), state.HelloRetryRequest
	if state.Version < tls.VersionTLS12 {
		in.tlsFinding(Finding{ID: OldVersion, Severity: Error, What: "the server speaks no more than " + t.Version,
			Due: "TLS 1.2 or newer (RFC 8996)", Hint: "clients of today refuse it"})
	}
	in.cipherFindings(t)
	if len(t.Offered) > 0 && t.ALPN == "" && !in.assumed {
		in.tlsFinding(Finding{ID: NoALPN, Severity: Warning,
			What: "the server took none of the application protocols offered: " + strings.Join(t.Offered, ", "),
			Hint: "it may not know ALPN; the client has to guess what is spoken"})
	}
}

// keyExchange names the group of the key exchange.
func keyExchange(state *tls.ConnectionState) string {
	switch state.CurveID {
	case 0:
		if strings.HasPrefix(tls.CipherSuiteName(state.CipherSuite), "TLS_RSA_") {
			return "RSA"
		}
		return ""
	case tls.CurveP256:
		return "P-256"
	case tls.CurveP384:
		return "P-384"
	case tls.CurveP521:
		return "P-521"
	}
	return state.CurveID.String()
}

func (in *Inspection) cipherFindings(t *TLS) {
	switch {
	case strings.Contains(t.Cipher, "_RC4_"), strings.Contains(t.Cipher, "_3DES_"):
		in.tlsFinding(Finding{ID: WeakCipher, Severity: Error, What: "the cipher " + t.Cipher + " is broken",
			Due: "AES-GCM or ChaCha20-Poly1305 (RFC 9325 section 4.2)"})
	case strings.HasPrefix(t.Cipher, "TLS_RSA_"):
		in.tlsFinding(Finding{ID: NoSecrecy, Severity: Warning,
			What: "the cipher " + t.Cipher + " has no forward secrecy: who gets the key later can read what was recorded",
			Due:  "a key exchange by ECDHE (RFC 9325 section 4.1)"})
	}
}

func (in *Inspection) tlsFinding(f Finding) {
	f.TLS = true
	in.Report.add(f)
}

const certificateHint = "--cert FILE and --key FILE show one"

// demanded says of a handshake that failed that it was for want of a client
// certificate, where it was.
func (in *Inspection) demanded(err error) error {
	var failed *tcp.TLSError
	asked := in.Report.TLS.ClientCertificate
	if !errors.As(err, &failed) || asked == nil || asked.Sent || !isAlert(err) {
		return err
	}
	reason := *failed
	reason.Reason, reason.Hint = "the server demands a client certificate", certificateHint
	return &reason
}

// alerted is the end of a connection by an alert behind the handshake of TLS.
func (in *Inspection) alerted(err error) error {
	var failed *net.OpError
	errors.As(err, &failed)
	return in.demanded(&tcp.TLSError{Err: failed, Reason: failed.Err.Error()})
}

// isAlert reports whether the peer sent an alert.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// clientFinding words the server's wish for a certificate; err is what it
// ended the connection with, if it did.
func (in *Inspection) clientFinding(err error) {
	asked := in.Report.TLS.ClientCertificate
	f := Finding{ID: WantsClient, Severity: Note, What: "the server asks for a client certificate, and goes on without"}
	switch {
	case asked.Sent && err != nil:
		f.Severity, f.What = Error, "the server refused our certificate: "+tcp.Reason(err)
	case asked.Sent:
		return
	case err != nil:
		f.Severity, f.What, f.Hint = Error, "the server demands a client certificate", certificateHint
	}
	if len(asked.Authorities) > 0 {
		f.Due = "one of " + listed(asked.Authorities)
	}
	in.tlsFinding(f)
}
