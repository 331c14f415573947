package capture

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// Messages of the handshake (RFC 8446 section 4) that are read.
const (
	helloClient   = 1
	helloServer   = 2
	encryptedExts = 8
	certificates  = 11
	endOfEarly    = 5
	finished      = 20
	keyUpdate     = 24
)

// Extensions that are read (RFC 6066 3, RFC 7301, RFC 7366, RFC 8446 4.2).
const (
	extServerName   = 0
	extALPN         = 16
	extEncryptFirst = 22
	extEarlyData    = 42
	extVersions     = 43
)

// retryRandom marks a server's hello that asks for another of the client's
// (RFC 8446 section 4.1.3).
var retryRandom = sha256.Sum256([]byte("HelloRetryRequest"))

// fields takes a message apart. What is not there makes it bad, and all that
// follows empty.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) take(n int) []byte {
	if n > len(f.b) {
		f.b, f.bad = nil, true
		return nil
	}
	out := f.b[:n]
	f.b = f.b[n:]
	return out
}

// number reads one of n bytes.
func (f *fields) number(n int) (v int) {
	for _, c := range f.take(n) {
		v = v<<8 | int(c)
	}
	return v
}

// vector reads bytes whose length stands before them, in n bytes.
func (f *fields) vector(n int) *fields { return &fields{b: f.take(f.number(n))} }

// hello is what is read of a hello of either side.
type hello struct {
	random  []byte
	version int
	suite   int // of the server's
	name    string
	alpn    []string
	early   bool // data may come ahead of the handshake's end

	encryptFirst bool // of CBC: the MAC is that of what is encrypted
}

// readHello reads RFC 8446 sections 4.1.2 and 4.1.3.
func readHello(b []byte, server bool) (h hello, ok bool) {
	f := &fields{b: b}
	h.version = f.number(2)
	h.random = append([]byte(nil), f.take(32)...)
	f.vector(1) // the session
	if server {
		h.suite = f.number(2)
		f.take(1)
	} else {
		f.vector(2)
		f.vector(1)
	}
	if f.bad {
		return h, false
	}
	h.extensions(f.vector(2), server)
	return h, true
}

// extensions reads a list of extensions, of a hello or of EncryptedExtensions.
func (h *hello) extensions(list *fields, server bool) {
	for len(list.b) > 0 && !list.bad {
		kind, body := list.number(2), list.vector(2)
		switch kind {
		case extServerName:
			names := body.vector(2)
			if names.number(1) == 0 && h.name == "" {
				h.name = string(names.vector(2).b)
			}
		case extALPN:
			for names := body.vector(2); len(names.b) > 0 && !names.bad && len(h.alpn) < 100; {
				h.alpn = append(h.alpn, string(names.vector(1).b))
			}
		case extEarlyData:
			h.early = true
		case extEncryptFirst:
			h.encryptFirst = true
		case extVersions:
			if server {
				h.version = body.number(2)
			}
		}
	}
}

// mostChain bounds the certificates that are shown.
const mostChain = 10

// readChain reads the certificates of TLS 1.3 (RFC 8446 section 4.4.2) or of
// those before it (RFC 5246 section 7.4.2).
func readChain(b []byte, tls13 bool) []trace.Certificate {
	var chain []*x509.Certificate
	f := &fields{b: b}
	if tls13 {
		f.vector(1)
	}
	for list := f.vector(3); len(list.b) > 0 && !list.bad && len(chain) < mostChain; {
		der := list.vector(3).b
		if tls13 {
			list.vector(2)
		}
		if c, err := x509.ParseCertificate(der); err == nil {
			chain = append(chain, c)
		}
	}
	return tcp.Certificates(chain)
}

func versionName(v int) string { return tls.VersionName(uint16(v)) }
