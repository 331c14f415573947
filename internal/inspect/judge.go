package inspect

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// judge holds certificates against what is trusted. It reports all that is
// wrong, where a handshake stops at the first fault.
type judge struct {
	name    string         // that the server's certificate has to have; "" is any
	roots   *x509.CertPool // nil: the system's
	pinned  func(tls.ConnectionState) error
	now     time.Time
	lenient bool // what is wrong is only noted

	chain    []*x509.Certificate
	findings []Finding
	anchor   string
	used     [][]*x509.Certificate // the chains that lead to an authority
}

// certificates judges what the server sent, and puts it into the report.
func (j *judge) certificates(r *Report, state *tls.ConnectionState) {
	j.chain = state.PeerCertificates
	if len(j.chain) == 0 {
		r.add(Finding{ID: NoCertificate, Severity: Error, TLS: true, What: "the server sent no certificate"})
		return
	}
	j.look()
	r.TLS.Trusted = !j.broken()
	if r.TLS.Trusted {
		r.TLS.TrustedBy = BySystem
		if j.roots != nil {
			r.TLS.TrustedBy = ByCA
		}
	}
	if j.lenient {
		j.soften()
	}
	j.pins(r.TLS, *state)
	r.TLS.Anchor, r.TLS.Certificates = j.anchor, j.described()
	r.add(j.findings...)
}

// look looks at each certificate and at the whole.
func (j *judge) look() {
	for i, c := range j.chain {
		j.dates(i, c)
		j.strength(i, c)
	}
	j.checkName()
	j.trust()
	j.order()
}

// described lists the certificates, each with what is wrong with it.
func (j *judge) described() []Certificate {
	list := make([]Certificate, len(j.chain))
	for i, c := range j.chain {
		list[i] = describe(c, j.now)
	}
	for _, f := range j.findings {
		c := &list[f.Certificate-1]
		c.Findings = append(c.Findings, f.ID)
	}
	return list
}

func (j *judge) broken() bool {
	return slices.ContainsFunc(j.findings, func(f Finding) bool { return f.Severity == Error })
}

// soften turns what is wrong into notes.
func (j *judge) soften() {
	for i := range j.findings {
		j.findings[i].Severity = Note
	}
}

// pins holds the server against --pin. Without --ca a pin is the whole check.
func (j *judge) pins(t *TLS, state tls.ConnectionState) {
	if j.pinned == nil {
		return
	}
	err := j.pinned(state)
	if err == nil {
		if j.roots == nil {
			t.Trusted, t.TrustedBy = true, ByPin
			j.soften()
		}
		return
	}
	t.Trusted, t.TrustedBy = false, ""
	f := Finding{ID: PinMismatch, Severity: Error, What: tcp.Reason(err)}
	var mismatch *tcp.PinError
	if errors.As(err, &mismatch) {
		f.What = fmt.Sprintf("the certificate is not the pinned one: it is %s, and its key is %s", mismatch.Certificate, mismatch.Key)
		f.Due, f.Hint = strings.Join(mismatch.Want, " or "), "if it was changed on purpose, pin the new one"
	}
	j.add(0, f)
}

// add adds a finding about certificate i.
func (j *judge) add(i int, f Finding) {
	f.Certificate, f.TLS = i+1, true
	j.findings = append(j.findings, f)
}

// whose names certificate i.
func (j *judge) whose(i int) string {
	if i == 0 {
		return "the server's certificate"
	}
	return fmt.Sprintf("certificate %d (%s)", i+1, subject(j.chain[i]))
}

// A certificate is due to be renewed where less than both is left.
const (
	soonDays = 14
	soonPart = 3 // of its lifetime
)

