package dissect_test

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sockkit/sockkit/internal/dissect"
	"github.com/sockkit/sockkit/trace"
)

// sound holds what every dissection keeps: fields lie within the bytes and their
// parents, in order, and siblings do not overlap.
func sound(t *testing.T, d dissect.Dissection) {
	t.Helper()
	if len(d.Bytes) > dissect.MaxBytes {
		t.Errorf("%d bytes", len(d.Bytes))
	}
	soundFields(t, d.Fields, 0, 8*len(d.Bytes))
	if _, err := json.Marshal(d); err != nil {
		t.Error(err)
	}
}

func soundFields(t *testing.T, fields []dissect.Field, from, to int) {
	t.Helper()
	for _, f := range fields {
		switch {
		case f.Bits < 0 || f.Bit < from || f.Bit+f.Bits > to:
			t.Errorf("%q is at %d+%d, within %d to %d", f.Name, f.Bit, f.Bits, from, to)
		case f.Name == "" || !utf8.ValidString(f.Name+f.Value+f.Meaning) || len(f.Name) > 8192 || len(f.Value) > 8192:
			t.Errorf("field %+v", f)
		case (f.Clause == "") != (f.Link == ""):
			t.Errorf("%q has the clause %q and the link %q", f.Name, f.Clause, f.Link)
		case f.Link != "" && !strings.HasPrefix(f.Link, "https://"):
			t.Errorf("%q links to %q", f.Name, f.Link)
		}
		soundFields(t, f.Fields, f.Bit, f.Bit+f.Bits)
		from = f.Bit + f.Bits
	}
}

// every is the same bytes as each kind of event.
func every(b []byte, n int) (events []trace.Event) {
	return []trace.Event{
		trace.HTTPHead{Size: n, Payload: b}, trace.WSMessage{Type: "text", Size: n, Payload: b}, trace.WSPing{Payload: b},
		trace.WSClose{Code: n, Reason: string(b)}, trace.EIOPacket{Type: "message", Transport: "polling", Size: n, Payload: b},
		trace.EIOPacket{Type: "open", Size: n, Payload: b}, trace.EIOPacket{Type: "message", Transport: "polling", Binary: true, Payload: b},
		trace.SIOPacket{Type: "EVENT", Namespace: string(b), AckID: string(b), Attachments: n, Payload: b},
		trace.SIOPacket{Type: "CONNECT", Payload: b}, trace.Bytes{Size: n, Payload: b}, trace.Data{Size: n, Payload: b},
		trace.Datagram{Size: n, Payload: b}, trace.TLSRecord{Type: "handshake", Version: "TLS 1.2", Size: n},
		trace.WSFrame{Opcode: n, RSV: n, Size: int64(n), Head: n, Mask: "01020304"}, trace.WSFrame{Size: -1, Mask: string(b)},
	}
}

func FuzzEvent(f *testing.F) {
	for _, samples := range [][]sample{frameSamples(), headSamples(), engineSamples(), packetSamples(), otherSamples()} {
		for _, s := range samples {
			f.Add(s.wire, len(s.wire))
			f.Add(dissect.Event(s.e, s.wire).Bytes, 0)
		}
	}
	for _, hello := range hellos(f) {
		f.Add(hello, len(hello))
	}
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		before := string(b)
		for _, e := range every(b, n) {
			sound(t, dissect.Event(e, nil))
			sound(t, dissect.Event(e, b))
		}
		if string(b) != before {
			t.Error("what it was given has changed")
		}
	})
}

// hellos are the first writes of both sides of TLS handshakes.
func hellos(t testing.TB) (all [][]byte) {
	t.Helper()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		a, b := net.Pipe()
		client, server := &keeps{Conn: a}, &keeps{Conn: b}
		done := make(chan error, 1)
		config := testTLS.Clone()
		config.MaxVersion = version
		go func() { done <- tls.Server(server, config).Handshake(); b.Close() }()
		_ = tls.Client(client, &tls.Config{InsecureSkipVerify: true, ServerName: "demo.test", NextProtos: []string{"http/1.1"}}).Handshake()
		a.Close()
		<-done
		all = append(all, client.first, server.first)
	}
	return all
}

// keeps keeps the first bytes that are written.
type keeps struct {
	net.Conn
	first []byte
}

func (k *keeps) Write(b []byte) (int, error) {
	if k.first == nil {
		k.first = append(k.first, b...)
	}
	return k.Conn.Write(b)
}

func TestHellos(t *testing.T) {
	for i, b := range hellos(t) {
		d := dissect.Event(trace.Bytes{Size: len(b), Payload: b}, nil)
		sound(t, d)
		got := outline(d)
		want := []string{"ClientHello", "extensions", "server_name = demo.test", "protocol_negotiation = http/1.1", "supported_versions", "cipher suites"}
		if i%2 == 1 {
			want = []string{"ServerHello", "cipher suite = TLS_", "legacy version = TLS 1.2"}
		}
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("hello %d has no %q:\n%s", i, w, got)
			}
		}
	}
}

// FuzzAssembler: whatever comes, a record gets bytes once, and no more than are
// its own.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte("\x81\x05hello\x81\x05world"), []byte{0, 1, 2, 3, 4, 5})
	f.Fuzz(func(t *testing.T, stream, moves []byte) {
		var asm dissect.Assembler
		var sizes []int64
		var heads []string
		got := map[int]bool{}
		add := func(e trace.Event, b string, head int) {
			sizes, heads = append(sizes, int64(len(b))), append(heads, b[:head])
			asm.Add(len(sizes)-1, trace.Record{Conn: 1, Event: e}, func(n int, wire []byte) {
				if got[n] || int64(len(wire)) > sizes[n] || !strings.HasPrefix(string(wire), heads[n]) {
					t.Errorf("record %d, of %d bytes that begin with %x, has %x", n, sizes[n], heads[n], wire)
				}
				got[n] = true
			})
		}
		add(trace.Open{}, "", 0)
		for _, m := range moves {
			dir := trace.In + trace.Dir(m&1)
			n := min(int(m>>3), len(stream))
			switch m >> 1 & 3 {
			case 0, 1:
				add(trace.Bytes{Dir: dir, Size: n, Payload: stream[:n]}, "", 0)
				stream = stream[n:]
			case 2:
				e, b := framed(dir, text(string(stream[:n])))
				add(e, b, e.Head)
			case 3:
				e, b := framed(dir, maskedText(string(stream[:n])))
				add(e, b, e.Head)
			}
		}
		add(trace.Close{}, "", 0)
		if asm.Kept() != 0 {
			t.Errorf("%d bytes are kept of nothing", asm.Kept())
		}
	})
}
