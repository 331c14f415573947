//go:build linux

package load

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// Polls is sessions of Socket.IO over HTTP long-polling. Each has two connections
// that are kept, as an official client has: one for the polls, one for what it
// sends.
type Polls struct {
	sessions []*pollSession
	poll     int
	in       []byte

	// Requests counts those that were answered.
	Requests int
}

// PollDialer says how Polls are opened, and what each sends.
type PollDialer struct {
	Server   netip.AddrPort
	Sessions int
	Size     int // bytes of the argument of an event, at least 16
}

// pollSession is one session, its poll and its post.
type pollSession struct {
	index    uint32
	number   uint32
	left     int // events still to be acknowledged
	get, put exchange
	asked    []byte // how an event begins
	answered []byte // how its acknowledgement does
	rest     []byte // how both go on
}

// exchange is one connection with a request under way.
type exchange struct {
	fd      int
	request []byte
	waiting bool
	answer  []byte // as far as it came
	want    []byte // its body
}

// errAnswer says that a server's answer is none to a poll or a post.
var errAnswer = errors.New("not the answer of a poll")

// Dial opens the sessions, one after the other.
func (d PollDialer) Dial() (*Polls, error) {
	p := &Polls{in: make([]byte, 64<<10)}
	var err error
	if p.poll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	for i := range d.Sessions {
		if err := p.add(uint32(i), d); err != nil {
			p.Close()
			return nil, fmt.Errorf("session %d: %w", i, err)
		}
	}
	return p, nil
}

func (p *Polls) add(index uint32, d PollDialer) error {
	s := &pollSession{index: index, get: exchange{fd: -1}, put: exchange{fd: -1}}
	p.sessions = append(p.sessions, s)
	s.asked, s.answered, s.rest = event(Acks, d.Size)
	digits(s.asked[len(s.asked)-mark:][:8], index)
	digits(s.answered[len(s.answered)-mark:][:8], index)
	for i, e := range []*exchange{&s.get, &s.put} {
		var err error
		if e.fd, err = connected(int(index), syscall.SOCK_STREAM, d.Server, 0); err != nil {
			return err
		}
		limit := syscall.NsecToTimeval((patience * silence).Nanoseconds())
		if err := syscall.SetsockoptTimeval(e.fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit); err != nil {
			return err
		}
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(index)<<1 | int32(i)}
		if err := syscall.EpollCtl(p.poll, syscall.EPOLL_CTL_ADD, e.fd, &event); err != nil {
			return err
		}
	}
	return s.open(d.Server, p.in)
}

// open begins the session, and joins the main namespace.
func (s *pollSession) open(server netip.AddrPort, in []byte) error {
	host := "Host: " + server.String() + "\r\n"
	s.get.request = []byte("GET " + enginePath + "&transport=polling HTTP/1.1\r\n" + host + "\r\n")
	body, err := s.get.ask(in)
	if err != nil {
		return err
	}
	id, err := sessionID(body)
	if err != nil {
		return err
	}
	path := enginePath + "&transport=polling&sid=" + id + " HTTP/1.1\r\n" + host
	s.get.request = []byte("GET " + path + "\r\n")
	head := "POST " + path + "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: "
	s.put.request, s.put.want = []byte(head+"2\r\n\r\n40"), []byte("ok")
	if body, err = s.put.ask(in); err != nil || string(body) != "ok" {
		return fmt.Errorf("%w to a post: %.300q, %w", errAnswer, body, err)
	}
	if body, err = s.get.ask(in); err != nil || !strings.HasPrefix(string(body), `40{"sid":"`) {
		return fmt.Errorf("%w: %.300q, %w", errAnswer, body, err)
	}
	s.put.request = []byte(head + strconv.Itoa(len(s.asked)+len(s.rest)) + "\r\n\r\n" + string(s.asked) + string(s.rest))
	return nil
}

// ask makes one request, waits for its answer and returns the body.
func (e *exchange) ask(in []byte) (body []byte, err error) {
	if err := e.send(); err != nil {
		return nil, err
	}
	for {
		if err := e.read(in); err != nil {
			return nil, err
		}
		if body, whole, err := e.body(); whole || err != nil {
			e.waiting = false
			return bytes.Clone(body), err
		}
	}
}

