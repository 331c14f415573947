package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// maxKept bounds what is kept of an output; the rest is counted and summed.
const maxKept = 1 << 20

// output is what a program has written so far.
type output struct {
	mu      sync.Mutex
	kept    []byte
	n       int64
	sum     hash.Hash
	changed chan struct{} // closed and replaced at each write
}

func newOutput() *output { return &output{sum: sha256.New(), changed: make(chan struct{})} }

// Write implements [io.Writer].
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.n += int64(len(p))
	o.sum.Write(p)
	o.kept = append(o.kept, p[:min(len(p), maxKept-len(o.kept))]...)
	close(o.changed)
	o.changed = make(chan struct{})
	return len(p), nil
}

func (o *output) event() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed
}

// String returns what is kept.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.kept)
}

func (o *output) size() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.n
}

// is reports whether the whole output is b.
func (o *output) is(b blob) bool { return o.size() == b.size && o.hex() == b.sum() }

func (o *output) hex() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return hex.EncodeToString(o.sum.Sum(nil))
}

// want fails the test where the output is not b.
func (o *output) want(t testing.TB, whose string, b blob) {
	t.Helper()
	if o.size() != b.size {
		t.Errorf("%s: %d bytes arrived of %d", whose, o.size(), b.size)
	} else if o.hex() != b.sum() {
		t.Errorf("%s: all %d bytes arrived, but they are not those that were sent", whose, b.size)
	}
}

// awaitText waits until text has been written.
func (o *output) awaitText(t testing.TB, text string) {
	t.Helper()
	await(t, "the words "+text, o.event, func() bool { return strings.Contains(o.String(), text) })
}

// awaitSize waits until n bytes have been written.
func (o *output) awaitSize(t testing.TB, n int64) {
	t.Helper()
	await(t, "bytes", o.event, func() bool { return o.size() >= n })
}

// blob is random data that is told by its seed and its size.
type blob struct {
	seed uint64
	size int64
}

const mib = 1 << 20

func newBlob(size int64) blob { return blob{rand.Uint64(), size} }

// reader gives the blob's bytes.
func (b blob) reader() io.Reader {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], b.seed)
	return io.LimitReader(rand.NewChaCha8(key), b.size)
}

func (b blob) bytes() []byte {
	var buf bytes.Buffer
	_, _ = buf.ReadFrom(b.reader())
	return buf.Bytes()
}

func (b blob) sum() string {
	h := sha256.New()
	_, _ = io.Copy(h, b.reader())
	return hex.EncodeToString(h.Sum(nil))
}
