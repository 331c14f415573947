package ws

import "strconv"

// Opcode says what a frame is (RFC 6455 section 5.2).
type Opcode byte

// The opcodes. 3 to 7 and 11 to 15 are reserved.
const (
	OpContinuation Opcode = 0x0
	OpText         Opcode = 0x1
	OpBinary       Opcode = 0x2
	OpClose        Opcode = 0x8
	OpPing         Opcode = 0x9
	OpPong         Opcode = 0xA
)

// MessageType is the type of a message.
type MessageType = Opcode

// The types of messages.
const (
	Text   MessageType = OpText
	Binary MessageType = OpBinary
)

// Control reports whether it is a control frame's (RFC 6455 section 5.5).
func (o Opcode) Control() bool { return o&0x8 != 0 }

// Reserved reports whether it has no meaning yet.
func (o Opcode) Reserved() bool { return o > OpBinary && o < OpClose || o > OpPong }

// String is the opcode's name: text, binary, continuation, close, ping, pong.
func (o Opcode) String() string {
	switch o {
	case OpContinuation:
		return "continuation"
	case OpText:
		return "text"
	case OpBinary:
		return "binary"
	case OpClose:
		return "close"
	case OpPing:
		return "ping"
	case OpPong:
		return "pong"
	}
	return "reserved " + strconv.Itoa(int(o))
}

// Role is one of the two ends of a connection.
type Role uint8

// The roles. A client masks what it sends, a server does not.
const (
	ServerRole Role = iota
	ClientRole
)

// String is "server" or "client".
func (r Role) String() string {
	if r == ClientRole {
		return "client"
	}
	return "server"
}

// Peer is the other role.
func (r Role) Peer() Role {
	if r == ClientRole {
		return ServerRole
	}
	return ClientRole
}
