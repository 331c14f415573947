package ws

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Buffers are pooled by size, from 1 KiB to 4 MiB in powers of two. Larger ones
// are left to the garbage collector.
const (
	leastShift = 10
	mostShift  = 22
)

var pools [mostShift - leastShift + 1]sync.Pool

// getBuffer returns an empty buffer with room for n bytes.
func getBuffer(n int) []byte {
	shift := max(bits.Len(uint(max(n, 1)-1)), leastShift)
	if shift > mostShift {
		return make([]byte, 0, n)
	}
	if p, _ := pools[shift-leastShift].Get().(*buffer); p != nil {
		b := p.b
		p.b = nil
		boxes.Put(p)
		return b[:0]
	}
	return make([]byte, 0, 1<<shift)
}

// putBuffer gives a buffer back. Nobody may use it any more.
func putBuffer(b []byte) {
	shift := bits.Len(uint(cap(b))) - 1
	if shift < leastShift || shift > mostShift || cap(b) != 1<<shift {
		return
	}
	if told := onPut.Load(); told != nil {
		(*told)(b)
	}
	p, _ := boxes.Get().(*buffer)
	if p == nil {
		p = &buffer{}
	}
	p.b = b
	pools[shift-leastShift].Put(p)
}

// onPut is told of each buffer that is given back, in tests.
var onPut atomic.Pointer[func([]byte)]

// A pool of slices would allocate their headers; these boxes are pooled too.
type buffer struct{ b []byte }

var boxes sync.Pool

// grown returns b with room for n bytes more.
func grown(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	bigger := append(getBuffer(max(len(b)+n, 2*cap(b))), b...)
	putBuffer(b)
	return bigger
}
