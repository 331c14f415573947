// Package handshake makes and judges the opening handshake of a WebSocket
// connection (RFC 6455 section 4) by hand: no HTTP library stands under it.
//
// A [Head] is the head of an HTTP request or response. It is read from bytes,
// keeps order, spelling and raw bytes, notes whatever is wrong instead of
// mending it, and is written again byte for byte. There is no I/O in it; a
// [Reader] feeds it from a connection and loses nothing that stands behind the
// head.
//
// What makes a handshake right stands once, in a table of rules ([Rules]):
// clause, level, whose fault, the likely cause and how to mend it. Everything
// reads that table: [Check] lists every finding of an [Exchange], an
// [Acceptor] stops a server at the first rule that has to end the handshake,
// [CheckResponse] does the same for a client, and docs/handshake.md is made
// of it.
//
// [AcceptKey], [ExplainKey] and [DiagnoseAccept] are about the proof that a
// server has understood the request; [ExplainRefusal] is about answers other
// than 101; [ReadCapture] reads heads out of files, of `curl -v` and of command
// lines that a browser's developer tools have copied.
package handshake
