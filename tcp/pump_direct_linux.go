package tcp

import (
	"os"

	"golang.org/x/sys/unix"
)

// direct moves bytes between two ends of which one is a pipe. Its functions are
// made once: a closure for each splice would be an allocation for each.
type direct struct {
	*splicer
	from, to func(fd uintptr)
	fromPoll func(fd uintptr) bool
	in       int // the source's descriptor, while it is held

	// How the last splice went.
	n       int
	blocked *end // the end that has to be waited for; nil: none
	err     error
}

func (s *splicer) direct() func() (int, error) {
	d := &direct{splicer: s}
	d.to = func(out uintptr) { d.splice(d.in, int(out)) }
	d.from = func(in uintptr) {
		d.in = int(in)
		if err := d.dst.raw.Control(d.to); err != nil {
			d.n, d.blocked, d.err = 0, nil, err
		}
	}
	d.fromPoll = func(in uintptr) bool {
		d.from(in)
		if d.blocked != &d.src {
			return true
		}
		d.pump.wait()
		return false
	}
	return d.step
}

// step splices once. In bulk, and where that emptied the pipe, the one who fills
// it has its turn first if it waits for this core: else there would be a change
// of context for every few KiB.
func (d *direct) step() (int, error) {
	for {
		if err := d.once(); err != nil {
			return 0, err
		}
		switch {
		case d.err != nil:
			return 0, d.blame(d.err)
		case d.blocked == &d.dst:
			if err := d.dst.wait(unix.POLLOUT); err != nil {
				return 0, err
			}
		case d.blocked == nil:
			if d.grown && d.src.kind == fdPipe && d.n > 0 && d.n < spliceChunk {
				yield()
			}
			return d.n, nil
		}
	}
}

// once splices once, and waits where the source has nothing. With the runtime's
// poller the splice stands inside Read, whose wait begins where the splice found
// nothing: it need not be asked for first.
func (d *direct) once() (err error) {
	if d.src.poll {
		err = d.src.raw.Read(d.fromPoll)
	} else if err = d.src.raw.Control(d.from); err == nil && d.blocked == &d.src {
		d.pump.wait()
		err = d.src.wait(unix.POLLIN)
	}
	d.pump.busy()
	if err != nil {
		return &ReadError{err}
	}
	return nil
}

// splice splices without waiting. The kernel does not say which of the two
// would block, so that is asked.
func (d *direct) splice(in, out int) {
	n, errno := splice(in, out, spliceChunk)
	for errno == unix.EINTR {
		n, errno = splice(in, out, spliceChunk)
	}
	d.calls++
	d.n, d.blocked, d.err = max(n, 0), nil, nil
	switch errno {
	case 0:
	case unix.EAGAIN:
		d.blocked = d.blocking(in)
	default:
		d.err = os.NewSyscallError("splice", errno)
	}
}

// blocking returns the end that a splice would have to wait for.
func (d *direct) blocking(in int) *end {
	if d.calls++; d.src.kind != fdFile && !ready(in, unix.POLLIN) {
		return &d.src
	}
	return &d.dst
}

// blame tells an error of the source from one of the target: a socket that was
// reset says so for both.
func (s *splicer) blame(err error) error {
	if _, ok := err.(*ReadError); ok || s.src.kind != fdSocket {
		return err
	}
	if s.dst.kind != fdSocket && !isPipeError(err) {
		return &ReadError{err}
	}
	return err
}

func isPipeError(err error) bool {
	number, ok := err.(*os.SyscallError)
	return ok && number.Err == unix.EPIPE
}

// wait returns once the end is ready for events.
func (e *end) wait(events int16) error {
	if e.poll {
		return e.park(events)
	}
	var err error
	ctlErr := e.raw.Control(func(fd uintptr) { err = poll(int(fd), events) })
	if ctlErr != nil {
		return ctlErr
	}
	return err
}

// park waits by the runtime's poller, so that closing the end or a deadline
// wakes it.
func (e *end) park(events int16) error {
	wait := e.raw.Read
	if events == unix.POLLOUT {
		wait = e.raw.Write
	}
	return wait(func(fd uintptr) bool { return ready(int(fd), events) })
}
