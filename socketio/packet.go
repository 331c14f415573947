package socketio

// PacketType says what a [Packet] is for (Socket.IO protocol v5, "Packet types").
type PacketType uint8

// The types of packets, with the numbers that they have on the wire. Encoders
// and decoders choose between PacketEvent and PacketBinaryEvent, and between
// PacketAck and PacketBinaryAck, by the attachments: a decoder never returns the
// binary types.
const (
	PacketConnect      PacketType = iota // joins a namespace, and is the answer to that
	PacketDisconnect                     // leaves a namespace
	PacketEvent                          // an event: its name and its arguments
	PacketAck                            // an acknowledgement: its arguments
	PacketConnectError                   // a namespace was refused
	PacketBinaryEvent                    // an event with attachments
	PacketBinaryAck                      // an acknowledgement with attachments
)

// String is the official name of a type, such as "EVENT".
func (t PacketType) String() string {
	switch t {
	case PacketConnect:
		return "CONNECT"
	case PacketDisconnect:
		return "DISCONNECT"
	case PacketEvent:
		return "EVENT"
	case PacketAck:
		return "ACK"
	case PacketConnectError:
		return "CONNECT_ERROR"
	case PacketBinaryEvent:
		return "BINARY_EVENT"
	case PacketBinaryAck:
		return "BINARY_ACK"
	}
	return "UNKNOWN"
}

// plain is the type without regard to attachments.
func (t PacketType) plain() PacketType {
	if t == PacketBinaryEvent || t == PacketBinaryAck {
		return t - 3
	}
	return t
}

// Packet is one packet of Socket.IO protocol v5, whichever [Parser] puts it on
// the wire.
type Packet struct {
	Type PacketType
	// Namespace begins with a slash; "" is "/", the main namespace.
	Namespace string
	// ID is what an event asks to be acknowledged under, and what an
	// acknowledgement answers. It counts where HasID is set.
	ID    uint64
	HasID bool
	// Data is JSON: an array for events and acknowledgements, an object (or a
	// string, where a namespace is refused) for the others, or nil for none.
	// Each attachment stands in it as {"_placeholder":true,"num":i}.
	Data []byte
	// Attachments are the binary values, in the order of their numbers. Without
	// any, what looks like a placeholder in Data is an object like others.
	Attachments [][]byte
}

// isReservedEvent tells of the names that no side may emit and no decoder lets
// in: they are what a socket itself reports.
func isReservedEvent(name string) bool {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

// isReservedServerEvent tells of the names that servers may not send each other:
// they are what a namespace itself reports.
func isReservedServerEvent(name string) bool {
	return name == "connect" || name == "connection" || name == "new_namespace"
}
