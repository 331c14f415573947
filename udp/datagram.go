package udp

import (
	"net/netip"
)

// MaxPayload is the most bytes that a UDP datagram carries here: what fits into
// an IPv4 packet behind its header and UDP's (RFC 768, RFC 791 section 3.1).
// IPv6 would carry 20 more, which a relay between the two could not pass on.
// It does not bound Unix datagrams: their limit is the socket's send buffer.
const MaxPayload = 65507

// receiveSize is room for every datagram that UDP can bring.
const receiveSize = 1 << 16

// unixReceiveSize is room for the Unix datagrams that the default limits of
// Linux let pass. A larger one is truncated, and says so.
const unixReceiveSize = 1 << 18

// Info is what is known of a datagram besides its payload.
type Info struct {
	// Remote is the sender. It is not valid for Unix datagrams.
	Remote netip.AddrPort
	// Local is the address that the datagram was sent to. On a socket that is
	// bound to many addresses it is the concrete one where the system tells
	// it, else the one bound. It is not valid for Unix datagrams.
	Local netip.AddrPort
	// Path is the sender of a Unix datagram: a path, an abstract name that
	// begins with @, or nothing if the sender has no name to reply to.
	Path string
	// Size is the number of bytes on the wire where the system tells it, else
	// of those received.
	Size int
	// TTL is the time to live, or hop limit, that was left; 0 if not known.
	TTL int
	// Interface is the index of the interface that the datagram came in by;
	// 0 if not known. [Socket.InterfaceName] names it.
	Interface int
	// Truncated says that the buffer was too small and the rest is lost.
	Truncated bool
}

// From returns the sender in text, ip:port or a path.
func (i *Info) From() string {
	if i.Remote.IsValid() {
		return i.Remote.String()
	}
	return i.Path
}

// origin is who sent a datagram, as far as it can be told.
type origin struct {
	addr netip.AddrPort
	path string
}

func (i *Info) origin() origin { return origin{i.Remote, i.Path} }

// Message is one datagram of a batch.
type Message struct {
	// Payload is what is sent. [Socket.ReadBatch] uses it up to its capacity
	// as room and cuts it to what came.
	Payload []byte
	// Info is what is known of a received datagram. To send, Remote, or Path
	// for Unix datagrams, is where to; and Local, if the socket is bound to
	// every address, is the one of them to send from, on Linux, unless it is a
	// group or not valid. So what was read can be sent back as it is.
	Info Info
}

// cutSegment splits the first datagram off a buffer in which the kernel has
// joined datagrams of size bytes each, the last of which may be shorter (UDP
// GRO). A size of 0 says that the buffer is one datagram.
func cutSegment(joined []byte, size int) (first, rest []byte) {
	if size <= 0 || size >= len(joined) {
		return joined, nil
	}
	return joined[:size:size], joined[size:]
}
