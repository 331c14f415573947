//go:build !linux || sockkit_plain

package udp

const fast = false
