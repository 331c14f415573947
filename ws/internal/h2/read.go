package h2

import (
	"bytes"
	"errors"
	"io"
	"time"

	"golang.org/x/net/http2"

	"github.com/sockkit/sockkit/trace"
)

// read takes frames until the session ends, and closes the connection.
func (s *Session) read() {
	defer s.closed()
	err := s.preface()
	for err == nil {
		err = s.readFrame()
	}
	s.end(err)
	s.discard()
}

// discard reads what comes behind the end of the session, for as long as hangUp
// lets it.
func (s *Session) discard() {
	_, _ = io.CopyN(io.Discard, s.in, mostDiscard)
}

// mostDiscard bounds what is read behind the end.
const mostDiscard = 64 << 20

// preface reads what a client begins with (RFC 9113 section 3.4).
func (s *Session) preface() error {
	if s.client {
		return s.firstBytes()
	}
	got := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(s.in, got); err != nil {
		return s.lost(err)
	}
	if string(got) != http2.ClientPreface {
		return broken(Protocol, "3.4", "the client did not begin with the connection preface")
	}
	return nil
}

func isText(r rune) bool { return r >= ' ' && r < 0x7f || r == '\r' || r == '\n' || r == '\t' }

// firstBytes looks for a server that answers in text, such as HTTP/1.1: the
// first nine bytes of SETTINGS are none.
func (s *Session) firstBytes() error {
	first, err := s.in.Peek(9)
	if len(first) == 0 {
		return s.lost(err)
	}
	if bytes.HasPrefix(first, []byte("HTTP/")) || len(bytes.TrimFunc(first, isText)) == 0 {
		more, _ := s.in.Peek(s.in.Buffered())
		return &NotHTTP2{First: bytes.Clone(more[:min(len(more), 256)])}
	}
	return nil
}

