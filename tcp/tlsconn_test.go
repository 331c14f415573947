package tcp

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

func tracing(level trace.Level) (*trace.Tracer, *trace.Recorder) {
	r := &trace.Recorder{}
	return trace.New(r, level), r
}

// eventNames lists the events of a connection without those of every byte.
func eventNames(records []trace.Record) []string {
	var names []string
	for _, r := range records {
		switch r.Event.(type) {
		case trace.Bytes, trace.TLSRecord, trace.Secret:
		default:
			names = append(names, r.Event.Name())
		}
	}
	return names
}

// secured returns both sides of a TLS connection, traced.
func secured(t *testing.T, level trace.Level) (client, server net.Conn, clientSaw, serverSaw *trace.Recorder) {
	t.Helper()
	a := newAuthority(t, "Test CA")
	ct, clientSaw := tracing(level)
	st, serverSaw := tracing(level)
	clientCfg := &tls.Config{ServerName: "localhost", RootCAs: a.pool(), NextProtos: []string{"x", "h2"}}
	serverCfg := serving(a.issue(nil))
	serverCfg.NextProtos = []string{"h2"}
	c, s := handshakes(t, clientCfg, serverCfg, ct, st)
	if c.err != nil || s.err != nil {
		t.Fatal(c.err, s.err)
	}
	return c.conn, s.conn, clientSaw, serverSaw
}

// exchangeOver sends a question, its end, an answer, its end, and closes.
func exchangeOver(t *testing.T, client, server net.Conn) {
	t.Helper()
	io.WriteString(client, "question")
	if err := CloseWrite(client); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(server); string(got) != "question" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	io.WriteString(server, "answer")
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(client); string(got) != "answer" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestClientCertificates(t *testing.T) {
	a := newAuthority(t, "Test CA")
	serverCert, serverKey := a.files("server", a.issue(nil))
	clientCert, clientKey := a.files("client", a.issue(nil))
	server, err := (&TLSOptions{Cert: serverCert, Key: serverKey, ClientCA: a.caFile()}).Server()
	if err != nil {
		t.Fatal(err)
	}
	client, err := (&TLSOptions{Cert: clientCert, Key: clientKey, CA: a.caFile()}).Client("localhost")
	if err != nil {
		t.Fatal(err)
	}
	tracer, saw := tracing(trace.Connection)
	c, s := handshakes(t, client, server, nil, tracer)
	if c.err != nil || s.err != nil {
		t.Fatal(c.err, s.err)
	}
	exchangeOver(t, c.conn, s.conn)
	if e := trace.Events[trace.TLS](saw.Records())[0]; len(e.Certificates) == 0 || e.Unverified {
		t.Errorf("%+v", e)
	}
}

// A server whose records are traced still knows the sessions of others.
func TestResumption(t *testing.T) {
	a := newAuthority(t, "Test CA")
	server := serving(a.issue(nil))
	client := &tls.Config{ServerName: "localhost", RootCAs: a.pool(), ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for i, level := range []trace.Level{trace.Connection, trace.Frame, trace.Connection, trace.Byte} {
		ct, clientSaw := tracing(level)
		st, serverSaw := tracing(level)
		c, s := handshakes(t, client, server, ct, st)
		if c.err != nil || s.err != nil {
			t.Fatal(c.err, s.err)
		}
		exchangeOver(t, c.conn, s.conn)
		for _, saw := range []*trace.Recorder{clientSaw, serverSaw} {
			if e := trace.Events[trace.TLS](saw.Records())[0]; e.Resumed != (i > 0) || len(e.Certificates) == 0 && e.Side == trace.Client {
				t.Errorf("connection %d: %+v", i, e)
			}
		}
	}
}

func TestHalfCloseOverTLS(t *testing.T) {
	client, server, _, _ := secured(t, trace.Off)
	if err := CloseWrite(client); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Write([]byte("x")); n != 0 || err == nil {
		t.Errorf("written after the end: %d, %v", n, err)
	}
	if got, err := io.ReadAll(server); len(got) != 0 || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	answer := make([]byte, 3<<20)
	rand.Read(answer)
	go func() {
		server.Write(answer)
		CloseWrite(server)
	}()
	if got, err := io.ReadAll(client); !bytes.Equal(got, answer) || err != nil {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

func TestTruncation(t *testing.T) {
	tests := []struct {
		name string
		end  func(tcp net.Conn)
	}{
		{"between records", func(tcp net.Conn) { tcp.Close() }},
		{"within a head", func(tcp net.Conn) { tcp.Write([]byte{23, 3}); tcp.Close() }},
		{"within a record", func(tcp net.Conn) { tcp.Write([]byte{23, 3, 3, 0, 100, 1, 2}); tcp.Close() }},
	}
	for _, test := range tests {
		for _, level := range []trace.Level{trace.Off, trace.Connection} {
			t.Run(fmt.Sprint(test.name, " ", level), func(t *testing.T) {
				client, server, saw, _ := secured(t, level)
				io.WriteString(server, "part")
				test.end(Unwrap(server))
				got, err := io.ReadAll(client)
				if string(got) != "part" || !errors.Is(err, ErrTruncated) || !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("%q, %v", got, err)
				}
				if _, again := client.Read(make([]byte, 1)); !errors.Is(again, ErrTruncated) {
					t.Errorf("a second read: %v", again)
				}
				client.Close()
				if level == trace.Off {
					return
				}
				if end := trace.Events[trace.Close](saw.Records())[0]; end.Error != ErrTruncated.Error() || end.Reset {
					t.Errorf("%+v", end)
				}
			})
		}
	}
}

func TestCloseFreesARead(t *testing.T) {
	client, _, _, _ := secured(t, trace.Connection)
	done := make(chan error, 1)
	go func() {
		_, err := client.Read(make([]byte, 1))
		done <- err
	}()
	client.Close()
	if err := <-done; err == nil {
		t.Fatal("no error")
	}
}

func TestBothDirectionsAtOnce(t *testing.T) {
	client, server, _, _ := secured(t, trace.Frame)
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		sent := make([]byte, 2<<20)
		rand.Read(sent)
		wg.Go(func() {
			way[0].Write(sent)
			CloseWrite(way[0])
		})
		wg.Go(func() {
			if got, err := io.ReadAll(way[1]); !bytes.Equal(got, sent) || err != nil {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	wg.Wait()
}

// A read that ran out of time can be tried again.
func TestDeadlineLeavesTLSUsable(t *testing.T) {
	client, server, _, _ := secured(t, trace.Connection)
	client.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	client.SetReadDeadline(time.Time{})
	exchangeOver(t, client, server)
}
