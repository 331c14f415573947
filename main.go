// Command sockkit opens, listens on and inspects sockets.
package main

import (
	"os"
	"runtime"

	"github.com/sockkit/sockkit/cmd"
)

func main() {
	runtime.MemProfileRate = 0 // nobody asks for the profile, and each sample costs
	os.Exit(cmd.Main(os.Args[1:], cmd.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
