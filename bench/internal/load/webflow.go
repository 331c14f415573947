//go:build linux

package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"unsafe"
)

// A message has a mark: the number of its connection and its own, in hexadecimal
// digits.
const mark = 16

// messages is what the connections of one load have in common. A message and its
// answer begin each in its own way, up to the end of the mark, and go on with the
// same rest.
type messages struct {
	asked, answered []byte // how they begin, the mark left blank
	rest            []byte
	talk            Talk
	burst           int
	inflater        *inflater // nil where nothing is compressed
}

func newMessages(d WebSocketDialer) *messages {
	blank := bytes.Repeat([]byte{'0'}, mark)
	m := &messages{asked: blank, answered: blank, rest: records(d.Size)[mark:], talk: d.Talk, burst: max(1, d.Burst)}
	if d.Deflate {
		m.inflater = newInflater(d.Size)
	}
	if d.Talk.socketIO() {
		m.asked, m.answered, m.rest = event(d.Talk, d.Size)
	}
	return m
}

// size is how long a message is as it is sent.
func (m *messages) size() int { return len(m.asked) + len(m.rest) }

// records returns size bytes of text as services send it, the same in every run.
func records(size int) []byte {
	random := rand.New(rand.NewChaCha8([32]byte{}))
	words := []string{"alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"}
	out := bytes.Repeat([]byte{'0'}, mark)
	for len(out) < size {
		out = fmt.Appendf(out, `{"id":%d,"name":"%s %s","price":%.2f,"open":%t},`, random.IntN(1e6),
			words[random.IntN(len(words))], words[random.IntN(len(words))], random.Float64()*1000, random.IntN(2) == 0)
	}
	return out[:size]
}

// webFlow is one connection and the burst that it has under way.
type webFlow struct {
	*messages
	fd    int
	index uint32
	mask  [4]byte
	left  int // bursts still to be answered

	out    []byte   // a burst of masked frames
	sent   int      // bytes of it that are written
	heads  [][]byte // how the answers of the burst begin
	number uint32

	in   frameReader
	back int  // answers of the burst that have come
	at   int  // bytes of the next answer that have come
	rsv1 bool // it is compressed

	packed []byte // it, as far as it came
	known  []byte // compressed bytes that did inflate to the message
}

func newWebFlow(fd int, index uint32, m *messages) *webFlow {
	f := &webFlow{messages: m, fd: fd, index: index, heads: make([][]byte, m.burst)}
	binary.BigEndian.PutUint32(f.mask[:], 0x9d3ac571^index)
	if m.talk.toAll() {
		index = 0
	}
	asked := bytes.Clone(m.asked)
	digits(asked[len(asked)-mark:][:8], index)
	for i := range f.heads {
		f.heads[i] = bytes.Clone(m.answered)
		digits(f.heads[i][len(m.answered)-mark:][:8], index)
		f.out = f.appendMessage(f.out, asked)
	}
	f.sent = len(f.out)
	return f
}

func (f *webFlow) appendMessage(to, head []byte) []byte {
	message := slices.Concat(head, f.rest)
	if f.inflater != nil {
		return appendFrame(to, final|compressed|text, f.mask, deflate(message))
	}
	return appendFrame(to, final|text, f.mask, message)
}

func digits(to []byte, n uint32) {
	for i := range to {
		to[i] = "0123456789abcdef"[n>>(28-4*i)&15]
	}
}

// send starts a burst. Compressed messages keep their number: to compress each
// anew would cost more than what is measured.
func (f *webFlow) send() error {
	f.renew()
	f.sent = 0
	return f.write()
}

// renew has the answers of a new burst awaited.
func (f *webFlow) renew() {
	f.back = 0
	if f.inflater == nil {
		f.renumber()
	}
}

// renumber writes new numbers into the masked frames, and into what is awaited.
func (f *webFlow) renumber() {
	head, stride := headSize(f.size()), len(f.out)/f.burst
	for i, answer := range f.heads {
		f.number++
		frame := f.out[i*stride+head:]
		number := answer[len(answer)-8:]
		digits(number, f.number)
		f.put(frame, len(f.asked)-8, number)
		if f.talk == Acks {
			decimals(answer[idAt:][:idDigits], f.number)
			f.put(frame, idAt, answer[idAt:][:idDigits])
		}
	}
}

