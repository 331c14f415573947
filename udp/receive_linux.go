//go:build !sockkit_plain

package udp

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// receiver waits for datagrams and takes those that are there.
type receiver struct {
	link   *link
	raw    syscall.RawConn
	family int // the socket's, which decides the form of addresses
	batch  *batch
	take   func(fd uintptr) bool // attempt, made a value once

	want, got int
	errno     syscall.Errno
}

// init makes a receiver of one datagram at a time.
func (r *receiver) init(l *link) error {
	raw, err := l.conn.SyscallConn()
	if err != nil {
		return err
	}
	r.link, r.raw, r.batch, r.want = l, raw, newBatch(1), 1
	r.take = r.attempt
	var failed error
	err = raw.Control(func(fd uintptr) {
		r.family, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
	})
	return and(err, failed)
}

// attempt takes what is there; false waits for more.
func (r *receiver) attempt(fd uintptr) bool {
	for {
		r.got, r.errno = r.batch.receive(fd, r.want)
		switch r.errno {
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			return true
		}
	}
}

// wait returns once datagrams came, an error is pending on the socket or the
// deadline is over.
func (r *receiver) wait() error {
	if err := r.raw.Read(r.take); err != nil {
		return err
	}
	if r.errno != 0 {
		return os.NewSyscallError("recvmmsg", r.errno)
	}
	return nil
}

func (r *receiver) receive(buf []byte) (int, Info, error) {
	r.batch.buffer(0, buf)
	defer r.batch.buffer(0, nil)
	if err := r.wait(); err != nil {
		return 0, Info{}, err
	}
	got := r.batch.info(0, r.link)
	return got.kept, got.Info, nil
}

// receiveBatch fills in messages: at least one, and no more than are there.
func (r *receiver) receiveBatch(ms []Message) (int, error) {
	r.want = min(len(ms), maxBatch)
	if len(r.batch.heads) < r.want {
		r.batch = newBatch(r.want)
	}
	for i := range ms[:r.want] {
		r.batch.buffer(i, ms[i].Payload[:cap(ms[i].Payload)])
	}
	if err := r.wait(); err != nil {
		return 0, err
	}
	for i := range ms[:r.got] {
		got := r.batch.info(i, r.link)
		ms[i].Payload, ms[i].Info = ms[i].Payload[:got.kept], got.Info
	}
	return r.got, nil
}

// maxBatch is the most datagrams of one system call. More would gain nothing,
// and the calls do not let the scheduler have the processor meanwhile.
const maxBatch = 256

// inbox reads what a server gets: batches of buffers, each of which may hold
// several datagrams of one flow.
type inbox struct {
	link   *link
	raw    syscall.RawConn
	batch  *batch
	handle func(n int) bool
	take   func(fd uintptr) bool // attempt, made a value once
	drain  bool                  // leave when there is nothing, do not wait
	memory [][]byte

	got   int
	errno syscall.Errno
}

// inboxBatch is the number of buffers: enough to share out a system call's
// cost, few enough to stay in the caches.
const inboxBatch = 16

// newInbox readies a server's reading. handle gets the number of buffers that
// came and returns false to stop.
func newInbox(l *link, handle func(n int) bool) (*inbox, error) {
	raw, err := l.conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	in := &inbox{link: l, raw: raw, batch: newBatch(inboxBatch), handle: handle}
	in.take = in.attempt
	size := receiveSize
	if l.network == unixgram {
		size = unixReceiveSize
	}
	block := make([]byte, inboxBatch*size) // touched only as far as datagrams reach
	for i := range inboxBatch {
		p := block[i*size : (i+1)*size : (i+1)*size]
		in.memory = append(in.memory, p)
		in.batch.buffer(i, p)
	}
	return in, nil
}

// run reads until handle stops it, the deadline is over or the socket fails.
// The handling stands outside of RawConn.Read, within which the socket could
// not be closed.
func (in *inbox) run() error {
	for failures := 0; ; {
		if err := in.raw.Read(in.take); err != nil {
			return err
		}
		switch {
		case in.errno == syscall.EAGAIN: // and drain
			return nil
		case in.errno == 0:
			failures = 0
			if !in.handle(in.got) {
				return nil
			}
		case failures >= maxReadFailures:
			return os.NewSyscallError("recvmmsg", in.errno)
		default:
			failures++ // a pending error, which reading clears; datagrams may stand behind it
		}
	}
}

// maxReadFailures is how many errors in a row tell a socket that cannot be
// read any more from one that something happened to.
const maxReadFailures = 64

// drainAll reads what is there without waiting.
func (in *inbox) drainAll() error {
	in.drain = true
	return in.run()
}

// attempt takes what is there; false waits for more.
func (in *inbox) attempt(fd uintptr) bool {
	in.got, in.errno = in.batch.receive(fd, inboxBatch)
	return in.errno != syscall.EAGAIN || in.drain
}

// at returns buffer i of the batch that came.
func (in *inbox) at(i int) ([]byte, received) {
	r := in.batch.info(i, in.link)
	return in.memory[i][:r.kept], r
}

// target is the sender of buffer i as somebody to send to.
func (in *inbox) target(i int) target { return target{name: in.batch.names[i]} }

// target is a peer's address in the kernel's form.
type target struct{ name rawName }
