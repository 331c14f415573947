//go:build race

package tcp

// raced is that the race detector looks on: what is read and written orders what
// is done before and behind it, which it learns from package syscall alone.
const raced = true
