// Command sockkit opens, listens on and inspects sockets.
package main

import (
	"os"

	"github.com/sockkit/sockkit/cmd"
)

func main() {
	os.Exit(cmd.Main(os.Args[1:], cmd.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
