package session

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestFramings(t *testing.T) {
	tests := []struct {
		name    string
		framing Framing
		in      string
		want    []string
		err     string
	}{
		{"lines", Lines, "a\nbc\n\nd", []string{"a\n", "bc\n", "\n", "d"}, ""},
		{"empty", Lines, "", nil, ""},
		{"too long", Lines, "a\n" + strings.Repeat("x", 20) + "\n", []string{"a\n"}, "message 2 is larger than 16 bytes"},
		{"null", Null, "a\x00b\n\x00\x00c", []string{"a", "b\n", "", "c"}, ""},
		{"prefix", LengthPrefix, "\x00\x00\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x02bc", []string{"a", "", "bc"}, ""},
		{"prefix lies", LengthPrefix, "\x00\x00\x00\x05a", nil, "5 bytes were announced and 1 came"},
		{"prefix huge", LengthPrefix, "\xff\xff\xff\xff", nil, "message 1 is larger than 16 bytes"},
		{"prefix cut", LengthPrefix, "\x00\x00", nil, "within the four bytes of its length"},
		{"binary", Binary, "one read", []string{"one read"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := NewReader(strings.NewReader(test.in), test.framing, 16)
			var got []string
			var err error
			for {
				var m []byte
				if m, err = r.Next(); err != nil {
					break
				}
				got = append(got, string(m))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%q; want %q", got, test.want)
			}
			if test.err == "" && !errors.Is(err, io.EOF) || test.err != "" && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v; want %q", err, test.err)
			}
		})
	}
}

// FuzzFraming holds that what is framed reads back, for the framings that have
// borders of their own.
func FuzzFraming(f *testing.F) {
	f.Add([]byte("a"), []byte("b\n"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, framing := range []Framing{Null, LengthPrefix} {
			if framing == Null && (bytes.IndexByte(a, 0) >= 0 || bytes.IndexByte(b, 0) >= 0) {
				continue
			}
			framed := AppendFramed(AppendFramed(nil, framing, a), framing, b)
			r := NewReader(bytes.NewReader(framed), framing, 1<<20)
			for _, want := range [][]byte{a, b} {
				if got, err := r.Next(); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("framing %d: %q, %v; want %q", framing, got, err, want)
				}
			}
			if _, err := r.Next(); err != io.EOF {
				t.Fatalf("framing %d: %v at the end", framing, err)
			}
		}
	})
}