// put writes some bytes into a masked frame.
func (f *webFlow) put(frame []byte, at int, what []byte) {
	for j, b := range what {
		frame[at+j] = b ^ f.mask[(at+j)&3]
	}
}

// write writes what the socket takes of the burst. The call never waits, so
// Go's scheduler need not know of it.
func (f *webFlow) write() error {
	for f.sent < len(f.out) {
		rest := f.out[f.sent:]
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(f.fd), uintptr(unsafe.Pointer(&rest[0])), uintptr(len(rest)))
		if errno == syscall.EAGAIN {
			return nil
		}
		if errno != 0 {
			return fmt.Errorf("send: %w", errno)
		}
		f.sent += int(n)
	}
	return nil
}

func (f *webFlow) read(into []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(f.fd), uintptr(unsafe.Pointer(&into[0])), uintptr(len(into)))
	switch {
	case errno == syscall.EAGAIN:
		return 0, nil
	case errno != 0:
		return 0, fmt.Errorf("receive: %w", errno)
	case n == 0:
		return 0, fmt.Errorf("receive: the server closed the connection, %d bursts early", f.left)
	}
	return int(n), nil
}

// take compares what came and reports whether the burst is whole.
func (f *webFlow) take(data []byte) (whole bool, err error) {
	for len(data) > 0 {
		var piece []byte
		var ended bool
		if piece, data, ended, err = f.in.next(data); err != nil {
			return false, err
		}
		if f.in.first()&control != 0 {
			continue // a ping: a load is too short for its answer to be missed
		}
		if f.talk.socketIO() && f.pinged(piece) {
			continue // nor that of this one, of Engine.IO
		}
		if err := f.compare(piece); err != nil {
			return false, err
		}
		if ended && f.in.first()&final != 0 {
			if err := f.end(); err != nil {
				return false, err
			}
			whole = whole || f.back == f.burst
		}
	}
	return whole, nil
}

// compare holds a piece of an answer against the message.
func (f *webFlow) compare(piece []byte) error {
	if f.back == f.burst || f.left == 0 {
		return fmt.Errorf("more than was sent: %w", ErrWrong)
	}
	switch first := f.in.first(); first & opcode {
	case text:
		f.rsv1 = first&compressed != 0
	case continuation:
	default:
		return fmt.Errorf("%w: opcode %d", errFrame, first&opcode)
	}
	if f.rsv1 {
		f.packed = append(f.packed, piece...)
	} else if !f.same(piece) {
		return fmt.Errorf("message %d, byte %d or after: %w", f.number, f.at, ErrWrong)
	}
	f.at += len(piece)
	return nil
}

// same reports whether piece stands in the answer at the place it has.
func (f *webFlow) same(piece []byte) bool {
	head, at := f.heads[f.back], f.at
	if at+len(piece) > len(head)+len(f.rest) {
		return false
	}
	if at < len(head) {
		n := min(len(head)-at, len(piece))
		if !bytes.Equal(piece[:n], head[at:at+n]) {
			return false
		}
		piece, at = piece[n:], at+n
	}
	return len(piece) == 0 || bytes.Equal(piece, f.rest[at-len(head):][:len(piece)])
}

// end is the end of one answer.
func (f *webFlow) end() error {
	if f.rsv1 {
		if err := f.inflate(); err != nil {
			return err
		}
	} else if whole := len(f.answered) + len(f.rest); f.at != whole {
		return fmt.Errorf("message %d: %d of %d bytes: %w", f.number, f.at, whole, ErrWrong)
	}
	f.at, f.packed = 0, f.packed[:0]
	if f.back++; f.back == f.burst {
		f.left--
	}
	return nil
}

// inflate holds a compressed answer against the message. Bytes that did inflate
// to it once do so again.
func (f *webFlow) inflate() error {
	if f.inflater == nil {
		return fmt.Errorf("%w: compressed, which was not agreed", errFrame)
	}
	if bytes.Equal(f.packed, f.known) {
		return nil
	}
	message := slices.Concat(f.heads[f.back], f.rest)
	f.known = bytes.Clone(f.packed)
	return f.inflater.same(f.packed, message)
}
