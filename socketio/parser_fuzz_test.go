package socketio

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzTextDecoder holds that no frames make the decoder panic, that it does not
// depend on what it read before, and that what it lets in comes back the same
// when it is sent on.
func FuzzTextDecoder(f *testing.F) {
	for _, c := range loadVectors(f).SioDecode {
		frame := vectorFrame(f, c.In[0])
		f.Add(frame.Data, []byte{1}, []byte{2})
	}
	f.Fuzz(func(t *testing.T, text, first, second []byte) {
		d := TextParser{}.NewDecoder()
		p, err := addAll(d, text, first, second)
		again, err2 := addAll(d, text, first, second)
		if err == nil && (err2 != nil || !reflect.DeepEqual(p, again)) {
			t.Fatalf("first %+v, then %+v, %v", p, again, err2)
		}
		if p == nil {
			return
		}
		checkPacket(t, p)
		frames := TextParser{}.NewEncoder().Encode(p)
		d = TextParser{}.NewDecoder()
		for i, frame := range frames {
			back, done, err := d.Add(frame)
			if err != nil || done != (i == len(frames)-1) || done && !reflect.DeepEqual(p, back) {
				t.Fatalf("%q came back as %+v, %v", frame.Data, back, err)
			}
		}
	})
}

// addAll adds a text, and as many attachments as it asks for, if there are so many.
func addAll(d Decoder, text []byte, attachments ...[]byte) (*Packet, error) {
	p, done, err := d.Add(Frame{Data: text})
	for _, data := range attachments {
		if done || err != nil {
			return p, err
		}
		p, done, err = d.Add(Frame{Binary: true, Data: data})
	}
	if err == nil && !done {
		_, _, err = d.Add(Frame{}) // ends it, too
		d.(*textDecoder).pending = nil
		return nil, err
	}
	return p, err
}

// checkPacket holds what whoever gets a packet relies on.
func checkPacket(t *testing.T, p *Packet) {
	if p.Data != nil && (!json.Valid(p.Data) || !utf8.Valid(p.Data)) {
		t.Fatalf("data is no JSON: %q", p.Data)
	}
	if p.Type != PacketEvent && p.Type != PacketAck || p.Data == nil {
		return
	}
	args := splitArray(nil, p.Data)
	var want []json.RawMessage
	if err := json.Unmarshal(p.Data, &want); err != nil || len(args) != len(want) {
		t.Fatalf("%d arguments in %s, want %d", len(args), p.Data, len(want))
	}
	for i := range args {
		if !bytes.Equal(args[i], want[i]) {
			t.Fatalf("argument %d of %s is %s", i, p.Data, args[i])
		}
		var any any
		if err := decodeValue(args[i], p.Attachments, &any); err != nil {
			t.Fatalf("argument %d of %s: %v", i, p.Data, err)
		}
	}
}

// FuzzValidJSON holds the scanner against encoding/json.
func FuzzValidJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,-0.5e+7,true,null,"\u00e9\n"]}`, ` [] `, `[,]`, `{"a"}`, `01`, `-`, `"\ud800"`, `1e`, `[1}`, `tru`, "\"\n\"", `{"a":1,}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		valid := validJSON(data, defaultMaxDepth)
		if valid != json.Valid(data) && bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) < defaultMaxDepth {
			t.Fatalf("%q: got %v", data, valid)
		}
		if !valid {
			var v any
			_ = decodeValue(data, [][]byte{{1}}, &v) // must end, whatever stands there
			_ = decodeValue(data, [][]byte{{1}}, new(avatar))
			_ = decodeValue(data, [][]byte{{1}}, new([]map[string][]int))
			splitArray(nil, data)
			checkPlaceholders(data, 1)
			return
		}
		if end := skipValue(data, skipSpace(data, 0)); end != len(bytes.TrimRight(data, " \t\r\n")) {
			t.Fatalf("%q: skipped to %d", data, end)
		}
	})
}

// FuzzPlaceholders holds the reading of placeholders against a plain copy of the
// official algorithm.
func FuzzPlaceholders(f *testing.F) {
	for _, s := range []string{place("0"), place("1"), place("2"), place("-0"), place("0.5"), place(`"0"`),
		`[1,{"a":` + place("1") + `}]`, `{"_placeholder":1,"num":0}`, `{"num":0,"_placeholder":true,"x":` + place("9") + `}`,
		`{"_placeholder":true,"_placeholder":false,"num":7}`, `{"\u005fplaceholder":true,"n\u0075m":1}`, `{"_placeholder":true}`} {
		f.Add([]byte(s))
	}
	attachments := [][]byte{{1}, {2}}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !utf8.Valid(data) || !validJSON(data, 50) {
			return
		}
		var plain any
		if err := json.Unmarshal(data, &plain); err != nil {
			return // a number that encoding/json does not hold
		}
		want, ok := reconstruct(plain, attachments)
		if checkPlaceholders(data, len(attachments)) != ok {
			t.Fatalf("%s: want %v", data, ok)
		}
		var got any
		err := decodeValue(data, attachments, &got)
		if (err == nil) != ok || ok && !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: got %#v, %v, want %#v", data, got, err, want)
		}
	})
}

