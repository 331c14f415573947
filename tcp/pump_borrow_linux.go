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

// viaPipe moves one chunk from src into a pipe and all of it on to dst.
func (s *splicer) viaPipe() (int, error) {
	c, n, err := s.fill()
	if err != nil || n == 0 {
		return 0, err
	}
	moved, err := s.drain(c, n)
	if err != nil {
		s.pump.lost.Add(int64(n - moved))
		s.count(moved)
		return 0, err // the pipe still holds bytes: it is left to the collector
	}
	channels.Put(c)
	return n, nil
}

// fill waits until src has something and takes it into a borrowed pipe. While
// nothing comes it holds none. The splice stands inside Read, whose wait begins
// where the splice found nothing: no poll is needed to be sure of that.
func (s *splicer) fill() (c *channel, n int, err error) {
	readErr := s.src.raw.Read(func(fd uintptr) bool {
		s.pump.busy()
		if c, err = borrow(); err != nil {
			return true
		}
		var errno syscall.Errno
		if n, errno = s.take(int(fd), c); errno == 0 {
			return true
		}
		channels.Put(c)
		c = nil
		if errno != unix.EAGAIN {
			err = os.NewSyscallError("splice", errno)
			return true
		}
		s.pump.wait()
		return false
	})
	s.pump.busy()
	if err == nil {
		err = readErr
	}
	if err != nil {
		return nil, 0, &ReadError{err}
	}
	if n == 0 {
		channels.Put(c)
	}
	return c, n, nil
}

// take splices what there is, up to a chunk. It does so once: an error that came
// behind some bytes would be lost, because a socket tells it one time only.
func (s *splicer) take(fd int, c *channel) (int, syscall.Errno) {
	for {
		n, errno := splice(fd, c.ends.in, spliceChunk)
		if errno != unix.EINTR {
			return max(n, 0), errno
		}
	}
}

func (s *splicer) drain(c *channel, due int) (int, error) {
	moved := 0
	for moved < due {
		n, again, err := spliceOnce(&s.dst, func(fd int) (int, syscall.Errno) {
			return splice(c.ends.out, fd, due-moved)
		})
		if err == nil && again {
			err = s.dst.wait(unix.POLLOUT)
		}
		if err != nil {
			return moved, err
		}
		moved += n
	}
	return moved, nil
}

// spliceOnce calls splice with e's descriptor. It reports whether e has to be
// waited for.
func spliceOnce(e *end, try func(fd int) (int, syscall.Errno)) (n int, again bool, err error) {
	var errno syscall.Errno
	ctlErr := e.raw.Control(func(fd uintptr) {
		for {
			n, errno = try(int(fd))
			if errno != unix.EINTR {
				break
			}
		}
	})
	switch {
	case ctlErr != nil:
		return 0, false, ctlErr
	case errno == unix.EAGAIN:
		return 0, true, nil
	case errno != 0:
		return 0, false, os.NewSyscallError("splice", errno)
	}
	return n, false, nil
}
