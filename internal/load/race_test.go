//go:build race

package load

// Under the race detector a sync.Pool drops what it is given, at random.
func init() { raced = true }
