package tcp

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

func TestTraceOfTLS(t *testing.T) {
	client, server, clientSaw, serverSaw := secured(t, trace.Byte)
	exchangeOver(t, client, server)
	for name, saw := range map[string]*trace.Recorder{"client": clientSaw, "server": serverSaw} {
		records := saw.Records()
		want := "open tls_start tls data half_close data half_close close"
		if name == "server" {
			want = "open tls_start tls data half_close data close"
		}
		if got := strings.Join(eventNames(records), " "); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
		for _, r := range records {
			if r.Conn != 1 {
				t.Errorf("%s: %s has the number %d", name, r.Event.Name(), r.Conn)
			}
		}
	}
	end := trace.Events[trace.Close](clientSaw.Records())[0]
	if end.Out != 8 || end.In != 6 || end.Error != "" {
		t.Errorf("%+v", end)
	}
}

// passed joins the bytes that a connection's wire reported.
func passed(records []trace.Record, dir trace.Dir) []byte {
	var all []byte
	for _, e := range trace.Events[trace.Bytes](records) {
		if e.Dir == dir {
			all = append(all, e.Payload...)
		}
	}
	return all
}

// headsOf parses the records of a whole stream.
func headsOf(t *testing.T, stream []byte) []string {
	t.Helper()
	var heads []string
	for len(stream) > 0 {
		if len(stream) < 5 {
			t.Fatalf("%x is left over", stream)
		}
		size := int(stream[3])<<8 | int(stream[4])
		heads = append(heads, fmt.Sprint(stream[0], " ", size))
		stream = stream[5+size:]
	}
	return heads
}

func recordsOf(records []trace.Record, dir trace.Dir) []string {
	codes := map[string]int{"change_cipher_spec": 20, "alert": 21, "handshake": 22, "application_data": 23}
	var heads []string
	for _, e := range trace.Events[trace.TLSRecord](records) {
		if e.Dir == dir {
			heads = append(heads, fmt.Sprint(codes[e.Type], " ", e.Size))
		}
	}
	return heads
}

func TestWireSeesTheCiphertext(t *testing.T) {
	client, server, clientSaw, serverSaw := secured(t, trace.Byte)
	exchangeOver(t, client, server)
	sent := passed(clientSaw.Records(), trace.Out)
	if came := passed(serverSaw.Records(), trace.In); !bytes.HasPrefix(sent, came) || len(came) < 500 {
		t.Errorf("%d bytes left, %d came, not the same", len(sent), len(came))
	}
	if sent, came := passed(serverSaw.Records(), trace.Out), passed(clientSaw.Records(), trace.In); !bytes.Equal(sent, came) {
		t.Errorf("%d bytes left, %d came, not the same", len(sent), len(came))
	}
	if bytes.Contains(sent, []byte("question")) {
		t.Error("the wire saw plain text")
	}
	for _, dir := range []trace.Dir{trace.In, trace.Out} {
		got, want := recordsOf(clientSaw.Records(), dir), headsOf(t, passed(clientSaw.Records(), dir))
		if !slices.Equal(got, want) {
			t.Errorf("%v: records %v, want %v", dir, got, want)
		}
	}
}

func TestLevelsOfTLS(t *testing.T) {
	for level, want := range map[trace.Level][3]bool{ // TLSRecord, Secret, Bytes
		trace.Message: {}, trace.Frame: {true, true, false}, trace.Byte: {true, true, true},
	} {
		client, server, saw, _ := secured(t, level)
		exchangeOver(t, client, server)
		records := saw.Records()
		got := [3]bool{
			len(trace.Events[trace.TLSRecord](records)) > 0, len(trace.Events[trace.Secret](records)) > 0,
			len(trace.Events[trace.Bytes](records)) > 0,
		}
		if got != want {
			t.Errorf("%v: %v, want %v", level, got, want)
		}
	}
}

func TestTLSRecordOfHandshake(t *testing.T) {
	_, _, clientSaw, serverSaw := secured(t, trace.Connection)
	c, s := trace.Events[trace.TLS](clientSaw.Records())[0], trace.Events[trace.TLS](serverSaw.Records())[0]
	if c.Side != trace.Client || s.Side != trace.Server || c.Version != "TLS 1.3" || c.Cipher != s.Cipher ||
		!strings.HasPrefix(c.Cipher, "TLS_") || c.ALPN != "h2" || s.ALPN != "h2" || s.ServerName != "localhost" ||
		c.Resumed || c.Unverified || s.Unverified || c.Duration <= 0 {
		t.Errorf("client %+v\nserver %+v", c, s)
	}
	if len(c.Certificates) != 2 || len(s.Certificates) != 0 {
		t.Fatalf("%d and %d certificates", len(c.Certificates), len(s.Certificates))
	}
	leaf := c.Certificates[0]
	if leaf.Subject != "CN=leaf" || leaf.Issuer != "CN=Test CA" || !slices.Equal(leaf.Names, []string{"localhost"}) ||
		len(leaf.SHA256) != 64 || time.Until(leaf.NotAfter) > time.Hour || time.Since(leaf.NotBefore) < time.Hour {
		t.Errorf("%+v", leaf)
	}
	if start := trace.Events[trace.TLSStart](clientSaw.Records())[0]; start.Side != trace.Client || start.ServerName != "localhost" {
		t.Errorf("%+v", start)
	}
}

