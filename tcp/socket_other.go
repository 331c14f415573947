//go:build !linux

package tcp

import "os"

// maxUnixPathHere is the longest path of a Unix socket: 104 bytes with the
// final NUL, on the BSDs and macOS.
const maxUnixPathHere = 103

// socketMode does nothing here: the file's mode is set once it exists.
func socketMode(uintptr, os.FileMode) {}
