package h2

import (
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/net/http2"
)

// Code is an error code (RFC 9113 section 7).
type Code uint32

// The codes that are told apart.
const (
	NoError       = Code(http2.ErrCodeNo)
	Protocol      = Code(http2.ErrCodeProtocol)
	Internal      = Code(http2.ErrCodeInternal)
	FlowControl   = Code(http2.ErrCodeFlowControl)
	StreamClosed  = Code(http2.ErrCodeStreamClosed)
	FrameSize     = Code(http2.ErrCodeFrameSize)
	RefusedStream = Code(http2.ErrCodeRefusedStream)
	Cancel        = Code(http2.ErrCodeCancel)
	Compression   = Code(http2.ErrCodeCompression)
	Calm          = Code(http2.ErrCodeEnhanceYourCalm)
	HTTP11        = Code(http2.ErrCodeHTTP11Required)
)

// String is the name of the registry.
func (c Code) String() string { return http2.ErrCode(c).String() }

// ConnError is the end of a connection by a GOAWAY, or by a rule that was broken.
type ConnError struct {
	Code   Code
	Clause string // of the rule, where this end found it broken
	Reason string // in words, safe to print
	Local  bool   // this end ended it
}

// Error implements error.
func (e *ConnError) Error() string {
	s := "the peer ended the HTTP/2 connection with " + e.Code.String()
	if e.Local {
		s = "the HTTP/2 connection was ended with " + e.Code.String()
	}
	return s + because(e.Reason, e.Clause)
}

// StreamError is the end of one stream by a RST_STREAM.
type StreamError struct {
	Stream uint32
	Code   Code
	Clause string
	Reason string
	Local  bool
}

// Error implements error.
func (e *StreamError) Error() string {
	who := "the peer"
	if e.Local {
		who = "this end"
	}
	return fmt.Sprintf("%s reset the HTTP/2 stream %d with %s%s", who, e.Stream, e.Code, because(e.Reason, e.Clause))
}

// Is reports that a stream which the peer resets is like a TCP connection that
// it resets (RFC 8441 section 5).
func (e *StreamError) Is(target error) bool { return !e.Local && target == syscall.ECONNRESET }

func because(reason, clause string) string {
	var parts []string
	if reason != "" {
		parts = append(parts, ": "+reason)
	}
	if clause != "" {
		parts = append(parts, " ("+clause+")")
	}
	return strings.Join(parts, "")
}

// NotHTTP2 is a peer that answers in something else.
type NotHTTP2 struct{ First []byte } // the beginning of what came

// Line is the first line of what came, safe to print.
func (e *NotHTTP2) Line() string {
	line, _, _ := strings.Cut(string(e.First), "\n")
	return printable([]byte(strings.TrimSuffix(line, "\r")))
}

// Error implements error.
func (e *NotHTTP2) Error() string {
	return fmt.Sprintf("the peer does not speak HTTP/2 (RFC 9113 section 3.4): it sent %q in place of SETTINGS", e.Line())
}

// broken is a rule of the connection that the peer broke.
func broken(code Code, clause, reason string) *ConnError {
	return &ConnError{Code: code, Clause: "RFC 9113 " + clause, Reason: reason, Local: true}
}
