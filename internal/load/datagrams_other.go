//go:build !linux

package load

// datagramLoops are Linux's.
type datagramLoops struct{}

func (e *engine) takeDatagrams(*flow, *Link) bool { return false }

func (d *datagramLoops) close() {}
