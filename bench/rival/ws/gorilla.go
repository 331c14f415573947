package main

import (
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// gorilla is its own echo example. Its documentation recommends the pool of
// write buffers where many connections write little each.
func gorilla(address string, deflate bool) error {
	upgrader := websocket.Upgrader{WriteBufferPool: &sync.Pool{}, EnableCompression: deflate}
	return serveHTTP(address, func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if conn.WriteMessage(kind, message) != nil {
				return
			}
		}
	})
}
