// Sio serves Socket.IO with one of the libraries for Go: it acknowledges the
// event "echo" with its argument. With "room" every socket is in one, and all of
// it are sent the argument of the event "go" as "news".
//
//	sio LIBRARY LISTEN [room]
//
// With the library "redis" it is two servers of sockkit's, the second in a process
// of its own, joined by a Redis:
//
//	sio redis LISTEN LISTEN URL
package main

import (
	"errors"
	"fmt"
	"os"
)

// servers are the libraries: sockkit's own package, and the rivals.
func servers() map[string]func(address string, room bool) error {
	return map[string]func(string, bool) error{
		"sockkit":    sockkit,
		"zishang520": zishang,
	}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sio:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 4 && args[0] == "redis" {
		return cluster(args[1], args[2], args[3])
	}
	if len(args) < 2 || len(args) > 3 {
		return errors.New("LIBRARY LISTEN [room], or redis LISTEN LISTEN URL")
	}
	serve := servers()[args[0]]
	if serve == nil {
		return fmt.Errorf("no library %q", args[0])
	}
	return serve(args[1], len(args) == 3)
}
