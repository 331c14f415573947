package inspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// record is the try for the report.
func (t *trial) record() Try {
	return Try{ID: t.id, What: t.what, Address: t.shown(), To: t.dialled, Reached: t.reached, Opens: t.opens, Status: t.status, Said: t.words(), Duration: t.took}
}

// words say what came of it.
func (t *trial) words() string {
	switch {
	case t.opens && t.namespace != "":
		return "joined"
	case t.opens && t.opening != nil:
		return fmt.Sprintf("opens a session of Engine.IO %d", t.version())
	case t.opens && t.kind == asksUpgrade && t.chosen != "":
		return "opens, with the subprotocol " + t.chosen
	case t.opens && t.kind == asksUpgrade:
		return "opens"
	case t.refused != "":
		return "refused: " + t.refused
	case t.closed != nil:
		return "opens, and the peer closes at once with " + withCame(t.closed.Code.String(), t.closed.Reason)
	case t.status == 101 && t.reached == ReachedWebSocket:
		return "opens, and then " + lostFor(t.err)
	case t.status == 101 && t.err != nil:
		return "answered 101, which is not right: " + reasonFor(t.err)
	case t.http():
		return t.answered()
	case errors.As(t.err, new(*tcp.TLSError)):
		return reasonFor(t.err)
	case t.echoes():
		return "sends back what it was sent"
	case len(t.first) > 0 && t.protocol() != "":
		return fmt.Sprintf("speaks %s: %s", t.protocol(), excerpt(t.first))
	case len(t.first) > 0:
		return "says " + excerpt(t.first)
	case t.err != nil:
		return reasonFor(t.err)
	}
	return "says nothing"
}

// answered words a response of HTTP.
func (t *trial) answered() string {
	s := "answered " + strings.TrimSpace(strconv.Itoa(t.status)+" "+string(t.x.Response.Reason))
	if where := t.x.Response.Get("Location"); where != "" {
		s += ", Location: " + where
	}
	if line := firstWords(t.body); line != "" {
		s += ": " + line
	}
	if t.cut != nil && t.kind == asksEngine {
		s += fmt.Sprintf(" (its body breaks off after %s)", plural(len(t.body), "byte"))
	}
	return s
}

func excerpt(b []byte) string { return strconv.Quote(string(b[:min(len(b), 60)])) }

// firstWords is what a body says, unless it is a page.
func firstWords(body []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(body), []byte("\n"))
	if len(line) == 0 || line[0] == '<' || len(line) > 120 {
		return ""
	}
	return string(bytes.TrimSpace(line))
}

// reasonFor words why something did not come to its end.
func reasonFor(err error) string {
	var failed *ws.HandshakeError
	switch {
	case errors.As(err, &failed) && failed.Finding != nil:
		return failed.Finding.Sentence()
	case errors.As(err, &failed) && failed.Err != nil:
		err = failed.Err
	}
	var tls *tcp.TLSError
	if errors.As(err, &tls) {
		return tls.Reason
	}
	if isTimeout(err) {
		return "no answer within the time it was given"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the connection was closed without an answer"
	}
	return tcp.Reason(cause(err))
}

// lostFor words how an open WebSocket ended.
func lostFor(err error) string {
	var broken *ws.Violation
	if errors.As(err, &broken) {
		return "breaks a rule of frames: " + broken.Summary + " (" + broken.Clause + ")"
	}
	return "ends: " + reasonFor(err)
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// seen is a try and what came of it, in one line.
func (t *trial) seen() string {
	if t == nil { // the time was over
		return ""
	}
	to := ""
	if t.id == TryFamily {
		to = " at " + t.dialled
	}
	return t.shown() + to + t.how() + ": " + t.words()
}

// how says what is special about the request, beside its URL.
func (t *trial) how() string {
	switch t.id {
	case TryNoSubprotocol, TrySubprotocols, TryNoExtension, TryOrigin, TryNoOrigin, TryHost, TryPage, TryBanner, TryHTTP2:
		return " (" + t.what + ")"
	case TryNamespace:
		return ", namespace " + t.namespace
	}
	return ""
}

// echoes reports whether what came is what was sent.
func (t *trial) echoes() bool {
	if t == nil || len(t.first) == 0 {
		return false
	}
	sent := []byte(http2Preface)
	if t.kind != asksHTTP2 {
		if t.x == nil || t.x.Request == nil {
			return false
		}
		sent = t.x.Request.AppendTo(nil)
	}
	return bytes.HasPrefix(sent, t.first) || bytes.HasPrefix(t.first, sent)
}
