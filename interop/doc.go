// Package interop holds the sockkit binary against the programs that people use
// beside it: nc, ncat, socat, openssl, tshark, microsocks, tinyproxy, curl and
// Python; for WebSocket, Node's ws, Python's websockets, gorilla, coder, gws,
// gobwas and Chromium; for Socket.IO, the official server and client, of versions
// 2 and 4, in Node and Chromium; with nginx and haproxy in between. It has tests only.
// They run on Linux; ./install-peers installs what they talk to, and a program
// that is missing fails them.
package interop
