package socketio

// Frame is what one Engine.IO message carries.
type Frame struct {
	// Binary says that Data goes as a binary message, not as text.
	Binary bool
	Data   []byte
}

// Parser puts packets on the wire and takes them off, as the official "parser"
// option does. Both sides of a connection have to use the same one.
// [TextParser] is the default, [MsgpackParser] the official alternative.
type Parser interface {
	// NewEncoder returns the encoder of one connection.
	NewEncoder() Encoder
	// NewDecoder returns the decoder of one connection.
	NewDecoder() Decoder
}

// Encoder makes the frames of packets. One may be used from several goroutines.
type Encoder interface {
	// Encode returns what to send for p, in order; it never changes afterwards
	// and can go to any number of connections. Attachments are not copied. There
	// is nothing to send for a packet whose Data is not JSON.
	Encode(p *Packet) []Frame
}

// Decoder makes packets of the frames of one connection. It does no I/O.
type Decoder interface {
	// Add takes the next frame, and returns a packet once it is complete: where
	// done is false, attachments are still to come. The packet points into the
	// data of its frames, which must not change afterwards. Behind an error, a
	// [ParseError], the connection has to be closed.
	Add(frame Frame) (p *Packet, done bool, err error)
}

// ParseError says why a frame is no packet, in the words of the official parser.
type ParseError string

// Error is the reason.
func (e ParseError) Error() string { return string(e) }

// The reasons why a frame is refused. One more names the type of the packet:
// "unknown packet type 7".
const (
	ErrInvalidPayload      ParseError = "invalid payload"
	ErrIllegalCount        ParseError = "Illegal attachments" // their number is none
	ErrTooManyAttachments  ParseError = "too many attachments"
	ErrAttachmentsTooLarge ParseError = "attachments too large"
	ErrIllegalPlaceholder  ParseError = "illegal attachments" // a placeholder has a wrong number
	ErrUnexpectedText      ParseError = "got plaintext data when reconstructing a packet"
	ErrUnexpectedBinary    ParseError = "got binary data when not reconstructing a packet"
	ErrInvalidType         ParseError = "invalid packet type"
	ErrInvalidNamespace    ParseError = "invalid namespace"
	ErrInvalidID           ParseError = "invalid packet id"
)

// The limits of a decoder where none are set.
const (
	defaultMaxAttachments    = 10
	defaultMaxAttachmentSize = 10_000_000
	// Peers walk values by recursion: socket.io's own servers are ended by 15,000
	// arrays within each other as soon as they pass them on. No value that a
	// program means to send comes near a thousand.
	defaultMaxDepth = 1000
)

// orDefault is n, or what stands for it where it is not set.
func orDefault(n, other int) int {
	if n > 0 {
		return n
	}
	return other
}
