//go:build race

package ws

// raced is that the race detector watches, and counts of allocations say little.
const raced = true
