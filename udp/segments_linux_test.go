//go:build !sockkit_plain

package udp

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sockkit/sockkit/trace"
)

// peerOf makes a peer of a loop that is not running.
func peerOf(t testing.TB, l *loop, at netip.AddrPort) *Peer {
	t.Helper()
	p := &Peer{loop: l, origin: origin{addr: at}, uncut: noLimit}
	check(t, p.target.name.setAddrPort(at, l.socket.single.family))
	return p
}

// burst sends datagrams of size bytes each, and a last shorter one, as the
// kernel does for one that sends by UDP GSO: in one buffer.
func burst(t testing.TB, c *Conn, payload string, size int) {
	t.Helper()
	oob := appendSegment(make([]byte, 0, 64), size)
	raw := must[syscall.RawConn](t)(c.SyscallConn())
	check(t, controlFD(raw, func(fd uintptr) error {
		_, err := unix.SendmsgN(int(fd), []byte(payload), oob, nil, 0)
		return err
	}))
}

// TestBurstsAreTakenApart sends joined datagrams and counts them.
func TestBurstsAreTakenApart(t *testing.T) {
	for _, host := range loopbacks {
		tracer, records := recorder(trace.Message)
		socket := listenBy(t, &ListenConfig{ReadBuffer: 4 << 20}, "udp", on(host))
		serve(t, &Server{OnDatagram: echo, Tracer: tracer}, socket)
		c := dialBy(t, &Dialer{ReadBuffer: 4 << 20}, "udp", socket.LocalAddr().String())
		total := 0
		for _, test := range []struct{ size, bytes int }{
			{64, 64 * 64}, {64, 64*63 + 1}, {1, 50}, {1000, 1500}, {1400, 1400 * 40}, {9000, 9000*7 + 3}, {100, 100}, {100, 99},
		} {
			all := pattern(test.bytes)
			burst(t, c, all, test.size)
			for rest := all; rest != ""; total++ {
				want := rest[:min(test.size, len(rest))]
				rest = rest[len(want):]
				receive(t, c, want)
				d := recorded[trace.Datagram](t, records, 2*(total+1))
				if seen := d[datagramIn(d, total)]; seen.Size != len(want) || string(seen.Payload) != want || seen.Truncated {
					t.Fatalf("record of a datagram of %d bytes: %d", len(want), seen.Size)
				}
			}
		}
	}
}

// datagramIn is the index of the nth datagram that came in.
func datagramIn(all []trace.Datagram, n int) int {
	for i, d := range all {
		if d.Dir == trace.In {
			if n == 0 {
				return i
			}
			n--
		}
	}
	return -1
}

// answerSizes are bursts of equal and of mixed sizes, with empty datagrams and
// with such as are larger than what may follow them.
func answerSizes() (sizes []int) {
	for range maxBurst + 6 {
		sizes = append(sizes, 100)
	}
	sizes = append(sizes, 99, 100, 0, 0, 1, 1, 1, 2, 5000, 5000, 4999, MaxPayload, 7)
	for range 20 {
		sizes = append(sizes, 1400)
	}
	return sizes // which fit into the usual receive buffer
}

// TestBurstsStayWhole has a server answer with many datagrams of mixed sizes,
// which leave as bursts.
func TestBurstsStayWhole(t *testing.T) {
	for _, host := range loopbacks {
		for _, cut := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/cut=%v", host, cut), func(t *testing.T) {
				socket := listen(t, "udp", on(host))
				if !cut { // the kernel refuses to cut what has no checksum
					refuseToCut(t, socket)
				}
				sizes := answerSizes()
				s := &Server{OnDatagram: func(p *Peer, _ []byte, _ Info) {
					for i, size := range sizes {
						if _, err := p.Write([]byte(pattern(i + size)[i:])); err != nil {
							t.Error(err)
						}
					}
				}}
				serve(t, s, socket)
				c := dialBy(t, &Dialer{ReadBuffer: 4 << 20}, "udp", socket.LocalAddr().String())
				takeUnchecked(t, c)
				send(t, c, "go")
				for i, size := range sizes {
					receive(t, c, pattern(i + size)[i:])
				}
				want := uint64(len(sizes))
				st := settled(t, s, func(st Stats) bool { return st.DatagramsOut >= want })
				if st.DatagramsOut != want || st.Dropped != (Dropped{}) {
					t.Errorf("stats %+v, want %d out", st, want)
				}
				for p := range s.Peers() {
					if (p.uncut == noLimit) != cut {
						t.Errorf("uncut %d", p.uncut)
					}
				}
			})
		}
	}
}

