// Package engine speaks Engine.IO (protocol 4, and 3 where it is allowed): the
// layer below Socket.IO that carries messages over HTTP long-polling and
// WebSocket, moves a session from the one to the other, and notices when the
// other side is gone. It also runs alone, at /engine.io/.
//
// [Server] and [Session] behave as the official server does, in every error's
// code, status and message; options have its names, units and defaults where
// nothing else is said. One thing is stricter: an origin that [Server.CORS] does
// not allow is refused on both transports, and not only kept from reading.
package engine
