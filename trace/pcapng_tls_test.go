package trace_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// dialTLS opens a connection that reports its ciphertext and its secrets.
func dialTLS(t *testing.T, tracer *trace.Tracer, address string, hello *sync.WaitGroup) *tls.Conn {
	t.Helper()
	raw, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	id := tracer.NewID()
	tracer.Emit(id, trace.Open{Side: trace.Client, Network: "tcp",
		Local: raw.LocalAddr().String(), Remote: raw.RemoteAddr().String()})
	tracer.Emit(id, trace.TLSStart{Side: trace.Client})
	return tls.Client(&ciphertext{Conn: raw, tracer: tracer, id: id, hello: hello}, &tls.Config{
		InsecureSkipVerify: true, // the certificate is the test's own
		KeyLogWriter:       &keyLog{tracer, id},
	})
}

// ciphertext is a connection that reports its bytes, and that waits after its
// first write until the others have made theirs.
type ciphertext struct {
	net.Conn
	tracer *trace.Tracer
	id     trace.ID
	hello  *sync.WaitGroup
	once   sync.Once
}

func (c *ciphertext) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.tracer.Emit(c.id, trace.Bytes{Dir: trace.In, Size: n, Payload: p[:n]})
	}
	return n, err
}

func (c *ciphertext) Write(p []byte) (int, error) {
	c.tracer.Emit(c.id, trace.Bytes{Dir: trace.Out, Size: len(p), Payload: p})
	c.once.Do(func() {
		c.hello.Done()
		c.hello.Wait()
	})
	return c.Conn.Write(p)
}

// keyLog reports TLS key log lines.
type keyLog struct {
	tracer *trace.Tracer
	id     trace.ID
}

func (k *keyLog) Write(p []byte) (int, error) {
	k.tracer.Emit(k.id, trace.Secret{Line: string(p)})
	return len(p), nil
}

// echoTLS serves a TLS echo on loopback and returns its address.
func echoTLS(t *testing.T, version uint16) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: version, MaxVersion: version,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { l.Close(); serving.Wait() })
	serving.Go(func() { acceptEcho(l, &serving) })
	return l.Addr().String()
}

// acceptEcho sends back what each client sends, until the listener is closed.
func acceptEcho(l net.Listener, serving *sync.WaitGroup) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		serving.Go(func() {
			defer c.Close()
			io.Copy(c, c) // ends with the client
		})
	}
}
