package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/tcp"
)

// Outcome is what became of a request.
type Outcome string

// The outcomes. They are told apart by what came, and never guessed.
const (
	Upgraded    Outcome = "upgraded"    // 101
	Refused     Outcome = "refused"     // a response with another status
	Closed      Outcome = "closed"      // the end of the connection before a response
	Reset       Outcome = "reset"       // a reset before a response
	Silence     Outcome = "silence"     // nothing, or half a response, in the time there was
	Garbage     Outcome = "garbage"     // bytes that are no response
	Unreachable Outcome = "unreachable" // no connection: says nothing about the server
)

// Answer is what a server did about one probe.
type Answer struct {
	Outcome  Outcome
	Exchange handshake.Exchange // the request as sent, the response as it came
	Sent     []byte             // its beginning
	Size     int                // of all that was sent
	Got      int                // bytes of a response that broke off
	Err      error              // of a connection that was not made, or of one that failed
	Frames   []Frame            // that came behind the 101
	End      End                // how it ended after the 101
	Wait     time.Duration      // how long the server had
	Flood    bool               // more came than is looked at
}

// End is how a connection ended behind a 101.
type End string

// The ends.
const (
	Open    End = "open" // it did not, in the time there was
	ByClose End = "closed"
	ByReset End = "reset"
)

// Frame is a frame that came from the server.
type Frame struct {
	Op     byte
	Fin    bool
	RSV    byte
	Masked bool
	Mask   [4]byte // its key
	Size   uint64
	Data   []byte // its beginning
}

// Code is the code of a close frame: 1005 where it has none.
func (f *Frame) Code() int {
	if len(f.Data) < 2 {
		return 1005
	}
	return int(binary.BigEndian.Uint16(f.Data))
}

// Status is the status of the response, 0 where none came.
func (a *Answer) Status() int {
	if a.Exchange.Response == nil || a.Outcome != Refused && a.Outcome != Upgraded {
		return 0
	}
	return a.Exchange.Response.Status
}

// Close is the close frame that came; nil where none did.
func (a *Answer) Close() *Frame {
	for i := range a.Frames {
		if a.Frames[i].Op == opClose {
			return &a.Frames[i]
		}
	}
	return nil
}

// pong reports whether a pong with this data came.
func (a *Answer) pong(data string) bool {
	for i := range a.Frames {
		if a.Frames[i].Op == opPong && string(a.Frames[i].Data) == data {
			return true
		}
	}
	return false
}

// Alive reports whether the server has shown that it goes on: it has answered
// the ping that follows what was sent, and has not ended the connection.
func (a *Answer) Alive() bool { return a.pong(marker) && !a.Ended() }

// Ended reports whether the server has ended the WebSocket: by a close frame,
// or with the connection.
func (a *Answer) Ended() bool { return a.Close() != nil || a.End != Open }

// String says what came, in a few words.
func (a *Answer) String() string {
	switch a.Outcome {
	case Upgraded:
		return "101: it was upgraded" + a.after()
	case Refused:
		return a.Exchange.Response.Text()
	case Closed:
		return "the connection was closed" + a.partly()
	case Reset:
		return "the connection was reset" + a.partly()
	case Silence:
		return "nothing" + a.partly() + " within " + render.Duration(a.Wait)
	case Garbage:
		return "no HTTP response but " + a.sniffed()
	}
	return fmt.Sprintf("no connection: %s", tcp.Reason(a.Err))
}

// partly says that there was more than nothing.
func (a *Answer) partly() string {
	if a.Got == 0 && a.Outcome == Silence {
		return ""
	}
	if a.Got == 0 {
		return " without a response"
	}
	if a.Outcome == Silence {
		return fmt.Sprintf(" but %d bytes of a response", a.Got)
	}
	return fmt.Sprintf(" in the middle of a response, after %d bytes", a.Got)
}

func (a *Answer) sniffed() string {
	raw := a.Exchange.Response.Raw
	if name := handshake.Sniff(raw); name != "" {
		return name
	}
	return fmt.Sprintf("%q", raw[:min(len(raw), 40)])
}

// after says what came behind the 101.
func (a *Answer) after() string {
	var parts []string
	if len(a.Exchange.Body) > 0 || len(a.Frames) > 0 {
		parts = append(parts, a.told()...)
	}
	switch {
	case a.End == ByClose:
		parts = append(parts, "the end of the connection")
	case a.End == ByReset:
		parts = append(parts, "a reset")
	case a.Flood:
		parts = append(parts, "more than is looked at")
	}
	if len(parts) == 0 {
		return ""
	}
	return ", then " + strings.Join(parts, ", ")
}

// told names the frames that say something, and counts the others.
func (a *Answer) told() (parts []string) {
	data := 0
	for i := range a.Frames {
		switch f := &a.Frames[i]; {
		case f.Op == opClose && len(f.Data) < 2:
			parts = append(parts, "a close frame without a code")
		case f.Op == opClose:
			parts = append(parts, strings.TrimSuffix("close "+fmt.Sprint(f.Code())+" "+render.Printable(string(f.Data[2:])), " "))
		case f.Op == opPong && string(f.Data) == marker:
			parts = append(parts, "an answer to the ping behind it")
		case f.Op == opPong:
			parts = append(parts, "a pong")
		default:
			data++
		}
	}
	if data > 0 {
		parts = append(parts, plural(data, "frame")+" of its own")
	}
	return parts
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// key is what makes two answers the same: not their words, but what they come
// to.
func (a *Answer) key() string {
	k := string(a.Outcome)
	if a.Outcome == Refused {
		k += fmt.Sprint(" ", a.Status())
	}
	if a.Outcome != Upgraded {
		return k
	}
	if a.Ended() {
		return k + " ended"
	}
	return fmt.Sprint(k, " alive ", a.Alive())
}

// fail notes how a connection failed before a response was complete.
func (a *Answer) fail(err error) {
	var cut *handshake.CutError
	if errors.As(err, &cut) {
		a.Got = cut.Got
	}
	switch {
	case errors.As(err, &cut) && cut.Err == io.EOF:
		a.Outcome = Closed
	case isTimeout(err):
		a.Outcome = Silence
	case tcp.IsReset(err) || errors.As(err, &cut):
		a.Outcome = Reset
	default:
		a.Outcome = Garbage
	}
	a.Err = err
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
