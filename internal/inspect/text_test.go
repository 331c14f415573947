package inspect

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("%s is not what came (go test -update writes it):\n%s", name, got)
	}
}

// full is a report in which every field has a value.
func full() *Report {
	uid, gid, linger := 1000, 1000, 5
	socket := tcp.SocketInfo{
		SendBuffer: 87040, ReceiveBuffer: 131072, NoDelay: true, KeepAlive: true, KeepAliveIdle: 15 * time.Second,
		KeepAliveInterval: 15 * time.Second, KeepAliveCount: 9, UserTimeout: time.Minute, Linger: &linger, TTL: 64, CongestionControl: "cubic",
	}
	at := time.Date(2026, 11, 22, 12, 0, 0, 5000, time.UTC)
	return &Report{
		Version: Version, Kind: KindReport, Address: "tls://app.test:443", Time: at, Duration: 600 * time.Millisecond, Reached: ReachedTLS,
		Name: &Name{Host: "app.test", Source: SourceResolver, Addresses: []string{"192.0.2.7", "2001:db8::7"}, Duration: 1500 * time.Microsecond, Error: "e"},
		File: &File{Path: "/run/app", Target: "/run/app.sock", Kind: KindSocket, Mode: "srw-rw----", Octal: "0660", UID: &uid, User: "app", GID: &gid, Group: "app", State: FileAlive, Error: "e"},
		Attempts: []Attempt{
			{Network: "tcp", Address: "192.0.2.7:443", Result: Connected, Duration: 12300 * time.Microsecond, Used: true},
			{Network: "tcp", Address: "[2001:db8::7]:443", Result: TimedOut, Duration: 10 * time.Second, Error: "timed out after 10s"},
		},
		Connection: &Connection{
			Network: "tcp", Local: "192.0.2.1:50000", Remote: "192.0.2.7:443", Duration: 12300 * time.Microsecond, Socket: &socket, NotTold: "n",
			Credentials: &Credentials{PID: 42, Process: "app", UID: 1000, User: "app", GID: 1000, Group: "app"},
		},
		TCP: &TCP{
			State: "close_wait", RTT: 12 * time.Millisecond, RTTVar: 3 * time.Millisecond, MinRTT: 11 * time.Millisecond, RTO: 212 * time.Millisecond,
			SendMSS: 1448, ReceiveMSS: 536, PathMTU: 1500, CongestionControl: "cubic", CongestionState: "open", Window: 10, WindowBytes: 14480,
			SlowStart: 7, Retransmits: 1, BytesSent: 1600, BytesReceived: 3200, SegmentsOut: 6, SegmentsIn: 7, SendWindow: 65536, ReceiveWindow: 65536,
			Options: tcp.TCPOptions{SACK: true, Timestamps: true, WindowScale: true, SendScale: 7, ReceiveScale: 7}, Socket: socket,
		},
		TLS: &TLS{
			Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", KeyExchange: "X25519", ALPN: "h2", Offered: []string{"h2"}, ServerName: "app.test",
			Duration: 25 * time.Millisecond, Trusted: true, TrustedBy: BySystem, Anchor: "CN=Root CA", OCSP: true, SCTs: 2, HelloRetry: true,
			ClientCertificate: &ClientCertificate{Sent: true, Authorities: []string{"CN=Client CA"}},
			Certificates: []Certificate{{
				Subject: "CN=app.test", Issuer: "CN=Root CA", Serial: "1a2b", Names: []string{"app.test", "www.app.test"}, Key: "ECDSA P-256",
				Signature: "SHA256-RSA", NotBefore: at.Add(-80 * day), NotAfter: at.Add(10 * day), DaysLeft: 10, SHA256: "sha256:" + strings.Repeat("ab", 32),
				Authority: true, SelfSigned: true, Findings: []string{ExpiresSoon},
			}},
		},
		Peer: &Peer{
			Waited: 500 * time.Millisecond, Sent: 4, After: 12 * time.Millisecond, Size: 2000, More: true, Banner: []byte("hello\n"), Text: "hello\n",
			TTL: 64, From: "192.0.2.8:443", End: EndClosed, EndAfter: 13 * time.Millisecond, Error: "e",
		},
		Findings: []Finding{{
			ID: ExpiresSoon, Severity: Warning, What: "the server's certificate expires on 2026-12-02 12:00 UTC, in 10 days",
			Due: "d", Hint: "renew it", Certificate: 1, TLS: true,
		}},
		Error: "e",
	}
}

