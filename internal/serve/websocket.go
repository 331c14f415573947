package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// Messages says how messages of WebSockets stand in the input and the output.
type Messages struct {
	In      session.Source // Stdio: sent to all; nil: nothing
	Binary  bool           // what is sent is binary
	Framing session.Framing
}

// WebSockets serves on listeners by server, whose limits and tracer the caller
// has set, until ctx ends or the run is over. Messages take the place of c.In.
func WebSockets(ctx context.Context, c Config, m Messages, server *ws.Server, listeners []net.Listener) error {
	s := &webSockets{run: newRun(ctx, c), Messages: m, server: server, listeners: listeners, peers: map[*ws.Peer]*crowdMember{}}
	s.some = sync.NewCond(&s.mu)
	s.out = &output{w: c.Out, stop: s.cancel}
	s.callBack()
	for _, l := range listeners {
		go func() {
			if err := server.Serve(l); !errors.Is(err, ws.ErrServerClosed) && !s.closing() {
				s.cancel(err)
			}
		}()
	}
	if c.Mode == Stdio && m.In != nil {
		go s.feed()
	}
	<-s.ctx.Done()
	s.wake()
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	_ = server.Shutdown(leave)
	return s.result()
}

// callBack sets what the server calls.
func (s *webSockets) callBack() {
	server := s.server
	if s.Mode == Exec {
		server.Handler = s.exec
		server.OnError = s.Log
		return
	}
	server.OnOpen, server.OnClose, server.OnWritable = s.open, s.close, s.writable
	server.OnMessage = map[Mode]func(*ws.Peer, ws.MessageType, []byte){
		Stdio: s.print, Echo: echoMessage, Broadcast: s.toOthers, BroadcastAll: s.toAll,
	}[s.Mode]
	if server.TCP == nil {
		server.TCP = &tcp.Server{}
	}
	if s.Mode == Broadcast || s.Mode == BroadcastAll {
		server.TCP.Overflow = tcp.CloseSlow
	}
	if s.Mode == Stdio && server.TCP.WriteTimeout == 0 {
		server.TCP.WriteTimeout = stuckTime
	}
}

// webSockets is a running server for WebSockets.
type webSockets struct {
	*run
	Messages
	server    *ws.Server
	listeners []net.Listener
	out       *output

	mu       sync.Mutex
	some     *sync.Cond // there is a peer, or the run is over
	peers    map[*ws.Peer]*crowdMember
	accepted bool   // Once: the one peer has come
	framed   []byte // under out's lock
}

// crowdMember is what is kept of a peer.
type crowdMember struct {
	writable chan struct{}
	gone     chan struct{}
}

func (s *webSockets) open(p *ws.Peer, _ *ws.Request) {
	s.opened()
	m := &crowdMember{writable: make(chan struct{}, 1), gone: make(chan struct{})}
	p.SetValue(m)
	s.mu.Lock()
	late := s.Once && s.accepted
	s.accepted = true
	s.peers[p] = m
	s.some.Broadcast()
	s.mu.Unlock()
	switch {
	case late:
		p.Close(ws.StatusTryAgainLater, "another connection was first")
	case s.Once:
		for _, l := range s.listeners {
			l.Close()
		}
	}
}

// closing reports whether a closed listener is no failure.
func (s *webSockets) closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Once && s.accepted
}

func (s *webSockets) close(p *ws.Peer, err error) {
	s.mu.Lock()
	m := s.peers[p]
	delete(s.peers, p)
	s.mu.Unlock()
	close(m.gone)
	var closed *ws.CloseError
	orderly := errors.As(err, &closed) && (closed.Orderly() || closed.Local && closed.Err == nil)
	if !orderly && s.Log != nil && !errors.Is(err, ws.ErrServerClosed) {
		s.Log(p.RemoteAddr(), err)
	}
	if s.Once {
		if orderly {
			err = errOver
		}
		s.cancel(err)
	}
}

func (s *webSockets) writable(p *ws.Peer) {
	if m, _ := p.Value().(*crowdMember); m != nil {
		select {
		case m.writable <- struct{}{}:
		default:
		}
	}
}

func echoMessage(p *ws.Peer, t ws.MessageType, payload []byte) { _ = p.Write(t, payload) }

func (s *webSockets) print(_ *ws.Peer, t ws.MessageType, payload []byte) {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	s.framed = session.AppendFramed(s.framed[:0], s.Framing, payload)
	if t == ws.Text && s.Framing == session.Lines {
		s.framed = append(s.framed, '\n')
	}
	if _, err := s.out.w.Write(s.framed); err != nil {
		s.out.failed(err)
	}
	if s.Expect != nil && s.Expect.Wanted() && s.Expect.Saw(payload) {
		s.cancel(errOver)
		s.out.w = io.Discard
	}
}

func (s *webSockets) toOthers(p *ws.Peer, t ws.MessageType, payload []byte) { s.send(p, t, payload) }
func (s *webSockets) toAll(_ *ws.Peer, t ws.MessageType, payload []byte)    { s.send(nil, t, payload) }

// send gives a message to every peer but one: encoded once.
func (s *webSockets) send(except *ws.Peer, t ws.MessageType, payload []byte) {
	m := ws.Prepare(t, payload)
	for _, p := range s.all() {
		if p != except {
			_ = p.WritePrepared(m)
		}
	}
}

func (s *webSockets) all() []*ws.Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*ws.Peer, 0, len(s.peers))
	for p := range s.peers {
		all = append(all, p)
	}
	return all
}

// feed sends the input to all peers. It waits for a first one, and for those
// that are slow: nothing is dropped.
func (s *webSockets) feed() {
	kind := ws.Text
	if s.Binary {
		kind = ws.Binary
	}
	for s.anybody() {
		message, err := s.In.Next()
		if err == nil {
			err = session.CheckText(kind, message)
		}
		if err != nil {
			if err != io.EOF {
				s.cancel(err)
			}
			return
		}
		if !s.anybody() {
			return
		}
		m := ws.Prepare(kind, append([]byte(nil), message...))
		for _, p := range s.all() {
			s.deliver(p, m)
		}
	}
}

// anybody waits until there is a peer, and reports whether the run goes on.
func (s *webSockets) anybody() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.peers) == 0 && s.ctx.Err() == nil {
		s.some.Wait()
	}
	return s.ctx.Err() == nil
}

func (s *webSockets) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.some.Broadcast()
}

func (s *webSockets) deliver(p *ws.Peer, message *ws.Prepared) {
	m := p.Value().(*crowdMember)
	for errors.Is(p.WritePrepared(message), tcp.ErrQueueFull) {
		select {
		case <-m.writable:
		case <-m.gone:
			return
		case <-s.ctx.Done():
			return
		}
	}
}
