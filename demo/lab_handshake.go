package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/live"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// upgradeBench is the lab of the lesson on the opening handshake: a server and a
// client of ours, and both heads in the hands of the reader.
type upgradeBench struct {
	stage  *Stage
	server string        // the address of a real server, which answers requests by itself
	hand   *tcp.Listener // where responses are served that the reader has written
	filled sync.Once     // the boxes, when the first tab comes
	mu     sync.Mutex    // one handshake at a time
}

// upgradeWait bounds what a side waits for the rest of a head. It is short, for
// a reader waits as well.
const upgradeWait = time.Second

func handshakeLab(s *Stage) (Actions, error) {
	l, err := s.listen("server")
	if err != nil {
		return nil, err
	}
	b := &upgradeBench{stage: s, server: l.Addr().String()}
	server := &ws.Server{Handler: echo, Tracer: s.full("server"), HandshakeTimeout: upgradeWait}
	s.Keep(server)
	go func() { _ = server.Serve(l.Sockets()[0]) }()
	if b.hand, err = (&tcp.ListenConfig{}).Listen(s.ctx, "tcp", anyPort); err != nil {
		return nil, err
	}
	s.Keep(b.hand)
	s.Push("address", b.server)
	return Actions{
		"begin":    do(b.begin),
		"preset":   act(b.preset),
		"check":    act(b.check),
		"send":     act(b.send),
		"serve":    act(b.serve),
		"break":    act(b.preset),
		"question": act(b.question),
	}, nil
}

// typedHeads are both heads, as they are written in the page.
type typedHeads struct {
	Request  string `json:"request"`
	Response string `json:"response"`
}

// reaction is what somebody did about something, and the records that show it.
type reaction struct {
	Said string `json:"said"`
	Rows []int  `json:"rows"`
}