// plainReport is full without what excludes the rest.
func plainReport() *Report {
	r := full()
	r.Name.Error, r.File, r.Connection.Socket, r.Connection.NotTold, r.Connection.Credentials, r.Error = "", nil, nil, "", nil, ""
	r.TLS.Certificates[0].SelfSigned, r.TLS.Certificates[0].Authority = false, false
	r.Peer.From, r.Peer.TTL, r.Peer.Error = "", 0, ""
	return r
}

func TestText(t *testing.T) {
	golden(t, "tls.txt", plainReport().Text(TextOptions{}))
	golden(t, "narrow.txt", plainReport().Text(TextOptions{Width: 60}))
	golden(t, "color.txt", plainReport().Text(TextOptions{Width: 100, Color: true}))
}

func TestTextOfUnix(t *testing.T) {
	r := full()
	r.Address, r.Attempts, r.TCP, r.TLS, r.Name, r.Findings, r.Error = "unix:/run/app", []Attempt{{Network: "unix", Result: Connected}}, nil, nil, nil, nil, ""
	r.Connection.Network, r.Connection.Local, r.Connection.NotTold = "unix", "", ""
	r.Peer = &Peer{Waited: 500 * time.Millisecond, End: EndOpen}
	golden(t, "unix.txt", r.Text(TextOptions{}))
}

func TestTextFitsItsWidth(t *testing.T) {
	for _, wide := range []int{40, 60, 80, 120} {
		text := full().Text(TextOptions{Width: wide, Color: true})
		for line := range strings.SplitSeq(text, "\n") {
			if width(line) > wide && len(strings.Fields(line)) > 2 { // a long word stays whole
				t.Errorf("%d columns of %d: %q", width(line), wide, line)
			}
		}
	}
}

// No text of a peer's can do anything to a terminal.
func TestTextIsEscaped(t *testing.T) {
	const evil = "\x1b]0;title\x07\u009b31m\r\n\u202e"
	r := full()
	fill(reflect.ValueOf(r).Elem(), evil)
	for _, c := range r.Text(TextOptions{}) {
		if c != '\n' && (c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == '\u202e') {
			t.Fatalf("%q is in it:\n%q", c, r.Text(TextOptions{}))
		}
	}
	if strings.Contains(r.Text(TextOptions{}), "\n\n") {
		t.Error("a line break came through")
	}
}

// ours are the fields that this program or the kernel words itself.
var ours = []string{
	"Result", "Source", "Network", "End", "State", "Severity", "Version", "TrustedBy", "Mode", "Octal", "Cipher", "KeyExchange", "Key",
	"Signature", "Serial", "SHA256", "CongestionControl", "CongestionState", "NotTold", "ID", "Kind",
}

// fill sets every string in v that others may have chosen, and every list of
// bytes.
func fill(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem(), s)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Type().Field(i).IsExported() && !slices.Contains(ours, name) {
				fill(v.Field(i), s)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(s))
			return
		}
		for i := range v.Len() {
			fill(v.Index(i), s)
		}
	case reflect.String:
		v.SetString(s)
	}
}

// The names of the fields are a promise: they are added to and never changed.
func TestJSONFields(t *testing.T) {
	b, err := json.Marshal(full())
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	fields := map[string]bool{}
	collect(fields, "", v)
	var list []string
	for name := range fields {
		list = append(list, name)
	}
	slices.Sort(list)
	golden(t, "fields.txt", strings.Join(list, "\n")+"\n")
}

