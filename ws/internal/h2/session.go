package h2

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sockkit/sockkit/tcp"
)

// Session is one HTTP/2 connection.
type Session struct {
	conn   net.Conn
	cfg    Config
	client bool
	in     *bufio.Reader

	// The reading goroutine's alone.
	rd     *http2.Framer
	dec    *hpack.Decoder
	block  block
	useful rate
	grants int // WINDOW_UPDATEs that what we have sent explains

	mu       sync.Mutex
	work     *sync.Cond // the writer waits for it
	streams  map[uint32]*Stream
	active   int    // streams that are open or handled
	lastPeer uint32 // the highest number that the peer has opened
	next     uint32 // the number of our next stream
	recv     inflow
	window   int64 // that we may send
	peer     peerSettings
	past     closedStreams
	idle     *time.Timer

	control bytes.Buffer // frames that go before all data
	ctl     *http2.Framer
	enc     *hpack.Encoder
	encoded bytes.Buffer
	ready   []*Stream // that have something to send
	written int64     // data frames, for the reader's grants

	draining   bool // ends with its last stream
	goAwaySent bool
	goAwayCame *ConnError
	lastOurs   uint32 // of our streams, that the peer's GOAWAY lets live
	err        error  // why it has ended, or ends
	writeErr   error  // nothing can be sent any more
	abrupt     bool   // nothing is waited for at the end
	busy       bool   // a write is under way

	flushed *sync.Cond    // a write has ended
	wrote   chan struct{} // closed once the writer has

	settled chan struct{} // closed once the peer's SETTINGS have come
	ended   chan struct{} // closed once err is set
	done    chan struct{} // closed once the connection is
}

// peerSettings are the SETTINGS of the peer that count here.
type peerSettings struct {
	came       bool
	list       []Setting
	maxStreams uint32
	window     int64
	frame      int
	connect    bool // SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 section 3)
}

// Setting is one parameter of a SETTINGS frame.
type Setting struct {
	Name  string
	Value uint32
}

func newSession(conn net.Conn, early []byte, cfg Config, client bool) *Session {
	cfg.setDefaults()
	s := &Session{
		conn: conn, cfg: cfg, client: client, streams: map[uint32]*Stream{}, next: 1, window: firstWindow,
		in:      bufio.NewReaderSize(io.MultiReader(bytes.NewReader(early), conn), frameSize+9),
		recv:    inflow{size: cfg.connWindow(), left: cfg.connWindow()},
		peer:    peerSettings{maxStreams: mostWindow, window: firstWindow, frame: frameSize},
		useful:  rate{perSecond: float64(cfg.MaxControlRate)},
		settled: make(chan struct{}), ended: make(chan struct{}), wrote: make(chan struct{}), done: make(chan struct{}),
	}
	s.work, s.flushed = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
	s.ctl = http2.NewFramer(&s.control, nil)
	s.enc = hpack.NewEncoder(&s.encoded)
	s.rd = http2.NewFramer(nil, s.in)
	s.rd.SetMaxReadFrameSize(frameSize)
	s.rd.SetReuseFrames()
	s.dec = hpack.NewDecoder(tableSize, nil)
	s.dec.SetMaxStringLength(cfg.MaxHeaderList)
	return s
}

// Client speaks HTTP/2 as a client on conn, which it owns from here on.
func Client(conn net.Conn, cfg Config) *Session {
	s := newSession(conn, nil, cfg, true)
	s.control.WriteString(http2.ClientPreface)
	s.greet(http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	s.start()
	return s
}

// Server speaks HTTP/2 as a server on conn, of which early was read already. It
// begins with the client's preface.
func Server(conn net.Conn, early []byte, cfg Config) *Session {
	s := newSession(conn, early, cfg, false)
	s.greet(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: uint32(s.cfg.MaxStreams)},
		http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1}) // RFC 8441 section 3
	s.idle = time.AfterFunc(s.cfg.IdleTimeout, s.idled)
	s.start()
	return s
}

// greet queues our SETTINGS, and opens the connection's window as far as it goes.
func (s *Session) greet(more ...http2.Setting) {
	_ = s.ctl.WriteSettings(append(more,
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(s.cfg.Window)},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(s.cfg.MaxHeaderList)})...)
	if more := s.recv.size - firstWindow; more > 0 {
		_ = s.ctl.WriteWindowUpdate(0, uint32(more))
	}
}

