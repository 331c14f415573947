package socketio

import (
	"bytes"
	"encoding/json"
	"math"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

type blob []byte

// upper writes itself, by a method of its pointer.
type upper string

func (u *upper) MarshalJSON() ([]byte, error) {
	return json.Marshal(strings.ToUpper(string(*u)))
}

type inner struct {
	B int
	X string
}

type Outer struct {
	X string
	C []byte `json:"c,omitempty"`
}

type tagged struct {
	inner
	*Outer
	Name    string             `json:"name"`
	Skipped int                `json:"-"`
	Dash    int                `json:"-,"`
	Empty   []int              `json:",omitempty"`
	Zero    time.Time          `json:"zero,omitzero"`
	Quoted  int                `json:",string"`
	QuotedS string             `json:",string"`
	QuotedF *float64           `json:",string"`
	Map     map[int]bool       `json:"map"`
	Addrs   []netip.Addr       `json:"addrs"`
	Text    map[netip.Addr]int `json:"text"`
	Array   [2]int8
	Self    *tagged `json:",omitempty"`
	Upper   upper
	Any     any
	private int
}

func TestEncodeArgs(t *testing.T) {
	when := time.Date(2024, 2, 29, 23, 30, 1, 999_999_999, time.FixedZone("", 3600))
	zero := 0.0
	var nilMarshaler *upper
	name := upper("a")
	cases := []struct {
		args []any
		want string
	}{
		{nil, `[]`},
		{[]any{"a", nil, true, 1, int8(-2), uint16(3), 1.5, float32(0.1)}, `["a",null,true,1,-2,3,1.5,0.1]`},
		{[]any{"</script>&\u2028\x00\x1f\x7f\"\\\b\f\n\r\t\xff"}, `["</script>&` + "\u2028" + `\u0000\u001f` + "\x7f" + `\"\\\b\f\n\r\t` + "\ufffd" + `"]`},
		{[]any{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1e21, 1e-7, 123456789012345680000.0, 5e-324, math.MaxFloat64}, `[null,null,null,0,1e+21,1e-7,123456789012345680000,5e-324,1.7976931348623157e+308]`},
		{[]any{when, &when, time.UnixMilli(0)}, `["2024-02-29T22:30:01.999Z","2024-02-29T22:30:01.999Z","1970-01-01T00:00:00.000Z"]`},
		{[]any{time.UnixMilli(maxJSTime), time.UnixMilli(-maxJSTime), time.UnixMilli(maxJSTime + 1), time.Unix(1<<60, 0), time.Time{}}, `["+275760-09-13T00:00:00.000Z","-271821-04-20T00:00:00.000Z",null,null,"0001-01-01T00:00:00.000Z"]`},
		{[]any{json.RawMessage(` {"a": 1} `), json.RawMessage(nil), json.Number("1e3"), json.Number("")}, `[{"a": 1},null,1e3,0]`},
		{[]any{net.IPv4(1, 2, 3, 4), netip.MustParseAddr("::1")}, `["1.2.3.4","::1"]`},
		{[]any{map[string]any{"b": 1, "a": []any{}}, map[int]string{10: "x", 9: "y"}}, `[{"a":[],"b":1},{"10":"x","9":"y"}]`},
		{[]any{[]int(nil), map[string]int(nil), (*int)(nil), []any(nil), map[string]any(nil), []byte(nil)}, `[null,null,null,null,null,null]`},
		{[]any{nilMarshaler, &name, name}, `[null,"A","a"]`},
		{[]any{tagged{QuotedF: &zero, Any: 1}}, `[{"B":0,"name":"","-":0,"Quoted":"0","QuotedS":"\"\"","QuotedF":"0","map":null,"addrs":null,"text":null,"Array":[0,0],"Upper":"","Any":1}]`},
	}
	for _, c := range cases {
		data, attachments, err := encodeArgs(c.args...)
		if err != nil || len(attachments) != 0 || string(data) != c.want {
			t.Errorf("%v:\n got %s, %d, %v\nwant %s", c.args, data, len(attachments), err, c.want)
		}
	}
}

func TestEncodeBinary(t *testing.T) {
	one, two := []byte{1}, []byte{2}
	args := []any{
		map[string]any{"z": []byte{3}, "a": one},
		[]any{two}, blob{4}, &blob{5},
		tagged{Outer: &Outer{C: []byte{6}}, Any: map[string][]byte{"k": {7}}},
		[][]byte{{8}, {}}, []blob{{9}}, [1]byte{1},
	}
	data, attachments, err := encodeArgs(args...)
	if err != nil {
		t.Fatal(err)
	}
	one[0], two[0] = 0, 0 // the attachments are copies
	text := string(data)
	for i, want := range [][]byte{{1}, {3}, {2}, {4}, {5}, {6}, {7}, {8}, {}, {9}} {
		if i >= len(attachments) || !bytes.Equal(attachments[i], want) {
			t.Fatalf("attachment %d: got %v, want %v", i, attachments, want)
		}
		place := `{"_placeholder":true,"num":` + string('0'+byte(i)) + `}`
		before, after, ok := strings.Cut(text, place)
		if !ok || strings.Contains(before, "_placeholder") {
			t.Fatalf("placeholder %d is out of order in %s", i, data)
		}
		text = after
	}
	if len(attachments) != 10 || !strings.HasSuffix(text, `]],[1]]`) && !strings.HasSuffix(text, `],[1]]`) {
		t.Errorf("%d attachments in %s", len(attachments), data)
	}
}

type ring struct{ Next *ring }
type pointer *pointer

func TestEncodeErrors(t *testing.T) {
	loop := &ring{}
	loop.Next = loop
	var self pointer
	self = &self
	list := []any{nil}
	list[0] = list
	dict := map[string]any{}
	dict["a"] = dict
	var boxed any
	boxed = &boxed
	cases := map[string]any{
		"argument 2: refers to itself, or is more than 1000 deep ring":    loop,
		"argument 2: refers to itself, or is more than 1000 deep pointer": self,
		"argument 2: refers to itself, or is more than 1000 deep list":    list,
		"argument 2: refers to itself, or is more than 1000 deep map":     dict,
		"argument 2: refers to itself, or is more than 1000 deep any":     &boxed,
		"argument 2: chan int is of no JSON type":                         make(chan int),
		"argument 2: func() is of no JSON type":                           struct{ F func() }{},
		"argument 2: map[bool]int is of no JSON type":                     []map[bool]int{{}},
		"argument 2: complex128 is of no JSON type":                       1i,
		"argument 2: not JSON, or too deep":                               json.RawMessage(`{`),
		"argument 2: not JSON, or too deep empty":                         json.RawMessage{},
		"argument 2: json.Number \"x\" is no number":                      json.Number("x"),
	}
	for want, arg := range cases {
		_, _, err := encodeArgs("a", arg)
		if err == nil || !strings.HasPrefix(want, err.Error()) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestEncodeDeep holds that a list as long as the depth allows is no cycle.
func TestEncodeDeep(t *testing.T) {
	list := &ring{}
	for range defaultMaxDepth - 2 {
		list = &ring{list}
	}
	data, _, err := encodeArgs(list)
	if err != nil {
		t.Fatal(err)
	}
	if !validJSON(data, defaultMaxDepth) {
		t.Error("what it made is too deep for a decoder")
	}
	if _, _, err := encodeArgs(&ring{list}); err == nil {
		t.Error("one more was written")
	}
}

// TestEncodeAsStandard holds the encoder against encoding/json, for what both
// write alike.
func TestEncodeAsStandard(t *testing.T) {
	f := 1e-7
	type shadow struct {
		A int `json:"a"`
	}
	type both struct {
		shadow
		Outer `json:"outer"`
		A     string
		B     int `json:"b,string,omitempty"`
		C     *shadow
		D     struct{} `json:",omitempty"`
		E     any      `json:"e<>"`
		F     [0]int   `json:",omitempty"`
	}
	type twice struct {
		inner
		Two struct{ B int }
		*ring
	}
	name := upper("pointer")
	values := []any{
		tagged{}, &tagged{inner: inner{1, "x"}, Name: "<>", Quoted: -5, QuotedS: "a\"b", QuotedF: &f, Map: map[int]bool{3: true, -1: false},
			Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, Text: map[netip.Addr]int{netip.MustParseAddr("::2"): 1},
			Self: &tagged{Zero: time.Unix(1, 0).UTC().Add(time.Millisecond)}, Upper: "up", Any: []*upper{&name, nil}},
		both{A: "x", B: 7, C: &shadow{1}}, twice{ring: &ring{}}, &both{},
		map[upper]int{"z": 1, "a": 2}, []float32{1e-7, 1e21, 3.4e38, 0.1}, map[uint8]any{1: nil},
		[]json.Marshaler{&name, nil}, struct{ T *time.Time }{}, []any{int8(1), uint(2), uintptr(3)},
	}
	for _, v := range values {
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		due := strings.TrimSpace(want.String())
		got, _, err := encodeValue(v)
		if err != nil || string(got) != due {
			t.Errorf("%T:\n got %s, %v\nwant %s", v, got, err, due)
		}
	}
}

func TestEncodeAllocs(t *testing.T) {
	data := []byte("data")
	raw := json.RawMessage(`{"a":1}`)
	object := map[string]any{"a": 1, "b": "two", "c": []any{true, nil, 1.5}}
	cases := []struct {
		name string
		args []any
		want float64
	}{
		{"string", []any{"hello"}, 1},
		{"numbers", []any{1, 1.5, true, nil}, 1},
		{"raw", []any{raw}, 1},
		{"binary", []any{data}, 3}, // the text, the copy, the list
		{"object", []any{object}, 2},
		{"struct", []any{inner{}}, 2},
	}
	for _, c := range cases {
		n := testing.AllocsPerRun(200, func() {
			if _, _, err := encodeEvent("message", c.args); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("%s: %v allocations", c.name, n)
		if n > c.want {
			t.Errorf("%s: %v allocations, want at most %v", c.name, n, c.want)
		}
	}
}

func BenchmarkEncodeEvent(b *testing.B) {
	args := []any{"hello, world", 42}
	b.ReportAllocs()
	for b.Loop() {
		encodeEvent("message", args)
	}
}
