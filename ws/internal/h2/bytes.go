package h2

import "sync"

// pieces are bytes that wait: to be read, or to be sent. What is empty holds no
// memory.
type pieces struct {
	box   *[]byte // pooled
	b     []byte
	start int // of b, what is gone already
}

var boxes = sync.Pool{New: func() any { b := make([]byte, 0, frameSize); return &b }}

// mostKept is the largest buffer that goes back to the pool.
const mostKept = 256 << 10

func (p *pieces) len() int { return len(p.b) - p.start }

// rest are the bytes that wait, until the next call.
func (p *pieces) rest() []byte { return p.b[p.start:] }

// add copies bytes behind those that wait.
func (p *pieces) add(b []byte) {
	if p.box == nil {
		p.box = boxes.Get().(*[]byte)
		p.b, p.start = (*p.box)[:0], 0
	}
	if p.start > 0 && len(p.b)+len(b) > cap(p.b) {
		p.b = p.b[:copy(p.b, p.b[p.start:])]
		p.start = 0
	}
	p.b = append(p.b, b...)
}

// drop forgets the first n bytes.
func (p *pieces) drop(n int) {
	if p.start += n; p.start == len(p.b) {
		p.clear()
	}
}

// clear forgets all.
func (p *pieces) clear() {
	if p.box != nil && cap(p.b) <= mostKept {
		*p.box = p.b[:0]
		boxes.Put(p.box)
	}
	*p = pieces{}
}
