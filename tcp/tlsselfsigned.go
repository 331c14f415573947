package tcp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	selfSignedFor  = 90 * 24 * time.Hour
	selfSignedSkew = time.Hour // clocks differ
)

// SelfSigned makes a certificate and its key (ECDSA P-256) for localhost,
// 127.0.0.1, ::1, this machine's name and hosts. It is valid for 90 days, from
// an hour ago on, and exists in memory only.
func SelfSigned(hosts []string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a key: %w", err)
	}
	template := selfSignedTemplate(hosts, time.Now())
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

func selfSignedTemplate(hosts []string, now time.Time) *x509.Certificate {
	template := &x509.Certificate{
		// A nil serial number has CreateCertificate choose one at random.
		Subject:               pkix.Name{CommonName: "sockkit self-signed"},
		NotBefore:             now.Add(-selfSignedSkew),
		NotAfter:              now.Add(-selfSignedSkew).Add(selfSignedFor),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	names := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil {
		names = append(names, name)
	}
	for _, host := range append(names, hosts...) {
		addName(template, host)
	}
	return template
}

// addName adds host to the names of a certificate, if it can be one.
func addName(c *x509.Certificate, host string) {
	host, _, _ = strings.Cut(strings.Trim(host, "[]"), "%")
	if ip := net.ParseIP(host); ip != nil {
		if !ip.IsUnspecified() && !slices.ContainsFunc(c.IPAddresses, ip.Equal) {
			c.IPAddresses = append(c.IPAddresses, ip)
		}
		return
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if isHostName(host) && !slices.Contains(c.DNSNames, host) {
		c.DNSNames = append(c.DNSNames, host)
	}
}

// isHostName reports whether host can stand in a certificate.
func isHostName(host string) bool {
	return host != "" && len(host) <= 253 && !strings.ContainsFunc(host, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_.", r)
	})
}
