package demo

import (
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// TestFramesAreThoseOfTheBook holds that the bytes shown are those of the
// examples in RFC 6455 section 5.7.
func TestFramesAreThoseOfTheBook(t *testing.T) {
	text := look(t, "frames").text
	for _, want := range []string{
		"on the wire: 81 05 48 65 6c 6c 6f\n", "on the wire: 81 85 37 fa 21 3d 7f 9f 4d 51 58\n", `7f xor 37 = 48, "H"`,
		"65,535 bytes: a header of 4, 82 7e ff ff", "65,536 bytes: a header of 10, 82 7f 00 00 00 00 00 01 00 00",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not shown", want)
		}
	}
}

// TestFramesFacts holds the words against what really passed.
func TestFramesFacts(t *testing.T) {
	got := look(t, "frames")
	var codes []int
	for _, e := range closings(got.entries, "client", trace.In) {
		codes = append(codes, e.Code)
	}
	if want := []int{1002, 1007, 1009, 1000, 1005}; !slices.Equal(codes, want) {
		t.Errorf("the client was told %v, want %v", codes, want)
	}
	var rules []string
	for _, e := range events[trace.Finding](got.entries, "server") {
		rules = append(rules, e.Rule)
	}
	if want := []string{"frame-unmasked", "text-utf8", "message-too-big", "close-missing", "frame-cut"}; !slices.Equal(rules, want) {
		t.Errorf("the server found %v, want %v", rules, want)
	}
	if i := slices.IndexFunc(messages(got.entries, "server", trace.In), func(e trace.WSMessage) bool { return e.Frames == 2 }); i < 0 {
		t.Error("no message came in two frames")
	}
}

// TestFramesCompression holds that remembering pays, and that the words have the
// figures of the trace.
func TestFramesCompression(t *testing.T) {
	got := look(t, "frames")
	list := messages(got.entries, "client", trace.In)
	list = list[len(list)-4:]
	if !(list[1].Wire < list[0].Wire/4 && list[2].Wire == list[0].Wire && list[3].Wire >= list[0].Wire-2 && int(list[0].Wire) < list[0].Size) {
		t.Errorf("the sizes are %d: %d, %d, and alone %d, %d", list[0].Size, list[0].Wire, list[1].Wire, list[2].Wire, list[3].Wire)
	}
	n := got.numbers(t, `Each message is (\d+) bytes long\. Alone it becomes (\d+)\. With what both sides remember of the one before, the second takes (\d+);`)
	if want := []int{list[0].Size, int(list[0].Wire), int(list[1].Wire)}; !slices.Equal(n, want) {
		t.Errorf("the words are %v, want %v", n, want)
	}
}