func (e *exchange) send() error {
	e.waiting, e.answer = true, e.answer[:0]
	if n, err := syscall.Write(e.fd, e.request); err != nil || n != len(e.request) {
		return fmt.Errorf("sent %d of %d bytes: %v", n, len(e.request), err)
	}
	return nil
}

func (e *exchange) read(in []byte) error {
	n, err := syscall.Read(e.fd, in)
	switch {
	case err == syscall.EINTR:
		return nil
	case err == syscall.EAGAIN:
		return ErrSilent
	case err != nil:
		return fmt.Errorf("receive: %w", err)
	case n == 0:
		return fmt.Errorf("receive: the server closed the connection behind %q", e.answer)
	}
	e.answer = append(e.answer, in[:n]...)
	return nil
}

// body returns the body of the answer, once it is whole. Nothing may follow it.
func (e *exchange) body() (body []byte, whole bool, err error) {
	head, body, whole := bytes.Cut(e.answer, []byte("\r\n\r\n"))
	if !whole {
		return nil, false, nil
	}
	size := contentLength(head)
	if size < 0 || len(body) > size || !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return nil, false, fmt.Errorf("%w: %.300q", errAnswer, e.answer)
	}
	return body, len(body) == size, nil
}

// contentLength returns the length that a head says; -1 where it says none.
func contentLength(head []byte) int {
	for line := range bytes.Lines(head) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("content-length")) {
			if n, err := strconv.Atoi(string(bytes.TrimSpace(value))); err == nil {
				return n
			}
		}
	}
	return -1
}

// Close resets the connections.
func (p *Polls) Close() {
	for _, s := range p.sessions {
		for _, e := range []exchange{s.get, s.put} {
			if e.fd >= 0 {
				reset(e.fd)
			}
		}
	}
	syscall.Close(p.poll)
}

// Run has every session poll and then post an event, a number of times, the next
// once both are answered: the poll with the acknowledgement.
func (p *Polls) Run(events int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, s := range p.sessions {
		s.left = events
		if err := s.start(); err != nil {
			return err
		}
	}
	ready := make([]syscall.EpollEvent, 256)
	for left := len(p.sessions); left > 0; {
		n, err := syscall.EpollWait(p.poll, ready, int((patience * silence).Milliseconds()))
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return fmt.Errorf("%w on %d of %d sessions (%v)", ErrSilent, left, len(p.sessions), err)
		}
		for _, event := range ready[:n] {
			s := p.sessions[event.Fd>>1]
			ended, err := p.turn(s, event.Fd&1 == 1)
			if err != nil {
				return fmt.Errorf("session %d: %w", s.index, err)
			}
			if ended {
				left--
			}
		}
	}
	return nil
}

// start sends the next poll and the next event.
func (s *pollSession) start() error {
	s.number++
	number := s.answered[len(s.answered)-8:]
	digits(number, s.number)
	decimals(s.answered[idAt:][:idDigits], s.number)
	body := s.put.request[len(s.put.request)-len(s.asked)-len(s.rest):]
	copy(body[len(s.asked)-8:], number)
	copy(body[idAt:], s.answered[idAt:][:idDigits])
	s.get.want = append(append(s.get.want[:0], s.answered...), s.rest...)
	if err := s.get.send(); err != nil {
		return err
	}
	return s.put.send()
}

// turn takes what came of an answer, and reports whether the session has had its last.
func (p *Polls) turn(s *pollSession, posted bool) (ended bool, err error) {
	e := &s.get
	if posted {
		e = &s.put
	}
	if err := e.read(p.in); err != nil {
		return false, err
	}
	body, whole, err := e.body()
	if err != nil || !whole {
		return false, err
	}
	if !e.waiting || !bytes.Equal(body, e.want) {
		return false, fmt.Errorf("message %d, %.300q: %w", s.number, body, ErrWrong)
	}
	e.waiting = false
	p.Requests++
	if s.get.waiting || s.put.waiting {
		return false, nil
	}
	if s.left--; s.left == 0 {
		return true, nil
	}
	return false, s.start()
}
