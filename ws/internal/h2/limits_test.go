package h2

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestFloods holds that frames which cost work and carry nothing end the
// connection, beyond a rate (RFC 9113 section 10.5).
func TestFloods(t *testing.T) {

	for _, test := range []struct {
		name string
		send func(p *scripted) error
	}{
		{"PING", func(p *scripted) error { return p.WritePing(false, [8]byte{}) }},
		{"the ack of a PING", func(p *scripted) error { return p.WritePing(true, [8]byte{}) }},
		{"SETTINGS", func(p *scripted) error { return p.WriteSettings() }},
		{"the ack of SETTINGS", func(p *scripted) error { return p.WriteSettingsAck() }},
		{"PRIORITY", func(p *scripted) error { return p.WritePriority(9, http2.PriorityParam{}) }},
		{"WINDOW_UPDATE", func(p *scripted) error { return p.WriteWindowUpdate(0, 1) }},
		{"empty DATA", func(p *scripted) error { return p.WriteData(1, false, nil) }},
		{"an unknown frame", func(p *scripted) error { return p.WriteRawFrame(0xbe, 0, 0, nil) }},
		{"rapid reset", func(p *scripted) error {
			p.last += 2
			p.head(p.last, false, chat...)
			return p.WriteRSTStream(p.last, http2.ErrCodeCancel)
		}},
		{"requests that are malformed", func(p *scripted) error { p.last += 2; p.head(p.last, true, "x", "y"); return nil }},
		{"streams that we have to reset", func(p *scripted) error {
			p.last += 2
			p.head(p.last, false, chat...)
			return p.WriteWindowUpdate(p.last, 0)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {

			p, s := asClient(t, Config{MaxControlRate: 50})
			go func() {
				_ = p.WriteSettings()
				p.head(1, false, chat...)
				for test.send(p) == nil && s.Err() == nil {
				}
			}()
			p.ends(true, Calm)
		})
	}
}

// TestUnreadAnswers holds that answers which the peer does not read are not kept
// without bound.
func TestUnreadAnswers(t *testing.T) {
	p, s := asClient(t, Config{MaxControlRate: 1 << 30})
	_ = p.WriteSettings()
	for p.WritePing(false, [8]byte{}) == nil && s.Err() == nil {
	}
	var e *ConnError
	if err := s.Err(); !errors.As(err, &e) || e.Code != Calm {
		t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.control.Len() > 2*mostControl {
		t.Errorf("%d bytes are kept", s.control.Len())
	}
}

func TestMaxStreams(t *testing.T) {
	leave := make(chan struct{})
	p, s := asClient(t, Config{MaxStreams: 2, Handle: func(st *Stream) {
		<-leave
		_ = st.Respond([]Field{{":status", "204"}}, true)
	}})
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = p.WriteSettings()
		p.head(1, true, get...)
		p.head(3, true, get...)
		_ = p.WriteRSTStream(3, http2.ErrCodeCancel) // its handler still runs
		p.head(5, true, get...)
	}()
	f := p.until(func(f http2.Frame) bool { return f.Header().Type == http2.FrameRSTStream }).(*http2.RSTStreamFrame)
	if f.StreamID != 5 || Code(f.ErrCode) != RefusedStream {
		t.Errorf("%v", f)
	}
	<-sent
	close(leave)
	p.until(func(f http2.Frame) bool { return f.Header().Type == http2.FrameHeaders })
	for s.places() > 0 {
		time.Sleep(time.Millisecond)
	}
	p.head(7, true, get...)
	if f := p.until(func(f http2.Frame) bool { return f.Header().Type == http2.FrameHeaders }); f.Header().StreamID != 7 {
		t.Errorf("%v", f)
	}
}

func (s *Session) places() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active
}

