//go:build !linux || sockkit_plain

package udp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// This file stands on package net alone: one datagram a call. It serves every
// system but Linux, and Linux under the tag sockkit_plain, for its tests.

// receiver reads one datagram at a time.
type receiver struct {
	link *link
	oob  []byte
	ip6  bool
}

// controlRoom is room for the control messages of both families.
const controlRoom = 256

func (r *receiver) init(l *link) error {
	r.link = l
	conn, ok := l.conn.(*net.UDPConn)
	if !ok {
		return nil
	}
	// What a system does not tell stays unknown.
	r.ip6 = !l.local.Addr().Is4()
	v6 := ipv6.NewPacketConn(conn).SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagDst|ipv6.FlagInterface, true)
	v4 := ipv4.NewPacketConn(conn).SetControlMessage(ipv4.FlagTTL|ipv4.FlagDst|ipv4.FlagInterface, true)
	if v4 == nil || v6 == nil {
		r.oob = make([]byte, controlRoom)
	}
	return nil
}

// received is a buffer that came in, with what is known of it.
type received struct {
	Info
	segment int        // bytes of each joined datagram; 0: it is one
	reply   netip.Addr // the address to answer from; here the system chooses
	kept    int        // bytes in the buffer
}

func (r *receiver) receive(buf []byte) (int, Info, error) {
	got, err := r.next(buf)
	return got.kept, got.Info, err
}

// receiveBatch fills in the first message.
func (r *receiver) receiveBatch(ms []Message) (int, error) {
	got, err := r.next(ms[0].Payload[:cap(ms[0].Payload)])
	if err != nil {
		return 0, err
	}
	ms[0].Payload, ms[0].Info = ms[0].Payload[:got.kept], got.Info
	return 1, nil
}

func (r *receiver) next(buf []byte) (got received, err error) {
	switch conn := r.link.conn.(type) {
	case *net.UDPConn:
		got, err = r.nextUDP(conn, buf)
	case *net.UnixConn:
		var flags int
		var from *net.UnixAddr
		got.kept, _, flags, from, err = conn.ReadMsgUnix(buf, nil)
		got.Truncated, err = wasCut(flags, err)
		if from != nil {
			got.Path = from.Name
		}
	}
	got.Size = got.kept
	return got, err
}

func (r *receiver) nextUDP(conn *net.UDPConn, buf []byte) (got received, err error) {
	n, oobn, flags, from, err := conn.ReadMsgUDPAddrPort(buf, r.oob)
	got.kept, got.Remote, got.Local = n, unmapped(from), r.link.local
	got.Truncated, err = wasCut(flags, err)
	var dst net.IP
	if r.ip6 {
		var c ipv6.ControlMessage
		if c.Parse(r.oob[:oobn]) == nil {
			got.TTL, got.Interface, dst = c.HopLimit, c.IfIndex, c.Dst
		}
	}
	var c ipv4.ControlMessage
	if c.Parse(r.oob[:oobn]) == nil && (c.TTL != 0 || c.IfIndex != 0) {
		got.TTL = c.TTL
		if c.IfIndex != 0 {
			got.Interface, dst = c.IfIndex, c.Dst
		}
	}
	if addr, ok := netip.AddrFromSlice(dst); ok && r.link.wild {
		got.Local = netip.AddrPortFrom(addr.Unmap(), r.link.local.Port())
	}
	return got, err
}

// inbox reads what a server gets, one datagram a batch.
type inbox struct {
	link   *link
	handle func(n int) bool
	memory []byte
	got    received
}

func newInbox(l *link, handle func(n int) bool) (*inbox, error) {
	size := receiveSize
	if l.network == unixgram {
		size = unixReceiveSize
	}
	return &inbox{link: l, handle: handle, memory: make([]byte, size)}, nil
}

// run reads until handle stops it, the deadline is over or the socket fails.
func (in *inbox) run() error {
	for failures := 0; ; {
		var err error
		in.got, err = in.link.single.next(in.memory)
		switch {
		case err == nil:
			failures = 0
			if !in.handle(1) {
				return nil
			}
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed), failures > 64:
			return err
		default:
			failures++ // of something sent
		}
	}
}

// drainTime is how long drainAll waits for a datagram that is there already.
const drainTime = 10 * time.Millisecond

// drainAll reads what is there.
func (in *inbox) drainAll() error {
	if err := in.link.conn.SetReadDeadline(time.Now().Add(drainTime)); err != nil {
		return err
	}
	if err := in.run(); !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return nil
}

func (in *inbox) at(int) ([]byte, received) { return in.memory[:in.got.kept], in.got }

func (in *inbox) target(int) target { return target(in.got.origin()) }

// target is a peer's address.
type target origin

// sender sends an outbox's queue.
type sender struct{ link *link }

func (s *sender) init(l *link) error {
	s.link = l
	return nil
}

func (s *sender) send(o *outbox) {
	for i := range o.queue {
		k := &o.queue[i]
		err := writeTo(s.link.conn, o.memory[k.start:k.end], k.to.target)
		if err != nil {
			o.failed(k, &o.count.sendErrors, err)
			if o.link.network == unixgram && hasGone(err) {
				_ = k.to.Close()
			}
			continue
		}
		o.sent(k)
	}
}

func writeTo(conn packetConn, b []byte, to target) (err error) {
	switch conn := conn.(type) {
	case *net.UDPConn:
		_, err = conn.WriteToUDPAddrPort(b, to.addr)
	case *net.UnixConn:
		if to.path == "" {
			return ErrNoName
		}
		_, err = conn.WriteToUnix(b, &net.UnixAddr{Name: to.path, Net: unixgram})
	}
	return sizeError(err, len(b))
}

// batchWriter sends messages one by one.
type batchWriter struct{ mu sync.Mutex }

func (w *batchWriter) write(l *link, ms []Message) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := &ms[0]
	if l.network == udp {
		if err := checkSize(len(m.Payload)); err != nil {
			return 0, err
		}
	}
	if err := writeTo(l.conn, m.Payload, target(m.Info.origin())); err != nil {
		return 0, err
	}
	return 1, nil
}

// keepOnly would have the system keep others away; here the reader does.
func (c *Conn) keepOnly(*Info) error { return nil }

func (c *Conn) sendOnly(p []byte) (int, error) {
	if c.only == nil {
		return writeWhole(c.conn, p)
	}
	if err := writeTo(c.conn, p, target(*c.only)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// offload would have the system join and cut bursts; it cannot here.
func offload(*link) (canSegment bool) { return false }

// kernelDrops is not told here.
func kernelDrops(*link) uint64 { return 0 }
