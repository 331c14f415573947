package load

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// exact waits by a timer of the kernel's, in the poller of the sockets: Go's own
// waits there for whole milliseconds.
type exact struct {
	fd   int
	file *os.File
	stop func() bool
	buf  [8]byte
}

// newWaiter returns what waits until ctx is done.
func newWaiter(ctx context.Context) waiter {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return newTimed(ctx)
	}
	e := &exact{fd: fd, file: os.NewFile(uintptr(fd), "timerfd")}
	if err := e.file.SetReadDeadline(time.Time{}); err != nil { // it cannot be polled
		e.file.Close()
		return newTimed(ctx)
	}
	e.stop = context.AfterFunc(ctx, func() { _ = e.file.SetReadDeadline(time.Unix(1, 0)) })
	return e
}

func (e *exact) wait(d time.Duration) bool {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(int64(d), 1))}
	if err := unix.TimerfdSettime(e.fd, 0, &spec, nil); err != nil {
		return false
	}
	_, err := e.file.Read(e.buf[:])
	return err == nil
}

func (e *exact) close() {
	e.stop()
	e.file.Close()
}
