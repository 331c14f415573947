package dissect

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// member is a value within an array or an object, with its key there.
type member struct {
	from, to  int // with the key, where it has one
	value     int // where the value begins
	key       string
	container byte // '[' or '{': what it stands in
}

// members are those of the outermost array or object; nil where there is none,
// or b is not JSON.
func members(b []byte) (list []member) {
	if !json.Valid(b) {
		return nil
	}
	open := skipSpace(b, 0)
	if b[open] != '[' && b[open] != '{' {
		return nil
	}
	for i := skipSpace(b, open+1); b[i] != ']' && b[i] != '}' && len(list) < mostParts; {
		m := member{from: i, value: i, container: b[open]}
		if b[open] == '{' {
			stop := skipValue(b, i)
			_ = json.Unmarshal(b[i:stop], &m.key)
			m.value = skipSpace(b, skipSpace(b, stop)+1)
		}
		m.to = skipValue(b, m.value)
		list = append(list, m)
		if i = skipSpace(b, m.to); b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
	return list
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skipValue is the end of the value that begins at i, in valid JSON.
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '[', '{':
		return skipNested(b, i)
	}
	if n := bytes.IndexAny(b[i:], ",:]} \t\r\n"); n >= 0 {
		return i + n
	}
	return len(b)
}

func skipNested(b []byte, i int) int {
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = skipString(b, i) - 1
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return i
}

func skipString(b []byte, i int) int {
	for i++; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// namer names a member and says what it is for.
type namer func(i int, m member) (name, meaning string, c clause)

// jsonFields are the members of b, named, with what they consist of.
func jsonFields(b []byte, name namer) (fields []Field) {
	for i, m := range members(b) {
		called, meaning, c := name(i, m)
		value := b[m.value:m.to]
		f := at(m.from, m.to-m.from, called, show(value), meaning, c)
		if isPlaceholder(value) {
			f.Meaning, f.Clause, f.Link = "Stands for a binary value, which follows in a message of its own; num says which of them.", attachments.name, attachments.link
		}
		f.Fields = shift(inner(value), m.value)
		fields = append(fields, f)
	}
	return fields
}

// inner are the members of a value, and no deeper.
func inner(b []byte) (fields []Field) {
	for i, m := range members(b) {
		name := m.key
		if m.container == '[' {
			name = "[" + strconv.Itoa(i) + "]"
		}
		fields = append(fields, at(m.from, m.to-m.from, escape(name), show(b[m.value:m.to]), "", clause{}))
	}
	return fields
}

func isPlaceholder(b []byte) bool {
	var p struct {
		Placeholder bool `json:"_placeholder"`
		Num         *int `json:"num"`
	}
	return len(b) > 0 && b[0] == '{' && json.Unmarshal(b, &p) == nil && p.Placeholder && p.Num != nil
}

// keyed names members by their keys.
func keyed(meanings map[string]string, c clause) namer {
	return func(_ int, m member) (string, string, clause) {
		meaning, ok := meanings[m.key]
		if !ok {
			return escape(m.key), "", clause{}
		}
		return escape(m.key), meaning, c
	}
}
