// Ws echoes WebSocket messages as other libraries do it, each set up as in its
// own benchmark or example.
//
//	ws gorilla|coder|gws|nbio-mixed|nbio|gobwas LISTEN [deflate]
package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
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
	}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ws:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return errors.New("LIBRARY LISTEN [deflate]")
	}
	serve := servers()[args[0]]
	if serve == nil {
		return fmt.Errorf("no library %q", args[0])
	}
	return serve(args[1], len(args) == 3)
}

// serveHTTP hands every request to one handler.
func serveHTTP(address string, handle http.HandlerFunc) error {
	return http.ListenAndServe(address, handle)
}
