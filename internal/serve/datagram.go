package serve

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/udp"
)

// Datagrams serves datagram sockets by server, whose limits and tracer the
// caller has set, until ctx ends or the run is over. Input goes to whoever
// spoke last; in takes the place of c.In.
func Datagrams(ctx context.Context, c Config, in session.Source, framing session.Framing, server *udp.Server, sockets []*udp.Socket) error {
	d := &datagrams{run: newRun(ctx, c), in: in, framing: framing, server: server}
	d.some = sync.NewCond(&d.mu)
	d.out = &output{w: c.Out, stop: d.cancel}
	server.OnPeer = func(*udp.Peer) { d.opened() }
	server.OnDatagram = map[Mode]func(*udp.Peer, []byte, udp.Info){
		Stdio: d.print, Echo: echoDatagram, Broadcast: d.toOthers, BroadcastAll: d.toAll,
	}[c.Mode]
	served := make(chan error, 1)
	go func() { served <- server.Serve(d.ctx, sockets...) }()
	if c.Mode == Stdio && in != nil {
		go d.feed()
	}
	select {
	case <-d.ctx.Done():
	case err := <-served:
		d.cancel(err)
	}
	d.wake()
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	_ = server.Shutdown(leave)
	return d.result()
}

// datagrams is a running server for datagrams.
type datagrams struct {
	*run
	in      session.Source
	framing session.Framing
	server  *udp.Server
	out     *output

	mu     sync.Mutex
	some   *sync.Cond // somebody has spoken, or the run is over
	last   *udp.Peer
	framed []byte
}

func echoDatagram(p *udp.Peer, payload []byte, _ udp.Info) { _, _ = p.Write(payload) }

func (d *datagrams) print(p *udp.Peer, payload []byte, _ udp.Info) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last != p {
		d.last = p
		d.some.Broadcast()
	}
	d.framed = session.AppendFramed(d.framed[:0], d.framing, payload)
	d.out.write(d.framed)
	if d.Expect != nil && d.Expect.Wanted() && d.Expect.Saw(payload) {
		d.cancel(errOver)
		d.out.w = io.Discard
	}
}

func (d *datagrams) toOthers(p *udp.Peer, payload []byte, _ udp.Info) {
	for other := range d.server.Peers() {
		if other != p {
			_, _ = other.Write(payload)
		}
	}
}

func (d *datagrams) toAll(_ *udp.Peer, payload []byte, _ udp.Info) {
	for p := range d.server.Peers() {
		_, _ = p.Write(payload)
	}
}

// feed sends the input to whoever spoke last. It waits for somebody.
func (d *datagrams) feed() {
	for {
		p := d.latest()
		if p == nil {
			return
		}
		message, err := d.in.Next()
		if err == io.EOF {
			return
		}
		if err == nil {
			_, err = d.latest().Write(message)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			d.cancel(err)
			return
		}
	}
}

// latest waits for somebody to speak; nil says that the run is over.
func (d *datagrams) latest() *udp.Peer {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.last == nil && d.ctx.Err() == nil {
		d.some.Wait()
	}
	return d.last
}

func (d *datagrams) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.some.Broadcast()
}
