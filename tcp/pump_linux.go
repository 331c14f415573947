package tcp

import (
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	spliceChunk = 1 << 20
	spliceFlags = unix.SPLICE_F_MOVE | unix.SPLICE_F_NONBLOCK
)

// fdKind says what a descriptor is, as far as splice cares.
type fdKind int

const (
	fdOther fdKind = iota
	fdSocket
	fdPipe
	fdFile
	fdNull
)

// end is one side of a pump.
type end struct {
	raw  syscall.RawConn
	conn *Conn // told of the bytes, may be nil
	kind fdKind
	poll bool // the runtime's poller waits for it; else it blocks a thread
}

// endOf looks v up. Its kind is other where splice has no way.
func endOf(v any, reading bool) end {
	owner, conn := bottom(v, reading)
	sc, ok := owner.(syscall.Conn)
	if !ok {
		return end{}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return end{}
	}
	e := end{raw: raw, conn: conn, poll: true}
	if f, ok := owner.(*os.File); ok {
		e.poll = f.SetDeadline(time.Time{}) == nil
	}
	_ = raw.Control(func(fd uintptr) { e.kind = kindOf(int(fd)) })
	return e
}

func kindOf(fd int) fdKind {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return fdOther
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		return fdSocket
	case unix.S_IFIFO:
		return fdPipe
	case unix.S_IFREG:
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err == nil && flags&unix.O_APPEND == 0 {
			return fdFile
		}
	case unix.S_IFCHR:
		if st.Rdev == unix.Mkdev(1, 3) {
			return fdNull
		}
	}
	return fdOther
}

// inKernel moves the stream by splice where both ends allow it, and reports
// whether it did.
func (p *Pump) inKernel() (bool, error) {
	src, dst := endOf(p.Src, true), endOf(p.Dst, false)
	s := &splicer{pump: p, src: src, dst: dst}
	switch {
	case src.kind == fdOther || dst.kind == fdOther || src.kind == fdNull:
		return false, nil
	case src.kind == fdPipe && dst.kind != fdFile, dst.kind == fdPipe:
		return true, s.run(s.direct)
	case src.kind == fdSocket && src.poll:
		return true, s.run(s.viaPipe)
	case src.kind == fdFile && dst.kind == fdSocket:
		return true, s.run(s.viaPipe)
	}
	return false, nil
}

// splicer moves bytes between two descriptors of which one is a pipe, or
// through a pipe that it borrows while data flows.
type splicer struct {
	pump     *Pump
	src, dst end
	grown    bool
	total    int64
}

func (s *splicer) run(step func() (int, error)) error {
	for {
		n, err := step()
		switch {
		case err != nil:
			return s.failed(err)
		case n == 0:
			if s.src.conn != nil {
				s.src.conn.readEnded(io.EOF)
			}
			return nil
		}
		s.count(n)
	}
}

func (s *splicer) failed(err error) error {
	if read, ok := err.(*ReadError); ok {
		if s.src.conn != nil {
			s.src.conn.failed(read.Err)
		}
		return read
	}
	if s.dst.conn != nil {
		s.dst.conn.failed(err)
	}
	return err
}

func (s *splicer) count(n int) {
	s.pump.moved.Add(int64(n))
	s.total += int64(n)
	if s.src.conn != nil {
		s.src.conn.in.Add(int64(n))
	}
	if s.dst.conn != nil {
		s.dst.conn.out.Add(int64(n))
	}
	if !s.grown && s.total > spliceChunk/2 {
		s.grown = true
		s.src.grow()
		s.dst.grow()
	}
}

// grow makes a pipe hold a whole chunk: bulk data is on its way.
func (e *end) grow() {
	if e.kind == fdPipe {
		_ = e.raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, spliceChunk) })
	}
}

// direct splices once from src to dst, of which one is a pipe. Splice does not
// say which of the two would block, so that is asked before waiting.
func (s *splicer) direct() (int, error) {
	for {
		n, blocked, err := s.try()
		if err != nil {
			return n, s.blame(err)
		}
		switch blocked {
		case nil:
			return n, nil
		case &s.src:
			s.pump.wait()
			err = s.src.wait(unix.POLLIN)
			s.pump.busy()
			if err != nil {
				return 0, &ReadError{err}
			}
		default:
			if err := s.dst.wait(unix.POLLOUT); err != nil {
				return 0, err
			}
		}
	}
}

// try splices without blocking. Where it would block it returns the end to be
// waited for.
func (s *splicer) try() (n int, blocked *end, err error) {
	srcErr := s.src.raw.Control(func(in uintptr) {
		dstErr := s.dst.raw.Control(func(out uintptr) {
			n, blocked, err = s.splice(int(in), int(out))
		})
		if dstErr != nil {
			err = dstErr
		}
	})
	if srcErr != nil {
		return 0, nil, &ReadError{srcErr}
	}
	return n, blocked, err
}

func (s *splicer) splice(in, out int) (int, *end, error) {
	for {
		n, err := splice(in, out, spliceChunk)
		switch err {
		case 0:
			return n, nil, nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			if s.src.kind != fdFile && !ready(in, unix.POLLIN) {
				return 0, &s.src, nil
			}
			return 0, &s.dst, nil
		}
		return 0, nil, os.NewSyscallError("splice", err)
	}
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

// ready reports whether fd can be read or written without blocking, or has
// ended.
func ready(fd int, events int16) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
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

// poll waits in the kernel.
func poll(fd int, events int16) error {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		_, err := unix.Poll(fds, -1)
		if err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
	}
}

// splice moves up to size bytes without waiting. It does not tell the Go
// scheduler, as a system call usually does: the call never blocks, and the
// scheduler's reaction to one that copies for longer than 20 µs costs more than
// the copying.
func splice(in, out, size int) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(in), 0, uintptr(out), 0, uintptr(size), spliceFlags)
	return int(n), errno
}
