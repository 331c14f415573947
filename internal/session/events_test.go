package session

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestParseEvent(t *testing.T) {
	tests := []struct {
		line string
		name string
		args []any
	}{
		{"message hello", "message", []any{"hello"}},
		{`message "hello there" 7 true null`, "message", []any{"hello there", json.Number("7"), true, nil}},
		{` "chat message"   {"a": [1, "b c"]}  x`, "chat message", []any{json.RawMessage(`{"a":[1,"b c"]}`), "x"}},
		{`order {"b":1,"a":2} [3]`, "order", []any{json.RawMessage(`{"b":1,"a":2}`), json.RawMessage("[3]")}},
		{"ping", "ping", nil},
		{`upload {"_base64":"AQID"}`, "upload", []any{[]byte{1, 2, 3}}},
		{`deep {"x":[{"_base64":""}]}`, "deep", []any{map[string]any{"x": []any{[]byte{}}}}},
		{"7 seven", "7", []any{"seven"}},
		{"e 12abc -", "e", []any{"12abc", "-"}},
	}
	for _, test := range tests {
		name, args, err := ParseEvent(test.line)
		if err != nil || name != test.name || !reflect.DeepEqual(args, test.args) {
			t.Errorf("%s: %q %#v, %v", test.line, name, args, err)
		}
	}
	for _, bad := range []string{"", "  ", `e {"a":`, `e "x"y`, `{"a":1} x`, `[1] x`, `e [1,]`} {
		if name, args, err := ParseEvent(bad); err == nil {
			t.Errorf("%q was read as %q %v", bad, name, args)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add(`message "hello there" {"a":1}`)
	f.Fuzz(func(t *testing.T, line string) {
		name, _, err := ParseEvent(line)
		if err != nil || strings.ContainsRune(line, 0xFFFD) {
			return
		}
		again, _, err := ParseEvent(string(appendName(nil, name)) + " x")
		if err != nil || again != name {
			t.Errorf("the name %q is written %q and reads back as %q, %v", name, appendName(nil, name), again, err)
		}
	})
}
