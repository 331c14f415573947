//go:build !linux

package load

import "context"

// newWaiter returns what waits until ctx is done.
func newWaiter(ctx context.Context) waiter { return newTimed(ctx) }
