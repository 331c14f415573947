// Package socketio speaks the Socket.IO protocol v5, as socket.io 4.x does:
// events, acknowledgements, namespaces and rooms over Engine.IO.
//
// [Server] is an [net/http.Handler], or serves listeners of its own; [Client]
// connects to any server, official or not. Handlers are plain functions: an
// argument that is missing is a zero value, one too many is dropped, and binary
// values are []byte wherever they stand. A function as the last parameter
// acknowledges the event.
//
// Events of one socket are handled one after the other, in a goroutine that
// exists while there are some. A handler may block: acknowledgements,
// heartbeats and other sockets do not wait for it.
package socketio
