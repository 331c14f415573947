// Package udp opens datagram sockets: UDP, with multicast, and Unix datagram
// sockets. A datagram is never split, joined or cut without a word.
//
// A [Dialer] gives a [Conn], which talks to one peer. A [ListenConfig] gives a
// [Socket], which hears everybody: read it yourself, one datagram or a batch at
// a time, keep its first sender with [Accept], or hand it to a [Server], which
// keeps peers apart and limits them.
//
// On Linux batches are one system call (recvmmsg, sendmmsg), and a server lets
// the kernel join bursts of one flow (UDP GRO and GSO) and takes them apart
// again. Elsewhere the same API stands on plain sockets of package net.
package udp