func TestUnverified(t *testing.T) {
	a := newAuthority(t, "Test CA")
	own := a.issue(nil)
	lax := serving(a.issue(nil))
	lax.ClientAuth = tls.RequireAnyClientCert
	ct, clientSaw := tracing(trace.Connection)
	st, serverSaw := tracing(trace.Connection)
	c, s := handshakes(t, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{own}}, lax, ct, st)
	if c.err != nil || s.err != nil {
		t.Fatal(c.err, s.err)
	}
	for _, saw := range []*trace.Recorder{clientSaw, serverSaw} {
		if e := trace.Events[trace.TLS](saw.Records())[0]; !e.Unverified {
			t.Errorf("%+v", e)
		}
	}
	pinned, err := (&TLSOptions{Pins: []string{Fingerprint(lax.Certificates[0].Certificate[0])}, Insecure: true}).Client("")
	if err != nil {
		t.Fatal(err)
	}
	pinned.Certificates = []tls.Certificate{own}
	ct, clientSaw = tracing(trace.Connection)
	if c, _ := handshakes(t, pinned, lax, ct); c.err != nil {
		t.Fatal(c.err)
	}
	if e := trace.Events[trace.TLS](clientSaw.Records())[0]; e.Unverified {
		t.Error("a pin is a check")
	}
}

func TestTraceOfFailure(t *testing.T) {
	a := newAuthority(t, "Test CA")
	ct, clientSaw := tracing(trace.Byte)
	st, serverSaw := tracing(trace.Byte)
	handshakes(t, &tls.Config{ServerName: "localhost"}, serving(a.issue(nil)), ct, st)
	for _, saw := range []*trace.Recorder{clientSaw, serverSaw} {
		if got := strings.Join(eventNames(saw.Records()), " "); got != "open tls_start tls_failed close" {
			t.Error(got)
		}
	}
	if e := trace.Events[trace.TLSFailed](clientSaw.Records())[0]; !strings.Contains(e.Error, "unknown authority") {
		t.Errorf("%+v", e)
	}
}

func TestKeyLog(t *testing.T) {
	a := newAuthority(t, "Test CA")
	path := filepath.Join(t.TempDir(), "keys")
	t.Setenv("SSLKEYLOGFILE", path)
	log := KeyLogFromEnv()
	cfg, err := (&TLSOptions{CA: a.caFile(), KeyLog: log}).Client("localhost")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is there before the first secret")
	}
	tracer, saw := tracing(trace.Frame)
	for range 2 {
		if c, _ := handshakes(t, cfg, serving(a.issue(nil)), tracer); c.err != nil {
			t.Fatal(c.err)
		}
		log.Close()
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range trace.Events[trace.Secret](saw.Records()) {
		lines = append(lines, e.Line)
	}
	if got := strings.Join(lines, "\n") + "\n"; got != string(data) || !strings.HasPrefix(got, "SERVER_HANDSHAKE_TRAFFIC_SECRET ") &&
		!strings.HasPrefix(got, "CLIENT_HANDSHAKE_TRAFFIC_SECRET ") || len(lines) != 8 {
		t.Errorf("trace:\n%sfile:\n%s", got, data)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Error(info.Mode())
	}
}

func TestKeyLogUnset(t *testing.T) {
	t.Setenv("SSLKEYLOGFILE", "")
	if log := KeyLogFromEnv(); log != nil {
		t.Fatal(log)
	}
}

func TestKeyLogThatCannotBeWritten(t *testing.T) {
	a := newAuthority(t, "Test CA")
	path := filepath.Join(t.TempDir(), "no", "such")
	cfg := &tls.Config{ServerName: "localhost", RootCAs: a.pool(), KeyLogWriter: &KeyLogFile{Path: path}}
	for _, level := range []trace.Level{trace.Off, trace.Frame} {
		tracer, _ := tracing(level)
		c, _ := handshakes(t, cfg, serving(a.issue(nil)), tracer)
		failed(t, c.err, "open "+path, "")
	}
}

func TestTLSInTLS(t *testing.T) {
	outerClient, outerServer, saw, _ := secured(t, trace.Byte)
	before := len(passed(saw.Records(), trace.Out))
	a := newAuthority(t, "Inner CA")
	done := make(chan side, 1)
	go func() {
		conn, err := ServerTLS(testContext(t), outerServer, serving(a.issue(nil)), nil)
		done <- side{conn, err}
	}()
	client, err := ClientTLS(testContext(t), outerClient, &tls.Config{ServerName: "localhost", RootCAs: a.pool()}, nil)
	server := <-done
	if err != nil || server.err != nil {
		t.Fatal(err, server.err)
	}
	exchangeOver(t, client, server.conn)
	records := saw.Records()
	if got, want := recordsOf(records, trace.Out), headsOf(t, passed(records, trace.Out)); !slices.Equal(got, want) {
		t.Errorf("records %v, want those of the outer layer: %v", got, want)
	}
	if len(passed(records, trace.Out)) <= before || len(trace.Events[trace.Close](records)) != 1 ||
		len(trace.Events[trace.TLS](records)) != 2 || len(trace.Events[trace.Open](records)) != 1 {
		t.Error(eventNames(records))
	}
}
