package demo

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
)

// authBench is the lab of the lesson on authentication: the lesson's middlewares,
// and a door before them.
type authBench struct {
	*ioDoor
	story  authStory
	ticket atomic.Bool // allowRequest wants one
}

// theTicket is what allowRequest wants to see, and noTicket what is noted of a
// request without it.
const (
	theTicket = "42"
	noTicket  = "allowRequest: no ticket, so no session"
)

func authLab(s *Stage) (Actions, error) {
	b := newAuthBench(s)
	return Actions{"note": act(b.note), "tickets": act(b.tickets), "revoke": act(b.revoke), "question": act(b.question)}, nil
}

func newAuthBench(s *Stage) *authBench {
	b := &authBench{ioDoor: s.ioDoor(nil)}
	b.serves(socketio.ServerOptions{Engine: &engine.Server{AllowRequest: b.allow}}, func(io *socketio.Server) {
		io.Use(func(c *socketio.Socket) error { return b.story.asked(s, c, false) })
		io.Of("/admin").Use(func(c *socketio.Socket) error { return b.story.asked(s, c, true) })
		io.OnConnection(b.connected)
		io.Of("/admin").OnConnection(b.connected)
	})
	s.Push("tickets", onOff[false])
	s.Push("revoked", valid[false])
	return b
}

var (
	onOff = map[bool]string{false: "lets all requests in", true: "wants ?ticket=" + theTicket}
	valid = map[bool]string{false: "good", true: "void"}
)

// allow decides about a request that is to begin a session.
func (b *authBench) allow(r *http.Request) error {
	if b.ticket.Load() && r.URL.Query().Get("ticket") != theTicket {
		b.stage.Note("server", noTicket)
		return errors.New("no ticket")
	}
	return nil
}

// connected sets what a socket is listened to for, and what stands before that.
func (b *authBench) connected(c *socketio.Socket) {
	c.Use(func(e *socketio.Event) error { return b.story.may(c, e.Name) })
	c.OnError(func(err error) { b.stage.Note("server", "an event is dropped: %v", err) })
	c.On("who am I?", func(ack func(string)) { ack(c.Data().(user).name) })
	c.On("delete everything", func(ack func(string)) { ack("all gone") })
}

// switched is a switch of the page's.
type switched struct {
	On string `json:"on"` // "yes" or ""
}

// tickets has allowRequest want one, or not.
func (b *authBench) tickets(_ context.Context, a switched) (any, error) {
	b.ticket.Store(a.On == "yes")
	b.stage.Push("tickets", onOff[a.On == "yes"])
	b.stage.Note("server", "allowRequest %s from here on", onOff[a.On == "yes"])
	return nil, nil
}

// revoke declares Ann's token void, or good again.
func (b *authBench) revoke(_ context.Context, a switched) (any, error) {
	b.story.revoked.Store(a.On == "yes")
	b.stage.Push("revoked", valid[a.On == "yes"])
	b.stage.Note("server", "Ann's token is %s from here on", valid[a.On == "yes"])
	return nil, nil
}

// refusedAnswer is the reader's to the question: who had a session when it was
// refused?
type refusedAnswer struct {
	Who string `json:"who"` // middleware, request, both or neither
}

// question looks for a client that a middleware has refused, and for its open
// packet, and for a request that was refused.
func (b *authBench) question(_ context.Context, a refusedAnswer) (any, error) {
	opened := map[string]int{}
	var session, refusal, request int
	var refuses bool
	for _, e := range b.records() {
		switch event := e.Event.(type) {
		case trace.EIOPacket:
			if event.Type == "open" {
				opened[event.Session] = e.number
			}
		case trace.SIOPacket:
			if event.Type == "CONNECT_ERROR" {
				session, refusal = opened[event.Session], e.number
			}
		case trace.Note:
			refuses = refuses || event.Text == noTicket
		case trace.HTTPHead:
			if refuses && event.Dir == trace.Out { // 403, or 400 to a WebSocket
				request, refuses = e.number, false
			}
		}
	}
	switch {
	case refusal == 0:
		return nil, errors.New("no middleware has refused anybody yet: connect with a wrong token first")
	case request == 0:
		return nil, errors.New("allowRequest has refused nobody yet: have it want a ticket, and connect without one")
	}
	const said = "The middleware's. Its client had been sent an open packet: there was a session, and it joined no namespace. A middleware decides about a namespace, by a packet of Socket.IO. allowRequest is asked first, and says no by HTTP, 403 or, to a WebSocket, 400, before there is anything to end."
	return Verdict{a.Who == "middleware", said, []int{session, refusal, request}}, nil
}
