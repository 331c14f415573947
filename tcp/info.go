package tcp

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// ConnInfo is what the kernel knows of a TCP connection (TCP_INFO on Linux).
// A kernel that is older than a field leaves it 0.
type ConnInfo struct {
	State      string        `json:"state"` // established, fin_wait1, ... (RFC 9293 section 3.3.2)
	RTT        time.Duration `json:"rtt_ns"`
	RTTVar     time.Duration `json:"rtt_var_ns"`
	MinRTT     time.Duration `json:"min_rtt_ns,omitempty"`
	RTO        time.Duration `json:"rto_ns"` // the time after which the next retransmit is due
	SendMSS    int           `json:"send_mss"`
	ReceiveMSS int           `json:"receive_mss"`
	PathMTU    int           `json:"path_mtu"`

	CongestionControl string `json:"congestion_control"` // cubic, bbr, ...
	CongestionState   string `json:"congestion_state"`   // open, disorder, cwr, recovery, loss
	Window            int    `json:"congestion_window"`  // packets
	WindowBytes       int    `json:"congestion_window_bytes"`
	SlowStart         int    `json:"slow_start_threshold,omitempty"` // packets; 0: none yet

	Retransmitting   int    `json:"retransmitting"`       // retries of the oldest packet that is not acknowledged
	Retransmits      int    `json:"retransmits"`          // packets, over the whole connection
	Lost             int    `json:"lost"`                 // packets thought lost now
	Reordered        int    `json:"reordered"`            // times that reordering was seen
	Unacked          int    `json:"unacked"`              // packets on their way
	NotSent          int    `json:"not_sent_bytes"`       // waiting in the kernel
	BytesSent        uint64 `json:"bytes_sent"`           // retransmits included
	BytesRetransmits uint64 `json:"bytes_retransmits"`    //
	BytesAcked       uint64 `json:"bytes_acked"`          // the SYN counts as one
	BytesReceived    uint64 `json:"bytes_received"`       //
	SegmentsOut      int    `json:"segments_out"`         //
	SegmentsIn       int    `json:"segments_in"`          //
	DeliveryRate     uint64 `json:"delivery_rate"`        // bytes a second
	PacingRate       uint64 `json:"pacing_rate"`          // bytes a second; 0: not paced
	SendWindow       int    `json:"send_window_bytes"`    // what the peer offers
	ReceiveWindow    int    `json:"receive_window_bytes"` // what we offer
	ReceiveSpace     int    `json:"receive_space_bytes"`  // what the buffer is tuned for

	Options      TCPOptions    `json:"options"`
	BusyFor      time.Duration `json:"busy_ns"`             // had something to send
	PeerLimited  time.Duration `json:"receiver_limited_ns"` // of that: waited for the peer's window
	SelfLimited  time.Duration `json:"sender_limited_ns"`   // of that: waited for our send buffer
	SinceSent    time.Duration `json:"since_sent_ns"`       // data
	SinceReceive time.Duration `json:"since_received_ns"`   // data

	Socket SocketInfo `json:"socket"`
}

// TCPOptions are what both sides agreed on in their SYNs.
type TCPOptions struct {
	SACK         bool `json:"sack"`
	Timestamps   bool `json:"timestamps"`
	WindowScale  bool `json:"window_scale"`
	SendScale    int  `json:"send_scale"`    // bits by which the peer's window is shifted
	ReceiveScale int  `json:"receive_scale"` // ours
	ECN          bool `json:"ecn"`
	FastOpen     bool `json:"fast_open"` // the SYN's data was taken
}

// SocketInfo is how a stream socket is set. What only TCP has is 0 on others.
type SocketInfo struct {
	SendBuffer    int `json:"send_buffer"`    // bytes, the kernel's own use included
	ReceiveBuffer int `json:"receive_buffer"` // bytes

	NoDelay           bool          `json:"no_delay"` // TCP_NODELAY: Nagle's algorithm is off
	KeepAlive         bool          `json:"keep_alive"`
	KeepAliveIdle     time.Duration `json:"keep_alive_idle_ns,omitempty"`     // silence before the first probe
	KeepAliveInterval time.Duration `json:"keep_alive_interval_ns,omitempty"` // between probes
	KeepAliveCount    int           `json:"keep_alive_count,omitempty"`       // probes before it is given up
	UserTimeout       time.Duration `json:"user_timeout_ns,omitempty"`        // TCP_USER_TIMEOUT; 0: the system's
	Linger            *int          `json:"linger_s,omitempty"`               // SO_LINGER in seconds, where it is on
	TTL               int           `json:"ttl,omitempty"`                    // of IPv4, or IPv6's hop limit
	CongestionControl string        `json:"congestion_control,omitempty"`
}

// Info returns what the kernel knows of conn, whatever wraps it. Where the
// system or the socket has no TCP_INFO the error is an [errors.ErrUnsupported].
func Info(conn net.Conn) (*ConnInfo, error) {
	raw, err := tcpSocket(conn, "TCP_INFO")
	if err != nil {
		return nil, err
	}
	return readInfo(raw)
}

// SocketOptions returns how conn's socket is set, TCP or Unix, whatever wraps
// it. Where the system does not tell the error is an [errors.ErrUnsupported].
func SocketOptions(conn net.Conn) (*SocketInfo, error) {
	raw, err := rawSocket(conn, "socket options")
	if err != nil {
		return nil, err
	}
	_, isTCP := Unwrap(conn).(*net.TCPConn)
	return readSocket(raw, isTCP)
}

// tcpSocket returns the TCP socket at the bottom of conn; what names the thing
// that it is wanted for.
func tcpSocket(conn net.Conn, what string) (syscall.RawConn, error) {
	if c, ok := Unwrap(conn).(*net.TCPConn); ok {
		return c.SyscallConn()
	}
	return nil, noSocket(conn, what+" needs a TCP connection")
}

func rawSocket(conn net.Conn, what string) (syscall.RawConn, error) {
	if c, ok := Unwrap(conn).(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, noSocket(conn, what+" need a socket")
}

func noSocket(conn net.Conn, words string) error {
	kind := fmt.Sprintf("%T", conn)
	if addr := conn.LocalAddr(); addr != nil && addr.Network() != "" {
		kind = addr.Network()
	}
	return &unsupported{words + ", and this is " + kind}
}

// unsupported is an [errors.ErrUnsupported] in words.
type unsupported struct{ text string }

func (e *unsupported) Error() string { return e.text }

// Is implements the interface that errors.Is looks for.
func (e *unsupported) Is(target error) bool { return target == errors.ErrUnsupported }
