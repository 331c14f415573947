package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lxzan/gws"
)

// serveGws is the server and the event handler of its benchmark, each
// connection in its ReadLoop.
func serveGws(address string, deflate bool) error {
	options := &gws.ServerOption{PermessageDeflate: gws.PermessageDeflate{Enabled: deflate}}
	return gws.NewServer(gwsEcho{}, options).Run(address)
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(conn *gws.Conn, message *gws.Message) {
	defer message.Close()
	conn.WriteMessage(message.Opcode, message.Bytes())
}

// gwsRoom sends all what one says, by its Broadcaster.
func gwsRoom(address string, _ bool) error {
	return gws.NewServer(&gwsMembers{}, nil).Run(address)
}

type gwsMembers struct {
	gws.BuiltinEventHandler
	mu  sync.Mutex
	all []*gws.Conn
}

func (m *gwsMembers) OnOpen(conn *gws.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, conn)
}

func (m *gwsMembers) OnMessage(_ *gws.Conn, message *gws.Message) {
	defer message.Close()
	b := gws.NewBroadcaster(message.Opcode, bytes.Clone(message.Bytes()))
	defer b.Close()
	m.mu.Lock()
	all := slices.Clip(m.all)
	m.mu.Unlock()
	for _, conn := range all {
		_ = b.Broadcast(conn)
	}
}

// gwsClient keeps one message under way on each of many connections to a server
// that echoes, and compares it. It keeps no latencies.
func gwsClient(address string, conns, count, size int) error {
	c := &gwsCaller{text: []byte(strings.Repeat("abcdefgh", size/8+1)[:size]), ended: make(chan error, conns)}
	c.left.Store(int64(count))
	for range conns {
		conn, _, err := gws.NewClient(c, &gws.ClientOption{Addr: "ws://" + address})
		if err != nil {
			return err
		}
		go conn.ReadLoop()
		c.next(conn)
	}
	for range conns {
		if err := <-c.ended; err != nil {
			return err
		}
	}
	return nil
}

type gwsCaller struct {
	gws.BuiltinEventHandler
	text  []byte
	left  atomic.Int64
	ended chan error
}

func (c *gwsCaller) next(conn *gws.Conn) {
	if c.left.Add(-1) < 0 {
		c.ended <- nil
		return
	}
	if err := conn.WriteMessage(gws.OpcodeText, c.text); err != nil {
		c.ended <- err
	}
}

func (c *gwsCaller) OnMessage(conn *gws.Conn, message *gws.Message) {
	defer message.Close()
	if !bytes.Equal(message.Bytes(), c.text) {
		c.ended <- fmt.Errorf("another answer: %q", message.Bytes())
		return
	}
	c.next(conn)
}