// send sends the request to the server, and judges its answer as a client.
func (b *upgradeBench) send(ctx context.Context, a typedHeads) (any, error) {
	raw, err := typedBytes(a.Request)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.stage.cast.Next()
	conn, err := (&tcp.Dialer{Tracer: b.stage.full("client"), Timeout: patience}).DialContext(ctx, "tcp", b.server)
	if err != nil {
		return nil, inWords(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	said, err := b.ask(ctx, conn, raw)
	if err != nil {
		return nil, err
	}
	return reaction{said, b.concluded(ctx, from, "server")}, nil
}

// ask writes the bytes of a request, and reads what comes of it.
func (b *upgradeBench) ask(ctx context.Context, conn net.Conn, raw []byte) (string, error) {
	known := conn.(*tcp.Conn)
	known.Framed()
	x := &handshake.Exchange{}
	x.Request, x.Early = typedHead(raw, false)
	emitHead(known, trace.Out, x.Request)
	if err := conn.SetDeadline(time.Now().Add(2 * upgradeWait)); err != nil {
		return "", inWords(err)
	}
	if _, err := conn.Write(raw); err != nil {
		return "", inWords(err)
	}
	x.Response = &handshake.Head{}
	reader := &handshake.Reader{Source: conn}
	if err := reader.ReadResponse(x.Response); err != nil {
		return "No answer: " + handsOff(err) + ".", nil
	}
	emitHead(known, trace.In, x.Response)
	agreed, err := handshake.CheckResponse(x)
	if err != nil {
		return b.refused(known, x, reader, err), nil
	}
	return greet(ctx, conn, agreed, reader.Rest()), nil
}

// refused is what the client makes of an answer that it cannot take.
func (b *upgradeBench) refused(conn *tcp.Conn, x *handshake.Exchange, reader *handshake.Reader, why error) string {
	conn.Tracer().Emit(conn.TraceID(), trace.UpgradeFailed{Side: trace.Client, Status: x.Response.Status, Error: why.Error()})
	if x.Response.Status == 101 {
		return "The server answers 101, and the client gives up: " + sentenceOf(why)
	}
	body, _ := reader.Body(x.Response, mostRead) // whatever of it comes is enough
	return strings.TrimSpace(fmt.Sprintf("The server answers %s. %s", x.Response.Text(), bytes.TrimSpace(body)))
}

// sentenceOf is an error of a handshake in the middle of a line.
func sentenceOf(err error) string {
	var f *handshake.Finding
	if errors.As(err, &f) {
		return f.Sentence()
	}
	return err.Error()
}

// handsOff words an end without an answer.
func handsOff(err error) string {
	var cut *handshake.CutError
	if errors.As(err, &cut) && errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("the server ended the connection after %d bytes", cut.Got)
	}
	return tcp.Reason(err)
}

// greet says a word on the WebSocket that has come to be.
func greet(ctx context.Context, conn net.Conn, agreed handshake.Agreement, early []byte) string {
	_ = conn.SetDeadline(time.Time{}) // it may be closed, which shows soon
	return greets(ctx, ws.NewConn(conn, ws.Config{Role: ws.ClientRole, Agreed: agreed, Early: early, CloseTimeout: upgradeWait}))
}

// greets says Hello to a server, and tells what comes back.
func greets(ctx context.Context, c *ws.Conn) string {
	defer c.CloseNow()
	ctx, cancel := context.WithTimeout(ctx, upgradeWait)
	defer cancel()
	const open = "101: the WebSocket is open. "
	if err := c.Write(ctx, ws.Text, []byte(greeting)); err != nil {
		return open + "Then: " + heardOf(err)
	}
	_, heard, err := c.Read(ctx)
	if err != nil {
		return open + "Then: " + heardOf(err)
	}
	said := fmt.Sprintf("%sThe client said %q and heard %q.", open, greeting, shortened(string(heard)))
	_ = c.Close(ws.StatusNormal, "") // a peer that does not answer shows in the trace
	return said
}

// shortened is a text of a peer's of which not all need be shown.
func shortened(s string) string {
	const most = 80
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// serve has a real client ask, and answers it with the response.
func (b *upgradeBench) serve(ctx context.Context, a typedHeads) (any, error) {
	request, err := wholeRequest(a.Request)
	if err != nil {
		return nil, err
	}
	raw, err := typedBytes(a.Response)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.stage.cast.Next()
	ours, theirs, err := b.stage.linked("client", "server", b.hand)
	if err != nil {
		return nil, inWords(err)
	}
	defer context.AfterFunc(ctx, func() { ours.Close(); theirs.Close() })()
	over := make(chan struct{})
	go func() { defer close(over); answerByHand(ctx, theirs.(*tcp.Conn), raw) }()
	said := b.asks(ctx, ours, request)
	theirs.Close()
	<-over
	return reaction{said, b.concluded(ctx, from, "client")}, nil
}

// asks has a client make its handshake with this request, and tells how it went.
func (b *upgradeBench) asks(ctx context.Context, conn net.Conn, request *handshake.Head) string {
	d := ws.Dialer{Edit: func(h *handshake.Head) { *h = *request }, Timeout: upgradeWait, CloseTimeout: upgradeWait}
	c, _, err := d.Upgrade(ctx, conn, "ws://"+b.hand.Addr().String()+chatPath)
	if err != nil {
		return "The client gives up: " + reasonOf(err)
	}
	return "The client takes it. " + greets(ctx, c)
}

// reasonOf is why a client's handshake failed, without the address.
func reasonOf(err error) string {
	var failed *ws.HandshakeError
	if !errors.As(err, &failed) {
		return tcp.Reason(err)
	}
	_, why, _ := strings.Cut(failed.Error(), chatPath+": ")
	return why + "."
}

// answerByHand reads a request and answers it with these bytes. Where they make
// a WebSocket, it repeats what is said.
func answerByHand(ctx context.Context, conn *tcp.Conn, raw []byte) {
	conn.Framed()
	x := &handshake.Exchange{Request: &handshake.Head{}}
	reader := &handshake.Reader{Source: conn}
	if reader.ReadRequest(x.Request) != nil {
		return
	}
	emitHead(conn, trace.In, x.Request)
	x.Response, _ = typedHead(raw, true)
	emitHead(conn, trace.Out, x.Response)
	if _, err := conn.Write(raw); err != nil {
		return
	}
	agreed, err := handshake.CheckResponse(x)
	switch {
	case err == nil:
		_ = echo(ctx, ws.NewConn(conn, ws.Config{Role: ws.ServerRole, Agreed: agreed, Early: reader.Rest()}))
		return
	case x.Response.Status != 101 && bytes.HasSuffix(x.Response.Raw, []byte("\n")):
		_ = conn.CloseWrite() // the end of an answer that has no length
	}
	_, _ = io.Copy(io.Discard, conn) // until the client has left
}

// linked is a connection whose every byte is recorded, both ends of it.
func (s *Stage) linked(client, server string, l *tcp.Listener) (ours, theirs net.Conn, err error) {
	if ours, err = (&tcp.Dialer{Tracer: s.full(client), Timeout: patience}).DialContext(s.ctx, "tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if bounded, ok := l.Sockets()[0].(*net.TCPListener); ok {
		_ = bounded.SetDeadline(time.Now().Add(patience)) // a listener that is closed says so below
	}
	if theirs, err = l.Accept(); err != nil {
		ours.Close()
		return nil, nil, err
	}
	return ours, tcp.Trace(theirs, s.full(server), trace.Server, 0), nil
}

// emitHead records a head of which at least something is there.
func emitHead(conn *tcp.Conn, dir trace.Dir, h *handshake.Head) {
	if wire := h.AppendTo(nil); len(h.Raw) > 0 {
		conn.Tracer().Emit(conn.TraceID(), trace.HTTPHead{Dir: dir, Line: string(h.AppendLine(nil)), Size: len(wire), Payload: wire})
	}
}

// concluded waits for who's verdict on the handshake since record n, and names
// the records that hold it.
func (b *upgradeBench) concluded(ctx context.Context, n int, who string) (rows []int) {
	ctx, cancel := context.WithTimeout(ctx, upgradeWait)
	defer cancel()
	b.stage.cast.Await(ctx.Done(), n, func(list []live.Entry) bool {
		rows = nil
		ended := false
		for _, e := range list {
			switch e.Event.(type) {
			case trace.Finding:
				rows = append(rows, e.Number)
			case trace.Upgrade, trace.UpgradeFailed:
				rows = append(rows, e.Number)
				ended = ended || e.Who == who
			}
		}
		return ended
	})
	return rows
}

// acceptAnswer is the reader's to the question: which rule does the client name?
type acceptAnswer struct {
	Rule string `json:"rule"`
}

// question looks in the trace for a client that was answered in hexadecimal
// digits, and for what it found.
func (b *upgradeBench) question(_ context.Context, a acceptAnswer) (any, error) {
	answer := -1
	for _, e := range b.stage.cast.entries() {
		switch event := e.Event.(type) {
		case trace.HTTPHead:
			if e.who == "client" && event.Dir == trace.In {
				answer = -1
				if h, _ := typedHead(event.Payload, true); isHexSHA1(h.Get("Sec-WebSocket-Accept")) {
					answer = e.number
				}
			}
		case trace.Finding:
			if e.who == "client" && answer >= 0 {
				return Verdict{a.Rule == event.Rule, fmt.Sprintf("%s (%s). The client makes the calculation itself and compares; how a wrong value is written does not matter. The fault is the %s's.",
					strings.TrimSuffix(event.Summary, "."), event.Clause, event.Fault), []int{answer, e.number}}, nil
			}
		}
	}
	return nil, errors.New("nothing of the kind has happened yet: serve the client a Sec-WebSocket-Accept in hexadecimal digits first")
}
