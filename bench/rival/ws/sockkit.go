package main

import (
	"context"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// sockkit is the package with its defaults, and nothing that traces.
func sockkit(address string, _ bool) error {
	return sockkitServe(&ws.Server{OnMessage: sockkitEcho}, address)
}

func sockkitEcho(p *ws.Peer, t ws.MessageType, payload []byte) { _ = p.Write(t, payload) }

// sockkitGoroutine has a goroutine for each connection, as where there are no
// event loops.
func sockkitGoroutine(address string, _ bool) error {
	return sockkitServe(&ws.Server{OnMessage: sockkitEcho, TCP: &tcp.Server{Loops: -1}}, address)
}

// sockkitHandler is the form for code that waits.
func sockkitHandler(address string, _ bool) error {
	return sockkitServe(&ws.Server{Handler: func(ctx context.Context, c *ws.Conn) error {
		for {
			t, payload, err := c.Read(ctx)
			if err != nil {
				return err
			}
			if err := c.Write(ctx, t, payload); err != nil {
				return err
			}
		}
	}}, address)
}

func sockkitServe(s *ws.Server, address string) error {
	listener, err := new(tcp.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	return s.Serve(listener)
}
