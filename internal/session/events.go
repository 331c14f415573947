package session

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/socketio"
)

// An event of Socket.IO is a line: its name, and then its arguments, each JSON
// or a bare word. Binary is {"_base64":"…"}, wherever it stands.

// ParseEvent reads a line.
func ParseEvent(line string) (name string, args []any, err error) {
	rest := strings.TrimSpace(line)
	if rest == "" {
		return "", nil, fmt.Errorf("the line is empty, and an event has a name at least")
	}
	for first := true; rest != ""; first = false {
		var v any
		if v, rest, err = word(rest); err != nil {
			return "", nil, err
		}
		if !first {
			args = append(args, v)
			continue
		}
		switch v := v.(type) {
		case string:
			name = v
		case json.Number:
			name = v.String()
		default:
			return "", nil, fmt.Errorf("the event's name is no word and no string: %.60s", line)
		}
	}
	return name, args, nil
}

// NotEvent is a line that is no event.
type NotEvent struct{ Err error }

func (e *NotEvent) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong with it.
func (e *NotEvent) Unwrap() error { return e.Err }

// word takes one value off the front of a line.
func word(s string) (v any, rest string, err error) {
	if strings.ContainsRune(`{["`, rune(s[0])) {
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			return nil, "", fmt.Errorf("%.60s is no JSON: %w", s, err)
		}
		after := s[d.InputOffset():]
		if rest = strings.TrimLeft(after, " \t"); rest != "" && rest == after {
			return nil, "", fmt.Errorf("a space is due before %.60s", rest)
		}
		if raw := s[:d.InputOffset()]; !strings.Contains(raw, "_base64") && s[0] != '"' {
			var compact bytes.Buffer
			err := json.Compact(&compact, []byte(raw))
			return json.RawMessage(compact.Bytes()), rest, err // the order of an object's members stays
		}
		return withBinary(v), rest, nil
	}
	bare, rest, _ := strings.Cut(s, " ")
	rest = strings.TrimLeft(rest, " \t")
	d := json.NewDecoder(strings.NewReader(bare))
	d.UseNumber()
	if d.Decode(&v) == nil && int(d.InputOffset()) == len(bare) {
		return v, rest, nil
	}
	return bare, rest, nil
}

// withBinary puts bytes in the place of {"_base64":"…"}.
func withBinary(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if text, ok := v["_base64"].(string); ok && len(v) == 1 {
			if b, err := base64.StdEncoding.DecodeString(text); err == nil {
				return b
			}
		}
		for key, inner := range v {
			v[key] = withBinary(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = withBinary(inner)
		}
	}
	return v
}

// AppendEvent appends an event as a line, without its end.
func AppendEvent(dst []byte, name string, args socketio.Args) []byte {
	dst = appendName(dst, name)
	if args.Binary() {
		values, err := args.Values()
		if err == nil {
			for _, v := range values {
				dst = appendJSON(append(dst, ' '), v)
			}
			return dst
		}
	}
	for i := range args.Len() {
		dst = append(append(dst, ' '), args.JSON(i)...)
	}
	return dst
}

// appendName appends a name, in quotes where it would read back as another.
func appendName(dst []byte, name string) []byte {
	if v, rest, err := word(name + " "); err == nil && v == any(name) && rest == "" && !strings.ContainsAny(name, " \t\r\n\"") && name != "" {
		return append(dst, name...)
	}
	return appendJSON(dst, name)
}

// appendJSON appends a value, with bytes as {"_base64":"…"}.
func appendJSON(dst []byte, v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(withBase64(v)); err != nil {
		return append(dst, "null"...)
	}
	return append(dst, bytes.TrimRight(b.Bytes(), "\n")...)
}

func withBase64(v any) any {
	switch v := v.(type) {
	case []byte:
		return map[string]string{"_base64": base64.StdEncoding.EncodeToString(v)}
	case map[string]any:
		copied := make(map[string]any, len(v))
		for key, inner := range v {
			copied[key] = withBase64(inner)
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i, inner := range v {
			copied[i] = withBase64(inner)
		}
		return copied
	}
	return v
}
