package demo

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// TestWSSFacts holds the words against what really passed.
func TestWSSFacts(t *testing.T) {
	got := look(t, "wss")
	wire := events[trace.Bytes](got.entries, "middle")
	if len(wire) != 5 {
		t.Fatalf("the middle shows %d pieces of the wire, want 5", len(wire))
	}
	for i, readable := range []bool{true, true, false, true, true} {
		_, _, text, err := firstFrame(wire[i].Payload)
		if is := err == nil && text == secret; is != readable {
			t.Errorf("piece %d reads %q (%v), readable: %v", i, text, err, readable)
		}
	}
	n := got.numbers(t, `whose bytes are shown has (\d+), for a frame of (\d+): .* a seal of (\d+) are added`)
	if want := []int{len(wire[2].Payload), len(wire[0].Payload), 16}; !slices.Equal(n, want) || n[0] != n[1]+1+n[2] {
		t.Errorf("the words are %v, want %v", n, want)
	}
	for who, want := range map[string]int{"client": 1, "client 1": 1, "client 2": 1, "client 3": 1} {
		if failed := len(events[trace.TLSFailed](got.entries, who)); failed != want {
			t.Errorf("%s: TLS failed %s, want %s", who, times(failed), times(want))
		}
	}
	var checked []bool
	for _, e := range events[trace.TLS](got.entries, "client") {
		checked = append(checked, !e.Unverified)
	}
	if want := []bool{true, true, false}; !slices.Equal(checked, want) {
		t.Errorf("the certificates were checked: %v, want %v", checked, want)
	}
}

// TestTLSRecords holds how a stream is cut into records: what is not whole at
// its end is left.
func TestTLSRecords(t *testing.T) {
	stream := []byte("\x16\x03\x01\x00\x02hi\x17\x03\x03\x00\x00\x17\x03\x03\x00\x05hal")
	list := tlsRecords(stream, trace.Out)
	if text := fmt.Sprint(len(list), list[0].TLSRecord, string(list[0].body), list[1].Type); text != "2 {out handshake TLS 1.0 2}hiapplication_data" {
		t.Error(text)
	}
	if saidIn(list) != nil {
		t.Error("something was said in a record that there is not")
	}
}

func TestFirstFrame(t *testing.T) {
	masked := []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58, 0x88}
	frame, key, text, err := firstFrame(masked)
	if err != nil || text != "Hello" || !bytes.Equal(key, exampleKey[:]) || len(frame) != 11 {
		t.Errorf("% x, % x, %q, %v", frame, key, text, err)
	}
	if masked[6] != 0x7f {
		t.Error("what passed was changed")
	}
	for _, cut := range [][]byte{nil, {0x81}, {0x81, 0x7e, 0, 200}, masked[:10]} {
		if _, _, _, err := firstFrame(cut); err == nil {
			t.Errorf("% x is a frame", cut)
		}
	}
}
