//go:build !sockkit_plain

package udp

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is what recvmmsg and sendmmsg fill in and read: for each datagram a
// header, a buffer, an address and control messages.
type batch struct {
	heads []unix.Mmsghdr
	bufs  []unix.Iovec
	names []rawName
	oobs  [][controlRoom]byte

	// The Unix sender before, as the kernel and as we write it: so that it is
	// made a string once.
	lastName, lastPath string
}

func newBatch(n int) *batch {
	b := &batch{
		heads: make([]unix.Mmsghdr, n),
		bufs:  make([]unix.Iovec, n),
		names: make([]rawName, n),
		oobs:  make([][controlRoom]byte, n),
	}
	for i := range b.heads {
		h := &b.heads[i].Hdr
		h.Iov = &b.bufs[i]
		h.SetIovlen(1)
		h.Name = &b.names[i].bytes[0]
	}
	return b
}

// buffer sets the buffer of datagram i.
func (b *batch) buffer(i int, p []byte) {
	b.bufs[i].Base = unsafe.SliceData(p)
	b.bufs[i].SetLen(len(p))
}

// room readies the first n datagrams to be received.
func (b *batch) room(n int) {
	for i := range b.heads[:n] {
		h := &b.heads[i].Hdr
		h.Namelen = uint32(len(b.names[i].bytes))
		h.Control = &b.oobs[i][0]
		h.SetControllen(controlRoom)
	}
}

// The system calls are made raw: they do not wait, and telling the scheduler
// about each would cost up to a quarter of the whole.

// receive takes up to n datagrams that are there. MSG_TRUNC makes the kernel
// tell the real size of one that does not fit.
func (b *batch) receive(fd uintptr, n int) (int, syscall.Errno) {
	b.room(n)
	got, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.heads[0])),
		uintptr(n), unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	for i := range b.heads[:got] {
		b.names[i].size = b.heads[i].Hdr.Namelen
	}
	return int(got), 0
}

// send hands datagrams from..to to the kernel and returns how many it took. An
// error is that of the first.
func (b *batch) send(fd uintptr, from, to int) (int, syscall.Errno) {
	sent, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.heads[from])),
		uintptr(to-from), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(sent), 0
}

// received is a buffer that came in, with what is known of it.
type received struct {
	Info
	segment int        // bytes of each joined datagram; 0: it is one
	reply   netip.Addr // the address to answer from
	kept    int        // bytes in the buffer
}

// info reads what is known of datagram i.
func (b *batch) info(i int, l *link) (r received) {
	h := &b.heads[i]
	r.Size, r.kept = int(h.Len), int(min(uint64(h.Len), uint64(b.bufs[i].Len)))
	r.Truncated = h.Hdr.Flags&unix.MSG_TRUNC != 0
	if l.network == unixgram {
		r.Path = b.senderPath(i)
		return r
	}
	r.Remote = b.names[i].addrPort(&l.names)
	c := parseControl(b.oobs[i][:min(uint64(h.Hdr.Controllen), controlRoom)])
	r.TTL, r.Interface, r.segment = c.ttl, c.iface, c.segment
	r.Local = l.local
	if l.wild && c.dst.IsValid() {
		r.Local = netip.AddrPortFrom(l.zoned(c.dst, c.iface), l.local.Port())
		r.reply = c.answer()
	}
	return r
}

// answer is the address of ours to answer from; it is not valid where the
// kernel has to choose.
func (c *control) answer() netip.Addr {
	switch {
	case c.reply.IsValid() && !c.reply.IsUnspecified():
		return c.reply
	case c.dst.IsMulticast():
		return netip.Addr{}
	}
	return c.dst
}

// zoned adds the interface to an address that means nothing without.
func (l *link) zoned(addr netip.Addr, iface int) netip.Addr {
	if addr.Is6() && (addr.IsLinkLocalUnicast() || addr.IsLinkLocalMulticast()) {
		return addr.WithZone(l.names.name(iface))
	}
	return addr
}

func (b *batch) senderPath(i int) string {
	if name := b.names[i].path(); string(name) != b.lastName {
		b.lastName, b.lastPath = string(name), pathText(name)
	}
	return b.lastPath
}
