package handshake

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
)

func TestParseExtensions(t *testing.T) {
	flag := func(name string) Param { return Param{Name: name} }
	for _, test := range []struct {
		clause, value string
		want          []Extension
	}{
		{"RFC 6455 9.1, first example", "deflate-stream", []Extension{{"deflate-stream", nil}}},
		{"RFC 6455 9.1, second example", "mux; max-channels=4; flow-control, deflate-stream", []Extension{
			{"mux", []Param{{"max-channels", "4", true, false}, flag("flow-control")}}, {"deflate-stream", nil}}},
		{"RFC 7692 7.1.3", `permessage-deflate; client_max_window_bits; server_max_window_bits="10"`, []Extension{
			{deflateName, []Param{flag(clientWindow), {serverWindow, "10", true, true}}}}},
		{"RFC 9110 5.6.4: quoted-pair", `a; b="c\d"`, []Extension{{"a", []Param{{"b", "cd", true, true}}}}},
		{"RFC 2616 2.1: implied whitespace", "a ; b = c ,\td", []Extension{{"a", []Param{{"b", "c", true, false}}}, {"d", nil}}},
		{"RFC 9110 5.6.1.2: empty elements", ", a,, b ,", []Extension{{"a", nil}, {"b", nil}}},
		{"RFC 6455 9.1: 1#extension", "", nil},
		{"RFC 6455 9.1: 1#extension", " , ", nil},
		{"RFC 6455 9.1", ";;;=", nil},
		{"RFC 6455 9.1", "a;", nil},
		{"RFC 6455 9.1", "a; =b", nil},
		{"RFC 6455 9.1", "a; b=", nil},
		{"RFC 6455 9.1", "a b", nil},
		{"RFC 6455 9.1", `a; b="c`, nil},
		{"RFC 6455 9.1", `a; b="c"d`, nil},
		{"RFC 6455 9.1: token once unescaped", `a; b=""`, nil},
		{"RFC 6455 9.1: token once unescaped", `a; b="c d"`, nil},
		{"RFC 6455 9.1: token once unescaped", `a; b="c\ d"`, nil},
		{"RFC 6455 9.1", "a; b=c=d", nil},
		{"RFC 6455 9.1", "a/b", nil},
	} {
		got, err := ParseExtensions(test.value)
		if !reflect.DeepEqual(got, test.want) || (err == nil) != (test.want != nil) || err != nil && !errors.Is(err, ErrExtensions) {
			t.Errorf("%s: %q: %+v, %v", test.clause, test.value, got, err)
		}
	}
}

// Whatever is read is written so that it is read the same way.
func FuzzParseExtensions(f *testing.F) {
	f.Add(`permessage-deflate; client_max_window_bits; server_max_window_bits="1\0", x; y=z`)
	f.Add(";;;=")
	f.Fuzz(func(t *testing.T, value string) {
		list, err := ParseExtensions(value)
		if err != nil {
			return
		}
		again, err := ParseExtensions(FormatExtensions(list))
		if err != nil || !reflect.DeepEqual(list, again) {
			t.Errorf("%q is written as %q and read as %+v, %v", value, FormatExtensions(list), again, err)
		}
		for _, e := range list {
			for _, offer := range []bool{true, false} {
				checkDeflate(t, e, offer)
			}
		}
	})
}

// checkDeflate holds that parameters which are good are written so that they
// are read the same way.
func checkDeflate(t *testing.T, e Extension, offer bool) {
	d, ok := ParseDeflate(e, offer)
	if !ok {
		return
	}
	if again, ok := ParseDeflate(d.Extension(), offer); !ok || again != d || d.Extension().String() != d.String() {
		t.Errorf("%s: %+v, and again %+v, %v", e, d, again, ok)
	}
	for _, bits := range []int{d.ServerWindowBits(), d.ClientWindowBits()} {
		if bits < 8 || bits > 15 {
			t.Errorf("%s: a window of %d", e, bits)
		}
	}
}

func ExampleParseExtensions() {
	list, err := ParseExtensions(`permessage-deflate; client_max_window_bits; server_max_window_bits="10"`)
	fmt.Println(list[0].Name, list[0].Params[1].Value, err)
	offer, ok := ParseDeflate(list[0], true)
	fmt.Println(offer.ServerMaxWindowBits, offer.ClientMaxWindowBits == Unvalued, ok)
	// Output:
	// permessage-deflate 10 <nil>
	// 10 true true
}
