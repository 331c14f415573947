package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/ws"
)

// WebSocket is what passed on an open WebSocket connection.
type WebSocket struct {
	RTT      time.Duration   `json:"rtt_ns,omitempty"` // of a ping and its pong
	Waited   time.Duration   `json:"waited_ns"`
	Sent     int             `json:"sent,omitempty"` // bytes of the message that we sent to make it speak
	Count    int             `json:"count"`          // messages that came
	Messages []Message       `json:"messages,omitempty"`
	Close    *WebSocketClose `json:"close,omitempty"`
}

// Message is a message that the peer sent, or its beginning.
type Message struct {
	After   time.Duration `json:"after_ns"` // since the connection was open
	Type    string        `json:"type"`     // text or binary
	Size    int           `json:"size"`     // bytes of the whole message
	Payload []byte        `json:"base64"`
	Text    string        `json:"text,omitempty"` // where it is valid UTF-8
}

// WebSocketClose is the closing handshake.
type WebSocketClose struct {
	By       string        `json:"by"`   // ByUs or ByPeer: who closed first
	Code     int           `json:"code"` // 1005 where the frame had none, 1006 where none came
	Title    string        `json:"name,omitempty"`
	Reason   string        `json:"reason,omitempty"`
	Answered bool          `json:"answered"` // the other side answered it
	Duration time.Duration `json:"duration_ns"`
}

// The values of [WebSocketClose.By].
const (
	ByUs   = "us"
	ByPeer = "peer"
)

const (
	messagesKept = 8
	longestPing  = 5 * time.Second
	longestClose = 5 * time.Second
)

// talk pings the peer and listens to what it says first.
func (in *Inspection) talk(ctx context.Context, c *ws.Conn) error {
	w := &WebSocket{}
	in.Report.WebSocket = w
	started := time.Now()
	in.speak(ctx, c, w)
	reading, stop := context.WithCancel(ctx)
	pinging, noPong := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	go func() {
		err := w.read(reading, c, started)
		w.Waited = time.Since(started)
		noPong(err)
		ended <- err
	}()
	pingErr := w.ping(pinging, c, min(in.o.Timeout, longestPing))
	var end error
	rest := time.NewTimer(max(in.o.BannerWait-time.Since(started), 0))
	defer rest.Stop()
	select {
	case end = <-ended:
		stop()
	case <-rest.C:
		stop()
		end = <-ended
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	in.peerClosed(w, end)
	if pingErr != nil && w.Close == nil {
		in.Report.add(Finding{ID: NoPong, Severity: Warning, Clause: "RFC 6455 5.5.2", What: "a ping was not answered: " + pingErr.Error(),
			Due: "a pong, as soon as is practical", Hint: "the program behind it does not read, or something in between holds frames back"})
	}
	return nil
}

// speak sends the payload, if there is one: as text where it can be.
func (in *Inspection) speak(ctx context.Context, c *ws.Conn, w *WebSocket) {
	if len(in.o.Send) == 0 {
		return
	}
	ctx, cancel := in.within(ctx)
	defer cancel()
	if c.Write(ctx, in.kind(), in.o.Send) == nil { // else reading says how it ended
		w.Sent = len(in.o.Send)
	}
}

// kind is the type of the message that the payload makes.
func (in *Inspection) kind() ws.MessageType {
	if utf8.Valid(in.o.Send) && !in.o.SendBinary {
		return ws.Text
	}
	return ws.Binary
}

// read keeps the beginning of what the peer says, until ctx or the connection
// ends.
func (w *WebSocket) read(ctx context.Context, c *ws.Conn, started time.Time) error {
	for {
		kind, p, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if w.Count++; w.Count > messagesKept {
			continue
		}
		m := Message{After: time.Since(started), Type: kind.String(), Size: len(p)}
		m.Payload = append([]byte{}, p[:min(len(p), bannerSize)]...)
		if whole := wholeRunes(m.Payload, len(p) > bannerSize); utf8.Valid(whole) {
			m.Text = string(whole)
		}
		w.Messages = append(w.Messages, m)
	}
}

func (w *WebSocket) ping(ctx context.Context, c *ws.Conn, limit time.Duration) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no pong within %s", render.Duration(limit)))
	defer cancel()
	if w.RTT, err = c.Ping(ctx); err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// peerClosed reports that the peer has closed, where it has.
func (in *Inspection) peerClosed(w *WebSocket, err error) {
	after := w.Waited
	var closed *ws.CloseError
	if !errors.As(err, &closed) {
		return
	}
	w.Close = &WebSocketClose{
		By: ByPeer, Code: int(closed.Code), Title: closed.Code.Name(), Reason: closed.Reason,
		Answered: closed.Code != ws.StatusAbnormal, Duration: after,
	}
	var broken *ws.Violation
	switch {
	case errors.As(err, &broken):
		w.Close.By = ByUs
		in.Report.add(frameFinding(broken))
	case closed.Code == ws.StatusAbnormal:
		in.Report.add(Finding{ID: PeerReset, Severity: Warning, Clause: "RFC 6455 7.1.1", What: "the connection ended after " + render.Duration(after) + " without a close frame",
			Due: "a close frame", Hint: "the program crashed, or a proxy gave the connection up"})
	case !closed.Orderly():
		in.Report.add(Finding{ID: PeerClosed, Severity: Warning, What: "the peer closed after " + render.Duration(after) + " with " + withCame(closed.Code.String(), closed.Reason),
			Hint: "a policy of the server, such as a login that is due, often ends connections so"})
	case w.Count == 0 && w.Sent == 0:
		in.Report.add(Finding{ID: PeerClosed, Severity: Note, What: "the peer closed after " + render.Duration(after) + " without a message"})
	}
}

// frameFinding is a broken rule about frames or messages.
func frameFinding(v *ws.Violation) Finding {
	severity := Warning
	if v.Level == handshake.Must {
		severity = Error
	}
	return Finding{ID: v.ID, Severity: severity, Clause: v.Clause, What: withCame(v.Summary, v.Came), Due: v.Due, Hint: v.Mend}
}

// goodBye closes with 1000, and reports how the peer took it.
func (in *Inspection) goodBye() error {
	c, w := in.ws, in.Report.WebSocket
	in.ws = nil
	if w == nil || w.Close != nil {
		return c.CloseNow()
	}
	w.Close = &WebSocketClose{By: ByUs, Code: int(ws.StatusNormal), Title: ws.StatusNormal.Name()}
	started := time.Now()
	err := c.Close(ws.StatusNormal, "")
	w.Close.Answered, w.Close.Duration = err == nil, time.Since(started)
	if err != nil {
		in.Report.add(Finding{ID: CloseUnanswered, Severity: Warning, Clause: "RFC 6455 5.5.1", What: "our close frame was not answered",
			Due: "a close frame in answer", Hint: "the peer does not read, or ends connections without the closing handshake"})
		sortFindings(in.Report.Findings)
	}
	return err
}
