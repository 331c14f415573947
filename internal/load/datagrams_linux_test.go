package load

import (
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// echoDatagrams echoes on a socket of its own.
func echoDatagrams(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(buf[:n], from)
		}
	}()
	return c.LocalAddr().String()
}

// TestDatagramCalls holds that a datagram takes one call out and one in, and
// fewer where several are under way.
func TestDatagramCalls(t *testing.T) {
	for _, inFlight := range []int{1, 8, 2 * several} {
		const conns, each = 3, 200
		p := Plan{Conns: conns, Count: conns * each, InFlight: inFlight, Target: Target{Kind: Datagram}}
		p.Dial = dialUDP(echoDatagrams(t))
		r := p.newRun()
		report, err := r.do(t.Context())
		if err != nil || report.Failed != 0 || report.Messages.Answered != conns*each {
			t.Fatalf("%d in flight: %v, %+v", inFlight, err, report)
		}
		for i := range conns {
			s := r.engine.datagrams.sockets[i].Load()
			if s.sends > each || s.receives > each || inFlight == 1 && (s.sends != each || s.receives != each) {
				t.Errorf("%d in flight: %d calls out and %d in for %d datagrams", inFlight, s.sends, s.receives, each)
			}
		}
	}
}

// TestDatagramsWait holds that what there is no room for is sent once there is
// some, in order and whole.
func TestDatagramsWait(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	const size, count = 1000, 5000
	r := Plan{Size: size, InFlight: count, Target: Target{Kind: Datagram}}.newRun()
	defer r.engine.close()
	d := &r.engine.datagrams
	d.begin(r)
	f := r.newFlow(0)
	s := &datagramSocket{flow: f, loop: d.loops[0], fd: pair[0]}
	f.talk, f.link, f.close, f.joined = r.newTalk(&Link{}, 0), s, func(error) { s.forget() }, true
	d.sockets[0].Store(s)
	if err := s.tell(unix.EPOLL_CTL_ADD, unix.EPOLLIN); err != nil {
		t.Fatal(err)
	}
	r.senders = []*flow{f}
	r.Count = count
	r.prepare()
	f.start()
	f.mu.Lock()
	waiting := len(s.pending)
	f.mu.Unlock()
	if waiting == 0 || waiting%size != 0 {
		t.Fatalf("%d bytes wait", waiting)
	}
	buf := make([]byte, 2*size)
	for n := int64(0); n < count; {
		got, err := unix.Read(pair[1], buf)
		if err == syscall.EAGAIN {
			poll := []unix.PollFd{{Fd: int32(pair[1]), Events: unix.POLLIN}}
			_, _ = unix.Poll(poll, int(time.Minute.Milliseconds()))
			continue
		}
		if err != nil || got != size || r.body.differs(buf[:got], 0, 0, n) >= 0 {
			t.Fatalf("datagram %d: %d bytes, %v", n, got, err)
		}
		n++
	}
}

// TestDatagramRefused holds that a peer that refuses ends its connection alone.
func TestDatagramRefused(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := c.LocalAddr().String()
	c.Close()
	p := Plan{Conns: 2, Count: 4, Target: Target{Kind: Datagram}}
	p.Dial = dialUDP(gone)
	r, err := p.Run(t.Context())
	if err != nil || len(r.Errors) != 1 || r.Errors[0].Kind != "refused" || r.Errors[0].Count != 2 {
		t.Errorf("%v, %+v", err, r)
	}
}
