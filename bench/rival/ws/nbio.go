package main

import (
	"net/http"
	"time"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"
)

// nbioMixed gives each connection a goroutine, up to 10,000 of them.
func nbioMixed(address string, deflate bool) error {
	return nbio(address, deflate, nbhttp.IOModMixed)
}

// nbioNonBlocking serves all from its poller.
func nbioNonBlocking(address string, deflate bool) error {
	return nbio(address, deflate, nbhttp.IOModNonBlocking)
}

// nbio is the server of its benchmark.
func nbio(address string, deflate bool, mode int) error {
	logging.SetLevel(logging.LevelError)
	upgrader := websocket.NewUpgrader()
	upgrader.KeepaliveTime = 0
	upgrader.BlockingModAsyncWrite = false
	upgrader.EnableCompression(deflate)
	upgrader.OnMessage(func(conn *websocket.Conn, kind websocket.MessageType, message []byte) {
		conn.WriteMessage(kind, message)
	})
	engine := nbhttp.NewEngine(nbhttp.Config{
		Network:                 "tcp",
		Addrs:                   []string{address},
		IOMod:                   mode,
		ReleaseWebsocketPayload: true,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if conn, err := upgrader.Upgrade(w, r, nil); err == nil {
				conn.SetReadDeadline(time.Time{})
			}
		}),
	})
	if err := engine.Start(); err != nil {
		return err
	}
	select {}
}
