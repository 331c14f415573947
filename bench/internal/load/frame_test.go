//go:build linux

package load

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gobwas/ws"
)

func TestAppendFrame(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		payload := records(max(size, mark))[:size]
		out := appendFrame(nil, final|text, mask, payload)
		if len(out) != headSize(size)+size {
			t.Errorf("%d bytes: a head of %d, headSize says %d", size, len(out)-size, headSize(size))
		}
		frame, err := ws.ReadFrame(bytes.NewReader(out))
		if err != nil || !frame.Header.Fin || frame.Header.OpCode != ws.OpText || !frame.Header.Masked {
			t.Fatalf("%d bytes: %+v, %v", size, frame.Header, err)
		}
		if !bytes.Equal(ws.UnmaskFrame(frame).Payload, payload) {
			t.Errorf("%d bytes: the payload is another", size)
		}
	}
}

// readAll reads what data holds, in pieces of step bytes, and returns each frame's payload.
func readAll(data []byte, step int) (frames [][]byte, err error) {
	var r frameReader
	var payload []byte
	for len(data) > 0 {
		n := min(step, len(data))
		for now := data[:n]; len(now) > 0; {
			var piece []byte
			var ended bool
			if piece, now, ended, err = r.next(now); err != nil {
				return frames, err
			}
			if payload = append(payload, piece...); ended {
				frames, payload = append(frames, payload), nil
			}
		}
		data = data[n:]
	}
	return frames, nil
}

func TestFrameReader(t *testing.T) {
	var data []byte
	sizes := []int{0, 1, 125, 126, 300, 65535, 65536, 0, 5}
	for _, size := range sizes {
		data = append(data, ws.MustCompileFrame(ws.NewTextFrame(records(max(size, mark))[:size]))...)
	}
	for _, step := range []int{1, 2, 3, 7, 100, 4096, len(data)} {
		frames, err := readAll(data, step)
		if err != nil || len(frames) != len(sizes) {
			t.Fatalf("in steps of %d: %d frames, %v", step, len(frames), err)
		}
		for i, size := range sizes {
			if !bytes.Equal(frames[i], records(max(size, mark))[:size]) {
				t.Errorf("in steps of %d: frame %d, of %d bytes, is another", step, i, size)
			}
		}
	}
}

func TestFrameReaderRefuses(t *testing.T) {
	for name, data := range map[string]string{
		"a masked frame":      "\x81\x80\x00\x00\x00\x00",
		"RSV2":                "\xa1\x00",
		"RSV3":                "\x91\x00",
		"a length below zero": "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
		"a close":             "\x88\x02\x03\xe8",
	} {
		if _, err := readAll([]byte(data), 1); !errors.Is(err, errFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever the bytes, and however they are cut, what is read is what gobwas/ws reads.
func FuzzFrameReader(f *testing.F) {
	f.Add([]byte("\x81\x05hello\x01\x02he\x80\x03llo\x89\x00"), uint64(1))
	f.Add([]byte("\xc1\x7e\x00\x80"), uint64(2))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		step := 1 + rand.New(rand.NewPCG(seed, 0)).IntN(len(data)+1)
		got, err := readAll(data, step)
		want, wrong := readWithGobwas(data)
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
		if wrong && err == nil {
			t.Error("no error")
		}
	})
}

// readWithGobwas returns the payloads of the whole frames, and whether what
// follows them is a head that is refused.
func readWithGobwas(data []byte) (frames [][]byte, wrong bool) {
	for source := bytes.NewReader(data); ; {
		head, err := ws.ReadHeader(source)
		if err != nil {
			return frames, false
		}
		if _, rsv2, rsv3 := ws.RsvBits(head.Rsv); head.Masked || rsv2 || rsv3 || head.OpCode == ws.OpClose {
			return frames, true
		}
		if head.Length > int64(source.Len()) {
			return frames, false
		}
		payload := make([]byte, head.Length)
		io.ReadFull(source, payload)
		frames = append(frames, payload)
	}
}
