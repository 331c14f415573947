// Package ws speaks the WebSocket protocol (RFC 6455, RFC 7692) over any
// [net.Conn].
//
// [Dialer] and [Server] open connections; package handshake makes and judges the
// opening handshake, and this package everything behind it. A [Conn] blocks, its
// methods take a context first, and it is for everybody. A [Server] calls back
// instead, or runs a Handler with a Conn for each connection; it serves
// listeners by itself and is an [net/http.Handler] too.
//
// The protocol itself is in [Decoder], [Encoder] and [Observer], which do no
// I/O: bytes in, events out. Everything else stands on them. The rules they hold
// a peer against stand once, in a table ([Rules]); docs/frames.md is made of it.
package ws