// reconstruct is _reconstructPacket of the official parser.
func reconstruct(v any, attachments [][]byte) (any, bool) {
	ok := true
	switch v := v.(type) {
	case []any:
		for i := range v {
			var fine bool
			v[i], fine = reconstruct(v[i], attachments)
			ok = ok && fine
		}
	case map[string]any:
		if v["_placeholder"] == true {
			num, isNumber := v["num"].(float64)
			if !isNumber || num < 0 || num >= float64(len(attachments)) {
				return nil, false
			}
			if num != math.Trunc(num) {
				return nil, true
			}
			return attachments[int(num)], true
		}
		for key := range v {
			var fine bool
			v[key], fine = reconstruct(v[key], attachments)
			ok = ok && fine
		}
	}
	return v, ok
}

// FuzzArguments holds that arguments come back as they were sent, and are written
// as encoding/json writes them.
func FuzzArguments(f *testing.F) {
	f.Add("text", 1.5, int64(-3), []byte{1, 2}, true)
	f.Add("</\u2028\x00\xff", 1e-7, int64(math.MaxInt64), []byte{}, false)
	f.Fuzz(func(t *testing.T, s string, x float64, n int64, b []byte, flag bool) {
		type all struct {
			S string
			X float64
			N int64
			B []byte
			F *bool
			M map[string]any
		}
		in := all{s, x, n, append([]byte{}, b...), &flag, map[string]any{"b": append([]byte{}, b...), "s": s, "l": []any{flag, nil}}}
		data, attachments, err := encodeArgs(in)
		if err != nil || !json.Valid(data) || len(attachments) != 2 {
			t.Fatalf("%s, %d, %v", data, len(attachments), err)
		}
		var out all
		if err := decodeValue(splitArray(nil, data)[0], attachments, &out); err != nil {
			t.Fatal(err)
		}
		in.S = eachRune(s)
		in.M["s"] = in.S
		if math.IsNaN(x) || math.IsInf(x, 0) {
			in.X = 0
		}
		if !reflect.DeepEqual(in, out) {
			t.Fatalf("got %+v, want %+v", out, in)
		}
		compareStandard(t, s, in.X)
	})
}

// eachRune puts U+FFFD for each byte that is not UTF-8, as encoding/json does.
func eachRune(s string) string { return string([]rune(s)) }

func compareStandard(t *testing.T, s string, x float64) {
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		t.Fatal(err)
	}
	due := strings.TrimSpace(want.String())
	if got := string(appendQuoted(nil, s)); got != due && !strings.ContainsAny(s, "\u2028\u2029") && utf8.ValidString(s) {
		t.Fatalf("got %s, want %s", got, due)
	}
	number, err := json.Marshal(x)
	if x == 0 {
		number = []byte("0") // JavaScript has no minus zero in JSON
	}
	if got := appendFloat(nil, x, 64); err != nil || !bytes.Equal(got, number) {
		t.Fatalf("%g: got %s, want %s", x, got, number)
	}
}

// FuzzNumbers holds the reading of numbers against strconv.
func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"0", "-0", "1", "-1", "1e3", "1.5", "9223372036854775808", "-9223372036854775808", "18446744073709551616", "1e400", "123456789012345678", "0.1e1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if scanNumber([]byte(s), 0) != len(s) || s == "" {
			return
		}
		want, _ := strconv.ParseFloat(s, 64)
		if got := parseFloat([]byte(s)); got != want || math.Signbit(got) != math.Signbit(want) {
			t.Fatalf("%s: got %v", s, got)
		}
		n, err := parseInt([]byte(s), 64)
		if due, err2 := strconv.ParseInt(s, 10, 64); err2 == nil && (err != nil || n != due) {
			t.Fatalf("%s: got %d, %v", s, n, err)
		}
		if err == nil && float64(n) != want {
			t.Fatalf("%s: got %d", s, n)
		}
		u, err := parseUint([]byte(s), 64)
		if err == nil && float64(u) != want {
			t.Fatalf("%s: got %d", s, u)
		}
	})
}