func (j *judge) dates(i int, c *x509.Certificate) {
	left := c.NotAfter.Sub(j.now)
	switch {
	case j.now.Before(c.NotBefore):
		j.add(i, Finding{ID: NotYetValid, Severity: Error,
			What: fmt.Sprintf("%s is not valid yet: from %s on, in %s", j.whose(i), date(c.NotBefore), span(c.NotBefore.Sub(j.now))),
			Due:  "valid today", Hint: "is this machine's clock right?"})
	case left < 0:
		j.add(i, Finding{ID: Expired, Severity: Error,
			What: fmt.Sprintf("%s expired on %s, %s ago", j.whose(i), date(c.NotAfter), span(-left)),
			Due:  "valid today", Hint: "renew it on the server; sockkit dial -k connects all the same, unchecked"})
	case left < soonDays*24*time.Hour && left < c.NotAfter.Sub(c.NotBefore)/soonPart:
		j.add(i, Finding{ID: ExpiresSoon, Severity: Warning,
			What: fmt.Sprintf("%s expires on %s, in %s", j.whose(i), date(c.NotAfter), span(left)), Hint: "renew it"})
	}
}

func (j *judge) strength(i int, c *x509.Certificate) {
	if due := weakKey(c.PublicKey); due != "" {
		j.add(i, Finding{ID: WeakKey, Severity: Error, What: fmt.Sprintf("%s has a weak key: %s", j.whose(i), keyName(c.PublicKey)), Due: due})
	}
	if !selfSigned(c) && weakSignature(c.SignatureAlgorithm) { // nobody relies on a root's own signature
		j.add(i, Finding{ID: WeakSignature, Severity: Error,
			What: fmt.Sprintf("%s is signed by %s, which can be forged", j.whose(i), c.SignatureAlgorithm), Due: "SHA-256 or better"})
	}
}

func (j *judge) checkName() {
	leaf := j.chain[0]
	if j.name == "" || leaf.VerifyHostname(j.name) == nil {
		return
	}
	what := fmt.Sprintf("the server's certificate is not for %s: it is for %s", strconv.Quote(j.name), listed(names(leaf)))
	if len(names(leaf)) == 0 {
		what = fmt.Sprintf("the server's certificate is not for %s: it has no names at all (%s)", strconv.Quote(j.name), subject(leaf))
	}
	j.add(0, Finding{ID: WrongName, Severity: Error, What: what, Due: strconv.Quote(j.name) + " among its names",
		Hint: "--server-name NAME asks for another name, and checks it"})
}

// trust looks for a way from the server's certificate to a trusted authority.
// Dates are judged already: where there is no way it looks again without them.
func (j *judge) trust() {
	if j.verify(j.chain) == nil {
		j.excuse()
		return
	}
	if j.signers(); j.has(NotAuthority) {
		return
	}
	err := j.verify(undated(j.chain, j.now))
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired && (j.has(Expired) || j.has(NotYetValid)) {
		return // a system's own verifier reads the dates itself
	}
	if err != nil {
		j.distrusted(err)
	}
}

func (j *judge) verify(chain []*x509.Certificate) error {
	opts := x509.VerifyOptions{Roots: j.roots, CurrentTime: j.now, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	chains, err := chain[0].Verify(opts)
	if err != nil {
		return err
	}
	j.used = chains
	j.anchor = chains[0][len(chains[0])-1].Subject.String()
	return nil
}

// undated are copies of certificates that are valid now. Their signatures stay
// right: those are over the bytes as sent.
func undated(chain []*x509.Certificate, now time.Time) []*x509.Certificate {
	copies := make([]*x509.Certificate, len(chain))
	for i, c := range chain {
		dated := *c
		dated.NotBefore, dated.NotAfter = now.Add(-time.Hour), now.Add(time.Hour)
		copies[i] = &dated
	}
	return copies
}

// excuse turns the dates of certificates into notes that the way to the
// authority goes round.
func (j *judge) excuse() {
	for i := range j.findings {
		f := &j.findings[i]
		if (f.ID == Expired || f.ID == NotYetValid) && f.Certificate > 1 && !j.inUse(j.chain[f.Certificate-1]) {
			f.Severity, f.Hint = Note, "another way leads to an authority; the server can leave it out"
		}
	}
}

func (j *judge) has(id string) bool {
	return slices.ContainsFunc(j.findings, func(f Finding) bool { return f.ID == id })
}

// signers looks for certificates that signed others and may not (RFC 5280
// section 4.2.1.9 and 4.2.1.3).
func (j *judge) signers() {
	for i, c := range j.chain {
		signed := slices.ContainsFunc(j.chain, func(other *x509.Certificate) bool {
			return other != c && bytes.Equal(other.RawIssuer, c.RawSubject) && !selfSigned(other)
		})
		if signed && c.Version == 3 && (!c.BasicConstraintsValid || !c.IsCA || c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0) {
			j.add(i, Finding{ID: NotAuthority, Severity: Error, What: j.whose(i) + " signed another and may not",
				Due: "CA:TRUE in its basic constraints, and keyCertSign in its key usage"})
		}
	}
}

// distrusted words why no way leads to an authority.
func (j *judge) distrusted(err error) {
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &authority):
		j.unknown(err)
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		j.add(0, Finding{ID: WrongUse, Severity: Error, What: "the server's certificate is not for servers",
			Due: "serverAuth among its extended key usages, or none at all"})
	default:
		j.add(0, Finding{ID: Untrusted, Severity: Error, What: "the server's certificate fails its check: " + plain(err)})
	}
}

