package socketio

import "encoding/json"

// skipValue returns the index behind the value that begins at i, in JSON that is
// known to be valid: it counts brackets and knows strings. In other bytes it
// ends somewhere, at the latest at their end.
func skipValue(data []byte, i int) int {
	depth := 0
	for i < len(data) {
		switch data[i] {
		case '"':
			i = skipString(data, i)
		case '[', '{':
			depth++
			i++
			continue
		case ']', '}':
			depth--
			i++
		case ' ', '\n', '\t', '\r', ',', ':':
			i++
			continue
		default:
			i = skipBare(data, i)
		}
		if depth <= 0 {
			return i
		}
	}
	return len(data)
}

// skipBare skips a number, true, false or null.
func skipBare(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case ',', ':', ']', '}', '[', '{', '"', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return i
}

func skipString(data []byte, i int) int {
	for i = skipPlain(data, i+1); i < len(data); i++ {
		switch data[i] {
		case '"':
			return i + 1
		case '\\':
			i = skipPlain(data, i+2) - 1
		}
	}
	return len(data)
}

// splitArray appends the elements of an array, as they stand in data, to dst. It
// looks into none of them. data is valid JSON; where it is no array, there are
// no elements.
func splitArray(dst []json.RawMessage, data []byte) []json.RawMessage {
	i := skipSpace(data, 0)
	if at(data, i) != '[' {
		return dst
	}
	for i = skipSpace(data, i+1); i < len(data) && data[i] != ']'; i = skipSpace(data, i) {
		end := skipValue(data, i)
		dst = append(dst, json.RawMessage(data[i:end:end]))
		if i = skipSpace(data, end); at(data, i) == ',' {
			i = skipSpace(data, i+1)
		}
	}
	return dst
}

// firstElement is the first element of an array, or nil.
func firstElement(data []byte) []byte {
	i := skipSpace(data, 0)
	if at(data, i) != '[' {
		return nil
	}
	if i = skipSpace(data, i+1); at(data, i) == ']' {
		return nil
	}
	end := skipValue(data, i)
	return data[i:end:end]
}
