package h2

import (
	"net"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Config says how a session behaves. The zero value is ready.
type Config struct {
	// MaxStreams bounds the streams at once that the peer may open; 0 is 100. One
	// whose handler still runs counts. Beyond it: REFUSED_STREAM.
	MaxStreams int
	// Window is what the peer may send on a stream before it is read, in bytes;
	// 0 is 256 KiB. The connection's window is MaxStreams times that.
	Window int
	// MaxHeaderList bounds a head, in bytes as RFC 9113 section 6.5.2 counts
	// them; 0 is 64 KiB. A request beyond it is answered 431, a block of twice
	// that ends the connection.
	MaxHeaderList int
	// MaxControlRate bounds the frames a second that carry no data of use:
	// SETTINGS, PING, RST_STREAM, PRIORITY, empty DATA and the like; 0 is 1,000.
	// Beyond it the connection ends with ENHANCE_YOUR_CALM.
	MaxControlRate int

	// HandshakeTimeout bounds the time until the peer's SETTINGS have come, and
	// that of a head that was begun; 0 is 10 seconds.
	HandshakeTimeout time.Duration
	// IdleTimeout ends a server's connection that has no stream; 0 is 2 minutes.
	IdleTimeout time.Duration
	// WriteTimeout ends a connection whose peer takes no bytes; 0 is 30 seconds.
	WriteTimeout time.Duration

	// Handle takes each request of a client, in a goroutine of its own.
	Handle func(*Stream)
	// OnEnd is called once the connection is closed; may be nil.
	OnEnd func(*Session)

	// Tracer takes the records of the connection, by its number ID.
	Tracer *trace.Tracer
	ID     trace.ID
}

// The defaults, and what is no matter of taste.
const (
	defaultMaxStreams     = 100
	defaultWindow         = 256 << 10
	defaultMaxHeaderList  = 64 << 10
	defaultMaxControlRate = 1000
	defaultHandshake      = 10 * time.Second
	defaultIdle           = 2 * time.Minute
	defaultWrite          = 30 * time.Second

	firstWindow      = 65535     // of a connection, and of a stream without SETTINGS (RFC 9113 6.9.2)
	mostWindow       = 1<<31 - 1 // RFC 9113 6.9.1
	frameSize        = 16 << 10  // that we take, and the least that a peer takes (RFC 9113 4.2)
	mostFrame        = 64 << 10  // that we send, whatever the peer takes
	mostBatch        = 64 << 10  // of one write
	mostOut          = 64 << 10  // of a stream, that waits to be sent
	mostControl      = 64 << 10  // bytes of answers that the peer does not take
	mostContinuation = 64        // frames of one header block
	tableSize        = 4096      // of header compression, in both directions
	lingerTime       = 2 * time.Second
	restTime         = 100 * time.Millisecond
	flushTime        = time.Second
	abruptTime       = 100 * time.Millisecond
)

func (c *Config) setDefaults() {
	set(&c.MaxStreams, defaultMaxStreams)
	set(&c.Window, defaultWindow)
	set(&c.MaxHeaderList, defaultMaxHeaderList)
	set(&c.MaxControlRate, defaultMaxControlRate)
	set(&c.HandshakeTimeout, defaultHandshake)
	set(&c.IdleTimeout, defaultIdle)
	set(&c.WriteTimeout, defaultWrite)
	c.Window = min(c.Window, mostWindow)
}

func set[T int | time.Duration](v *T, byDefault T) {
	if *v <= 0 {
		*v = byDefault
	}
}

// connWindow is the connection's window: all streams can be full at once.
func (c *Config) connWindow() int64 {
	return min(max(int64(c.MaxStreams)*int64(c.Window), firstWindow), mostWindow)
}

// past is a deadline that has gone by.
var past = time.Unix(1, 0)

// streamAddr is the address of a connection, as that of one of its streams.
type streamAddr struct{ net.Addr }

// Network says what carries the bytes.
func (streamAddr) Network() string { return "http2" }
