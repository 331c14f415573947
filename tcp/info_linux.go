package tcp

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The bits of tcp_info.tcpi_options.
const (
	optTimestamps = 1
	optSACK       = 2
	optWScale     = 4
	optECN        = 8
	optSYNData    = 32
)

const (
	stateFinWait1 = 4
	stateClose    = 7
	stateLastAck  = 9
	stateClosing  = 11
)

// stateName words a TCP state as Linux counts them.
func stateName(n uint8) string {
	names := [...]string{
		1: "established", 2: "syn_sent", 3: "syn_received", stateFinWait1: "fin_wait1", 5: "fin_wait2", 6: "time_wait",
		stateClose: "closed", 8: "close_wait", stateLastAck: "last_ack", 10: "listen", stateClosing: "closing",
	}
	if int(n) < len(names) && names[n] != "" {
		return names[n]
	}
	return fmt.Sprintf("state_%d", n)
}

// congestionName words tcp_info.tcpi_ca_state.
func congestionName(n uint8) string {
	names := [...]string{"open", "disorder", "cwr", "recovery", "loss"}
	if int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprintf("state_%d", n)
}

// noThreshold is the slow start threshold before there is one.
const noThreshold = 0x7fffffff

// control runs f on raw's descriptor, and returns what either made of it.
func control(raw syscall.RawConn, f func(fd int) error) error {
	var failed error
	err := raw.Control(func(fd uintptr) { failed = f(int(fd)) })
	if err != nil {
		return err
	}
	return failed
}

func readInfo(raw syscall.RawConn) (*ConnInfo, error) {
	var info *ConnInfo
	err := control(raw, func(fd int) error {
		kernel, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return os.NewSyscallError("getsockopt TCP_INFO", err)
		}
		info = fromKernel(kernel)
		info.Socket, err = socketInfo(fd, true)
		info.CongestionControl = info.Socket.CongestionControl
		return err
	})
	if err != nil {
		return nil, err
	}
	return info, nil
}

func fromKernel(k *unix.TCPInfo) *ConnInfo {
	info := &ConnInfo{
		State: stateName(k.State), RTT: micros(k.Rtt), RTTVar: micros(k.Rttvar), MinRTT: micros(k.Min_rtt), RTO: micros(k.Rto),
		SendMSS: int(k.Snd_mss), ReceiveMSS: int(k.Rcv_mss), PathMTU: int(k.Pmtu),
		CongestionState: congestionName(k.Ca_state), Window: int(k.Snd_cwnd), WindowBytes: int(k.Snd_cwnd) * int(k.Snd_mss),
		SlowStart: int(k.Snd_ssthresh), Retransmitting: int(k.Retransmits), Retransmits: int(k.Total_retrans),
		Lost: int(k.Lost), Reordered: int(k.Reord_seen), Unacked: int(k.Unacked), NotSent: int(k.Notsent_bytes),
		BytesSent: k.Bytes_sent, BytesRetransmits: k.Bytes_retrans, BytesAcked: k.Bytes_acked, BytesReceived: k.Bytes_received,
		SegmentsOut: int(k.Segs_out), SegmentsIn: int(k.Segs_in), DeliveryRate: k.Delivery_rate, PacingRate: k.Pacing_rate,
		SendWindow: int(k.Snd_wnd), ReceiveWindow: int(k.Rcv_wnd), ReceiveSpace: int(k.Rcv_space),
		BusyFor: micros(k.Busy_time), PeerLimited: micros(k.Rwnd_limited), SelfLimited: micros(k.Sndbuf_limited),
		SinceSent: millis(k.Last_data_sent), SinceReceive: millis(k.Last_data_recv), Options: optionsOf(k),
	}
	if k.Snd_ssthresh >= noThreshold {
		info.SlowStart = 0
	}
	if k.Pacing_rate == ^uint64(0) {
		info.PacingRate = 0
	}
	if k.Min_rtt == ^uint32(0) {
		info.MinRTT = 0
	}
	return info
}

func micros[N uint32 | uint64](n N) time.Duration { return time.Duration(n) * time.Microsecond }
func millis(n uint32) time.Duration               { return time.Duration(n) * time.Millisecond }

