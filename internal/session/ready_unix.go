//go:build unix

package session

import (
	"context"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// readable reports whether in has something to read at once.
func readable(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	ready := int16(0)
	control(f, func(fd int32) { ready = poll(fd, unix.POLLIN, 0) })
	return ready&unix.POLLIN != 0
}

// pending returns how many bytes in has that were not read, as far as that is
// known, and whether there may be more.
func pending(in io.Reader) (n int64, more bool) {
	f, ok := in.(*os.File)
	if !ok {
		return 0, false
	}
	info, err := f.Stat()
	if err != nil {
		return 0, false
	}
	if info.Mode().IsRegular() {
		at, err := f.Seek(0, io.SeekCurrent)
		return max(info.Size()-at, 0), err != nil
	}
	waiting, events := 0, int16(0)
	control(f, func(fd int32) {
		waiting, _ = unix.IoctlGetInt(int(fd), fionread)
		events = poll(fd, unix.POLLIN, 0)
	})
	return int64(waiting), info.Mode()&os.ModeNamedPipe != 0 && events&unix.POLLHUP == 0
}

// ReaderLeft returns a channel that is closed when out is a pipe whose reader
// is gone, so that a silent peer does not keep us from noticing.
func ReaderLeft(ctx context.Context, out io.Writer) <-chan struct{} {
	f, ok := out.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return nil
	}
	gone := make(chan struct{})
	go func() {
		for ctx.Err() == nil {
			events := int16(0)
			if !control(f, func(fd int32) { events = poll(fd, 0, 500) }) {
				return
			}
			if events&unix.POLLERR != 0 {
				close(gone)
				return
			}
		}
	}()
	return gone
}

func control(f *os.File, do func(fd int32)) bool {
	raw, err := f.SyscallConn()
	return err == nil && raw.Control(func(fd uintptr) { do(int32(fd)) }) == nil
}

// poll asks the system about one descriptor, for at most ms milliseconds.
func poll(fd int32, events int16, ms int) int16 {
	fds := []unix.PollFd{{Fd: fd, Events: events}}
	if n, err := unix.Poll(fds, ms); err != nil || n == 0 {
		return 0
	}
	return fds[0].Revents
}