// unknown words a chain that ends at nobody who is trusted.
func (j *judge) unknown(err error) {
	leaf := j.chain[0]
	trustHint := "--ca FILE trusts an authority, --pin " + tcp.Fingerprint(leaf.Raw) + " this very certificate"
	if selfSigned(leaf) {
		j.add(0, Finding{ID: SelfSigned, Severity: Error, Due: "a certificate by a trusted authority",
			What: fmt.Sprintf("the server's certificate (%s) is self-signed, and not one that is trusted", subject(leaf)), Hint: trustHint})
		return
	}
	end := j.end()
	last := j.chain[end]
	f := Finding{ID: UnknownCA, Severity: Error, Due: "a chain that ends at a trusted authority", Hint: trustHint}
	issuer := printable(last.Issuer.String())
	switch {
	case selfSigned(last):
		f.What = fmt.Sprintf("the chain ends at %s, an authority that is not trusted", subject(last))
	case len(last.IssuingCertificateURL) > 0:
		f.What = fmt.Sprintf("the chain ends at %s; its issuer, %s, is neither sent nor trusted", subject(last), issuer)
		f.Hint = "does the server leave out an intermediate certificate? Its issuer's is at " +
			printable(last.IssuingCertificateURL[0]) + "; " + trustHint
	default:
		f.What = fmt.Sprintf("the chain ends at %s; its issuer, %s, is neither sent nor trusted", subject(last), issuer)
	}
	if _, why, ok := strings.Cut(plain(err), "(possibly because of "); ok {
		f.What += "; " + strings.TrimSuffix(why, ")")
	}
	j.add(end, f)
}

// end follows the issuers from the server's certificate, and returns the index
// of the last one that was sent.
func (j *judge) end() int {
	at, seen := 0, map[int]bool{0: true}
	for {
		next := -1
		for i, c := range j.chain {
			if !seen[i] && bytes.Equal(c.RawSubject, j.chain[at].RawIssuer) {
				next = i
			}
		}
		if next < 0 {
			return at
		}
		at, seen[next] = next, true
	}
}

// order looks for certificates that are of no use, or stand in the wrong place
// (RFC 8446 section 4.4.2).
func (j *judge) order() {
	for i, c := range j.chain[1:] {
		switch {
		case len(j.used) > 0 && !j.inUse(c):
			j.add(i+1, Finding{ID: Unused, Severity: Note, What: j.whose(i+1) + " is sent and part of no chain", Hint: "the server can leave it out"})
		case !bytes.Equal(c.RawSubject, j.chain[i].RawIssuer):
			j.add(i+1, Finding{ID: Disordered, Severity: Note, What: j.whose(i+1) + " did not sign the one before it",
				Due: "each signs the one before it (RFC 8446 section 4.4.2)"})
		}
	}
}

func (j *judge) inUse(c *x509.Certificate) bool {
	return slices.ContainsFunc(j.used, func(chain []*x509.Certificate) bool {
		return slices.ContainsFunc(chain, c.Equal)
	})
}