// TestLargeHeads holds MaxHeaderList: 431 for a head that is too large, and the
// end for a block that goes on (CONTINUATION floods).
func TestLargeHeads(t *testing.T) {
	large := and(get, "x-large", strings.Repeat("x", 900), "x-larger", strings.Repeat("y", 900))
	t.Run("431", func(t *testing.T) {
		p, s := asClient(t, Config{MaxHeaderList: 1000})
		go func() { _ = p.WriteSettings(); p.head(1, true, large...) }()
		p.until(func(f http2.Frame) bool { return f.Header().Type == http2.FrameHeaders })
		if s.Err() != nil {
			t.Error(s.Err())
		}
	})
	t.Run("bytes", func(t *testing.T) {
		p, _ := asClient(t, Config{MaxHeaderList: 1000})
		go func() {
			_ = p.WriteSettings()
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.fragment(large...)})
			for p.WriteContinuation(1, false, make([]byte, 500)) == nil {
			}
		}()
		p.ends(true, Calm)
	})
	t.Run("frames", func(t *testing.T) {
		p, _ := asClient(t, Config{})
		go func() {
			_ = p.WriteSettings()
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.fragment(get...)})
			for p.WriteContinuation(1, false, nil) == nil {
			}
		}()
		p.ends(true, Calm)
	})
	t.Run("a field", func(t *testing.T) {
		p, _ := asClient(t, Config{MaxHeaderList: 1000})
		go func() { _ = p.WriteSettings(); p.head(1, true, and(get, "x", strings.Repeat("z", 1800))...) }()
		p.ends(true, Calm)
	})
}

// TestTimes holds the limits on time.
func TestTimes(t *testing.T) {
	t.Run("a head that is not ended", func(t *testing.T) {
		p, s := asClient(t, Config{HandshakeTimeout: 20 * time.Millisecond})
		go func() {
			_ = p.WriteSettings()
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.fragment(get...)})
		}()
		p.ends(true, Protocol)
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), "did not come within 20ms") {
			t.Error(err)
		}
	})
	t.Run("a connection without a stream", func(t *testing.T) {
		p, _ := asClient(t, Config{IdleTimeout: 20 * time.Millisecond})
		go func() { _ = p.WriteSettings() }()
		p.ends(true, NoError)
	})
	t.Run("a peer that takes nothing", func(t *testing.T) {
		p, s := asClient(t, Config{WriteTimeout: 20 * time.Millisecond})
		_ = p.WriteSettings()
		<-s.Done()
	})
	t.Run("a stream whose peer does not end it", func(t *testing.T) {
		client, _, streams := joined(t, Config{})
		a, b := open(t, client, streams)
		a.Close()
		if _, err := io.ReadAll(b); err != nil {
			t.Error(err)
		}
		for { // until it is reset
			if _, err := b.Write([]byte("x")); err != nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := client.places(); n != 0 {
			t.Errorf("%d streams are left", n)
		}
	})
}

// FuzzFrames feeds a session whatever bytes there are: it ends, and keeps no
// more than the windows and the limits let it.
func FuzzFrames(f *testing.F) {
	for _, server := range []bool{true, false} {
		f.Add([]byte(http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), server)
		f.Add([]byte("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x01"), server)
		f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), server)
	}
	f.Add([]byte(http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x05\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41\x01"), true)
	f.Fuzz(func(t *testing.T, b []byte, server bool) {
		conn := &fuzzConn{in: b}
		cfg := Config{Window: 1000, MaxStreams: 3, MaxHeaderList: 2000, Handle: func(st *Stream) {
			_ = st.Respond([]Field{{":status", "200"}}, false)
			_, _ = io.Copy(st, st)
		}}
		var s *Session
		if server {
			s = Server(conn, nil, cfg)
		} else {
			s = Client(conn, cfg)
			if _, err := s.Open(connect, false); err != nil {
				t.Log(err)
			}
		}
		<-s.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, st := range s.streams {
			if st.in.len() > 1000 {
				t.Errorf("%d bytes are kept for a window of 1000", st.in.len())
			}
		}
		if s.err == nil || len(s.streams) > 3 || s.control.Len() > 2*mostControl || len(s.block.bytes) > 4000+frameSize {
			t.Error(fmt.Sprint(s.err, len(s.streams), s.control.Len(), len(s.block.bytes)))
		}
	})
}
