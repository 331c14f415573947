package h2

import (
	"bytes"
	"time"

	"golang.org/x/net/http2"

	"github.com/sockkit/sockkit/trace"
)

// write sends what is queued, until the session has ended and all is sent.
func (s *Session) write() {
	var batch bytes.Buffer
	data := http2.NewFramer(&batch, nil)
	s.mu.Lock()
	for {
		for s.control.Len() == 0 && len(s.ready) == 0 && s.err == nil {
			s.work.Wait()
		}
		batch.Reset()
		s.fill(&batch, data)
		if batch.Len() == 0 && s.err != nil {
			break
		}
		s.busy = true
		s.mu.Unlock()
		err := s.send(batch.Bytes())
		s.mu.Lock()
		s.busy = false
		s.flushed.Broadcast()
		if err != nil { // what has come says why, and can still be read
			s.writeErr = err
			break
		}
	}
	s.mu.Unlock()
	s.hangUp()
}

func (s *Session) send(b []byte) error {
	if s.cfg.Tracer.On(trace.Frame) {
		s.tell(b)
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
	_, err := s.conn.Write(b)
	return err
}

// fill takes what is to be sent: answers first, and then a frame of each stream
// in turn.
func (s *Session) fill(batch *bytes.Buffer, data *http2.Framer) {
	batch.Write(s.control.Bytes())
	s.control.Reset()
	for s.err == nil && len(s.ready) > 0 && batch.Len() < mostBatch {
		st := s.ready[0]
		s.ready = s.ready[:copy(s.ready, s.ready[1:])]
		st.queued = false
		if st.sendable() {
			st.frame(data)
			s.written++
			s.queue(st)
		}
	}
}

// queue puts a stream that has something to send into the row, under the lock.
func (s *Session) queue(st *Stream) {
	if !st.queued && s.err == nil && st.sendable() {
		st.queued = true
		s.ready = append(s.ready, st)
		s.work.Signal()
	}
}

// headers queues a head, under the lock. The order of heads is that in which
// they were compressed.
func (s *Session) headers(st *Stream, fields []Field, end bool) {
	s.encoded.Reset()
	for _, f := range fields {
		_ = s.enc.WriteField(hpackField(f))
	}
	block := s.encoded.Bytes()
	first := block[:min(len(block), s.peer.frame)]
	block = block[len(first):]
	_ = s.ctl.WriteHeaders(http2.HeadersFrameParam{StreamID: st.id, BlockFragment: first, EndStream: end, EndHeaders: len(block) == 0})
	for len(block) > 0 {
		part := block[:min(len(block), s.peer.frame)]
		block = block[len(part):]
		_ = s.ctl.WriteContinuation(st.id, len(block) == 0, part)
	}
	s.work.Signal()
}

// reset queues a RST_STREAM, under the lock.
func (s *Session) reset(id uint32, code Code) {
	_ = s.ctl.WriteRSTStream(id, http2.ErrCode(code))
	s.work.Signal()
}

// openWindow opens a window, under the lock; 0 is the connection's.
func (s *Session) openWindow(id uint32, by uint32) {
	if by > 0 && s.err == nil {
		_ = s.ctl.WriteWindowUpdate(id, by)
		s.work.Signal()
	}
}
