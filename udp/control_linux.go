//go:build !sockkit_plain

package udp

import (
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// control is what the kernel says beside a datagram.
type control struct {
	ttl     int
	iface   int
	segment int        // bytes of each of the datagrams that were joined; 0: one datagram
	dst     netip.Addr // where it was sent to
	reply   netip.Addr // the address to answer from, where dst is a group
}

// controlRoom is room for all that parseControl knows, of both families.
const controlRoom = 192

// parseControl reads control messages (cmsg(3)). What it does not know, and
// what is malformed, it passes over.
func parseControl(oob []byte) (c control) {
	for len(oob) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(oob)))
		if size := uint64(h.Len); size < uint64(unix.CmsgLen(0)) || size > uint64(len(oob)) {
			return c
		}
		c.take(h.Level, h.Type, oob[unix.CmsgLen(0):h.Len])
		oob = oob[min(unix.CmsgSpace(int(h.Len)-unix.CmsgLen(0)), len(oob)):]
	}
	return c
}

// take reads one control message.
func (c *control) take(level, kind int32, data []byte) {
	switch {
	case level == unix.SOL_IP && kind == unix.IP_TTL && len(data) >= 4:
		c.ttl = int(int32(binary.NativeEndian.Uint32(data)))
	case level == unix.SOL_IPV6 && kind == unix.IPV6_HOPLIMIT && len(data) >= 4:
		c.ttl = int(int32(binary.NativeEndian.Uint32(data)))
	case level == unix.SOL_UDP && kind == unix.UDP_GRO && len(data) >= 4:
		c.segment = int(int32(binary.NativeEndian.Uint32(data)))
	case level == unix.SOL_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		c.iface = int(int32(binary.NativeEndian.Uint32(data)))
		c.reply = netip.AddrFrom4([4]byte(data[4:8]))
		c.dst = netip.AddrFrom4([4]byte(data[8:12]))
	case level == unix.SOL_IPV6 && kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		c.dst = netip.AddrFrom16([16]byte(data[:16])).Unmap()
		c.iface = int(int32(binary.NativeEndian.Uint32(data[16:])))
	}
}

// appendControl begins a control message with room for size bytes of data.
func appendControl(oob []byte, level, kind int32, size int) (grown, data []byte) {
	start := len(oob)
	grown = oob[:start+unix.CmsgSpace(size)]
	clear(grown[start:])
	h := (*unix.Cmsghdr)(unsafe.Pointer(&grown[start]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(size))
	return grown, grown[start+unix.CmsgLen(0):]
}

// appendSegment asks the kernel to cut what is sent into datagrams of size
// bytes (UDP GSO).
func appendSegment(oob []byte, size int) []byte {
	oob, data := appendControl(oob, unix.SOL_UDP, unix.UDP_SEGMENT, 2)
	binary.NativeEndian.PutUint16(data, uint16(size))
	return oob
}

// appendSource says which of our addresses to send from. The family is the
// socket's.
func appendSource(oob []byte, from netip.Addr, family int) []byte {
	if family == unix.AF_INET {
		oob, data := appendControl(oob, unix.SOL_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		ip := from.As4()
		copy(data[4:], ip[:])
		return oob
	}
	oob, data := appendControl(oob, unix.SOL_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	ip := from.As16()
	copy(data, ip[:])
	return oob
}

// askControl has the kernel tell what parseControl reads. It is best done
// before the socket is bound, so that no datagram comes without. What a kernel
// does not know stays unknown.
func askControl(fd, family int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVTTL, 1)
	if family == unix.AF_INET {
		_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_PKTINFO, 1)
		return
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
}

// prepare readies a socket before it is bound.
func prepare(fd uintptr, network string) {
	family := unix.AF_INET6
	if network == "udp4" {
		family = unix.AF_INET
	}
	askControl(int(fd), family)
}

// offload turns the joining of received datagrams on, and reports whether the
// kernel can also cut what is sent. A kernel older than 4.18 would send a burst
// as one datagram, so it has to be asked.
func offload(l *link) (canSegment bool) {
	if l.network == unixgram {
		return false
	}
	err := l.single.raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_GRO, 1)
		_, err := unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT)
		canSegment = err == nil
	})
	return canSegment && err == nil
}

// memInfoDrops is the place of the count of dropped datagrams in what
// SO_MEMINFO returns (SK_MEMINFO_DROPS).
const memInfoDrops = 8

// kernelDrops is how many datagrams the kernel threw away because the receive
// buffer was full.
func kernelDrops(l *link) (dropped uint64) {
	_ = l.single.raw.Control(func(fd uintptr) {
		var info [memInfoDrops + 1]uint32
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno == 0 {
			dropped = uint64(info[memInfoDrops])
		}
	})
	return dropped
}

// keepOnly connects the socket to its first sender, so that the kernel keeps
// others away and tells when the peer refuses. It does not where connecting
// would change the address that the peer has written to: then the reader keeps
// others away, and each datagram is told where to go.
func (c *Conn) keepOnly(first *Info) error {
	var to rawName
	var err error
	switch {
	case c.network == unixgram && c.only.path == "":
		return nil // it has no name to connect to
	case c.network == unixgram:
		err = to.setPath(c.only.path)
	case c.wild && !staysAt(first):
		return nil
	default:
		err = to.setAddrPort(c.only.addr, c.single.family)
	}
	if err != nil {
		return err
	}
	c.connected = true
	return controlFD(c.single.raw, func(fd uintptr) error {
		_, _, errno := unix.Syscall(unix.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&to.bytes)), uintptr(to.size))
		if errno != 0 {
			return os.NewSyscallError("connect", errno)
		}
		return nil
	})
}

// staysAt reports whether a socket of every address that is connected to the
// sender would be at the address that the sender wrote to. A group's stays the
// group's.
func staysAt(first *Info) bool {
	at := first.Local.Addr()
	if at.IsMulticast() {
		return true
	}
	from, err := sourceFor(context.Background(), first.Remote, nil)
	return err == nil && from.WithZone("") == at.WithZone("")
}

func (c *Conn) sendOnly(p []byte) (int, error) {
	if c.only == nil || c.connected {
		return writeWhole(c.conn, p)
	}
	to := Info{Remote: c.only.addr, Path: c.only.path, Local: c.at}
	if _, err := c.writer.write(c.link, []Message{{Payload: p, Info: to}}); err != nil {
		return 0, err
	}
	return len(p), nil
}
