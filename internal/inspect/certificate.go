package inspect

import (
	"bytes"
	"crypto/dsa" //nolint:staticcheck // only to name such keys
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// describe says what stands in a certificate.
func describe(c *x509.Certificate, now time.Time) Certificate {
	return Certificate{
		Subject: c.Subject.String(), Issuer: c.Issuer.String(), Serial: fmt.Sprintf("%x", c.SerialNumber), Names: names(c),
		Key: keyName(c.PublicKey), Signature: c.SignatureAlgorithm.String(),
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, DaysLeft: int(math.Floor(c.NotAfter.Sub(now).Hours() / 24)),
		SHA256: tcp.Fingerprint(c.Raw), Authority: c.BasicConstraintsValid && c.IsCA, SelfSigned: selfSigned(c),
	}
}

// names are all that a certificate says it is for.
func names(c *x509.Certificate) []string { return tcp.Certificates([]*x509.Certificate{c})[0].Names }

// selfSigned reports whether a certificate is signed by its own key.
func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) &&
		(weakSignature(c.SignatureAlgorithm) || c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil)
}

// keyName names a public key's kind and size.
func keyName(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	case *dsa.PublicKey:
		return fmt.Sprintf("DSA %d", k.P.BitLen())
	}
	return "unknown"
}

// The least that a key may have (RFC 9325 section 4.5, NIST SP 800-57).
const (
	leastRSA   = 2048
	leastECDSA = 256
)

// weakKey returns what is due where a key is too weak, and else "".
func weakKey(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < leastRSA {
			return fmt.Sprintf("RSA with %d bits, or ECDSA", leastRSA)
		}
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize < leastECDSA {
			return "ECDSA P-256 or better"
		}
	case *dsa.PublicKey:
		return "RSA or ECDSA"
	}
	return ""
}

func weakSignature(a x509.SignatureAlgorithm) bool {
	return slices.Contains([]x509.SignatureAlgorithm{
		x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.DSAWithSHA256, x509.ECDSAWithSHA1,
	}, a)
}
