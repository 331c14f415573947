//go:build unix && !linux

package session

// fionread asks how many bytes can be read (FIONREAD of the BSDs and macOS).
const fionread = 0x4004667f
