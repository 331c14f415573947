package render

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

func TestMask(t *testing.T) {
	tests := map[string]string{
		"GET / HTTP/1.1\r\nAuthorization: Basic dTpw\r\n\r\n": "GET / HTTP/1.1\r\nAuthorization: Basic ****\r\n\r\n",
		"proxy-authorization:Bearer x y\nA: b":                "proxy-authorization:Bearer ***\nA: b",
		"Cookie: a=b; c=d\r\n":                                "Cookie: ********\r\n",
		"X-Authorization: yes\r\n":                            "X-Authorization: yes\r\n",
		"Authorization:":                                      "Authorization:",
		"":                                                    "",
	}
	for in, want := range tests {
		p := []byte(in)
		if got := string(Mask(p)); got != want {
			t.Errorf("%q became %q; want %q", in, got, want)
		}
		if string(p) != in {
			t.Errorf("%q was changed in place", in)
		}
	}
}

// TestText holds the words of each kind of record.
func TestText(t *testing.T) {
	tests := []struct {
		event trace.Event
		want  string
	}{
		{trace.Data{Dir: trace.Out, Size: 6, Payload: []byte("hello\n")}, "> 6 bytes \"hello\\n\"\n"},
		{trace.Data{Dir: trace.In, Size: 8, Payload: []byte("a\r\nb\x1b\xff\"\n")}, "< 8 bytes\n<   \"a\\r\\n\"\n<   \"b\\x1b\\xff\\\"\\n\"\n"},
		{trace.Data{Dir: trace.In, Size: 3, Payload: []byte("\u202e")}, "< 3 bytes \"\\u{202e}\"\n"},
		{trace.Bytes{Dir: trace.Out, Size: 17, Payload: []byte("0123456789abcdef\n")},
			">   0000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef\n>   0010  0a                                                .\n"},
		{trace.Datagram{Dir: trace.In, Network: "udp", Remote: "127.0.0.1:9", Size: 2, TTL: 64, Payload: []byte("hi")}, "< datagram from 127.0.0.1:9, 2 bytes, TTL 64 \"hi\"\n"},
		{trace.Datagram{Dir: trace.Out, Network: "udp", Remote: "127.0.0.1:9"}, "> datagram to 127.0.0.1:9, 0 bytes\n"},
		{trace.AttemptFailed{Address: "127.0.0.1:1", Error: "connection refused", Duration: 1500 * time.Microsecond}, "* failed 127.0.0.1:1: connection refused (1.5 ms)\n"},
		{trace.TurnedAway{Remote: "127.0.0.1:5", Rule: "deny", Reason: "no \x1b[2J"}, "* turned away 127.0.0.1:5: no \\x1b[2J (--deny)\n"},
		{trace.Close{In: 2048, Out: 1, Duration: time.Second, Reset: true}, "* reset after 1.00 s: 1 B out, 2.0 KiB in\n"},
		{trace.HalfClose{Dir: trace.In}, "* the peer has ended its half\n"},
		{trace.Secret{Line: "CLIENT_RANDOM 1 2"}, ""},
	}
	for _, test := range tests {
		var out bytes.Buffer
		(&Text{W: &out}).Record(trace.Record{Conn: 1, Event: test.event})
		if out.String() != test.want {
			t.Errorf("%#v:\n%q\nwant\n%q", test.event, out.String(), test.want)
		}
	}
	for _, e := range trace.AllEvents() { // none is left without words, or panics
		(&Text{W: &bytes.Buffer{}, Color: true, Tags: true}).Record(trace.Record{Conn: 1, Event: e})
	}
}

func TestLongPayload(t *testing.T) {
	var out bytes.Buffer
	p := []byte(strings.Repeat("x\n", 50))
	(&Text{W: &out}).Record(trace.Record{Event: trace.Data{Dir: trace.In, Size: len(p), Payload: p}})
	if !strings.Contains(out.String(), "and 52 bytes more") {
		t.Errorf("%s", out.String())
	}
}

// A line without an end is cut, and what is not shown is counted.
func TestLongLine(t *testing.T) {
	var out bytes.Buffer
	p := bytes.Repeat([]byte{0}, 100000)
	(&Text{W: &out}).Record(trace.Record{Event: trace.Data{Dir: trace.In, Size: len(p), Payload: p}})
	if out.Len() > 3000 || !strings.Contains(out.String(), "and 99488 bytes more") {
		t.Errorf("%d bytes: %.200s", out.Len(), out.String())
	}
}

// FuzzPrintable holds that nothing that could do harm to a terminal is left.
func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[2J\u202e\u009b\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range Printable(s) {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r == 0xfffd && !strings.Contains(s, "\ufffd") {
				t.Fatalf("%q became %q", s, Printable(s))
			}
		}
	})
}