// optionsOf reads the options. The window scales stand in two halves of a byte
// behind tcpi_options, which has no name in Go.
func optionsOf(k *unix.TCPInfo) TCPOptions {
	scales := scalesOf(k)
	first, second := int(scales&0xf), int(scales>>4)
	if isBigEndian() { // bit fields begin at the other end
		first, second = second, first
	}
	return TCPOptions{
		SACK: k.Options&optSACK != 0, Timestamps: k.Options&optTimestamps != 0, WindowScale: k.Options&optWScale != 0,
		ECN: k.Options&optECN != 0, FastOpen: k.Options&optSYNData != 0, SendScale: first, ReceiveScale: second,
	}
}

func isBigEndian() bool { return binary.NativeEndian.Uint16([]byte{0, 1}) == 1 }

func readSocket(raw syscall.RawConn, isTCP bool) (*SocketInfo, error) {
	var info SocketInfo
	err := control(raw, func(fd int) (err error) {
		info, err = socketInfo(fd, isTCP)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &info, nil
}

// options reads socket options, up to the first that fails.
type options struct {
	fd  int
	err error
}

func (o *options) get(level, name int) int {
	if o.err != nil {
		return 0
	}
	n, err := unix.GetsockoptInt(o.fd, level, name)
	o.err = os.NewSyscallError("getsockopt", err)
	return n
}

func (o *options) seconds(name int) time.Duration {
	return time.Duration(o.get(unix.IPPROTO_TCP, name)) * time.Second
}

func socketInfo(fd int, isTCP bool) (SocketInfo, error) {
	o := &options{fd: fd}
	info := SocketInfo{
		SendBuffer: o.get(unix.SOL_SOCKET, unix.SO_SNDBUF), ReceiveBuffer: o.get(unix.SOL_SOCKET, unix.SO_RCVBUF),
		KeepAlive: o.get(unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 0,
	}
	if linger, err := unix.GetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER); err == nil && linger.Onoff != 0 {
		seconds := int(linger.Linger)
		info.Linger = &seconds
	}
	if !isTCP || o.err != nil {
		return info, o.err
	}
	info.NoDelay = o.get(unix.IPPROTO_TCP, unix.TCP_NODELAY) != 0
	info.KeepAliveIdle = o.seconds(unix.TCP_KEEPIDLE)
	info.KeepAliveInterval = o.seconds(unix.TCP_KEEPINTVL)
	info.KeepAliveCount = o.get(unix.IPPROTO_TCP, unix.TCP_KEEPCNT)
	info.UserTimeout = time.Duration(o.get(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)) * time.Millisecond
	if o.get(unix.SOL_SOCKET, unix.SO_DOMAIN) == unix.AF_INET6 {
		info.TTL = o.get(unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS)
	} else {
		info.TTL = o.get(unix.IPPROTO_IP, unix.IP_TTL)
	}
	name, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	if o.err == nil {
		o.err = os.NewSyscallError("getsockopt TCP_CONGESTION", err)
	}
	info.CongestionControl = strings.TrimRight(name, "\x00")
	return info, o.err
}

// readDelivery counts what SIOCOUTQ counts: from the first byte that is not
// acknowledged to the last that was written. A FIN is one of them until it is
// acknowledged, and the state says whether it was.
func readDelivery(raw syscall.RawConn) (n int, failure, err error) {
	err = control(raw, func(fd int) error {
		kernel, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return os.NewSyscallError("getsockopt TCP_INFO", err)
		}
		if n, err = unix.IoctlGetInt(fd, unix.SIOCOUTQ); err != nil {
			return os.NewSyscallError("ioctl SIOCOUTQ", err)
		}
		switch kernel.State {
		case stateFinWait1, stateClosing, stateLastAck:
			n = max(n-1, 0)
		case stateClose:
			failure = socketError(fd)
		}
		return nil
	})
	return n, failure, err
}

// socketError returns why a connection that is closed ended. The kernel tells
// once; who asks after a read or a write was told gets a reset.
func socketError(fd int) error {
	if n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && n != 0 {
		return syscall.Errno(n)
	}
	return syscall.ECONNRESET
}
