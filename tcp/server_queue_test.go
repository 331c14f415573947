package tcp

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// A queue behaves as a buffer does, whatever is put in and taken out, gives its
// pieces back, and does not grow while it never runs empty.
func TestServerQueue(t *testing.T) {
	var bufs buffers
	bufs.init(readSize)
	q, want := queue{}, bytes.Buffer{}
	rng := rand.New(rand.NewPCG(1, 2))
	next := byte(0)
	for range 20000 {
		b := make([]byte, rng.IntN(20000)/(1+rng.IntN(100)))
		for i := range b {
			b[i] = next
			next++
		}
		q.add(&bufs, b)
		want.Write(b)
		most := q.size()
		if q.size() < 100000 {
			most = max(0, q.size()-1) // never empty
		}
		n := rng.IntN(most + 1)
		got := bytes.Join(q.pieces(), nil)
		if q.size() != want.Len() || !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%d bytes are queued, want %d, or they are others", q.size(), want.Len())
		}
		want.Next(n)
		q.drop(n)
		if q.list != nil && len(q.list.all) > 4*mostKept {
			t.Fatalf("the list of pieces has grown to %d", len(q.list.all))
		}
	}
	if q.clear(); q.size() != 0 || len(q.pieces()) != 0 {
		t.Errorf("%d bytes are left", q.size())
	}
}
