//go:build !linux

package tcp

import "os"

const maxUnixPathHere = maxUnixPath

// socketMode does nothing here: the file's mode is set once it exists.
func socketMode(uintptr, os.FileMode) {}
