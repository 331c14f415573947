package serve

import (
	"context"
	"errors"
	"io"
	"net"

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
	s := &webSockets{run: newRun(ctx, c), Messages: m, server: server, listeners: listeners}
	s.init()
	s.apart = c.Mode == Echo
	s.out = &output{w: c.Out, stop: s.cancel}
	s.callBack()
	for _, l := range listeners {
		go func() {
			if err := server.Serve(l); !errors.Is(err, ws.ErrServerClosed) && !(s.Once && s.hasCome()) {
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
	server.OnOpen, server.OnClose, server.OnWritable = s.open, s.close, s.room
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
	crowd[*ws.Peer]
	server    *ws.Server
	listeners []net.Listener
	out       *output
	framed    []byte // under out's lock
}

func (s *webSockets) open(p *ws.Peer, _ *ws.Request) {
	s.opened()
	_, late := s.join(p)
	switch {
	case s.Once && late:
		p.Close(ws.StatusTryAgainLater, "another connection was first")
	case s.Once:
		for _, l := range s.listeners {
			l.Close()
		}
	}
}

func (s *webSockets) close(p *ws.Peer, err error) {
	s.leave(p)
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
	s.out.shown(payload, s.Expect)
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

// feed sends the input to all peers. It waits for a first one, and for those
// that are slow: nothing is dropped.
func (s *webSockets) feed() {
	kind := ws.Text
	if s.Binary {
		kind = ws.Binary
	}
	for s.anybody(s.ctx) {
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
		if !s.anybody(s.ctx) {
			return
		}
		m := ws.Prepare(kind, append([]byte(nil), message...))
		for _, p := range s.all() {
			s.deliver(s.ctx, p, func() error { return p.WritePrepared(m) })
		}
	}
}