// readFrame reads one frame and acts on it. Its error ends the session.
func (s *Session) readFrame() error {
	f, err := s.rd.ReadFrame()
	var stream http2.StreamError
	var conn http2.ConnectionError
	switch {
	case err == nil:
		if s.cfg.Tracer.On(trace.Frame) {
			s.cfg.Tracer.Emit(s.cfg.ID, FrameEvent(trace.In, f))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err != nil {
			return s.err
		}
		return s.handle(f)
	case errors.As(err, &stream):
		return s.wrongFrame(stream)
	case errors.As(err, &conn):
		return broken(Code(conn), clauseOf(Code(conn)), detail(s.rd.ErrorDetail()))
	case errors.Is(err, http2.ErrFrameTooLarge):
		return broken(FrameSize, "4.2", "a frame is larger than 16 KiB, the most that was agreed on")
	}
	return s.lost(err)
}

func detail(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func clauseOf(c Code) string {
	if c == FrameSize {
		return "4.2"
	}
	return "5.4.1"
}

// lost is the end of the connection below.
func (s *Session) lost(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writeErr != nil {
		return s.writeErr
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() && s.err == nil {
		return &ConnError{Code: Protocol, Clause: "RFC 9113 3.4", Local: true,
			Reason: "the peer's SETTINGS, or a head that it had begun, did not come within " + s.cfg.HandshakeTimeout.String()}
	}
	if s.goAwayCame != nil && s.goAwayCame.Code != NoError {
		return s.goAwayCame
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// wrongFrame resets the stream of a frame that is wrong in itself.
func (s *Session) wrongFrame(e http2.StreamError) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.useful.exceeded() {
		return tooMany()
	}
	if st := s.streams[e.StreamID]; st != nil {
		st.cancel(&StreamError{Stream: st.id, Code: Code(e.Code), Clause: "RFC 9113 5.4.2", Reason: detail(s.rd.ErrorDetail()), Local: true})
		return nil
	}
	if s.isIdle(e.StreamID) {
		return broken(Protocol, "5.1", "a frame for a stream that was never opened")
	}
	s.reset(e.StreamID, Code(e.Code))
	return nil
}

// handle acts on a frame under the lock.
func (s *Session) handle(f http2.Frame) error {
	if settings, ok := f.(*http2.SettingsFrame); !s.peer.came && (!ok || settings.IsAck()) {
		return broken(Protocol, "3.4", "the first frame is "+f.Header().Type.String()+" and not SETTINGS")
	}
	if s.control.Len() > mostControl {
		return &ConnError{Code: Calm, Clause: "RFC 9113 10.5", Reason: "the peer asks for answers that it does not read", Local: true}
	}
	if wasteful(f) && s.useful.exceeded() {
		return tooMany()
	}
	switch f := f.(type) {
	case *http2.DataFrame:
		return s.data(f)
	case *http2.HeadersFrame:
		return s.beginBlock(f)
	case *http2.ContinuationFrame:
		return s.moreBlock(f)
	case *http2.SettingsFrame:
		return s.settings(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			_ = s.ctl.WritePing(true, f.Data)
			s.work.Signal()
		}
	case *http2.WindowUpdateFrame:
		return s.windowUpdate(f)
	case *http2.RSTStreamFrame:
		return s.resetCame(f)
	case *http2.GoAwayFrame:
		s.goAwayFrame(f)
	case *http2.PriorityFrame:
		return s.priority(f)
	case *http2.PushPromiseFrame:
		return broken(Protocol, "8.4", "PUSH_PROMISE, which was never asked for")
	}
	return nil
}

// priority takes what is of no use but for the one rule on it (RFC 7540 section
// 5.3.1).
func (s *Session) priority(f *http2.PriorityFrame) error {
	const clause, reason = "RFC 7540 5.3.1", "a stream that depends on itself"
	st := s.streams[f.StreamID]
	switch {
	case f.StreamDep != f.StreamID:
	case st != nil:
		st.cancel(&StreamError{Stream: st.id, Code: Protocol, Clause: clause, Reason: reason, Local: true})
	case s.isIdle(f.StreamID): // it cannot be reset
		return &ConnError{Code: Protocol, Clause: clause, Reason: reason, Local: true}
	}
	return nil
}

// wasteful reports frames that cost work and carry nothing.
func wasteful(f http2.Frame) bool {
	switch f := f.(type) {
	case *http2.DataFrame:
		return len(f.Data()) == 0 && !f.StreamEnded()
	case *http2.HeadersFrame, *http2.WindowUpdateFrame, *http2.GoAwayFrame: // counted where they are of no use
		return false
	case *http2.ContinuationFrame:
		return len(f.HeaderBlockFragment()) == 0
	}
	return true
}

func tooMany() *ConnError {
	return &ConnError{Code: Calm, Clause: "RFC 9113 10.5", Reason: "too many frames a second that carry no data", Local: true}
}

// settings takes SETTINGS, and answers (RFC 9113 section 6.5.3).
func (s *Session) settings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	first := !s.peer.came
	s.peer.came = true
	for i := range f.NumSettings() {
		set := f.Setting(i)
		if err := set.Valid(); err != nil {
			return s.badSetting(set)
		}
		if err := s.applySetting(set); err != nil {
			return err
		}
		if first {
			s.peer.list = append(s.peer.list, Setting{set.ID.String(), set.Val})
		}
	}
	_ = s.ctl.WriteSettingsAck()
	s.work.Signal()
	if first {
		_ = s.conn.SetReadDeadline(time.Time{})
		close(s.settled)
	}
	return nil
}

func (s *Session) badSetting(set http2.Setting) error {
	if set.ID == http2.SettingInitialWindowSize {
		return broken(FlowControl, "6.5.2", set.String())
	}
	return broken(Protocol, "6.5.2", set.String())
}

func (s *Session) applySetting(set http2.Setting) error {
	switch set.ID {
	case http2.SettingMaxConcurrentStreams:
		s.peer.maxStreams = set.Val
	case http2.SettingMaxFrameSize:
		s.peer.frame = int(set.Val)
	case http2.SettingHeaderTableSize:
		s.enc.SetMaxDynamicTableSize(min(set.Val, tableSize))
	case http2.SettingEnableConnectProtocol:
		if s.peer.connect && set.Val == 0 {
			return &ConnError{Code: Protocol, Clause: "RFC 8441 3", Reason: "ENABLE_CONNECT_PROTOCOL went from 1 to 0", Local: true}
		}
		s.peer.connect = set.Val == 1
	case http2.SettingInitialWindowSize:
		return s.newWindows(int64(set.Val))
	}
	return nil
}

// newWindows changes the windows of all streams (RFC 9113 section 6.9.2).
func (s *Session) newWindows(window int64) error {
	by := window - s.peer.window
	s.peer.window = window
	for _, st := range s.streams {
		if st.window += by; st.window > mostWindow {
			return broken(FlowControl, "6.9.2", "a stream's window is larger than 2^31-1")
		}
		s.queue(st)
	}
	return nil
}

// windowUpdate opens a window. What we have sent explains some of them; those
// that come without are counted.
func (s *Session) windowUpdate(f *http2.WindowUpdateFrame) error {
	s.grants = min(s.grants+int(s.written)*2, 1000)
	s.written = 0
	if s.grants--; s.grants < 0 {
		if s.grants = 0; s.useful.exceeded() {
			return tooMany()
		}
	}
	by := int64(f.Increment)
	if f.StreamID == 0 {
		if s.window += by; s.window > mostWindow {
			return broken(FlowControl, "6.9.1", "the connection's window is larger than 2^31-1")
		}
		for _, st := range s.streams {
			s.queue(st)
		}
		return nil
	}
	st := s.streams[f.StreamID]
	if st == nil {
		return s.unknown(f)
	}
	if st.window += by; st.window > mostWindow {
		st.cancel(&StreamError{Stream: st.id, Code: FlowControl, Clause: "RFC 9113 6.9.1", Reason: "the stream's window is larger than 2^31-1", Local: true})
		return nil
	}
	s.queue(st)
	return nil
}

// unknown is a frame for a stream that is not open: one that has ended may get
// some, one that never began may not (RFC 9113 section 5.1).
func (s *Session) unknown(f http2.Frame) error {
	if s.isIdle(f.Header().StreamID) {
		return broken(Protocol, "5.1", f.Header().Type.String()+" for a stream that was never opened")
	}
	return nil
}

// isIdle reports whether a stream of that number has never been opened.
func (s *Session) isIdle(id uint32) bool {
	if ours := id%2 == 1; ours == s.client {
		return id >= s.next
	}
	return id > s.lastPeer
}

func (s *Session) resetCame(f *http2.RSTStreamFrame) error {
	st := s.streams[f.StreamID]
	if st == nil {
		return s.unknown(f)
	}
	st.fail(&StreamError{Stream: st.id, Code: Code(f.ErrCode)})
	return nil
}

// goAwayFrame takes a GOAWAY: streams beyond the last one that it names were
// never looked at (RFC 9113 section 6.8).
func (s *Session) goAwayFrame(f *http2.GoAwayFrame) {
	e := &ConnError{Code: Code(f.ErrCode), Reason: printable(f.DebugData())}
	s.goAwayCame, s.draining = e, true
	for id, st := range s.streams {
		if ours := id%2 == 1; ours == s.client && id > f.LastStreamID {
			st.fail(e)
		}
	}
	s.endIfIdle()
}

// printable is what a peer says, fit to be shown.
func printable(b []byte) string {
	b = b[:min(len(b), 200)]
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return '?'
		}
		return r
	}, b))
}

