package tcp

import (
	"errors"
	"io"
	"os"
	"strconv"
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
	poll bool     // the runtime's poller waits for it; else it blocks a thread
	own  *os.File // opened here, to be closed at the end; may be nil
}

// endOf is the side of a pump that v is, ready to be waited for.
func endOf(v any, reading bool) end {
	e := look(v, reading)
	if e.kind == fdPipe && !e.poll {
		e.reopen(reading)
	}
	return e
}

// look looks v up. Its kind is other where splice has no way.
func look(v any, reading bool) end {
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

// reopen opens a blocking pipe, as standard input and output often are, once
// more: a description of our own may be non-blocking without those who share
// the other noticing. A thread that blocks in a pipe costs the Go scheduler
// several changes of threads each time. Where it may not be opened, e stays as
// it is.
func (e *end) reopen(reading bool) {
	mode := os.O_WRONLY
	if reading {
		mode = os.O_RDONLY
	}
	_ = e.raw.Control(func(fd uintptr) {
		f, err := os.OpenFile("/proc/self/fd/"+strconv.Itoa(int(fd)), mode|unix.O_NONBLOCK, 0)
		if err != nil {
			return
		}
		raw, err := f.SyscallConn()
		if err = errors.Join(err, f.SetDeadline(time.Time{})); err != nil {
			f.Close()
			return
		}
		e.own, e.raw, e.poll = f, raw, true
	})
}

func (e *end) close() {
	if e.own != nil {
		e.own.Close()
	}
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
	defer src.close()
	defer dst.close()
	s := &splicer{pump: p, src: src, dst: dst}
	switch {
	case src.kind == fdOther || dst.kind == fdOther || src.kind == fdNull:
		return false, nil
	case src.kind == fdPipe && dst.kind != fdFile, dst.kind == fdPipe:
		return true, s.run(s.direct())
	case src.kind == fdSocket && src.poll:
		return true, s.run(s.viaPipe())
	case src.kind == fdFile && dst.kind == fdSocket:
		return true, s.run(s.viaPipe())
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
	calls    int // splices and questions about readiness, for the tests
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
