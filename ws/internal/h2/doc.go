// Package h2 speaks HTTP/2 (RFC 9113) as far as WebSockets need it (RFC 8441):
// a [Session] is one connection, a [Stream] of it is a [net.Conn]. Frames and
// header compression are those of golang.org/x/net; the windows, the limits and
// the life of streams are ours.
//
// A session has two goroutines. One reads, and never waits for anything but the
// socket: what it has to answer is queued. The other writes what is queued, and
// then what the streams have to send, each in turn. A stream that nobody reads
// from fills its own window and holds up nobody else: the connection's window
// has room for all streams at once.
package h2
