package socketio

import (
	"math"
	"strconv"
)

// placeholderWalk reads JSON that is known to be valid, and says whether each
// placeholder in it names one of count attachments, by the rules of the official
// parser: an object is a placeholder where its _placeholder is true; its num has
// to be a number from 0 to below count; what else it holds is ignored; the last
// of equal keys counts.
type placeholderWalk struct {
	data  []byte
	count int
	found bool // there is a placeholder
	bad   bool // one names no attachment
}

// checkPlaceholders says whether all placeholders name an attachment.
func checkPlaceholders(data []byte, count int) bool {
	w := placeholderWalk{data: data, count: count}
	w.value(skipSpace(data, 0))
	return !w.bad
}

// hasPlaceholder says whether there is any placeholder, whatever it names.
func hasPlaceholder(data []byte) bool {
	w := placeholderWalk{data: data}
	w.value(skipSpace(data, 0))
	return w.found
}

func (w *placeholderWalk) value(i int) int {
	switch at(w.data, i) {
	case '[':
		for i = skipSpace(w.data, i+1); i < len(w.data) && w.data[i] != ']'; {
			i = w.next(w.value(i))
		}
		return i + 1
	case '{':
		return w.object(i)
	}
	return skipValue(w.data, i)
}

// next skips the comma behind a value.
func (w *placeholderWalk) next(i int) int {
	if i = skipSpace(w.data, i); at(w.data, i) == ',' {
		i = skipSpace(w.data, i+1)
	}
	return i
}

func (w *placeholderWalk) object(i int) int {
	was, is, num := w.bad, false, []byte(nil)
	for i = skipSpace(w.data, i+1); i < len(w.data) && w.data[i] != '}'; {
		keyEnd := skipString(w.data, i)
		start := skipSpace(w.data, keyEnd)
		start = skipSpace(w.data, start+1)
		end := w.value(min(start, len(w.data)))
		switch key := w.data[i:keyEnd]; {
		case stringIs(key, "_placeholder"):
			is = string(w.data[min(start, end):min(end, len(w.data))]) == "true"
		case stringIs(key, "num"):
			num = w.data[min(start, end):min(end, len(w.data))]
		}
		i = w.next(end)
	}
	if is { // it is replaced as a whole: what stands in it does not count
		_, ok := attachmentNumber(num, w.count)
		w.found, w.bad = true, was || !ok
	}
	return i + 1
}

// attachmentNumber reads the num of a placeholder. Where it is in range but no
// whole number there is no such attachment, which is no error, as in JavaScript:
// it is -1.
func attachmentNumber(num []byte, count int) (n int, ok bool) {
	if len(num) == 0 || num[0] != '-' && !isDigit(num[0]) {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(num), 64)
	if err != nil || f < 0 || f >= float64(count) {
		return 0, false
	}
	if f != math.Trunc(f) {
		return -1, true
	}
	return int(f), true
}

// stringIs compares a JSON string, quotes and all, with a string.
func stringIs(quoted []byte, s string) bool {
	if len(quoted) == len(s)+2 {
		return string(quoted[1:len(quoted)-1]) == s
	}
	return len(quoted) > len(s)+2 && hasEscape(quoted) && unquote(quoted) == s
}
