package tcp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/sockkit/sockkit/trace"
)

// The alerts that say more than their names (RFC 8446 section 6, RFC 6066,
// RFC 7301).
const (
	alertHandshakeFailure    tls.AlertError = 40
	alertBadCertificate      tls.AlertError = 42
	alertUnsupported         tls.AlertError = 43
	alertRevoked             tls.AlertError = 44
	alertExpired             tls.AlertError = 45
	alertCertificateUnknown  tls.AlertError = 46
	alertUnknownCA           tls.AlertError = 48
	alertAccessDenied        tls.AlertError = 49
	alertProtocolVersion     tls.AlertError = 70
	alertUnrecognizedName    tls.AlertError = 112
	alertCertificateRequired tls.AlertError = 116
	alertNoALPN              tls.AlertError = 120
)

// AccessDenied is the TLS record that turns a client away before a handshake:
// the fatal alert access_denied (RFC 8446 section 6.2). Send it once the
// client's first bytes are there, or closing may reset it away.
func AccessDenied() []byte { return []byte{21, 3, 3, 0, 2, 2, byte(alertAccessDenied)} }

// alertCode returns the alert that err is. crypto/tls has a public type for
// alerts, but uses it for QUIC only; the words are the same.
func alertCode(err error) (tls.AlertError, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Err == nil {
		return 0, false
	}
	for code := range 256 {
		if tls.AlertError(code).Error() == op.Err.Error() {
			return tls.AlertError(code), true
		}
	}
	return 0, false
}

// alerted words an alert that the peer sent.
func (h *handshake) alerted(err error) (reason, hint string) {
	code, ok := alertCode(err)
	if !ok {
		return "the " + h.peer() + " sent a TLS alert: " + Reason(err), ""
	}
	return h.alertText(code)
}

// clearAlert returns the fatal alert that came last, if it came in the clear.
// OpenSSL refuses a TLS 1.3 server's certificate so, before it has begun to
// encrypt, and crypto/tls takes that for ciphertext that was tampered with.
func (h *handshake) clearAlert() (tls.AlertError, bool) {
	last := h.wire.last
	isAlert := last[0] == 21 && last[1] == 3 && last[3] == 0 && last[4] == 2 && last[5] == 2
	return tls.AlertError(last[6]), isAlert
}

func (h *handshake) alertText(code tls.AlertError) (reason, hint string) {
	reason, hint = h.alertWords(code)
	name := strings.TrimPrefix(code.Error(), "tls: ")
	if reason == "" {
		return fmt.Sprintf("the %s gave up with the TLS alert %d, %s", h.peer(), uint8(code), name), ""
	}
	return fmt.Sprintf("%s (TLS alert %d, %s)", reason, uint8(code), name), hint
}

func (h *handshake) alertWords(code tls.AlertError) (reason, hint string) {
	peer := "the " + h.peer()
	if code == alertCertificateRequired || h.unanswered && code >= alertHandshakeFailure && code <= alertAccessDenied {
		return peer + " demands a client certificate", h.certificateHint()
	}
	switch code {
	case alertBadCertificate, alertUnsupported, alertRevoked, alertCertificateUnknown:
		return peer + " refused our certificate", h.refusedHint()
	case alertExpired:
		return peer + " refused our certificate: it has expired", ""
	case alertUnknownCA:
		return peer + " refused our certificate: it does not know the authority behind it", h.refusedHint()
	case alertAccessDenied:
		return peer + " turned us away", ""
	case alertProtocolVersion:
		return peer + " speaks no TLS version in common: offered was " + h.versions(), ""
	case alertNoALPN:
		return "no application protocol in common (ALPN): offered was " + quoted(h.cfg.NextProtos), "--alpn says which are offered"
	case alertUnrecognizedName:
		return fmt.Sprintf("%s knows no host named %q", peer, h.cfg.ServerName), "--server-name asks for another name"
	case alertHandshakeFailure:
		return peer + " found nothing in common: no cipher, curve or signature", ""
	}
	return "", ""
}

// watchRequest returns cfg for a client, so that it is known whether the server
// asked for a certificate and got none: servers refuse its lack with several
// alerts. The answer is the same as without.
func (h *handshake) watchRequest(cfg *tls.Config) *tls.Config {
	if h.side == trace.Server || cfg.GetClientCertificate != nil {
		return cfg
	}
	watched := cfg.Clone()
	watched.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		for i := range cfg.Certificates {
			if asked.SupportsCertificate(&cfg.Certificates[i]) == nil {
				return &cfg.Certificates[i], nil
			}
		}
		h.unanswered = true
		return new(tls.Certificate), nil
	}
	return watched
}

func (h *handshake) certificateHint() string {
	if len(h.cfg.Certificates) > 0 {
		return "ours is by none of the authorities that it accepts"
	}
	return "--cert FILE and --key FILE send one"
}

// refusedHint is for a peer that does not trust us.
func (h *handshake) refusedHint() string {
	if h.side == trace.Client {
		return ""
	}
	return "the client has to trust the certificate, its authority or its fingerprint: --ca, --pin"
}
