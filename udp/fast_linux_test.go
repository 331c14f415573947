//go:build !sockkit_plain

package udp

const fast = true