func refuseToCut(t *testing.T, s *Socket) {
	t.Helper()
	check(t, controlFD(s.single.raw, func(fd uintptr) error {
		if s.single.family == unix.AF_INET6 {
			return unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_NO_CHECK6_TX, 1)
		}
		return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
	}))
}

// takeUnchecked has an IPv6 connection take datagrams without a checksum.
func takeUnchecked(t *testing.T, c *Conn) {
	t.Helper()
	if c.single.family != unix.AF_INET6 {
		return
	}
	check(t, controlFD(c.single.raw, func(fd uintptr) error {
		return unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_NO_CHECK6_RX, 1)
	}))
}

// TestBurstsOfSeveralPeers holds that what goes to different peers is not
// joined, and arrives in its order.
func TestBurstsOfSeveralPeers(t *testing.T) {
	socket := listenBy(t, &ListenConfig{ReadBuffer: 4 << 20}, "udp", "127.0.0.1:0")
	serve(t, &Server{OnDatagram: echo}, socket)
	var conns []*Conn
	for range 5 {
		conns = append(conns, dialBy(t, &Dialer{ReadBuffer: 1 << 20}, "udp", socket.LocalAddr().String()))
	}
	for i := range 20 {
		for k, c := range conns {
			for range 1 + (i+k)%4 {
				send(t, c, fmt.Sprintf("%d for %d", i, k))
			}
		}
	}
	for i := range 20 {
		for k, c := range conns {
			for range 1 + (i+k)%4 {
				receive(t, c, fmt.Sprintf("%d for %d", i, k))
			}
		}
	}
}

// TestRefusedBurstIsSplit gives the kernel more datagrams than it cuts.
func TestRefusedBurstIsSplit(t *testing.T) {
	socket := listen(t, "udp", "127.0.0.1:0")
	s := &Server{}
	l := must[*loop](t)(newLoop(s, socket))
	defer l.out.close()
	c := dialBy(t, &Dialer{ReadBuffer: 4 << 20}, "udp", socket.LocalAddr().String())
	send(t, c, "x")
	p := peerOf(t, l, receiveFrom(t, socket, "x").Remote)
	l.out.hold()
	must[int](t)(p.Write([]byte("before")))
	const count, size = 200, 10
	start := len(l.out.memory)
	l.out.memory = append(l.out.memory, pattern(count*size-3)...)
	l.out.queue = append(l.out.queue, parcel{to: p, start: start, end: len(l.out.memory), size: size, count: count, full: true})
	must[int](t)(p.Write([]byte("after")))
	l.out.release()
	receive(t, c, "before")
	for i := range count {
		receive(t, c, pattern(count*size - 3)[i*size:min((i+1)*size, count*size-3)])
	}
	receive(t, c, "after")
	if p.uncut != size || s.Stats().DatagramsOut != count+2 {
		t.Errorf("uncut %d, stats %+v", p.uncut, s.Stats())
	}
	must[int](t)(p.Write(make([]byte, size-1))) // smaller ones are still joined
	receive(t, c, string(make([]byte, size-1)))
}

// TestReceiveBufferDrops holds that what the kernel throws away is counted.
func TestReceiveBufferDrops(t *testing.T) {
	socket := listenBy(t, &ListenConfig{ReadBuffer: 1 << 12}, "udp", "127.0.0.1:0")
	block, blocked := make(chan struct{}), make(chan struct{}, 1000)
	s := &Server{OnDatagram: func(*Peer, []byte, Info) { blocked <- struct{}{}; <-block }}
	serve(t, s, socket)
	c := dialTo(t, socket.LocalAddr())
	send(t, c, "first")
	<-blocked
	for range 500 {
		send(t, c, pattern(1000))
	}
	if st := s.Stats(); st.Dropped.ReceiveBuffer == 0 || st.Dropped.ReceiveBuffer > 500 {
		t.Errorf("stats %+v", st)
	}
	close(block)
	check(t, s.Shutdown(soon(t)))
	if st := s.Stats(); st.DatagramsIn+st.Dropped.ReceiveBuffer != 501 {
		t.Errorf("stats at the end %+v", st)
	}
}

// TestReuseAddr holds that SO_REUSEADDR is for groups only.
func TestReuseAddr(t *testing.T) {
	group := member(t, group4, loopbackName(t), "0")
	for s, want := range map[*Socket]int{
		group: 1, listen(t, "udp", "127.0.0.1:0"): 0, listen(t, "udp", "[::1]:0"): 0, listen(t, "udp", "*:0"): 0,
	} {
		check(t, controlFD(s.single.raw, func(fd uintptr) error {
			got, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR)
			if got != want {
				t.Errorf("%v: SO_REUSEADDR is %d, want %d", s.LocalAddr(), got, want)
			}
			return err
		}))
	}
}

