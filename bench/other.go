//go:build !linux

// Bench times sockkit beside its rivals. It counts CPU time as Linux does.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: needs Linux")
	os.Exit(1)
}
