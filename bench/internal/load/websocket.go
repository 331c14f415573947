//go:build linux

package load

import (
	"bytes"
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
)

// most is how many bytes are read at once.
const most = 256 << 10

// Talk is what the messages are, and what comes back.
type Talk int

const (
	Echo Talk = iota // text messages, echoed
	Acks             // the event "echo" of Socket.IO, acknowledged with its argument
	News             // the event "go" of Socket.IO by one, whose argument all are sent as "news"
	Room             // text messages of one, which all are sent
)

// socketIO reports whether it is Socket.IO's.
func (t Talk) socketIO() bool { return t == Acks || t == News }

// toAll reports whether all are sent what one says.
func (t Talk) toAll() bool { return t == News || t == Room }

// WebSockets is many connections that send text messages to one server and wait
// for the answers.
type WebSockets struct {
	flows []*webFlow
	poll  int
	in    []byte // what is read stands here; one thread needs one buffer

	// Received counts the bytes that came back, heads of frames included.
	Received int64
}

// WebSocketDialer says how WebSockets are connected, and what each sends.
type WebSocketDialer struct {
	Server  netip.AddrPort
	Second  netip.AddrPort // of each two connections one goes to it; none: all to Server
	Conns   int
	Sources int  // from how many loopback addresses; 0: the usual one
	Size    int  // bytes of a message, at least 16
	Burst   int  // messages in one write, the next once all are back; 0: 1
	Deflate bool // each message compressed by itself
	Talk    Talk
}

// server is where connection i goes.
func (d WebSocketDialer) server(i uint32) netip.AddrPort {
	if d.Second.IsValid() && i%2 == 1 {
		return d.Second
	}
	return d.Server
}

// Dial opens the connections, one after the other.
func (d WebSocketDialer) Dial() (*WebSockets, error) {
	p := &WebSockets{in: make([]byte, most)}
	var err error
	if p.poll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	m := newMessages(d)
	for i := range d.Conns {
		if err := p.add(i, d, m); err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

func (p *WebSockets) add(i int, d WebSocketDialer, m *messages) error {
	fd, err := connected(i, syscall.SOCK_STREAM, d.server(uint32(i)), d.Sources)
	if err != nil {
		return err
	}
	p.flows = append(p.flows, newWebFlow(fd, uint32(i), m))
	if err := p.open(fd, d, uint32(i)); err != nil {
		return fmt.Errorf("connection %d: %w", i, err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return err
	}
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | edge, Fd: int32(i)}
	return syscall.EpollCtl(p.poll, syscall.EPOLL_CTL_ADD, fd, &event)
}

// edge is EPOLLET, which package syscall has as a negative number.
const edge = 1 << 31

// open makes the opening handshake of connection i and waits for it, and joins
// the namespace of Socket.IO.
func (p *WebSockets) open(fd int, d WebSocketDialer, i uint32) error {
	limit := syscall.NsecToTimeval((patience * silence).Nanoseconds())
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit); err != nil {
		return err
	}
	o := newOpening(d.server(i), "/", i, d.Deflate)
	if d.Talk.socketIO() {
		o = newOpening(d.server(i), enginePath+"&transport=websocket", i, false)
		o.speaks = true
	}
	early, err := p.opened(fd, o)
	if err != nil || !o.speaks {
		return err
	}
	return join(fd, early)
}

// opened waits for the answer of an opening handshake, and returns what came
// behind it.
func (p *WebSockets) opened(fd int, o opening) (early []byte, err error) {
	if _, err := syscall.Write(fd, o.request); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	for have := 0; ; {
		n, err := syscall.Read(fd, p.in[have:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("opening handshake: %d bytes, %v: %w", have, err, ErrSilent)
		}
		have += n
		if whole, err := o.opened(p.in[:have]); whole || err != nil {
			_, early, _ = bytes.Cut(p.in[:have], []byte("\r\n\r\n"))
			return early, err
		}
	}
}

// Close resets the connections.
func (p *WebSockets) Close() {
	for _, f := range p.flows {
		reset(f.fd)
	}
	syscall.Close(p.poll)
}

// Run sends a number of bursts on every connection at once, and returns once
// each message is answered.
func (p *WebSockets) Run(bursts int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, f := range p.flows {
		f.left = bursts
		if err := f.send(); err != nil {
			return err
		}
	}
	return p.wait()
}

// Broadcast sends a number of bursts on one connection, the next once all of the
// last have come to every connection. It is for News and Room.
func (p *WebSockets) Broadcast(bursts int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range bursts {
		for _, f := range p.flows {
			f.left = 1
			f.renew()
		}
		first := p.flows[0]
		first.sent = 0
		if err := first.write(); err != nil {
			return err
		}
		if err := p.wait(); err != nil {
			return err
		}
	}
	return nil
}

// wait waits until no connection has an answer to get.
func (p *WebSockets) wait() error {
	events := make([]syscall.EpollEvent, 256)
	for left := len(p.flows); left > 0; {
		n, err := syscall.EpollWait(p.poll, events, int((patience * silence).Milliseconds()))
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return fmt.Errorf("%w on %d of %d connections (%v)", ErrSilent, left, len(p.flows), err)
		}
		ended, err := p.serve(events[:n])
		if err != nil {
			return err
		}
		left -= ended
	}
	return nil
}

// serve takes what came and returns how many connections have had all their answers.
func (p *WebSockets) serve(events []syscall.EpollEvent) (ended int, err error) {
	for _, event := range events {
		f := p.flows[event.Fd]
		before := f.left
		if err := p.turn(f); err != nil {
			return ended, fmt.Errorf("connection %d: %w", f.index, err)
		}
		if f.left == 0 && before > 0 {
			ended++
		}
	}
	return ended, nil
}

// turn goes on sending and receives until nothing is left to read: an edge is
// told once.
func (p *WebSockets) turn(f *webFlow) error {
	for {
		if err := f.write(); err != nil {
			return err
		}
		n, err := f.read(p.in)
		if err != nil {
			return err
		}
		p.Received += int64(n)
		whole, err := f.take(p.in[:n])
		if err != nil {
			return err
		}
		if whole && f.left > 0 {
			if err := f.send(); err != nil {
				return err
			}
		}
		if n < len(p.in) {
			return nil
		}
	}
}
