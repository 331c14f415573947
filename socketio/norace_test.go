//go:build !race

package socketio

const raced = false // the race detector watches, and allocates itself
