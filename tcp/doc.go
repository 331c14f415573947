// Package tcp opens byte streams: TCP, TLS over it, and Unix sockets.
//
// A [Dialer] tries all addresses of a name (RFC 8305), goes through proxies, and
// speaks TLS as [TLSOptions] say. A [ListenConfig] gives a [Listener] for each
// loopback address, or for whatever is named. What they give is a [net.Conn] that
// reports to a tracer; [Info] and [SocketOptions] say what the kernel knows of it.
//
// A [Pump] carries a stream between a connection and a reader and a writer, as nc
// does; [Relay] joins two connections. On Linux the bytes stay in the kernel
// (splice) unless somebody wants to see them.
//
// A [Server] serves many peers by callbacks: Write never blocks, and limits,
// counters and Shutdown are there. On Linux event loops (epoll) stand under it,
// elsewhere a goroutine a connection, with the same behaviour.
package tcp
