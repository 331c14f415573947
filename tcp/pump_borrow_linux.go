package tcp

import (
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// channel is a pipe that bytes pass through on their way from one socket to
// another, which splice cannot do directly.
type channel struct{ ends *pipeEnds }

type pipeEnds struct{ in, out int } // what is written to, what is read from

// channels keeps pipes between uses, so that an idle connection holds none.
// One that the collector takes is closed.
var channels sync.Pool

func borrow() (*channel, error) {
	if c, ok := channels.Get().(*channel); ok {
		return c, nil
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, spliceChunk)
	c := &channel{&pipeEnds{in: fds[1], out: fds[0]}}
	runtime.AddCleanup(c, func(e *pipeEnds) { e.close() }, c.ends)
	return c, nil
}

func (e *pipeEnds) close() {
	_ = unix.Close(e.in)
	_ = unix.Close(e.out)
}

// through moves bytes by way of a pipe. Its functions are made once: a closure for
// each splice would be an allocation for each.
type through struct {
	*splicer
	takeFn func(fd uintptr) bool
	giveFn func(fd uintptr)

	c     *channel
	due   int // bytes in it
	n     int // bytes of the last splice
	errno syscall.Errno
	err   error // no pipe was to be had
}

func (s *splicer) viaPipe() func() (int, error) {
	t := &through{splicer: s}
	t.takeFn, t.giveFn = t.take, t.give
	return t.step
}

// step moves one chunk from src into a pipe and all of it on to dst.
func (t *through) step() (int, error) {
	if err := t.fill(); err != nil || t.n == 0 {
		return 0, err
	}
	n := t.n
	if err := t.drain(); err != nil {
		t.pump.lost.Add(int64(t.due))
		t.count(n - t.due)
		return 0, err // the pipe still holds bytes: it is left to the collector
	}
	t.giveBack()
	return n, nil
}

// fill waits until src has something and takes it into a borrowed pipe. While
// nothing comes it holds none.
func (t *through) fill() error {
	err := t.src.raw.Read(t.takeFn)
	t.pump.busy()
	if err == nil {
		err = t.err
	}
	if err == nil && t.errno != 0 {
		err = os.NewSyscallError("splice", t.errno)
	}
	if err != nil {
		return &ReadError{err}
	}
	t.due = t.n
	return nil
}

// take splices what there is, up to a chunk. It stands inside Read, whose wait
// begins where the splice found nothing: no poll is needed to be sure of that.
func (t *through) take(fd uintptr) bool {
	t.pump.busy()
	t.n = 0
	if t.c, t.err = borrow(); t.err != nil {
		return true
	}
	t.splice(int(fd), t.c.ends.in, spliceChunk)
	if t.n == 0 {
		t.giveBack()
	}
	if t.errno == unix.EAGAIN {
		t.pump.wait()
	}
	return t.errno != unix.EAGAIN
}

func (t *through) giveBack() {
	channels.Put(t.c)
	t.c = nil
}

// drain moves on all that the pipe holds.
func (t *through) drain() error {
	for t.due > 0 {
		err := t.dst.raw.Control(t.giveFn)
		switch {
		case err != nil:
		case t.errno == unix.EAGAIN:
			err = t.dst.wait(unix.POLLOUT)
		case t.errno != 0:
			err = os.NewSyscallError("splice", t.errno)
		}
		if err != nil {
			return err
		}
		t.due -= t.n
	}
	return nil
}

func (t *through) give(fd uintptr) { t.splice(t.c.ends.out, int(fd), t.due) }

// splice does so once: an error that came behind some bytes would be lost,
// because a socket tells it one time only.
func (t *through) splice(in, out, size int) {
	for {
		t.calls++
		n, errno := splice(in, out, size)
		if t.n, t.errno = max(n, 0), errno; errno != unix.EINTR {
			return
		}
	}
}
