package socketio

// validJSON says whether data is one JSON text (RFC 8259), as JSON.parse takes
// it: with half surrogate pairs, and space around it. Arrays and objects may
// stand at most depth deep. It builds nothing.
func validJSON(data []byte, depth int) bool {
	i := scanValue(data, skipSpace(data, 0), depth)
	return i > 0 && skipSpace(data, i) == len(data)
}

// The functions below take the index at which something begins and return the
// index behind it, or -1 where something else stands there.

func scanValue(data []byte, i, depth int) int {
	if i >= len(data) {
		return -1
	}
	switch c := data[i]; {
	case c == '"':
		return scanString(data, i)
	case c == '-' || isDigit(c):
		return scanNumber(data, i)
	case c == '[' && depth > 0:
		return scanList(data, i, depth-1, ']')
	case c == '{' && depth > 0:
		return scanList(data, i, depth-1, '}')
	case c == 't':
		return scanWord(data, i, "true")
	case c == 'f':
		return scanWord(data, i, "false")
	case c == 'n':
		return scanWord(data, i, "null")
	}
	return -1
}

// scanList skips an array or an object, which end tells apart.
func scanList(data []byte, i, depth int, end byte) int {
	i = skipSpace(data, i+1)
	if at(data, i) == end {
		return i + 1
	}
	for {
		if end == '}' {
			i = scanMember(data, i, depth)
		} else {
			i = scanValue(data, i, depth)
		}
		if i < 0 {
			return -1
		}
		i = skipSpace(data, i)
		switch at(data, i) {
		case end:
			return i + 1
		case ',':
			i = skipSpace(data, i+1)
		default:
			return -1
		}
	}
}

func scanMember(data []byte, i, depth int) int {
	if at(data, i) != '"' {
		return -1
	}
	if i = scanString(data, i); i < 0 {
		return -1
	}
	if i = skipSpace(data, i); at(data, i) != ':' {
		return -1
	}
	return scanValue(data, skipSpace(data, i+1), depth)
}

func scanString(data []byte, i int) int {
	for i = skipPlain(data, i+1); i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if i = scanEscape(data, i+1); i < 0 {
				return -1
			}
			i = skipPlain(data, i+1) - 1
		}
	}
	return -1
}

// scanEscape takes the index behind a backslash and returns that of the last
// character of the escape.
func scanEscape(data []byte, i int) int {
	switch at(data, i) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i
	case 'u':
		if _, ok := hex4(data, i+1); ok {
			return i + 4
		}
	}
	return -1
}

// hex4 reads four hexadecimal digits.
func hex4(data []byte, i int) (rune, bool) {
	if len(data)-i < 4 {
		return 0, false
	}
	var r rune
	for _, c := range data[i : i+4] {
		switch {
		case isDigit(c):
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func scanNumber(data []byte, i int) int {
	if at(data, i) == '-' {
		i++
	}
	switch c := at(data, i); {
	case c == '0':
		i++
	case isDigit(c):
		i = skipDigits(data, i)
	default:
		return -1
	}
	if at(data, i) == '.' {
		if i++; !isDigit(at(data, i)) {
			return -1
		}
		i = skipDigits(data, i)
	}
	if at(data, i)|0x20 != 'e' {
		return i
	}
	if i++; at(data, i) == '+' || at(data, i) == '-' {
		i++
	}
	if !isDigit(at(data, i)) {
		return -1
	}
	return skipDigits(data, i)
}

func scanWord(data []byte, i int, word string) int {
	if len(data)-i < len(word) || string(data[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

// at is the byte at i, and 0, which JSON nowhere allows, behind the end.
func at(data []byte, i int) byte {
	if i < len(data) {
		return data[i]
	}
	return 0
}

func isDigit(c byte) bool { return c-'0' < 10 }

func skipDigits(data []byte, i int) int {
	for i < len(data) && isDigit(data[i]) {
		i++
	}
	return i
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

// trimSpace is data without the space that JSON allows around a value.
func trimSpace(data []byte) []byte {
	data = data[skipSpace(data, 0):]
	for n := len(data); n > 0; n-- {
		if c := data[n-1]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return data[:n]
		}
	}
	return nil
}
