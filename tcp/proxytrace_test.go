package tcp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

func TestTraceOfProxy(t *testing.T) {
	for _, traced := range []bool{false, true} {
		tracer, saw := tracing(trace.Byte)
		dial := scriptedProxy(t, []step{{connectTo("a:1", ""), "HTTP/1.1 200 OK\r\n\r\n"}}, echoing)
		if traced {
			plain := dial
			dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := plain(ctx, network, address)
				return Trace(conn, tracer, trace.Client, time.Second), err
			}
		}
		conn, err := dialThrough(t, "http://p:8080", "a:1", dial, tracer)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "hello")
		CloseWrite(conn)
		io.ReadAll(conn)
		conn.Close()
		checkProxyTrace(t, saw.Records())
		if took := trace.Events[trace.Open](saw.Records())[0].Duration; took <= 0 || traced != (took == time.Second) {
			t.Errorf("the open record says it took %v", took)
		}
	}
}

func checkProxyTrace(t *testing.T, records []trace.Record) {
	t.Helper()
	if got := strings.Join(eventNames(records), " "); got != "open proxy data half_close data half_close close" {
		t.Error(got)
	}
	if e := trace.Events[trace.Proxy](records)[0]; e != (trace.Proxy{Kind: "http", Via: "p:8080", Target: "a:1"}) {
		t.Errorf("%+v", e)
	}
	if end := trace.Events[trace.Close](records)[0]; end.Out != 5 || end.In != 5 || end.Error != "" {
		t.Errorf("%+v", end)
	}
	if got := string(passed(records, trace.Out)); got != connectTo("a:1", "")+"hello" {
		t.Errorf("out: %q", got)
	}
	if got := string(passed(records, trace.In)); got != "HTTP/1.1 200 OK\r\n\r\nhello" {
		t.Errorf("in: %q", got)
	}
	if n := len(trace.Events[trace.Bytes](records)); n != 4 {
		t.Errorf("%d records of bytes, want one each", n)
	}
	for _, r := range records {
		if r.Conn != 1 {
			t.Errorf("%s has the number %d", r.Event.Name(), r.Conn)
		}
	}
}

// A TLS connection through a proxy is one connection in the trace.
func TestTLSThroughAProxy(t *testing.T) {
	a := newAuthority(t, "Test CA")
	tracer, saw := tracing(trace.Byte)
	dial := scriptedProxy(t, []step{{socksHello, "\x05\x00"}, {"\x05\x01\x00\x03\x01a\x00\x01", socksOK}}, func(c net.Conn) {
		conn, err := ServerTLS(t.Context(), c, serving(a.issue(nil)), nil)
		if err != nil {
			t.Error(err)
			return
		}
		io.Copy(conn, conn)
		conn.Close()
	})
	conn, err := dialThrough(t, "socks5://p", "a:1", dial, tracer)
	if err != nil {
		t.Fatal(err)
	}
	conn, err = ClientTLS(testContext(t), conn, &tls.Config{ServerName: "localhost", RootCAs: a.pool()}, tracer)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "hello")
	CloseWrite(conn)
	if got, err := io.ReadAll(conn); string(got) != "hello" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	conn.Close()
	records := saw.Records()
	if got := strings.Join(eventNames(records), " "); got != "open proxy tls_start tls data half_close data half_close close" {
		t.Error(got)
	}
	stream := passed(records, trace.Out)
	stream, socks := bytes.CutPrefix(stream, []byte(socksHello+"\x05\x01\x00\x03\x01a\x00\x01"))
	if !socks {
		t.Fatal("the proxy's handshake is not among the bytes")
	}
	headsOf(t, stream)
}

// An HTTPS proxy of net/http, whose certificate is checked.
func TestHTTPSProxy(t *testing.T) {
	a := newAuthority(t, "Test CA")
	var asked string
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.RequestURI + " " + r.Header.Get("Proxy-Authorization")
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		rw.WriteString("HTTP/1.1 200 OK\r\n\r\nearly ")
		rw.Flush()
		io.CopyN(conn, bufio.NewReader(rw), 4)
		conn.Close()
	})
	for _, trusted := range []bool{true, false} {
		tracer, saw := tracing(trace.Byte)
		p, err := newProxied(&url.URL{Scheme: "https", Host: "localhost", User: url.UserPassword("u", "p")}, "a:1")
		if err != nil {
			t.Fatal(err)
		}
		if trusted {
			p.tls.RootCAs = a.pool()
		}
		conn, err := p.connect(testContext(t), Trace(dialServer(t, handler, serving(a.issue(nil))), tracer, trace.Client, 0))
		if !trusted {
			var secure *TLSError
			if !errors.As(err, &secure) || !strings.Contains(err.Error(), "https proxy localhost:443: TLS: the server's certificate") {
				t.Error(err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "late")
		if got, err := io.ReadAll(conn); string(got) != "early late" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		conn.Close()
		if asked != "CONNECT a:1 Basic dTpw" {
			t.Error(asked)
		}
		records := saw.Records()
		names := slices.Compact(eventNames(records)) // the data comes in one piece or in two
		if got := strings.Join(names, " "); got != "open tls_start tls proxy data half_close close" {
			t.Error(got)
		}
		headsOf(t, passed(records, trace.Out))
	}
}

// dialServer serves one connection with net/http over TLS, and returns the
// client's end of it.
func dialServer(t *testing.T, handler http.Handler, cfg *tls.Config) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	go srv.Serve(tls.NewListener(l, cfg))
	t.Cleanup(func() { srv.Close() })
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
