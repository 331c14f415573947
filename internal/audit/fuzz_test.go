package audit

import (
	"bytes"
	"encoding/json"
	"testing"

	gobwas "github.com/gobwas/ws"
)

// FuzzParseFrame holds the reader of frames to that of another library: what
// one reads as a whole frame the other reads as the same.
func FuzzParseFrame(f *testing.F) {
	for _, seed := range [][]byte{
		frame(fin|opText, "hello"), bare(fin|opPing, ""), bare(opBinary, string(make([]byte, 200))), announced(fin|opText, 1<<63), announced(fin, mostRead+1), {0x81}, {0x81, 126, 0}, nil,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, n, err := parseFrame(b)
		if err != nil {
			if got.Size <= mostRead {
				t.Errorf("a frame of %d bytes is too many", got.Size)
			}
			return
		}
		r := bytes.NewReader(b)
		h, headErr := gobwas.ReadHeader(r)
		whole := headErr == nil && h.Length <= int64(r.Len())
		if whole != (n > 0) {
			t.Fatalf("%x: %d bytes are a frame, and for gobwas it is whole: %v (%v)", b, n, whole, headErr)
		}
		if n == 0 {
			return
		}
		if want := len(b) - r.Len() + int(h.Length); n != want || got.Op != byte(h.OpCode) || got.Fin != h.Fin || got.RSV != h.Rsv || got.Masked != h.Masked || got.Mask != h.Mask || got.Size != uint64(h.Length) || len(got.Data) != min(int(h.Length), mostKept) {
			t.Errorf("%x: %+v, %d bytes; gobwas says %+v, %d", b, got, n, h, want)
		}
	})
}

// FuzzReadReport holds that whatever is read as a report can be written, and
// accepted as a baseline.
func FuzzReadReport(f *testing.F) {
	f.Add([]byte(`{"version":1,"kind":"handshake_audit","probes":[{"id":"ping","verdict":"finding","outcome":"upgraded"}]}`))
	f.Add([]byte(`{"version":1,"kind":"handshake_audit_client","probes":null}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadReport(bytes.NewReader(b))
		if err != nil {
			return
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
		r.Accept(r)
		if len(r.Findings()) > 0 {
			t.Errorf("a report does not accept itself: %s", b)
		}
		if err := r.WriteJUnit(&bytes.Buffer{}); err != nil {
			t.Error(err)
		}
		_ = r.Lines(TextOptions{All: true})
	})
}
