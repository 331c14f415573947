package tcp

import (
	"bytes"
	"io"
	"net"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/sockkit/sockkit/trace"
)

// heads parses stream in pieces of the given sizes, over and over.
func heads(stream []byte, sizes []byte) (found []recordHead, lost bool) {
	var r recordHeads
	for i := 0; len(stream) > 0; i++ {
		n := len(stream)
		if len(sizes) > 0 {
			n = min(n, int(sizes[i%len(sizes)])+1)
		}
		piece := stream[:n]
		stream = stream[n:]
		for len(piece) > 0 {
			var head recordHead
			var whole bool
			if piece, head, whole = r.next(piece); whole {
				found = append(found, head)
			}
		}
	}
	return found, r.lost
}

// plainHeads is the same without a state: what the fuzz test believes.
func plainHeads(stream []byte) (found []recordHead, lost bool) {
	for len(stream) >= recordHeadSize {
		head := recordHead(stream[:recordHeadSize])
		size := int(head[3])<<8 | int(head[4])
		if head[0] < 20 || head[0] > 24 || head[1] != 3 || size > maxRecord {
			return found, true
		}
		found = append(found, head)
		stream = stream[min(recordHeadSize+size, len(stream)):]
	}
	return found, false
}

func FuzzRecordHeads(f *testing.F) {
	f.Add([]byte{22, 3, 1, 0, 1, 9, 23, 3, 3, 0, 0, 21, 3, 3, 0, 2, 1, 0}, []byte{0})
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n"), []byte{3, 0})
	f.Add([]byte{23, 3, 3, 0x48, 0, 1}, []byte{1, 4})
	f.Add([]byte{23, 3, 3, 0x48, 1, 1}, []byte{})
	f.Fuzz(func(t *testing.T, stream, sizes []byte) {
		got, lost := heads(stream, sizes)
		want, wantLost := plainHeads(stream)
		if !slices.Equal(got, want) || lost != wantLost {
			t.Fatalf("got %v %v, want %v %v", got, lost, want, wantLost)
		}
	})
}

func TestRecordHeadWords(t *testing.T) {
	tests := []struct {
		head          recordHead
		kind, version string
		size          int
	}{
		{recordHead{20, 3, 3, 0, 1}, "change_cipher_spec", "TLS 1.2", 1},
		{recordHead{21, 3, 0, 0, 2}, "alert", "SSLv3", 2},
		{recordHead{22, 3, 1, 1, 0}, "handshake", "TLS 1.0", 256},
		{recordHead{23, 3, 4, 0x40, 0}, "application_data", "TLS 1.3", 16384},
		{recordHead{24, 3, 2, 0, 0}, "heartbeat", "TLS 1.1", 0},
		{recordHead{99, 3, 9, 0, 0}, "type_99", "0x0309", 0},
	}
	for _, test := range tests {
		if k, v, n := test.head.typeName(), test.head.versionName(), test.head.size(); k != test.kind || v != test.version || n != test.size {
			t.Errorf("%v: %s %s %d", test.head, k, v, n)
		}
	}
}

// scripted is a connection that reads from r and swallows what is written.
type scripted struct {
	net.Conn
	r io.Reader
}

func (s *scripted) Read(p []byte) (int, error)  { return s.r.Read(p) }
func (s *scripted) Write(p []byte) (int, error) { return len(p), nil }
func (s *scripted) Close() error                { return nil }

// An end that comes together with bytes is kept for the next read, so that TLS
// has made what it can of the bytes before it counts.
func TestWireKeepsTheEnd(t *testing.T) {
	w := &wire{Conn: &scripted{r: iotest.DataErrReader(bytes.NewReader([]byte("abc")))}}
	buf := make([]byte, 8)
	if n, err := w.Read(buf); n != 3 || err != nil || w.ended.Load() {
		t.Fatal(n, err, w.ended.Load())
	}
	for range 2 {
		if n, err := w.Read(buf); n != 0 || err != io.EOF || !w.ended.Load() {
			t.Fatal(n, err, w.ended.Load())
		}
	}
}

func TestWireKeepsTheFirstBytes(t *testing.T) {
	all := make([]byte, 1000)
	for i := range all {
		all[i] = byte(i)
	}
	w := &wire{Conn: &scripted{r: iotest.OneByteReader(bytes.NewReader(all))}}
	for range 10 {
		w.Read(make([]byte, 4))
	}
	if !bytes.Equal(w.seen(), all[:10]) {
		t.Fatal(w.seen())
	}
	io.Copy(io.Discard, w)
	if !bytes.Equal(w.seen(), all[:firstBytes]) || w.came != len(all) {
		t.Fatal(w.seen(), w.came)
	}
}

func TestWireKeepsTheLastBytes(t *testing.T) {
	for _, sizes := range [][]int{{20}, {1, 19}, {13, 7}, {12, 8}, {16, 4}, {4, 4, 4, 4, 4}, {19, 1}, {10, 3, 3, 3, 1}} {
		w := &wire{}
		var all []byte
		for _, size := range sizes {
			piece := make([]byte, size)
			for i := range piece {
				piece[i] = byte(len(all) + i)
			}
			all = append(all, piece...)
			w.keep(piece)
		}
		if !bytes.HasSuffix(all, w.last[:]) {
			t.Errorf("%v: %v", sizes, w.last)
		}
	}
}

type discarded struct{}

func (discarded) Record(trace.Record) {}

func TestWireDoesNotAllocate(t *testing.T) {
	data := []byte{23, 3, 3, 0, 3, 1, 2, 3}
	for name, tracer := range map[string]*trace.Tracer{
		"no tracer": nil, "messages": trace.New(discarded{}, trace.Message),
	} {
		r := bytes.NewReader(nil)
		w := &wire{Conn: &scripted{r: r}, tracer: tracer, tls: true}
		buf := make([]byte, 16)
		n := testing.AllocsPerRun(100, func() {
			r.Reset(data)
			w.Read(buf)
			w.Write(data)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
