package ws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// Conn is an open WebSocket connection. Read is for one goroutine at a time and
// answers pings and the closing handshake on the way, so a program that expects
// nothing reads all the same. All other methods may be called by any goroutine.
type Conn struct {
	conn    net.Conn
	role    Role
	agreed  handshake.Agreement
	report  reporter
	waitFor time.Duration // for the peer's close frame

	reading  lock
	readStop interrupter
	dec      Decoder
	in, rest []byte // a pooled buffer, and what of it is not decoded
	fewer    bool   // it is larger than what comes
	readErr  error

	writing   lock
	writeStop interrupter
	enc       Encoder
	vec       net.Buffers // of one write
	pieces    [2][]byte   // what vec stands on

	mu       sync.Mutex
	closing  closing
	final    *CloseError // once it has ended
	writeErr error       // nothing can be sent any more
	// lingering is that the last frame is on its way, and the socket closed soon.
	lingering bool
	pong      []byte // to be sent by whoever writes
	pings     map[string]*ping
	pingNext  uint64

	done      chan struct{} // closed once the socket is
	doneOnce  sync.Once
	shutLater sync.Once
	onEnd     func() // called at the end, perhaps more than once; may be nil

	countIn, countOut atomic.Uint64 // messages
	rate              rate
	beat              heartbeat
	http2             *HTTP2Info
}

// closing is how far the closing handshake has come.
type closing struct {
	sent, received bool
	code           StatusCode // of the frame that came first
	reason         string
	local          bool       // ours was first
	wrong          *Violation // of ours, sent by WriteFrame; nil where it keeps the rules
	// gone is closed once our frame has been sent; nil if WriteFrame sends it.
	gone chan struct{}
}

// ping is one that waits for its pong.
type ping struct {
	sent time.Time
	rtt  time.Duration
	came chan struct{}
}

// Config is what [NewConn] has to know of a connection.
type Config struct {
	Role   Role
	Agreed handshake.Agreement // by the opening handshake
	Limits Limits
	// Early is what came behind the opening handshake already.
	Early []byte
	// CompressFrom is [Encoder.CompressFrom].
	CompressFrom int
	// CloseTimeout bounds the wait for the peer's close frame; 0 is 5 seconds.
	CloseTimeout time.Duration
	// PingInterval is the time between pings; a peer that leaves two of them
	// unanswered is given up. 0 sends none. Somebody has to Read meanwhile.
	PingInterval time.Duration
	// Tracer takes the records. A conn that [tcp.Trace] reports goes on with its
	// own tracer and number.
	Tracer *trace.Tracer
}

const (
	defaultCloseTimeout = 5 * time.Second
	controlTimeout      = 5 * time.Second // for a pong or a close frame to be taken
	lingerTime          = time.Second     // for the peer's end behind the last frame
	lingerBytes         = 64 << 20
	smallRead           = 4 << 10
	largeRead           = 64 << 10
	separateFrom        = 16 << 10  // from this size on a payload is not copied behind its header
	mostCopied          = 256 << 10 // of a payload at once
)

// NewConn returns a WebSocket connection on conn, whose opening handshake is
// over.
func NewConn(conn net.Conn, cfg Config) *Conn {
	c := &Conn{
		conn: conn, role: cfg.Role, agreed: cfg.Agreed, waitFor: cfg.CloseTimeout,
		report:  reporterFor(conn, cfg.Tracer),
		reading: newLock(), writing: newLock(), done: make(chan struct{}),
	}
	if c.waitFor == 0 {
		c.waitFor = defaultCloseTimeout
	}
	c.dec.init(cfg.Role.Peer(), cfg.Agreed, cfg.Limits)
	c.dec.Frames = c.report.on(trace.Frame)
	c.enc.init(cfg.Role, cfg.Agreed)
	c.enc.CompressFrom = cfg.CompressFrom
	c.readStop.deadline, c.writeStop.deadline = conn.SetReadDeadline, conn.SetWriteDeadline
	if len(cfg.Early) > 0 {
		c.in = append(getBuffer(max(len(cfg.Early), smallRead)), cfg.Early...)
		c.rest = c.in
	}
	c.beat.start(c, cfg.PingInterval)
	return c
}

func reporterFor(conn net.Conn, t *trace.Tracer) reporter {
	if known, ok := conn.(tracedConn); ok {
		return reporter{known.Tracer(), known.TraceID()}
	}
	return reporter{t, t.NewID()}
}

