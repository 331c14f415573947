//go:build race

package socketio

const raced = true
