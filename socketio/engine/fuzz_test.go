package engine

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

var payloadSeeds = []string{"", "4a", "4a\x1e4b\x1ebAQID", "\x1e", "4a\x1e", "b!!!!", "2probe", "6:4hello", "2:4a3:4😀", "0:", "10:b4AQIDBA==",
	"\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04", "99999999999:4", "\x00\xff", "-1:4", "1:b", "2:b4", "2:bx", "\x01\x01\xff\x07"}

// collect are the packets of a payload, and whether it was one.
func collect(parse func(func(Packet) bool) error) (list []Packet, ok bool) {
	err := parse(func(p Packet) bool { list = append(list, p); return true })
	return list, err == nil
}

func same(t *testing.T, what string, a, b []Packet) {
	t.Helper()
	if fmt.Sprint(describeAll(a)) != fmt.Sprint(describeAll(b)) {
		t.Errorf("%s: %q, and read back %q", what, describeAll(a), describeAll(b))
	}
}

func describeAll(list []Packet) (all []string) {
	for _, p := range list {
		all = append(all, describe(p))
	}
	return all
}

// Any bytes: what is read is written and read again as it was; the parts of a
// payload are what the parser of one packet makes of them.
func FuzzPayload(f *testing.F) {
	for _, s := range payloadSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list, ok := collect(func(each func(Packet) bool) error { return ParsePayload(b, each) })
		again, fine := collect(func(each func(Packet) bool) error { return ParsePayload(AppendPayload(nil, list), each) })
		same(t, "payload", list, again)
		if fine != (len(list) > 0) {
			t.Errorf("%q is written as no payload", describeAll(list))
		}
		var want []Packet
		good := true
		for part := range bytes.SplitSeq(b, []byte{separator}) {
			p, err := ParseText(part)
			if good = err == nil; !good {
				break
			}
			want = append(want, p)
		}
		same(t, "parts", want, list)
		if ok != good {
			t.Errorf("%q: %v, its parts %v", b, ok, good)
		}
	})
}

// The same for both payloads of protocol 3, and for messages.
func FuzzPayload3(f *testing.F) {
	for _, s := range payloadSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list, _ := collect(func(each func(Packet) bool) error { return parsePayload3(b, each) })
		binary, _ := collect(func(each func(Packet) bool) error { return parseBinaryPayload3(b, each) })
		for _, l := range [][]Packet{list, binary} {
			if len(l) == 0 {
				continue
			}
			if !utf8.Valid(b) { // characters that are none have no length
				continue
			}
			again, ok := collect(func(each func(Packet) bool) error { return parsePayload3(appendPayload3(nil, l), each) })
			same(t, "text", l, again)
			more, fine := collect(func(each func(Packet) bool) error { return parseBinaryPayload3(appendBinaryPayload3(nil, l), each) })
			same(t, "binary", l, more)
			if !ok || !fine {
				t.Errorf("%q is written as no payload", describeAll(l))
			}
		}
		for _, protocol := range []int{3, 4} {
			for _, kind := range []ws.MessageType{ws.Text, ws.Binary} {
				p, err := parseMessage(kind, b, protocol)
				if err != nil {
					continue
				}
				for _, base64 := range []bool{false, true} {
					k, m := p.message(nil, protocol, base64)
					back, err := parseMessage(k, m, protocol)
					if err != nil || describe(back) != describe(p) {
						t.Errorf("%s is read back as %s (%v)", describe(p), describe(back), err)
					}
				}
			}
		}
	})
}

// Lengths are those of JavaScript.
func FuzzLength3(f *testing.F) {
	for _, s := range []string{"", "a", "é✓😀", "\U0010ffff", "a\x00"} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		if !utf8.ValidString(s) {
			return
		}
		units := utf16.Encode([]rune(s))
		if got := utf16Length([]byte(s)); got != len(units) {
			t.Errorf("%q has %d, want %d", s, got, len(units))
		}
		size, ok := utf16Bytes([]byte(s), n)
		if n < 0 || n > len(units) {
			if n > 0 && ok {
				t.Errorf("%q has %d", s, n)
			}
			return
		}
		if ok && string(utf16.Decode(units[:n])) != s[:size] {
			t.Errorf("%d of %q are %q", n, s, s[:size])
		}
		if half := n > 0 && n < len(units) && utf16.IsSurrogate(rune(units[n-1])) && utf16.IsSurrogate(rune(units[n])) && units[n-1] < 0xdc00; ok == half {
			t.Errorf("%d of %q: %v", n, s, ok)
		}
	})
}

// Base64 is read as Node reads it, which takes what the standard is.
func FuzzBase64(f *testing.F) {
	for _, s := range []string{"", "AQID", "AQI=", "AQ==", "A", "-_", "A!Q", "AQ=ID", "AQIDB"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := decodeBase64(b)
		if want, err := base64.StdEncoding.DecodeString(string(b)); err == nil && !bytes.ContainsAny(b, "\r\n") && !bytes.Equal(got, want) {
			t.Errorf("%q is %q, want %q", b, got, want)
		}
		if back := decodeBase64([]byte(base64.StdEncoding.EncodeToString(b))); !bytes.Equal(back, b) {
			t.Errorf("%q is read back as %q", b, back)
		}
	})
}

// A form is read as package url reads it, where it can.
func FuzzForm(f *testing.F) {
	for _, s := range []string{"d=4a", "d=%zz+%41&y", "x=1&d=a%5Cnb", "d=1&d=2", "%64=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := formData([]byte(s))
		values, err := url.ParseQuery(s)
		if err != nil || strings.Contains(s, ";") {
			return
		}
		if list := values["d"]; ok != (len(list) == 1) || ok && string(got) != formLines.Replace(list[0]) {
			t.Errorf("%q: %q %v, want %q", s, got, ok, list)
		}
	})
}

// Whatever passes, the observer bears it and makes a record of each packet.
func FuzzObserver(f *testing.F) {
	f.Add("GET", polls, []byte(watched), 200, true)
	f.Add("POST", polls+"&sid=abc", []byte("4a"), 413, false)
	f.Add("GET", polls3+"&sid=abc&j=1", []byte(`___eio[1]("2:4a");`), 400, false)
	f.Fuzz(func(t *testing.T, method, target string, body []byte, status int, text bool) {
		w := newWatch()
		w.Request(1, method, target, nil, body).Response(status, http200(status), body)
		kind := ws.Binary
		if text {
			kind = ws.Text
		}
		s := w.WebSocket(2, target)
		for _, dir := range []trace.Dir{trace.Out, trace.In, trace.Out} {
			s.Message(dir, kind, body)
		}
		s.End()
		if n := len(trace.Events[trace.EIOPacket](w.records.Records())); n != len(w.packets) {
			t.Errorf("%d records of %d packets", n, len(w.packets))
		}
	})
}

func http200(status int) map[string][]string {
	return map[string][]string{"Content-Encoding": {[]string{"", "gzip", "deflate"}[uint(status)%3]}}
}

// FuzzQuery holds the reading of queries against that of package net/url.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"EIO=4&transport=polling&sid=a", "sid=a&sid=b", "a;b=1&sid=2", "s%69d=%20+x&&=&sid", "sid=%zz&sid=1", "%zz=1", "j=&j"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, _ := url.ParseQuery(s)
		names := append(slices.Collect(maps.Keys(want)), "sid", "j", "")
		for _, name := range names {
			values, q := want[name], query(s)
			if q.has(name) != (len(values) > 0) || len(values) > 0 && q.get(name) != values[len(values)-1] {
				t.Errorf("%q has %q, not %q, for %q", s, q.get(name), values, name)
			}
		}
	})
}
