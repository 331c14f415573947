package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// Streams serves on listeners by server, whose limits, TLS and tracer the
// caller has set, until ctx ends or the run is over.
func Streams(ctx context.Context, c Config, server *tcp.Server, listeners []net.Listener) error {
	s := &streams{run: newRun(ctx, c), server: server, listeners: listeners}
	s.init()
	s.out = &output{w: c.Out, expect: c.Expect, stop: s.cancel}
	server.OnOpen, server.OnClose, server.OnWritable = s.open, s.close, s.room
	server.OnData = map[Mode]func(*tcp.Peer, []byte){
		Stdio: s.print, Echo: echo, Broadcast: s.toOthers, BroadcastAll: s.toAll,
	}[c.Mode]
	if c.Mode == Broadcast || c.Mode == BroadcastAll {
		server.Overflow = tcp.CloseSlow
	}
	if c.Mode == Stdio && server.WriteTimeout == 0 {
		server.WriteTimeout = stuckTime
	}
	for _, l := range listeners {
		go func() {
			if err := server.Serve(l); !errors.Is(err, tcp.ErrServerClosed) && !(s.Once && s.hasCome()) {
				s.cancel(err)
			}
		}()
	}
	if c.Mode == Stdio && c.In != nil {
		go s.feed()
	}
	<-s.ctx.Done()
	s.wake()
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	_ = server.Shutdown(leave)
	s.children.Wait()
	return s.result()
}

// stuckTime is how long one peer that takes no bytes at all may keep the input
// from all the others.
const stuckTime = 5 * time.Second

// streams is a running server for streams.
type streams struct {
	*run
	crowd[*tcp.Peer]
	server    *tcp.Server
	listeners []net.Listener
	out       *output
	children  sync.WaitGroup
}

func (s *streams) open(p *tcp.Peer) {
	s.opened()
	m, late := s.join(p)
	p.SetValue(m)
	switch {
	case s.Once && late:
		p.Abort(errors.New("another connection was first"))
		return
	case s.Once:
		for _, l := range s.listeners {
			l.Close()
		}
	}
	if s.Mode == Exec {
		s.exec(p)
	}
}

func (s *streams) close(p *tcp.Peer, err error) {
	m := s.leave(p)
	if err != nil && s.Log != nil && !errors.Is(err, tcp.ErrDetached) && !errors.Is(err, tcp.ErrServerClosed) {
		s.Log(p.RemoteAddr(), err)
	}
	switch s.Mode {
	case Stdio:
		m.lines.flush(s.out.write)
	case Broadcast, BroadcastAll:
		m.lines.flush(func(line []byte) { s.send(p, line) })
	}
	if s.Once && !errors.Is(err, tcp.ErrDetached) {
		s.endOnce(err)
	}
}

func (s *streams) endOnce(err error) {
	if err == nil {
		err = errOver
	}
	s.cancel(err)
}

func echo(p *tcp.Peer, data []byte) { _, _ = p.Write(data) }

func (s *streams) print(p *tcp.Peer, data []byte) { p.Value().(*member).lines.add(data, s.out.write) }

func (s *streams) toOthers(p *tcp.Peer, data []byte) {
	p.Value().(*member).lines.add(data, func(lines []byte) { s.send(p, lines) })
}

func (s *streams) toAll(p *tcp.Peer, data []byte) {
	p.Value().(*member).lines.add(data, func(lines []byte) { s.send(nil, lines) })
}

// send gives lines to every peer but one. A peer that does not read is ended
// by its queue, and keeps nobody waiting.
func (s *streams) send(except *tcp.Peer, lines []byte) {
	if s.Mode == BroadcastAll {
		except = nil
	}
	for _, p := range s.all() {
		if p != except {
			_, _ = p.Write(lines)
		}
	}
}

// feed sends the input to all peers. It waits for a first one, and for those
// that are slow: nothing is dropped.
func (s *streams) feed() {
	buf := make([]byte, 64<<10)
	for s.anybody(s.ctx) {
		n, err := s.In.Read(buf)
		if n > 0 && s.anybody(s.ctx) {
			for _, p := range s.all() {
				s.deliver(s.ctx, p, func() error {
					_, err := p.Write(buf[:n])
					return err
				})
			}
		}
		if err != nil {
			if err != io.EOF {
				s.cancel(err)
			}
			return
		}
	}
}
