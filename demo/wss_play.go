package demo

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// authority signs certificates, and exists in memory only.
type authority struct {
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

// newAuthority makes one of that name.
func newAuthority(name string) (*authority, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	t := certificate(name)
	t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, public, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, key}, err
}

// certificate is one for a name, valid for a day.
func certificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(23 * time.Hour), BasicConstraintsValid: true,
	}
}

// signs makes a certificate for a name; nobody's signature is its own.
func (a *authority) signs(name string) (tls.Certificate, error) { return a.issues(certificate(name)) }

// issues makes a certificate as t says.
func (a *authority) issues(t *x509.Certificate) (tls.Certificate, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	parent, by := t, key
	if a != nil {
		parent, by = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, public, by)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// trusts are the authorities that a client knows.
func (a *authority) trusts() *x509.CertPool {
	pool := x509.NewCertPool()
	if a != nil {
		pool.AddCert(a.cert)
	}
	return pool
}

// echoes brings up a WebSocket server that repeats what it is told; without a
// certificate it speaks no TLS.
func (s *Stage) echoes(who string, cert *tls.Certificate) (address string, err error) {
	l, err := s.listen(who)
	if err != nil {
		return "", err
	}
	server := &ws.Server{Handler: echo}
	if cert != nil {
		server.TCP = &tcp.Server{TLS: &tls.Config{Certificates: []tls.Certificate{*cert}, SessionTicketsDisabled: true}}
	}
	s.Keep(server)
	go func() { _ = server.Serve(l.Sockets()[0]) }()
	return l.Addr().String(), nil
}

func echo(ctx context.Context, c *ws.Conn) error {
	for {
		kind, text, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, kind, text); err != nil {
			return err
		}
	}
}

// The name of the lesson's server, and what is said to it.
const (
	chatName = "chat.example"
	pin      = "4711"
	secret   = "my PIN is " + pin
)

// visitor is a client of the lesson's server.
type visitor struct {
	who    string
	scheme string
	name   string // what it takes the server for
	tls    *tls.Config
}

// visits says the secret to whoever answers at an address, and hears it again.
func (s *Stage) visits(v visitor, address string) error {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	named := net.JoinHostPort(v.name, port)
	tracer := s.tracer.View(some{s.sink(v.who), isSecurityOrWord}, trace.Message)
	d := ws.Dialer{TCP: &tcp.Dialer{Hosts: map[string]string{named: host}, TLS: v.tls, Tracer: tracer}, Tracer: tracer, Timeout: patience}
	c, _, err := d.Dial(ctx, v.scheme+"://"+named+chatPath)
	if err != nil {
		return err
	}
	s.Keep(closerFunc(c.CloseNow))
	if err := c.Write(ctx, ws.Text, []byte(secret)); err != nil {
		return err
	}
	if _, _, err := c.Read(ctx); err != nil {
		return err
	}
	return c.Close(ws.StatusNormal, "")
}

// isSecurityOrWord picks the records of this lesson's clients: all else is known
// by now.
func isSecurityOrWord(e trace.Event) bool {
	switch e.(type) {
	case trace.TLSStart, trace.TLS, trace.TLSFailed, trace.WSMessage:
		return true
	}
	return false
}

// some is a sink that keeps the records that are picked.
type some struct {
	sink  trace.Sink
	picks func(trace.Event) bool
}

// Record implements [trace.Sink].
func (o some) Record(r trace.Record) {
	if o.picks(r.Event) {
		o.sink.Record(r)
	}
}

// middle is a program through which one connection passes.
type middle struct {
	listener *tcp.Listener
	to       string
	serves   *tls.Config // it answers in the server's place, where set
	dials    *tls.Config // and calls the server in the client's
	done     chan error
	there    heardBytes // from the client to the server
	back     heardBytes
}

// heardBytes are the bytes of one direction.
type heardBytes struct {
	mu sync.Mutex
	b  []byte
}

// Write implements [io.Writer].
func (h *heardBytes) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b = append(h.b, p...)
	return len(p), nil
}

// between puts a middle in front of a server. It takes one connection.
func (s *Stage) between(to string, serves, dials *tls.Config) (*middle, error) {
	l, err := (&tcp.ListenConfig{}).Listen(s.ctx, "tcp", anyPort)
	if err != nil {
		return nil, err
	}
	s.Keep(l)
	m := &middle{listener: l, to: to, serves: serves, dials: dials, done: make(chan error, 1)}
	go func() { m.done <- m.carry(s.ctx) }()
	return m, nil
}

func (m *middle) address() string { return m.listener.Addr().String() }

// carry passes on what comes, until both sides have ended.
func (m *middle) carry(ctx context.Context) error {
	near, err := m.listener.Accept()
	if err != nil {
		return err
	}
	defer near.Close()
	defer context.AfterFunc(ctx, func() { near.Close() })()
	far, err := (&tcp.Dialer{TLS: m.dials, Timeout: patience}).DialContext(ctx, "tcp", m.to)
	if err != nil {
		return err
	}
	defer far.Close()
	if m.serves != nil {
		if near, err = tcp.ServerTLS(ctx, near, m.serves, nil); err != nil {
			return err
		}
	}
	var both sync.WaitGroup
	both.Go(func() { pour(far, near, &m.there) })
	both.Go(func() { pour(near, far, &m.back) })
	both.Wait()
	return nil
}

// pour passes on one direction, and its end.
func pour(to, from net.Conn, seen io.Writer) {
	_, _ = io.Copy(io.MultiWriter(seen, to), from) // a failure shows at both ends
	_ = tcp.CloseWrite(to)
}

// over waits for the end of the connection.
func (m *middle) over(s *Stage) error {
	failed, err := within(s, "the end in the middle", m.done)
	return errors.Join(failed, err)
}

// record is one of TLS as it passed.
type record struct {
	trace.TLSRecord
	body []byte
}

// kinds are the types of TLS records (RFC 8446 section 5.1).
var kinds = map[byte]string{20: "change_cipher_spec", 21: "alert", 22: "handshake", 23: "application_data"}

// tlsRecords reads the TLS records of one direction.
func tlsRecords(b []byte, way trace.Dir) (list []record) {
	const head = 5
	for len(b) >= head {
		n := int(binary.BigEndian.Uint16(b[3:]))
		if len(b) < head+n {
			break
		}
		list = append(list, record{trace.TLSRecord{Dir: way, Type: kinds[b[0]], Version: tls.VersionName(binary.BigEndian.Uint16(b[1:])), Size: n}, b[head : head+n]})
		b = b[head+n:]
	}
	return list
}

// afterHead is what follows the head of a request or an answer.
func afterHead(b []byte) (head, rest []byte) {
	at := bytes.Index(b, []byte("\r\n\r\n"))
	if at < 0 {
		return b, nil
	}
	return b[:at+4], b[at+4:]
}

// firstFrame is the first short frame in b, its masking key, if it has one, and
// what it says.
func firstFrame(b []byte) (frame, key []byte, text string, err error) {
	if len(b) < 2 || b[1]&0x7f > 125 {
		return nil, nil, "", fmt.Errorf("% x is no short frame", b)
	}
	size, at := int(b[1]&0x7f), 2
	if b[1]&0x80 != 0 {
		at += 4
	}
	if len(b) < at+size {
		return nil, nil, "", fmt.Errorf("% x is half a frame", b)
	}
	said := bytes.Clone(b[at : at+size])
	if key = b[2:at]; len(key) > 0 {
		for i := range said {
			said[i] ^= key[i%len(key)]
		}
	}
	return b[:at+size], key, string(said), nil
}
