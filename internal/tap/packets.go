package tap

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/udp"
)

// Packets is a [net.Listener] on datagram sockets: each sender is a connection,
// whose Read gives one datagram and whose Write sends one back. A connection
// that is closed begins anew with its sender's next datagram.
type Packets struct {
	server  *udp.Server
	sockets []*udp.Socket
	arrived chan *packetConn
	done    chan struct{}
	err     error // valid once done is closed
}

const (
	// backlog is how many senders may wait to be accepted.
	backlog = 1024
	// packetQueue bounds the bytes of one sender that wait to be read, about as
	// a socket does. What comes on top is dropped.
	packetQueue = 256 << 10
	// packetCost is what a waiting datagram costs beside its bytes.
	packetCost = 64
)

// ListenPackets serves sockets by server, whose limits and tracer the caller
// has set.
func ListenPackets(server *udp.Server, sockets []*udp.Socket) *Packets {
	p := &Packets{
		server: server, sockets: sockets,
		arrived: make(chan *packetConn, backlog), done: make(chan struct{}),
	}
	server.PeerIdle = -1 // who accepts a connection closes it
	server.OnPeer, server.OnDatagram, server.OnGone = p.open, receive, gone
	go func() {
		p.err = server.Serve(context.Background(), sockets...)
		close(p.done)
	}()
	return p
}

// Accept waits for a new sender.
func (p *Packets) Accept() (net.Conn, error) {
	select {
	case c := <-p.arrived:
		return c, nil
	case <-p.done:
		if errors.Is(p.err, udp.ErrServerClosed) {
			return nil, net.ErrClosed
		}
		return nil, p.err
	}
}

// Addr returns the first socket's address.
func (p *Packets) Addr() net.Addr { return p.sockets[0].LocalAddr() }

// Close ends all connections and closes the sockets.
func (p *Packets) Close() error {
	err := p.server.Close()
	<-p.done
	return err
}

func (p *Packets) open(peer *udp.Peer) {
	c := &packetConn{peer: peer, tracer: p.server.Tracer, some: make(chan struct{}, 1), ended: make(chan struct{})}
	peer.SetValue(c)
	select {
	case p.arrived <- c:
	default:
		_ = peer.Close() // its next datagram tries again
	}
}

func receive(peer *udp.Peer, payload []byte, info udp.Info) {
	peer.Value().(*packetConn).put(payload, info)
}

func gone(peer *udp.Peer, _ error) { peer.Value().(*packetConn).end() }

// packetConn is the connection with one sender.
type packetConn struct {
	peer   *udp.Peer
	tracer *trace.Tracer
	some   chan struct{} // there is something in the queue
	ended  chan struct{}
	ending sync.Once

	mu    sync.Mutex
	queue []packet
	size  int
	told  bool // that datagrams were dropped
}

type packet struct {
	payload []byte
	info    udp.Info
}

// put never blocks: the server calls it.
func (c *packetConn) put(payload []byte, info udp.Info) {
	c.mu.Lock()
	cost := len(payload) + packetCost
	full := c.size > 0 && c.size+cost > packetQueue
	tell := full && !c.told
	if !full {
		c.queue = append(c.queue, packet{append([]byte(nil), payload...), info})
		c.size += cost
	}
	c.told = c.told || tell
	c.mu.Unlock()
	if tell {
		c.tracer.Emit(c.TraceID(), trace.Note{Text: "datagrams are dropped: they come faster than they can be passed on"})
	}
	select {
	case c.some <- struct{}{}:
	default:
	}
}

// Read returns one datagram. It takes one reader at a time.
func (c *packetConn) Read(p []byte) (int, error) {
	for {
		if next, ok := c.take(); ok {
			return next.read(p)
		}
		select {
		case <-c.some:
		case <-c.ended:
			return 0, net.ErrClosed
		}
	}
}

func (c *packetConn) take() (packet, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return packet{}, false
	}
	next := c.queue[0]
	c.queue[0] = packet{}
	c.queue = c.queue[1:]
	c.size -= len(next.payload) + packetCost
	return next, true
}

func (k packet) read(p []byte) (int, error) {
	n := copy(p, k.payload)
	if n < len(k.payload) || k.info.Truncated {
		return n, &udp.TruncatedError{Size: k.info.Size, Kept: n}
	}
	return n, nil
}

func (c *packetConn) end() { c.ending.Do(func() { close(c.ended) }) }

// Write sends one datagram back.
func (c *packetConn) Write(p []byte) (int, error) { return c.peer.Write(p) }

// Close forgets the sender.
func (c *packetConn) Close() error {
	c.end()
	return c.peer.Close()
}

// TraceID returns the connection's number in the trace.
func (c *packetConn) TraceID() trace.ID { return c.peer.TraceID() }

// Tracer returns the tracer that the connection reports to.
func (c *packetConn) Tracer() *trace.Tracer { return c.tracer }

func (c *packetConn) LocalAddr() net.Addr  { return c.peer.LocalAddr() }
func (c *packetConn) RemoteAddr() net.Addr { return c.peer.RemoteAddr() }

// Deadlines are not needed here.
func (c *packetConn) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (c *packetConn) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (c *packetConn) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }
