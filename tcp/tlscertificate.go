package tcp

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sockkit/sockkit/trace"
)

// namesShown bounds how many of a certificate's names an error lists.
const namesShown = 10

// explainCertificate words what is wrong with the peer's certificates.
func explainCertificate(err *tls.CertificateVerificationError, cfg *tls.Config, side string) (reason, hint string) {
	whose := "the server's certificate"
	if side == trace.Server {
		whose = "the client's certificate"
	}
	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err.Err, &invalid):
		return explainInvalid(whose, invalid, err.UnverifiedCertificates, now(cfg))
	case errors.As(err.Err, &authority):
		return explainAuthority(whose, err.UnverifiedCertificates, side)
	case errors.As(err.Err, &name):
		return explainName(whose, name)
	}
	return whose + " failed its check: " + strings.TrimPrefix(err.Err.Error(), "x509: "), ""
}

func now(cfg *tls.Config) time.Time {
	if cfg.Time != nil {
		return cfg.Time()
	}
	return time.Now()
}

func explainInvalid(whose string, err x509.CertificateInvalidError, chain []*x509.Certificate, now time.Time) (reason, hint string) {
	if len(chain) > 0 && err.Cert != nil && !err.Cert.Equal(chain[0]) {
		whose = "the authority's certificate (" + subject(err.Cert) + ") behind " + whose
	}
	switch {
	case err.Reason == x509.Expired && err.Cert != nil && now.Before(err.Cert.NotBefore):
		return fmt.Sprintf("%s is not valid yet: from %s on, in %s", whose, date(err.Cert.NotBefore),
			span(err.Cert.NotBefore.Sub(now))), "is this machine's clock right?"
	case err.Reason == x509.Expired && err.Cert != nil:
		return fmt.Sprintf("%s expired on %s, %s ago", whose, date(err.Cert.NotAfter), span(now.Sub(err.Cert.NotAfter))),
			"-k connects all the same, unchecked"
	case err.Reason == x509.IncompatibleUsage:
		return whose + " is not meant for this use (its extended key usage)", ""
	}
	return whose + " is not valid: " + strings.TrimPrefix(err.Error(), "x509: "), ""
}

func explainAuthority(whose string, chain []*x509.Certificate, side string) (reason, hint string) {
	if len(chain) == 0 {
		return whose + " is signed by an unknown authority", ""
	}
	leaf, last := chain[0], chain[len(chain)-1]
	reason = fmt.Sprintf("%s (%s) is signed by an unknown authority: %s", whose, subject(leaf), printable(last.Issuer.String()))
	if bytes.Equal(leaf.RawIssuer, leaf.RawSubject) {
		reason = fmt.Sprintf("%s (%s) is self-signed, and not one that is trusted", whose, subject(leaf))
	}
	if side == trace.Server {
		return reason, "--client-ca names the authority of the clients"
	}
	return reason, "--ca FILE trusts an authority, --pin " + Fingerprint(leaf.Raw) + " this very certificate; -k checks nothing"
}

func explainName(whose string, err x509.HostnameError) (reason, hint string) {
	names := certificateNames(err.Certificate)
	hint = "--server-name NAME checks for another name"
	if len(names) == 0 {
		return fmt.Sprintf("%s is not for %s: it has no names at all (%s)", whose, strconv.Quote(err.Host),
			subject(err.Certificate)), hint
	}
	return fmt.Sprintf("%s is not for %s: it is for %s", whose, strconv.Quote(err.Host), listed(names)), hint
}

func listed(names []string) string {
	more := ""
	if len(names) > namesShown {
		more = fmt.Sprintf(" and %d more", len(names)-namesShown)
		names = names[:namesShown]
	}
	shown := make([]string, len(names))
	for i, name := range names {
		shown[i] = printable(name)
	}
	return strings.Join(shown, ", ") + more
}

func subject(c *x509.Certificate) string {
	if name := c.Subject.String(); name != "" {
		return printable(name)
	}
	return "no subject"
}

// printable quotes a peer's text if it holds anything that a terminal obeys.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) < 0 {
		return s
	}
	return strconv.QuoteToASCII(s)
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// span words a duration as people count it.
func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return plural(int(d/time.Second), "second")
	case d < 2*time.Hour:
		return plural(int(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return plural(int(d/time.Hour), "hour")
	}
	return plural(int(d/(24*time.Hour)), "day")
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
