package tcp

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
)

// TLSOptionError is an option of [TLSOptions] that cannot be used.
type TLSOptionError struct {
	Option string // --cert, --key, --ca, ...
	Value  string // what was given: a file, a pin
	Reason string // what is wrong with it
	Hint   string // what to do; often empty
	Err    error  // the cause, if there is one
}

// Error implements error.
func (e *TLSOptionError) Error() string {
	if e.Value == "" {
		return e.Option + ": " + e.Reason
	}
	return e.Option + " " + e.Value + ": " + e.Reason
}

// Unwrap returns the cause.
func (e *TLSOptionError) Unwrap() error { return e.Err }

// maxPEM bounds a PEM file. The authorities of a system take 250 KiB.
const maxPEM = 16 << 20

// readPEM returns the blocks of the file that option names, at least one.
func readPEM(option, file string) ([]*pem.Block, error) {
	data, err := readFile(option, file)
	if err != nil {
		return nil, err
	}
	var blocks []*pem.Block
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		blocks = append(blocks, b)
	}
	if len(blocks) > 0 {
		return blocks, nil
	}
	failure := &TLSOptionError{Option: option, Value: file, Reason: "no PEM in it, which begins with -----BEGIN"}
	switch {
	case len(data) == 0:
		failure.Reason = "the file is empty"
	case data[0] == 0x30: // an ASN.1 sequence
		failure.Reason = "this is DER, and PEM is wanted"
		failure.Hint = "openssl x509 -inform der -in FILE (a key: openssl pkey -inform der -in FILE) prints it as PEM"
	case bytes.Contains(data, []byte("-----BEGIN")):
		failure.Reason = "the PEM in it is damaged or cut short"
	}
	return nil, failure
}

func readFile(option, file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fileError(option, file, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return nil, fileError(option, file, err)
	}
	if len(data) > maxPEM {
		return nil, &TLSOptionError{Option: option, Value: file, Reason: "larger than 16 MiB, which no PEM file is"}
	}
	return data, nil
}

func fileError(option, file string, err error) error {
	failure := &TLSOptionError{Option: option, Value: file, Err: err, Reason: Reason(err)}
	var path *os.PathError
	if errors.As(err, &path) {
		failure.Reason = Reason(path.Err)
	}
	if errors.Is(err, syscall.EISDIR) || isDir(file) {
		failure.Reason, failure.Hint = "this is a directory", "name the PEM file in it"
	}
	return failure
}

func isDir(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.IsDir()
}

const certificateBlock = "CERTIFICATE"

// readAuthorities returns the certificates of a PEM file as a pool.
func readAuthorities(option, file string) (*x509.CertPool, error) {
	blocks, err := readPEM(option, file)
	if err != nil {
		return nil, err
	}
	pool, found := x509.NewCertPool(), 0
	for _, b := range blocks {
		if b.Type != certificateBlock {
			continue
		}
		found++
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, badCertificate(option, file, found, err)
		}
		pool.AddCert(cert)
	}
	if found == 0 {
		return nil, &TLSOptionError{Option: option, Value: file, Reason: "no certificate in it, but " + kinds(blocks)}
	}
	return pool, nil
}

func badCertificate(option, file string, n int, err error) error {
	return &TLSOptionError{Option: option, Value: file, Err: err,
		Reason: fmt.Sprintf("certificate %d in it is damaged: %s", n, strings.TrimPrefix(err.Error(), "x509: "))}
}

// kinds lists what blocks hold.
func kinds(blocks []*pem.Block) string {
	var names []string
	for _, b := range blocks {
		names = append(names, printable(b.Type))
	}
	return listed(names)
}

// certificate reads Cert and Key. Each file is read once, so that a pipe does.
func (o *TLSOptions) certificate() (tls.Certificate, error) {
	if o.Cert == "" {
		return tls.Certificate{}, &TLSOptionError{Option: "--key", Value: o.Key, Reason: "a key without its certificate",
			Hint: "give --cert FILE too"}
	}
	certs, err := readPEM("--cert", o.Cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyOption, keyFile, keys := "--cert", o.Cert, certs
	if o.Key != "" {
		keyOption, keyFile = "--key", o.Key
		if keys, err = readPEM(keyOption, keyFile); err != nil {
			return tls.Certificate{}, err
		}
	}
	chain, err := o.chain(certs)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := privateKey(keyOption, keyFile, keys)
	if err != nil {
		return tls.Certificate{}, err
	}
	return o.pair(chain, key, keyOption, keyFile)
}

// chain returns the certificates among blocks, as PEM.
func (o *TLSOptions) chain(blocks []*pem.Block) ([]byte, error) {
	var chain []byte
	n := 0
	for _, b := range blocks {
		if b.Type != certificateBlock {
			continue
		}
		n++
		if _, err := x509.ParseCertificate(b.Bytes); err != nil {
			return nil, badCertificate("--cert", o.Cert, n, err)
		}
		chain = append(chain, pem.EncodeToMemory(b)...)
	}
	if n > 0 {
		return chain, nil
	}
	failure := &TLSOptionError{Option: "--cert", Value: o.Cert, Reason: "no certificate in it, but " + kinds(blocks)}
	if slices.ContainsFunc(blocks, isPrivate) {
		failure.Hint = "are --cert and --key the wrong way round?"
	}
	return nil, failure
}

func isPrivate(b *pem.Block) bool { return strings.HasSuffix(b.Type, "PRIVATE KEY") }

// privateKey returns the first private key among blocks, as PEM.
func privateKey(option, file string, blocks []*pem.Block) ([]byte, error) {
	for _, b := range blocks {
		if !isPrivate(b) {
			continue
		}
		if b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != "" {
			return nil, &TLSOptionError{Option: option, Value: file, Reason: "the private key is encrypted",
				Hint: "openssl pkey -in FILE prints it in the clear"}
		}
		return pem.EncodeToMemory(b), nil
	}
	failure := &TLSOptionError{Option: option, Value: file, Reason: "no private key in it, but " + kinds(blocks)}
	switch {
	case option == "--cert":
		failure.Hint = "name the file with the key: --key FILE"
	case blocks[0].Type == certificateBlock:
		failure.Hint = "are --cert and --key the wrong way round?"
	}
	return nil, failure
}

func (o *TLSOptions) pair(chain, key []byte, option, file string) (tls.Certificate, error) {
	cert, err := tls.X509KeyPair(chain, key)
	if err == nil {
		return cert, nil
	}
	reason := strings.TrimPrefix(err.Error(), "tls: ")
	if strings.HasPrefix(reason, "private key ") && strings.Contains(reason, "match") {
		reason = "the key is not that of the certificate in " + o.Cert
	}
	return tls.Certificate{}, &TLSOptionError{Option: option, Value: file, Reason: reason, Err: err}
}
