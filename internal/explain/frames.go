package explain

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sockkit/sockkit/internal/render"
)

// mostFrames and mostText bound what is shown of frames.
const (
	mostFrames = 8
	mostText   = 60
)

// frameNames are the opcodes that RFC 6455 section 5.2 gives a meaning.
var frameNames = [16]string{0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}

// Frames says what the frames are that b begins with, one line each: what came
// right behind a 101. The rest is counted.
func Frames(b []byte) (list []string) {
	for len(b) > 0 && len(list) < mostFrames {
		f, n := readFrame(b)
		if n == 0 {
			break
		}
		list = append(list, f)
		b = b[n:]
	}
	if len(b) > 0 {
		list = append(list, fmt.Sprintf("… and %s more, no whole frame", bytesOf(len(b))))
	}
	return list
}

// readFrame words the frame at the beginning of b, and returns its size: 0
// where it is not whole.
func readFrame(b []byte) (string, int) {
	if len(b) < 2 {
		return "", 0
	}
	head, size := 2, uint64(b[1]&0x7f)
	switch {
	case size == 126 && len(b) >= 4:
		head, size = 4, uint64(binary.BigEndian.Uint16(b[2:]))
	case size == 127 && len(b) >= 10:
		head, size = 10, binary.BigEndian.Uint64(b[2:])
	case size > 125:
		return "", 0
	}
	masked := b[1]&0x80 != 0
	if masked {
		head += 4
	}
	if len(b) < head || uint64(len(b)-head) < size {
		return "", 0
	}
	payload := b[head : head+int(size)]
	return wordFrame(b[0], masked, payload), head + len(payload)
}

func wordFrame(first byte, masked bool, payload []byte) string {
	name := frameNames[first&0x0f]
	if name == "" {
		name = fmt.Sprintf("reserved (opcode %d)", first&0x0f)
	}
	s := fmt.Sprintf("a %s frame, %s", name, bytesOf(len(payload)))
	switch {
	case masked || first&0x70 != 0 || len(payload) == 0:
		return s
	case first&0x0f == 8 && len(payload) >= 2:
		s += fmt.Sprintf(", code %d", binary.BigEndian.Uint16(payload))
		payload = payload[2:]
	}
	if !utf8.Valid(payload) || len(payload) == 0 {
		return s
	}
	text := []rune(render.Printable(string(payload)))
	if len(text) > mostText {
		return s + ` "` + string(text[:mostText]) + `"…`
	}
	return s + ` "` + strings.TrimSpace(string(text)) + `"`
}
