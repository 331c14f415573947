//go:build !sockkit_plain

package udp

import (
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sender hands an outbox's queue to the kernel.
type sender struct {
	raw    syscall.RawConn
	family int
	batch  *batch
	push   func(fd uintptr) bool // pushAll, made a value once

	box  *outbox
	next int // the first parcel that has not left
}

func (s *sender) init(l *link) error {
	raw, err := l.conn.SyscallConn()
	if err != nil {
		return err
	}
	s.raw, s.family, s.push = raw, l.single.family, s.pushAll
	return nil
}

// send sends the whole queue. It waits where the send buffer is full, but for
// no Unix peer: one that does not read loses what does not fit.
func (s *sender) send(o *outbox) {
	if s.batch == nil {
		s.batch = newBatch(outboxQueue)
	}
	s.box, s.next = o, 0
	if err := s.raw.Write(s.push); err != nil {
		for ; s.next < len(o.queue); s.next++ {
			o.failed(&o.queue[s.next], &o.count.sendErrors, err)
		}
	}
}

// pushAll sends from next on; false waits until there is room.
func (s *sender) pushAll(fd uintptr) bool {
	for n := s.chunk(); n > 0; n = s.chunk() {
		s.load(n)
		sent, errno := s.batch.send(fd, 0, n)
		for range sent {
			s.box.sent(&s.box.queue[s.next])
			s.next++
		}
		if errno != 0 && !s.settle(errno) {
			return false
		}
	}
	return true
}

// chunk is how many parcels from next on leave by one system call: as many as
// hold maxBatch datagrams.
func (s *sender) chunk() (n int) {
	datagrams := 0
	for _, k := range s.box.queue[s.next:] {
		if datagrams += k.count; n == outboxQueue || n > 0 && datagrams > maxBatch {
			break
		}
		n++
	}
	return n
}

// settle deals with what went wrong with the parcel at next, and returns false
// if it has to wait.
func (s *sender) settle(errno syscall.Errno) bool {
	o, k := s.box, &s.box.queue[s.next]
	switch {
	case errno == syscall.EINTR:
		return true
	case errno == syscall.EAGAIN && s.family != unix.AF_UNIX:
		return false
	case errno == syscall.EAGAIN || errno == syscall.ENOBUFS:
		o.failed(k, &o.count.sendFull, sendError(errno, k.size))
	case k.count > 1 && cannotCut(errno):
		// The path's MTU is below this size, or the interface cannot sum up.
		k.to.uncut = k.size
		if errno == syscall.EIO {
			k.to.uncut = 0
		}
		o.split(s.next)
		return true
	default:
		o.failed(k, &o.count.sendErrors, sendError(errno, k.size))
		if s.family == unix.AF_UNIX && hasGone(errno) {
			_ = k.to.Close()
		}
	}
	s.next++
	return true
}

// cannotCut tells the errors by which the kernel refuses UDP GSO.
func cannotCut(errno syscall.Errno) bool {
	return errno == syscall.EIO || errno == syscall.EINVAL || errno == syscall.EMSGSIZE
}

// load writes the headers of n parcels from next on.
func (s *sender) load(n int) {
	for i := range n {
		k := &s.box.queue[s.next+i]
		h := &s.batch.heads[i].Hdr
		h.Name, h.Namelen = &k.to.target.name.bytes[0], k.to.target.name.size
		payload := s.box.memory[k.start:k.end]
		s.batch.bufs[i].Base = unsafe.SliceData(payload)
		s.batch.bufs[i].SetLen(len(payload))
		s.loadControl(h, s.batch.oobs[i][:0], k)
	}
}

func (s *sender) loadControl(h *unix.Msghdr, oob []byte, k *parcel) {
	if k.to.source.IsValid() {
		oob = appendSource(oob, k.to.source, s.family)
	}
	if k.count > 1 {
		oob = appendSegment(oob, k.size)
	}
	h.Control = unsafe.SliceData(oob)
	h.SetControllen(len(oob))
}

// sendError is the failure to send a datagram of size bytes.
func sendError(errno syscall.Errno, size int) error {
	if errno == syscall.EMSGSIZE {
		return &TooLargeError{Size: size}
	}
	return os.NewSyscallError("sendmmsg", errno)
}

// batchWriter sends batches that a user of [Socket] made.
type batchWriter struct {
	mu    sync.Mutex
	raw   syscall.RawConn
	batch *batch
	push  func(fd uintptr) bool // attempt, made a value once

	want, sent int
	errno      syscall.Errno
}

// write sends as many messages as one system call takes, and returns how many.
func (w *batchWriter) write(l *link, ms []Message) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ms = ms[:min(len(ms), maxBatch)]
	if w.raw == nil {
		w.raw, w.push = l.single.raw, w.attempt
	}
	if w.batch == nil || len(w.batch.heads) < len(ms) {
		w.batch = newBatch(len(ms))
	}
	for i := range ms {
		if err := w.load(i, l, &ms[i]); err != nil {
			if i == 0 {
				return 0, err
			}
			ms = ms[:i] // those before it leave; it fails the next time
			break
		}
	}
	w.want = len(ms)
	if err := w.raw.Write(w.push); err != nil {
		return 0, err
	}
	if w.errno != 0 {
		return 0, sendError(w.errno, len(ms[0].Payload))
	}
	return w.sent, nil
}

// load writes the header of message i.
func (w *batchWriter) load(i int, l *link, m *Message) error {
	name := &w.batch.names[i]
	if l.network == unixgram {
		if err := name.setPath(m.Info.Path); err != nil {
			return err
		}
	} else {
		if err := checkSize(len(m.Payload)); err != nil {
			return err
		}
		if err := name.setAddrPort(m.Info.Remote, l.single.family); err != nil {
			return err
		}
	}
	h := &w.batch.heads[i].Hdr
	h.Namelen = name.size
	oob := w.batch.oobs[i][:0]
	if from := m.Info.Local.Addr(); l.wild && from.IsValid() && !from.IsUnspecified() && !from.IsMulticast() {
		oob = appendSource(oob, from, l.single.family)
	}
	h.Control = unsafe.SliceData(oob)
	h.SetControllen(len(oob))
	w.batch.buffer(i, m.Payload)
	return nil
}

// attempt sends once; false waits for room.
func (w *batchWriter) attempt(fd uintptr) bool {
	for {
		w.sent, w.errno = w.batch.send(fd, 0, w.want)
		switch w.errno {
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			return true
		}
	}
}
