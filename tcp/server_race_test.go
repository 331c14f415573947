//go:build race

package tcp

// racing says that the race detector is on: pools lose things on purpose.
const racing = true
