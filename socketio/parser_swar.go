package socketio

// The functions here look at eight bytes at once: most of what a packet holds is
// text that stands for itself.

const (
	eachLow  = 0x0101010101010101
	eachHigh = 0x8080808080808080
)

// load8 is the eight bytes from i on.
func load8[T string | []byte](s T, i int) uint64 {
	_ = s[i+7]
	return uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
		uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
}

// hasSpecial says whether a quotation mark, a backslash or a control character is
// among eight bytes.
func hasSpecial(x uint64) bool {
	quote, slash := x^(eachLow*'"'), x^(eachLow*'\\')
	return ((x-eachLow*' ')&^x|(quote-eachLow)&^quote|(slash-eachLow)&^slash)&eachHigh != 0
}

// skipPlain goes on while eight bytes stand for themselves in a JSON string.
func skipPlain(data []byte, i int) int {
	for i+8 <= len(data) && !hasSpecial(load8(data, i)) {
		i += 8
	}
	return i
}

// skipPlainASCII is skipPlain that stops at what is not ASCII, too.
func skipPlainASCII[T string | []byte](s T, i int) int {
	for i+8 <= len(s) {
		if x := load8(s, i); x&eachHigh != 0 || hasSpecial(x) {
			break
		}
		i += 8
	}
	return i
}
