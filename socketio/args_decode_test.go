package socketio

import (
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

func place(num string) string { return `{"_placeholder":true,"num":` + num + `}` }

type avatar struct {
	Name  string `json:"name"`
	Image []byte `json:"image"`
	Extra any    `json:"extra"`
	Next  *avatar
	Blob  blob
}

func TestDecodeValue(t *testing.T) {
	seven := 7
	attachments := [][]byte{{1}, {2}}
	cases := []struct {
		in   string
		want any
	}{
		{`"a\u00e9\ud83d\ude00\ud800\"\/"`, "aé😀\ufffd\"/"},
		{`1e400`, math.Inf(1)}, {`-0`, math.Copysign(0, -1)}, {`1`, float32(1)},
		{`1e3`, 1000}, {`1.0`, int8(1)}, {`-9223372036854775808`, int64(math.MinInt64)}, {`18446744073709551615`, uint64(math.MaxUint64)}, {`-0`, uint8(0)},
		{`9007199254740993`, int64(9007199254740993)}, {`2.5e1`, uint16(25)},
		{`12345678901234567890.5`, json.Number("12345678901234567890.5")},
		{`true`, true}, {`null`, ""}, {`null`, 0}, {`null`, (*int)(nil)}, {`7`, &seven},
		{` {"a": [1,"x",null,{}]} `, map[string]any{"a": []any{1.0, "x", nil, map[string]any{}}}},
		{`[[1,2],[3]]`, [][]int{{1, 2}, {3}}}, {`[1,2,3]`, [2]int{1, 2}}, {`[1]`, [2]int{1, 0}}, {`[]`, []int{}}, {`null`, []int(nil)},
		{`{"1":true,"-2":false}`, map[int]bool{1: true, -2: false}}, {`{"::1":2}`, map[netip.Addr]int{netip.MustParseAddr("::1"): 2}},
		{`"1970-01-01T00:00:01.500Z"`, time.UnixMilli(1500).UTC()},
		{`{"x":{"y":1}}`, map[string]json.RawMessage{"x": json.RawMessage(`{"y":1}`)}},
		{`{"NAME":"x","n\u0061me":"y","unknown":[{}],"image":` + place("1") + `,"extra":{"e":` + place("0") + `}}`,
			avatar{Name: "y", Image: []byte{2}, Extra: map[string]any{"e": []byte{1}}}},
		{`{"Next":{"Blob":` + place("0") + `},"image":null}`, avatar{Next: &avatar{Blob: blob{1}}}},
		{place("0"), []byte{1}}, {place("1"), blob{2}}, {`null`, []byte(nil)}, {place("0.5"), []byte(nil)},
		{`[` + place("0") + `,` + place("0") + `]`, [][]byte{{1}, {1}}},
		{`{"num":0,"x":` + place("99") + `,"_placeholder":true}`, []byte{1}},
		{`{"B":3,"X":"x","c":null,"Quoted":"12","QuotedS":"\"q\"","QuotedF":"1.5","Array":[1]}`,
			tagged{inner: inner{B: 3}, Quoted: 12, QuotedS: "q", QuotedF: new(1.5), Outer: &Outer{}, Array: [2]int8{1}}},
	}
	for _, c := range cases {
		target := reflect.New(reflect.TypeOf(c.want))
		err := decodeValue([]byte(c.in), attachments, target.Interface())
		if got := target.Elem().Interface(); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %#v, %v\nwant %#v", c.in, got, err, c.want)
		}
	}
}

func TestDecodeAny(t *testing.T) {
	attachments := [][]byte{{1}}
	cases := []struct {
		in   string
		want any
	}{
		{place("0"), []byte{1}}, {place("0.5"), nil}, {`[` + place("0") + `]`, []any{[]byte{1}}},
		{`{"_placeholder":1,"num":0}`, map[string]any{"_placeholder": 1.0, "num": 0.0}},
		{`{"num":0,"_placeholder":true,"x":` + place("7") + `}`, []byte{1}},
		{`{"a":{"__proto__":{"x":1}}}`, map[string]any{"a": map[string]any{"__proto__": map[string]any{"x": 1.0}}}},
		{`null`, nil}, {`false`, false},
	}
	for _, c := range cases {
		var got any
		if err := decodeValue([]byte(c.in), attachments, &got); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %#v, %v, want %#v", c.in, got, err, c.want)
		}
	}
	var got any
	for _, num := range []string{"1", "-1", `"0"`, "null", "{}", "1e999"} {
		in := `{"a":[` + place(num) + `]}`
		if err := decodeValue([]byte(in), attachments, &got); !errors.Is(err, ErrIllegalPlaceholder) {
			t.Errorf("%s: got %v", in, err)
		}
	}
	if err := decodeValue([]byte(place("9")), nil, &got); err != nil || !reflect.DeepEqual(got, map[string]any{"_placeholder": true, "num": 9.0}) {
		t.Errorf("without attachments it is an object: got %v, %v", got, err)
	}
}

