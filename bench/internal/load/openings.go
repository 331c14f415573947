//go:build linux

package load

import (
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
)

// Openings makes opening handshakes, a number of them at a time. Each has a
// connection of its own, which is reset once the answer is whole.
type Openings struct {
	Server   netip.AddrPort
	Parallel int
}

// openingSlot is one of those that are under way.
type openingSlot struct {
	opening
	fd     int
	asked  bool
	answer []byte
}

// openingRun is the state of one Run.
type openingRun struct {
	poll    int
	server  syscall.Sockaddr
	slots   []openingSlot
	toStart int
}

// Run makes count opening handshakes.
func (o Openings) Run(count int) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := &openingRun{server: sockaddr(o.Server), slots: make([]openingSlot, min(o.Parallel, count)), toStart: count}
	if r.poll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll_create1: %w", err)
	}
	defer r.close()
	for i := range r.slots {
		r.slots[i] = openingSlot{opening: newOpening(o.Server, "/", uint32(i), false), fd: -1, answer: make([]byte, 0, 4096)}
		if err := r.start(i); err != nil {
			return err
		}
	}
	return r.wait(count)
}

func (r *openingRun) wait(left int) error {
	events := make([]syscall.EpollEvent, len(r.slots))
	for left > 0 {
		n, err := syscall.EpollWait(r.poll, events, int((patience * silence).Milliseconds()))
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return fmt.Errorf("%w to %d opening handshakes (%v)", ErrSilent, left, err)
		}
		for _, event := range events[:n] {
			opened, err := r.turn(int(event.Fd))
			if err != nil {
				return err
			}
			if opened {
				left--
			}
		}
	}
	return nil
}

// start opens slot i anew, where more are to be started.
func (r *openingRun) start(i int) error {
	if r.toStart == 0 {
		return nil
	}
	r.toStart--
	s := &r.slots[i]
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	s.fd, s.asked, s.answer = fd, false, s.answer[:0]
	if err := syscall.Connect(fd, r.server); err != nil && err != syscall.EINPROGRESS {
		return fmt.Errorf("connect: %w", err)
	}
	if err := s.ask(); err != nil {
		return err
	}
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | edge, Fd: int32(i)}
	return syscall.EpollCtl(r.poll, syscall.EPOLL_CTL_ADD, fd, &event)
}

// ask sends the request, once there is a connection: on the loopback interface
// that is at once.
func (s *openingSlot) ask() error {
	_, err := syscall.Write(s.fd, s.request)
	if s.asked = err == nil; !s.asked && err != syscall.EAGAIN {
		return fmt.Errorf("opening handshake: %w", err)
	}
	return nil
}

// turn goes on with slot i, and starts it anew once its connection is open.
func (r *openingRun) turn(i int) (opened bool, err error) {
	s := &r.slots[i]
	if !s.asked {
		return false, s.ask()
	}
	if opened, err = s.read(); err != nil {
		return false, fmt.Errorf("opening handshake: %w", err)
	}
	if !opened {
		return false, nil
	}
	reset(s.fd)
	s.fd = -1
	return true, r.start(i)
}

func (s *openingSlot) read() (whole bool, err error) {
	n, err := syscall.Read(s.fd, s.answer[len(s.answer):cap(s.answer)])
	switch {
	case err == syscall.EAGAIN:
		return false, nil
	case err != nil:
		return false, err
	case n == 0:
		return false, fmt.Errorf("closed after %q: %w", s.answer, errOpening)
	}
	s.answer = s.answer[:len(s.answer)+n]
	return s.opened(s.answer)
}

func (r *openingRun) close() {
	for _, s := range r.slots {
		if s.fd >= 0 {
			reset(s.fd)
		}
	}
	syscall.Close(r.poll)
}