// collect gathers the paths of the fields of v, with their kinds.
func collect(fields map[string]bool, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			collect(fields, path+"."+name, value)
		}
	case []any:
		for _, value := range v {
			collect(fields, path+"[]", value)
		}
	case string:
		fields[path+" string"] = true
	case bool:
		fields[path+" boolean"] = true
	case float64:
		fields[path+" number"] = true
	}
}

// Lists are lists, also where they are empty.
func TestJSONOfAFailure(t *testing.T) {
	r, err := Run(within(t), Options{Address: tcpAt("127.0.0.1", closedPort(t)), NoLookup: true, BannerWait: -1})
	if err == nil {
		t.Fatal("a closed port connects")
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"version":1`, `"kind":"inspect"`, `"findings":[]`, `"attempts":[{`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is not in %s", want, b)
		}
	}
}

func TestWorst(t *testing.T) {
	r := &Report{Findings: []Finding{
		{ID: "a", Severity: Note}, {ID: "b", Severity: Warning}, {ID: "c", Severity: Error}, {ID: "d", Severity: Error, TLS: true}, {ID: "e", Severity: Error, TLS: true},
	}}
	for _, want := range []string{"d", "c", "b"} {
		if got := r.Worst(); got == nil || got.ID != want {
			t.Fatalf("%+v, want %s", got, want)
		}
		r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool { return f.ID == want || f.ID == "e" })
	}
	if r.Worst() != nil || r.Count(Note) != 1 {
		t.Error("a note counts")
	}
	list := []Finding{{ID: "1", Severity: Note}, {ID: "2", Severity: Error}, {ID: "3", Severity: Warning}, {ID: "4", Severity: Error}}
	sortFindings(list)
	if list[0].ID+list[1].ID+list[2].ID+list[3].ID != "2431" {
		t.Errorf("%+v", list)
	}
}

func TestWrap(t *testing.T) {
	tests := []struct {
		text      string
		room      int
		want      []string
		otherwise string
	}{
		{"", 10, []string{""}, ""},
		{"one two three", 0, []string{"one two three"}, "no bound"},
		{"one two three", 13, []string{"one two three"}, "it fits"},
		{"aaaa bbbb cccc dddd eeee", 22, []string{"aaaa bbbb cccc dddd", "eeee"}, "between words"},
		{"aaaa bbbb, cccc dddd eeee", 22, []string{"aaaa bbbb, cccc dddd", "eeee"}, "a comma too early"},
		{"aaaa bbbb cc, cccc dddd eeee", 22, []string{"aaaa bbbb cc,", "cccc dddd eeee"}, "behind a comma"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bb", 22, []string{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bb"}, "a long word"},
	}
	for _, test := range tests {
		if got := wrap(test.text, test.room, 0); !slices.Equal(got, test.want) {
			t.Errorf("%q at %d (%s): %q, want %q", test.text, test.room, test.otherwise, got, test.want)
		}
	}
}

func TestBannerForPeople(t *testing.T) {
	tests := []struct {
		banner string
		want   []string
	}{
		{"one\r\ntwo", []string{`"one\r\n"`, `"two"`}},
		{`a "b" \c`, []string{`"a \"b\" \\c"`}},
		{"caf\u00e9\n", []string{`"café\n"`}},
		{"\x00\x01\x02ab", []string{"0000  00 01 02 61 62           " + "                         ...ab"}},
		{strings.Repeat("x\n", bannerLines+2), append(slices.Repeat([]string{`"x\n"`}, bannerLines), "… and 2 lines more")},
	}
	for _, test := range tests {
		if got := banner(&Peer{Banner: []byte(test.banner)}); !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.banner, got, test.want)
		}
	}
}