func (s *Session) start() {
	_ = s.conn.SetReadDeadline(time.Now().Add(s.cfg.HandshakeTimeout))
	go s.write()
	go s.read()
}

// Settings waits for the SETTINGS of the peer.
func (s *Session) Settings(ctx context.Context) ([]Setting, error) {
	select {
	case <-s.settled:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.peer.list, nil
	case <-s.ended:
		select {
		case <-s.settled: // both, and then it is worth something
			return s.Settings(ctx)
		default:
		}
		return nil, s.Err()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// TakesConnect reports whether the peer has sent SETTINGS_ENABLE_CONNECT_PROTOCOL
// with 1.
func (s *Session) TakesConnect() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer.connect
}

// Err is why the session has ended; nil while it has not.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Conn is the connection below.
func (s *Session) Conn() net.Conn { return s.conn }

// Ended is closed once the session takes no more streams, for whatever reason.
func (s *Session) Ended() <-chan struct{} { return s.ended }

// Done is closed once the connection is.
func (s *Session) Done() <-chan struct{} { return s.done }

// ErrClosed is the end of a session by Close, or by Shutdown.
var ErrClosed = &ConnError{Code: NoError, Reason: "it was closed", Local: true}

// Close ends the session at once. Streams that are open fail.
func (s *Session) Close() error {
	s.mu.Lock()
	s.abrupt = true
	s.endLocked(ErrClosed)
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-time.After(abruptTime): // the peer takes nothing
		_ = s.conn.Close()
		<-s.done
	}
	return nil
}

// Shutdown takes no new stream, and ends the session when the last one has
// ended, or ctx is done.
func (s *Session) Shutdown(ctx context.Context) error {
	s.Drain(true)
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		_ = s.Close()
		return ctx.Err()
	}
}

// Drain ends the session with its last stream. Say tells the peer now (RFC 9113
// section 6.8).
func (s *Session) Drain(say bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	if say && !s.goAwaySent && s.err == nil {
		s.goAway(NoError, "")
	}
	s.endIfIdle()
}

// endIfIdle ends a session that drains and has no stream, under the lock.
func (s *Session) endIfIdle() {
	if s.draining && len(s.streams) == 0 {
		s.endLocked(ErrClosed)
	}
}

func (s *Session) idled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.streams) == 0 {
		s.endLocked(&ConnError{Code: NoError, Reason: "it was idle for too long", Local: true})
	}
}

// end ends the session.
func (s *Session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(err)
}

func (s *Session) endLocked(err error) {
	if s.err != nil {
		return
	}
	s.err = err
	if s.idle != nil {
		s.idle.Stop()
	}
	var conn *ConnError
	if errors.As(err, &conn) && conn.Local && (!s.goAwaySent || conn.Code != NoError) {
		s.goAway(conn.Code, conn.Reason)
	}
	for _, st := range s.streams {
		st.fail(err)
	}
	close(s.ended)
	s.work.Broadcast()
	s.flushed.Broadcast()
}

// goAway queues a GOAWAY under the lock.
func (s *Session) goAway(code Code, reason string) {
	s.goAwaySent = true
	if code == NoError {
		reason = ""
	}
	_ = s.ctl.WriteGoAway(s.lastPeer, http2.ErrCode(code), []byte(reason))
	s.work.Signal()
}

// closed closes the connection. It is the last thing that the reader does.
func (s *Session) closed() {
	<-s.wrote
	_ = s.conn.Close()
	close(s.done)
	if s.cfg.OnEnd != nil {
		s.cfg.OnEnd(s)
	}
}

// hangUp ends our half behind the last frame, and bounds the wait for the
// peer's end: a socket that is closed over bytes that were not read would reset
// the connection, and the GOAWAY be lost (RFC 2525 section 2.17).
func (s *Session) hangUp() {
	defer close(s.wrote)
	err := tcp.CloseWrite(s.conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.writeErr == nil || s.abrupt {
		_ = s.conn.SetReadDeadline(past)
		return
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(flushTime))
}
