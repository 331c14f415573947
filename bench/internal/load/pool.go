//go:build linux

// Package load makes the load: one thread that waits on all its sockets, costs
// little beside the server, and checks every byte that comes back.
package load

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// silence is how long nothing may come back before it counts as lost.
const silence = time.Second

// patience is how many silences in a row end a load.
const patience = 5

// ErrSilent says that the server stopped answering.
var ErrSilent = errors.New("no answer")

// Pool is many sockets that send to one server and wait for the echo, each with
// one message under way.
type Pool struct {
	kind  int // syscall.SOCK_STREAM or SOCK_DGRAM
	flows []*flow
	poll  int

	// Resent counts datagrams that were sent again after a silence.
	Resent int
}

// Dialer says how a Pool is connected.
type Dialer struct {
	Network string // tcp or udp
	Server  netip.AddrPort
	Conns   int
	Sources int // from how many loopback addresses; 0: the usual one
	Greet   int // bytes of a first round trip on each, before the next is opened; 0: none
}

// Dial opens the sockets, one after the other. A server that makes a child for
// each peer, or keeps a short queue, is given the time to by a greeting.
func (d Dialer) Dial() (*Pool, error) {
	p := &Pool{kind: syscall.SOCK_STREAM}
	if d.Network == "udp" {
		p.kind = syscall.SOCK_DGRAM
	}
	var err error
	if p.poll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	for i := range d.Conns {
		err := p.add(i, d.Server, d.Sources)
		if err == nil && d.Greet > 0 {
			err = p.run(p.flows[i:], d.Greet, 1)
		}
		if err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

func (p *Pool) add(i int, server netip.AddrPort, sources int) error {
	fd, err := connected(i, p.kind, server, sources)
	if err != nil {
		return err
	}
	p.flows = append(p.flows, &flow{fd: fd, index: uint32(i)})
	if err := syscall.SetNonblock(fd, true); err != nil {
		return err
	}
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)}
	return syscall.EpollCtl(p.poll, syscall.EPOLL_CTL_ADD, fd, &event)
}

// connected returns socket i, of a kind and from one of some loopback addresses.
func connected(i, kind int, server netip.AddrPort, sources int) (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, kind|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("socket %d: %w", i, err)
	}
	if sources > 0 {
		from := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 1, byte(1 + i%sources)}}
		if err := syscall.Bind(fd, from); err != nil {
			syscall.Close(fd)
			return 0, fmt.Errorf("bind: %w", err)
		}
	}
	if err := syscall.Connect(fd, sockaddr(server)); err != nil {
		syscall.Close(fd)
		return 0, fmt.Errorf("connect to %s: %w", server, err)
	}
	return fd, nil
}

func sockaddr(at netip.AddrPort) syscall.Sockaddr {
	return &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
}

// Close resets the connections, so that none is left waiting in the kernel.
func (p *Pool) Close() {
	for _, f := range p.flows {
		reset(f.fd)
	}
	syscall.Close(p.poll)
}

// reset closes a socket, and its connection without a word more.
func reset(fd int) {
	syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	syscall.Close(fd)
}

// Run makes a number of round trips of size bytes on every socket at once.
func (p *Pool) Run(size, trips int) error { return p.run(p.flows, size, trips) }

func (p *Pool) run(flows []*flow, size, trips int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, f := range flows {
		f.start(size, trips)
		if err := f.send(); err != nil {
			return err
		}
	}
	events := make([]syscall.EpollEvent, 256)
	for left, silent := len(flows), 0; left > 0; {
		n, err := p.wait(events)
		if err != nil {
			return err
		}
		if n > 0 {
			silent = 0
		} else if silent++; silent == patience || p.kind == syscall.SOCK_STREAM {
			return fmt.Errorf("%w on %d of %d sockets", ErrSilent, left, len(flows))
		} else if err := p.resend(flows); err != nil {
			return err
		}
		ended, err := p.serve(events[:n])
		if err != nil {
			return err
		}
		left -= ended
	}
	return nil
}

func (p *Pool) wait(events []syscall.EpollEvent) (int, error) {
	limit := silence
	if p.kind == syscall.SOCK_STREAM {
		limit *= patience
	}
	n, err := syscall.EpollWait(p.poll, events, int(limit.Milliseconds()))
	if err == syscall.EINTR {
		return p.wait(events)
	}
	return n, err
}

// serve takes what came and returns how many sockets have had all their answers.
func (p *Pool) serve(events []syscall.EpollEvent) (ended int, err error) {
	for _, event := range events {
		f := p.flows[event.Fd]
		whole, err := f.receive(p.kind == syscall.SOCK_DGRAM)
		if err != nil {
			return ended, err
		}
		if !whole {
			continue
		}
		if f.left == 0 {
			ended++
		} else if err := f.send(); err != nil {
			return ended, err
		}
	}
	return ended, nil
}

func (p *Pool) resend(flows []*flow) error {
	waiting := slices.DeleteFunc(slices.Clone(flows), func(f *flow) bool { return f.left == 0 })
	for _, f := range waiting {
		p.Resent++
		if err := f.write(); err != nil {
			return err
		}
	}
	return nil
}