func TestDecodeErrors(t *testing.T) {
	cases := []struct {
		in     string
		target any
		want   string
	}{
		{`1`, "", "argument 1: got number, want string"},
		{`"x"`, 0, "argument 1: got string, want int"},
		{`1.5`, 0, "argument 1: got 1.5, want int: not a whole number"},
		{`128`, int8(0), "argument 1: got 128, want int8: out of range"},
		{`-1`, uint(0), "argument 1: got -1, want uint: out of range"},
		{`1e300`, int64(0), "argument 1: got 1e300, want int64: out of range"},
		{`9223372036854775808`, int64(0), "argument 1: got 9223372036854775808, want int64: out of range"},
		{`1e39`, float32(0), "argument 1: got 1e39, want float32: out of range"},
		{`"x"`, []byte{}, "argument 1: got string, want binary"},
		{`[1]`, []byte{}, "argument 1: got array, want binary"},
		{`{"a":1}`, []byte{}, "argument 1: got object, want binary"},
		{place("0"), "", "argument 1: got binary, want string"},
		{place("0"), avatar{}, "argument 1: got binary, want socketio.avatar"},
		{place("0"), map[string]int{}, "argument 1, _placeholder: got boolean, want int"},
		{place("0"), map[string]any{}, "argument 1: got binary, want map[string]interface {}"},
		{`[true]`, []int{}, "argument 1, [0]: got boolean, want int"},
		{`{"Next":{"Next":{"name":[]}}}`, avatar{}, "argument 1, Next.Next.name: got array, want string"},
		{`{"a":[[1],["x"]]}`, map[string][][]int{}, "argument 1, a[1][0]: got string, want int"},
		{`{"x":1}`, map[int]int{}, `argument 1, x: got "x", want int: strconv.ParseInt: parsing "x": invalid syntax`},
		{`"x"`, time.Time{}, "argument 1: got string, want time.Time: "},
		{`"x"`, netip.Addr{}, "argument 1: got string, want netip.Addr: "},
		{`{}`, make(chan int), "argument 1: got object, want chan int"},
		{`{"Quoted":12}`, tagged{}, "argument 1, Quoted: got number, want string that holds int"},
	}
	for _, c := range cases {
		err := decodeValue([]byte(c.in), [][]byte{{1}}, reflect.New(reflect.TypeOf(c.target)).Interface())
		var wrong *ArgumentError
		if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.in, err, c.want)
		}
	}
}

func TestDecodeArgs(t *testing.T) {
	targets := []reflect.Type{reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[[]byte]()}
	args := splitArray(nil, []byte(` [ "a" , 2 ] `))
	values, err := decodeArgs(args, nil, targets)
	if err != nil || values[0].String() != "a" || values[1].Int() != 2 || !values[2].IsNil() {
		t.Errorf("got %v, %v", values, err)
	}
	if values, err = decodeArgs(args, nil, targets[:1]); err != nil || len(values) != 1 {
		t.Errorf("got %v, %v", values, err)
	}
	_, err = decodeArgs(splitArray(nil, []byte(`["a","b"]`)), nil, targets)
	if err == nil || err.Error() != "argument 2: got string, want int" {
		t.Errorf("got %v", err)
	}
}

// TestDecodeRecursive holds that one value, however deep, is read in one pass.
func TestDecodeRecursive(t *testing.T) {
	deep := strings.Repeat(`{"Next":`, 900) + `{"name":1}` + strings.Repeat(`}`, 900)
	if err := decodeValue([]byte(deep), [][]byte{{1}}, new(avatar)); err == nil {
		t.Error("a number became a name")
	}
}

func TestDecodeAllocs(t *testing.T) {
	args := splitArray(nil, []byte(`["hello",{"a":1}]`))
	n := testing.AllocsPerRun(200, func() {
		if _, err := stringArg(args, 0, nil); err != nil {
			t.Fatal(err)
		}
	})
	if n > 1 {
		t.Errorf("a string: %v allocations, want 1", n)
	}
}

// A binary value without bytes is one all the same.
func TestEmptyBinary(t *testing.T) {
	args, err := ParseArgs([]byte(`[{"_placeholder":true,"num":0},{"x":{"_placeholder":true,"num":1}}]`), [][]byte{nil, {}})
	if err != nil {
		t.Fatal(err)
	}
	values, err := args.Values()
	if err != nil {
		t.Fatal(err)
	}
	want := []any{[]byte{}, map[string]any{"x": []byte{}}}
	if !reflect.DeepEqual(values, want) {
		t.Errorf("%#v, not %#v", values, want)
	}
}
