package load

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// engine moves the bytes: those of streams on a tcp.Server that accepts nobody,
// those of datagrams on loops of their own, or by a goroutine for each socket
// where there are none.
type engine struct {
	run       *run
	server    *tcp.Server
	datagrams datagramLoops
	gone      sync.WaitGroup // connections that are not closed

	mu    sync.Mutex
	conns []net.Conn // that are not the server's
}

// lastWait bounds the good-byes.
const lastWait = 2 * time.Second

func newEngine(r *run) *engine {
	e := &engine{run: r}
	e.server = &tcp.Server{
		OnOpen: e.opened, OnData: e.data, OnEnd: e.end, OnClose: e.closed, OnShutdown: e.shutDown,
		MaxConns: -1, WriteTimeout: r.Wait,
		// Reading never waits for writing: an echo that is larger than what both
		// systems keep would stand still.
		WriteQueue: max(1<<20, 4*r.InFlight*(r.Size+1024)),
	}
	return e
}

// take moves the bytes of f from now on.
func (e *engine) take(f *flow, l *Link) error {
	if f.each && e.takeDatagrams(f, l) {
		return nil
	}
	if f.each || e.run.Mode == Push {
		f.link, f.close = l.Conn, func(error) { l.Conn.Close() }
		e.mu.Lock()
		e.conns = append(e.conns, l.Conn)
		e.mu.Unlock()
		e.gone.Add(1)
		go e.read(f, l)
		return nil
	}
	e.gone.Add(1)
	if err := e.server.Adopt(l.Conn, l.Early, f); err != nil {
		e.gone.Done()
		return err
	}
	<-f.opened
	return nil
}

// read is the goroutine of a connection that is not the server's.
func (e *engine) read(f *flow, l *Link) {
	defer e.gone.Done()
	if len(l.Early) > 0 {
		f.came(l.Early)
	}
	size := 64 << 10
	if f.each {
		size = f.run.datagramRoom()
	}
	buf := make([]byte, size)
	for {
		n, err := l.Conn.Read(buf)
		if n > 0 || f.each && err == nil {
			f.came(buf[:n])
		}
		if err != nil {
			f.ended(err)
			return
		}
	}
}

// datagramRoom is room for a message, and for what shows that more came.
func (r *run) datagramRoom() int { return max(r.Size, 2048) + 1 }

func (e *engine) opened(p *tcp.Peer) {
	f := p.Value().(*flow)
	f.link, f.close = p, func(err error) { p.Abort(err) }
	close(f.opened)
}

func (e *engine) data(p *tcp.Peer, b []byte) { p.Value().(*flow).came(b) }

func (e *engine) end(p *tcp.Peer) {
	p.Value().(*flow).ended(nil)
	_ = p.Close()
}

func (e *engine) closed(p *tcp.Peer, err error) {
	p.Value().(*flow).ended(err)
	e.gone.Done()
}

// shutDown says good-bye.
func (e *engine) shutDown(p *tcp.Peer) {
	f := p.Value().(*flow)
	f.mu.Lock()
	b := f.talk.bye(nil)
	f.mu.Unlock()
	if len(b) > 0 {
		_, _ = p.Write(b)
	}
	_ = p.Close()
}

// bye ends all connections, and waits for their ends for a while.
func (e *engine) bye(ctx context.Context) {
	limit := lastWait
	if ctx.Err() != nil {
		limit /= 4
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	_ = e.server.Shutdown(ctx)
	if e.run.Mode != Push || e.run.Kind == Datagram {
		return
	}
	for _, f := range e.run.flows {
		if f != nil && f.alive.Load() {
			e.partWith(f)
		}
	}
	closed := make(chan struct{})
	go func() { e.gone.Wait(); close(closed) }()
	_ = await(ctx, closed, 0)
}

// partWith says good-bye on a connection that is not the server's.
func (e *engine) partWith(f *flow) {
	conn := f.link.(net.Conn)
	_ = conn.SetDeadline(time.Now().Add(lastWait))
	_, _ = conn.Write(f.talk.bye(nil))
	_ = tcp.CloseWrite(conn)
}

// close ends what is left.
func (e *engine) close() {
	_ = e.server.Close()
	e.datagrams.close()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		_ = c.Close()
	}
}