// data takes DATA. Padding counts against the windows, and is done with at once.
func (s *Session) data(f *http2.DataFrame) error {
	size := int64(f.Header().Length)
	if !s.recv.take(size) {
		return broken(FlowControl, "6.9.1", "more DATA than the connection's window has room for")
	}
	b := f.Data()
	st := s.streams[f.StreamID]
	if st == nil {
		s.openWindow(0, s.recv.give(size))
		if s.isIdle(f.StreamID) {
			return s.unknown(f)
		}
		return s.behind(f.StreamID)
	}
	if err := st.mayReceive(size); err != nil {
		s.openWindow(0, s.recv.give(size))
		st.cancel(err)
		return nil
	}
	if padding := size - int64(len(b)); padding > 0 {
		s.openWindow(0, s.recv.give(padding))
		s.openWindow(st.id, st.recv.give(padding))
	}
	if st.closed {
		s.openWindow(0, s.recv.give(int64(len(b))))
		if !st.polite && len(b) > 0 {
			st.cancel(&StreamError{Stream: st.id, Code: Cancel, Local: true})
			return nil
		}
	} else if len(b) > 0 {
		st.came(b)
	}
	if st.length >= 0 {
		st.length -= int64(len(b))
		if st.length < 0 || st.length > 0 && f.StreamEnded() {
			st.cancel(&StreamError{Stream: st.id, Code: Protocol, Clause: "RFC 9113 8.1.1", Reason: "the body is not as long as content-length says", Local: true})
			return nil
		}
	}
	if f.StreamEnded() {
		st.endCame()
	}
	return nil
}

// mayReceive holds DATA against the state of the stream and its window.
func (st *Stream) mayReceive(size int64) *StreamError {
	switch {
	case st.inEnd:
		return &StreamError{Stream: st.id, Code: StreamClosed, Clause: "RFC 9113 5.1", Reason: "DATA behind END_STREAM", Local: true}
	case !st.headCame:
		return &StreamError{Stream: st.id, Code: Protocol, Clause: "RFC 9113 8.1", Reason: "DATA before the head", Local: true}
	case !st.recv.take(size):
		return &StreamError{Stream: st.id, Code: FlowControl, Clause: "RFC 9113 6.9.1", Reason: "more DATA than the stream's window has room for", Local: true}
	}
	return nil
}

// endCame takes the peer's END_STREAM.
func (st *Stream) endCame() {
	st.inEnd = true
	st.readable.Broadcast()
	st.settle()
}
