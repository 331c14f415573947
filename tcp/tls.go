package tcp

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/sockkit/sockkit/trace"
)

// TLSOptions says how TLS is spoken, in the words of the command line: names of
// files in PEM, and text. The zero value is a client that checks the server
// against the system's authorities. Every failure of its methods is a
// [*TLSOptionError].
type TLSOptions struct {
	// Cert is the file with our certificate and those that link it to its
	// authority, Key the one with its private key; "" means that Cert holds
	// that too.
	Cert, Key string
	// SelfSigned has a server make a certificate in memory, for [SelfSigned]'s
	// names and for Hosts.
	SelfSigned bool
	// Hosts are names and addresses that the self-signed certificate is for.
	Hosts []string

	// CA is the file with the only authorities that a client trusts; "" means
	// the system's.
	CA string
	// ClientCA is the file with the authorities of clients. With it a server
	// demands a certificate of each client.
	ClientCA string
	// Pins are the SHA-256 sums of the server's certificate or of its public
	// key (SubjectPublicKeyInfo), one of which has to match: "sha256:" and hex,
	// with or without colons, or base64. Without CA a pin is the whole check:
	// names, dates and authorities do not count. With CA both are checked.
	Pins []string
	// Insecure has a client check nothing but the pins.
	Insecure bool

	// ServerName is the name that a client asks for and checks; "" means the
	// host that is dialled.
	ServerName string
	// ALPN are the application protocols, most wanted first (RFC 7301).
	ALPN []string
	// MinVersion and MaxVersion bound the version; 0 means TLS 1.2 and the
	// newest there is.
	MinVersion, MaxVersion uint16
	// KeyLog takes the secrets of each connection (the NSS key log format).
	KeyLog io.Writer
}

// Client returns the configuration for a client that dials host, which may be
// empty if ServerName, Insecure or Pins say what is checked.
func (o *TLSOptions) Client(host string) (*tls.Config, error) {
	pins, err := parsePins(o.Pins)
	if err != nil {
		return nil, err
	}
	cfg := o.base()
	cfg.ServerName = o.name(host)
	cfg.InsecureSkipVerify = o.Insecure || len(pins) > 0 && o.CA == ""
	if len(pins) > 0 {
		cfg.VerifyConnection = pins.check
	}
	if cfg.ServerName == "" && !cfg.InsecureSkipVerify {
		return nil, &TLSOptionError{Option: "--server-name", Reason: "there is no name to check the server's certificate for",
			Hint: "give --server-name NAME, or --pin sha256:HEX"}
	}
	if o.CA != "" {
		if cfg.RootCAs, err = readAuthorities("--ca", o.CA); err != nil {
			return nil, err
		}
	}
	if o.Cert != "" || o.Key != "" {
		return o.withCertificate(cfg)
	}
	return cfg, nil
}

// Server returns the configuration for a server.
func (o *TLSOptions) Server() (*tls.Config, error) {
	cfg := o.base()
	if o.ClientCA != "" {
		pool, err := readAuthorities("--client-ca", o.ClientCA)
		if err != nil {
			return nil, err
		}
		cfg.ClientCAs, cfg.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	switch {
	case o.SelfSigned && o.Cert != "":
		return nil, &TLSOptionError{Option: "--self-signed", Reason: "there is a certificate already, --cert " + o.Cert,
			Hint: "give one of the two"}
	case o.SelfSigned:
		cert, err := SelfSigned(o.Hosts)
		if err != nil {
			return nil, &TLSOptionError{Option: "--self-signed", Reason: err.Error(), Err: err}
		}
		cfg.Certificates = []tls.Certificate{cert}
		return cfg, nil
	case o.Cert == "" && o.Key == "":
		return nil, &TLSOptionError{Option: "--cert", Reason: "a TLS server needs a certificate",
			Hint: "give --cert FILE and --key FILE, or --self-signed"}
	}
	return o.withCertificate(cfg)
}

// Check holds the certificates that a server sent, its own first, against what
// Client(host) trusts, as the handshake would have. It returns nil, or the
// handshake's [*TLSError]. It is for connections that were opened with Insecure.
func (o *TLSOptions) Check(host string, state tls.ConnectionState) error {
	strict := *o
	strict.Insecure, strict.Cert, strict.Key = false, "", ""
	cfg, err := strict.Client(host)
	if err != nil {
		return err
	}
	err = checkChain(cfg, state.PeerCertificates)
	if err == nil && cfg.VerifyConnection != nil {
		err = cfg.VerifyConnection(state)
	}
	if err == nil {
		return nil
	}
	h := &handshake{side: trace.Client, cfg: cfg}
	failure := &TLSError{Side: h.side, Err: err}
	failure.Reason, failure.Hint = h.untrusted(err)
	return failure
}

// checkChain does what crypto/tls does in a handshake.
func checkChain(cfg *tls.Config, chain []*x509.Certificate) error {
	if cfg.InsecureSkipVerify || len(chain) == 0 {
		return nil
	}
	opts := x509.VerifyOptions{
		Roots: cfg.RootCAs, DNSName: cfg.ServerName, CurrentTime: now(cfg), Intermediates: x509.NewCertPool(),
	}
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(opts); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
	}
	return nil
}

func (o *TLSOptions) base() *tls.Config {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12, MaxVersion: o.MaxVersion,
		NextProtos: slices.Clone(o.ALPN), KeyLogWriter: o.KeyLog,
	}
	if o.MinVersion != 0 {
		cfg.MinVersion = o.MinVersion
	}
	return cfg
}

// name returns the name that the server's certificate has to have: no brackets
// and no zone around an address.
func (o *TLSOptions) name(host string) string {
	if o.ServerName != "" {
		host = o.ServerName
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.WithZone("").String()
	}
	return host
}

func (o *TLSOptions) withCertificate(cfg *tls.Config) (*tls.Config, error) {
	cert, err := o.certificate()
	if err != nil {
		return nil, err
	}
	cfg.Certificates = []tls.Certificate{cert}
	return cfg, nil
}
