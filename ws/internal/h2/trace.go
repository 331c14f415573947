package h2

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/net/http2"

	"github.com/sockkit/sockkit/trace"
)

// tell makes the records of what is about to be sent.
func (s *Session) tell(b []byte) {
	b = bytes.TrimPrefix(b, []byte(http2.ClientPreface))
	r := http2.NewFramer(nil, bytes.NewReader(b))
	r.SetMaxReadFrameSize(1 << 24)
	for {
		f, err := r.ReadFrame()
		if err != nil {
			return
		}
		s.cfg.Tracer.Emit(s.cfg.ID, FrameEvent(trace.Out, f))
	}
}

// FrameEvent is a frame as a record.
func FrameEvent(dir trace.Dir, f http2.Frame) trace.HTTP2Frame {
	h := f.Header()
	e := trace.HTTP2Frame{Dir: dir, Type: h.Type.String(), Stream: int(h.StreamID), Size: int(h.Length), Flags: flagsOf(f)}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		var list []string
		for i := range f.NumSettings() {
			set := f.Setting(i)
			list = append(list, fmt.Sprintf("%s=%d", set.ID, set.Val))
		}
		e.Detail = strings.Join(list, " ")
	case *http2.WindowUpdateFrame:
		e.Detail = fmt.Sprintf("+%d", f.Increment)
	case *http2.RSTStreamFrame:
		e.Detail = f.ErrCode.String()
	case *http2.GoAwayFrame:
		e.Detail = fmt.Sprintf("%s, last stream %d", f.ErrCode, f.LastStreamID)
		if debug := f.DebugData(); len(debug) > 0 {
			e.Detail += ": " + printable(debug)
		}
	}
	return e
}

// flagsOf are the names of the flags that are set, with spaces between them.
func flagsOf(f http2.Frame) string {
	h := f.Header()
	var names []string
	add := func(flag http2.Flags, name string) {
		if h.Flags.Has(flag) {
			names = append(names, name)
		}
	}
	switch h.Type {
	case http2.FrameData:
		add(http2.FlagDataEndStream, "END_STREAM")
		add(http2.FlagDataPadded, "PADDED")
	case http2.FrameHeaders:
		add(http2.FlagHeadersEndStream, "END_STREAM")
		add(http2.FlagHeadersEndHeaders, "END_HEADERS")
		add(http2.FlagHeadersPadded, "PADDED")
		add(http2.FlagHeadersPriority, "PRIORITY")
	case http2.FrameContinuation:
		add(http2.FlagContinuationEndHeaders, "END_HEADERS")
	case http2.FrameSettings:
		add(http2.FlagSettingsAck, "ACK")
	case http2.FramePing:
		add(http2.FlagPingAck, "ACK")
	}
	return strings.Join(names, " ")
}
