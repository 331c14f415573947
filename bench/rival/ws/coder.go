package main

import (
	"context"
	"net/http"

	"github.com/coder/websocket"
)

// coder reads and writes whole messages. Its limit of 32 KiB is lifted, since it
// would close the connection.
func coder(address string, deflate bool) error {
	options := &websocket.AcceptOptions{}
	if deflate {
		options.CompressionMode = websocket.CompressionNoContextTakeover
	}
	return serveHTTP(address, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(-1)
		for ctx := context.Background(); ; {
			kind, message, err := conn.Read(ctx)
			if err != nil {
				return
			}
			if conn.Write(ctx, kind, message) != nil {
				return
			}
		}
	})
}
