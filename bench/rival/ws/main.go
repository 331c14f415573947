// Ws echoes WebSocket messages as other libraries do it, each set up as in its
// own benchmark or example.
//
//	ws gorilla|coder|gws|nbio-mixed|nbio|gobwas LISTEN [deflate]
//	ws gws-room LISTEN
//	ws gws-client ADDRESS CONNS COUNT SIZE
//	ws sockkit|sockkit-goroutine|sockkit-handler LISTEN
//
// With gws-room all are sent what one says; gws-client loads a server that echoes.
// sockkit is its own package without a trace, on event loops or with a goroutine
// for each connection, which runs callbacks or a Handler.
package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
)

// servers returns what serves an address with each library, which compresses
// where it is asked to and the library can.
func servers() map[string]func(address string, deflate bool) error {
	return map[string]func(string, bool) error{
		"gorilla":    gorilla,
		"coder":      coder,
		"gws":        serveGws,
		"nbio":       nbioNonBlocking,
		"nbio-mixed": nbioMixed,
		"gobwas":     gobwas,
		"gws-room":   gwsRoom,

		"sockkit":           sockkit,
		"sockkit-goroutine": sockkitGoroutine,
		"sockkit-handler":   sockkitHandler,
	}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ws:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 5 && args[0] == "gws-client" {
		return client(args[1:])
	}
	if len(args) < 2 || len(args) > 3 {
		return errors.New("LIBRARY LISTEN [deflate]")
	}
	serve := servers()[args[0]]
	if serve == nil {
		return fmt.Errorf("no library %q", args[0])
	}
	return serve(args[1], len(args) == 3)
}

func client(args []string) error {
	var n [3]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(args[i+1]); err != nil {
			return err
		}
	}
	return gwsClient(args[0], n[0], n[1], n[2])
}

// serveHTTP hands every request to one handler.
func serveHTTP(address string, handle http.HandlerFunc) error {
	return http.ListenAndServe(address, handle)
}