// Agreed returns what the opening handshake agreed on: the subprotocol and the
// parameters of compression.
func (c *Conn) Agreed() handshake.Agreement { return c.agreed }

// Subprotocol returns the subprotocol that was agreed on; "" is none.
func (c *Conn) Subprotocol() string { return c.agreed.Subprotocol }

// NetConn returns the connection underneath, to ask about it (tcp.Info). What
// is read from it or written to it is lost to the WebSocket.
func (c *Conn) NetConn() net.Conn { return c.conn }

// Detach hands over the connection, with what was read of it and not decoded, to
// code that speaks for itself with a [Decoder] and an [Encoder]. No other method
// may be under way, or called from then on.
func (c *Conn) Detach() (conn net.Conn, unread []byte) {
	c.release()
	return c.conn, append([]byte(nil), c.rest...)
}

// CloseError says how a connection ended. It is an error of every method behind
// the end, and a [net.ErrClosed].
type CloseError struct {
	Code   StatusCode // 1005 where the close frame had none, 1006 where no close frame came
	Reason string
	Local  bool  // this end closed first
	Err    error // what ended the connection: of 1006, or a broken rule, be it this end's; else nil
}

// Error implements error.
func (e *CloseError) Error() string {
	who := "the peer"
	if e.Local {
		who = "this end"
	}
	s := fmt.Sprintf("%s closed the WebSocket with %s", who, e.Code)
	var broken *Violation
	ruled := errors.As(e.Err, &broken)
	if e.Code == StatusAbnormal && !ruled { // not one that stood in a frame, against RFC 6455 section 7.4.1
		s = "the connection was lost without a close frame: " + e.Code.String()
	}
	if e.Reason != "" && !(e.Local && ruled) { // the violation says the same at length
		s += fmt.Sprintf(": %q", e.Reason)
	}
	if e.Err != nil && !errors.Is(e.Err, io.EOF) && !errors.Is(e.Err, io.ErrUnexpectedEOF) {
		s += ": " + tcp.Reason(e.Err)
	}
	return s
}

// Unwrap returns what ended the connection.
func (e *CloseError) Unwrap() error {
	if e.Err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return e.Err
}

// Is reports that the connection is closed.
func (e *CloseError) Is(target error) bool { return target == net.ErrClosed }

// Orderly reports whether both ends said good-bye with a code that means no
// trouble: 1000, 1001 or none.
func (e *CloseError) Orderly() bool {
	return e.Code == StatusNormal || e.Code == StatusGoingAway || e.Code == StatusNoStatus
}

// CloseStatus is the code of the [*CloseError] in err, or of the [*Violation];
// 0 where there is none.
func CloseStatus(err error) StatusCode {
	var closed *CloseError
	var broken *Violation
	switch {
	case errors.As(err, &closed):
		return closed.Code
	case errors.As(err, &broken):
		return broken.Code
	}
	return 0
}

// isClosed reports whether an error says that this end has closed the socket.
func isClosed(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}

// shut closes the socket.
func (c *Conn) shut() error {
	err := c.conn.Close()
	c.release()
	return err
}

// release frees what the connection holds besides its socket.
func (c *Conn) release() {
	c.doneOnce.Do(func() {
		close(c.done)
		c.beat.stop()
		c.readStop.release()
		c.writeStop.release()
		c.tellEnd()
	})
}

func (c *Conn) tellEnd() {
	if c.onEnd != nil {
		c.onEnd()
	}
}

// finish keeps how the connection ended; the first to know is right.
func (c *Conn) finish(e *CloseError) *CloseError {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.final == nil {
		c.final = e
	}
	return c.final
}

// violation is the rule that ended the connection, or nil.
func (c *Conn) violation() (v *Violation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.final != nil {
		errors.As(c.final.Err, &v)
	}
	return v
}

// CloseNow ends the connection without the closing handshake: the peer sees 1006.
func (c *Conn) CloseNow() error {
	c.mu.Lock()
	if !c.closing.sent && !c.closing.received {
		c.closing.local, c.closing.code = true, StatusAbnormal
	}
	c.mu.Unlock()
	c.finish(&CloseError{Code: StatusAbnormal, Local: true, Err: net.ErrClosed})
	return c.shut()
}