func TestRawNames(t *testing.T) {
	var names interfaceNames
	for _, test := range []struct {
		text   string
		family int
		want   string
	}{
		{"127.0.0.1:80", unix.AF_INET, "127.0.0.1:80"},
		{"127.0.0.1:80", unix.AF_INET6, "127.0.0.1:80"},
		{"[::ffff:10.0.0.1]:65535", unix.AF_INET, "10.0.0.1:65535"},
		{"[2001:db8::1]:1", unix.AF_INET6, "[2001:db8::1]:1"},
		{"[fe80::1%lo]:9", unix.AF_INET6, "[fe80::1%lo]:9"},
		{"[fe80::1%1]:9", unix.AF_INET6, "[fe80::1%lo]:9"},
	} {
		var n rawName
		check(t, n.setAddrPort(netip.MustParseAddrPort(test.text), test.family))
		if got := n.addrPort(&names).String(); got != test.want {
			t.Errorf("%s became %s, want %s", test.text, got, test.want)
		}
	}
	for _, path := range []string{"/tmp/x", "@abstract", "@with\x00zero"} {
		var n rawName
		check(t, n.setPath(path))
		if got := pathText(n.path()); got != path {
			t.Errorf("%q became %q", path, got)
		}
	}
	var n rawName
	wantError(t, n.setAddrPort(netip.MustParseAddrPort("[fe80::1%nosuch0]:9"), unix.AF_INET6), errNoInterface)
	if n.setAddrPort(netip.MustParseAddrPort("[::1]:9"), unix.AF_INET) == nil || n.setAddrPort(netip.AddrPort{}, unix.AF_INET6) == nil {
		t.Error("an address of the wrong family was taken")
	}
	if (&rawName{}).addrPort(&names).IsValid() || (&rawName{}).path() != nil {
		t.Error("no name is a name")
	}
	wantError(t, n.setPath(""), ErrNoName)
}

// FuzzParseControl holds parseControl against the parser of x/sys.
func FuzzParseControl(f *testing.F) {
	source := func(ip string, family int) []byte {
		return appendSource(make([]byte, 0, 64), netip.MustParseAddr(ip), family)
	}
	f.Add(appendSegment(make([]byte, 0, 64), 1400))
	f.Add(source("127.0.0.1", unix.AF_INET))
	f.Add(append(source("::1", unix.AF_INET6), source("127.0.0.1", unix.AF_INET)...))
	ttl, data := appendControl(make([]byte, 0, 64), unix.SOL_IP, unix.IP_TTL, 4)
	data[0] = 64
	f.Add(ttl)
	gro, data := appendControl(make([]byte, 0, 64), unix.SOL_UDP, unix.UDP_GRO, 4)
	data[0], data[1] = 0x78, 0x05
	f.Add(append(gro, ttl...))
	f.Fuzz(func(t *testing.T, oob []byte) {
		c := parseControl(oob)
		ms, err := unix.ParseSocketControlMessage(oob)
		if err != nil {
			return // malformed: what stands before the fault may count or not
		}
		var want control
		for _, m := range ms {
			want.take(m.Header.Level, m.Header.Type, m.Data)
		}
		if c != want {
			t.Errorf("parsed %+v, want %+v", c, want)
		}
	})
}

// FuzzCutSegment holds that cutting loses and adds nothing.
func FuzzCutSegment(f *testing.F) {
	f.Add(64*64, 64)
	f.Add(0, 0)
	f.Add(1, 1400)
	f.Add(65507, 1)
	f.Fuzz(func(t *testing.T, bytes, size int) {
		bytes %= receiveSize
		joined := []byte(pattern(max(bytes, 0)))
		var parts, total int
		for rest, more := joined, true; more; more = len(rest) > 0 {
			var one []byte
			one, rest = cutSegment(rest, size)
			if size > 0 && (len(one) > size || len(one) < size && len(rest) > 0) || cap(one) > len(one) && len(rest) > 0 {
				t.Fatalf("a datagram of %d bytes, of %d each, with %d to come", len(one), size, len(rest))
			}
			if string(one) != string(joined[total:total+len(one)]) {
				t.Fatal("the bytes have changed")
			}
			parts++
			total += len(one)
		}
		want := 1
		if size > 0 && len(joined) > 0 {
			want = (len(joined)-1)/size + 1
		}
		if total != len(joined) || parts != want {
			t.Errorf("%d parts with %d bytes, want %d with %d", parts, total, want, len(joined))
		}
	})
}
