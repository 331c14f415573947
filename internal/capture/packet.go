package capture

import (
	"fmt"
	"time"
)

// packet is one packet of a capture file. Its bytes are valid until the next.
type packet struct {
	at       time.Time
	link     uint32 // LINKTYPE_ as tcpdump.org lists them
	data     []byte
	size     int   // bytes that it had on the wire
	offset   int64 // in the file
	comments []string
}

// packets reads a file of packets; io.EOF is its end.
type packets interface {
	next() (*packet, error)
}

// FormatError says what is wrong with a file, and where.
type FormatError struct {
	Offset int64 // of the block or record, in bytes from the beginning
	What   string
}

// Error names the offset and what came.
func (e *FormatError) Error() string { return fmt.Sprintf("offset %d: %s", e.Offset, e.What) }

func wrong(offset int64, format string, args ...any) error {
	return &FormatError{offset, fmt.Sprintf(format, args...)}
}

// mostPacket bounds one packet: libpcap's own limit is 262,144 bytes, and
// that of captures of USB or D-Bus, which hold no sockets, is higher.
const mostPacket = 1 << 20
