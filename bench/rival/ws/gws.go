package main

import "github.com/lxzan/gws"

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
