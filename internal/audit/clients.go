package audit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/render"
)

// Clients answers the successive attempts of a client, each otherwise, until
// all is asked. Replies have to be given.
type Clients struct {
	Address string
	Replies []*Reply
	Wait    time.Duration // for what a client does; 0 is 3 s
	Idle    time.Duration // after so long without a client it ends, once one has come; 0 is 60 s
	Hosts   []string      // names beside the loopback ones that browsers may know the page by

	// Progress is told after each attempt how many are done; nil is not told. It
	// is never called twice at once.
	Progress func(done, of, findings int)

	mu       sync.Mutex
	began    time.Time
	turns    []*turn // in the order of the replies
	queue    []*turn // that wait for an attempt
	busy     int     // attempts at this moment
	attempts []*Attempt
	pongs    bool // the client answers pings
	done     chan struct{}
	came     chan struct{}
	pages    *pages
}

// turn is a reply, and what came of it.
type turn struct {
	*Reply
	Verdict
	last *Attempt
	all  []*Attempt
}

// ErrIdle says that no client came for too long.
var ErrIdle = errors.New("audit: no client comes any more")

// DefaultIdle is how long a next attempt is waited for.
const DefaultIdle = time.Minute

const mostAtOnce = 64 // connections

// Serve answers the clients that accept returns until all is asked, the client
// stays away (ErrIdle), or ctx ends. The report has what is known by then.
func (c *Clients) Serve(ctx context.Context, accept func(context.Context) (net.Conn, error)) (*Report, error) {
	c.setUp()
	ctx, cancel := context.WithCancelCause(ctx)
	var visits sync.WaitGroup
	go c.watch(ctx, cancel)
	seats := make(chan struct{}, mostAtOnce)
	var failure error
	for {
		conn, err := accept(ctx)
		if err != nil {
			failure = err
			break
		}
		seats <- struct{}{}
		visits.Go(func() { defer func() { <-seats }(); c.visit(ctx, conn) })
	}
	cause := context.Cause(ctx)
	cancel(failure)
	visits.Wait()
	c.pages.close()
	switch {
	case errors.Is(cause, errDone):
		failure = nil
	case cause != nil:
		failure = cause
	}
	return c.report(), failure
}

func (c *Clients) setUp() {
	c.began, c.done, c.came = time.Now(), make(chan struct{}), make(chan struct{}, 1)
	for _, r := range c.Replies {
		c.turns = append(c.turns, &turn{Reply: r, Verdict: Verdict{Skipped, "no attempt came for it"}})
	}
	c.queue = append(c.queue, c.turns...)
	c.pages = newPages(c)
}

// errDone ends Serve once all is asked.
var errDone = errors.New("audit: all is asked")

// watch ends it once all is asked, or nobody comes any more.
func (c *Clients) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	idle := time.NewTimer(time.Hour)
	idle.Stop() // until somebody has come
	defer idle.Stop()
	for {
		select {
		case <-c.came:
			idle.Reset(orDefault(c.Idle, DefaultIdle))
		case <-idle.C:
			if c.isBusy() {
				continue // its end begins the time anew
			}
			cancel(ErrIdle)
			return
		case <-c.done:
			c.pages.lastLook(ctx)
			cancel(errDone)
			return
		case <-ctx.Done():
			return
		}
	}
}

// tellCame says that somebody was here.
func (c *Clients) tellCame() {
	select {
	case c.came <- struct{}{}:
	default:
	}
}

func (c *Clients) isBusy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy > 0
}

func (c *Clients) wait() time.Duration { return orDefault(c.Wait, DefaultWait) }

// visit takes one connection: an attempt, or a browser that wants the page.
func (c *Clients) visit(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(defaultDialWait))
	r := &handshake.Reader{Source: conn}
	req := &handshake.Head{}
	if err := r.ReadRequest(req); err != nil {
		return // no attempt; a browser opens connections that it may not use
	}
	if !req.Has("Upgrade") && !req.Has("Sec-WebSocket-Key") {
		c.pages.serve(conn, req.Raw, r)
		return
	}
	defer c.tellCame()
	t := c.take(req)
	if t == nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 22\r\n\r\nEverything was asked.\n")
		return
	}
	a := c.answer(ctx, conn, r, req, t.Reply)
	c.judged(t, a, ctx.Err() != nil)
}

// take picks the reply for a request: the one that its path names, or the next
// that the client can be asked.
func (c *Clients) take(req *handshake.Head) *turn {
	c.mu.Lock()
	defer c.mu.Unlock()
	target, _, _ := strings.Cut(string(req.Target), "?")
	for _, t := range c.turns {
		if t.ID == path.Base(target) {
			c.queue = without(c.queue, t)
			c.busy++
			return t
		}
	}
	for _, t := range c.queue {
		c.queue = without(c.queue, t)
		if t.only != nil && t.only(req) != "" {
			t.Verdict = Verdict{Skipped, t.only(req)}
			continue
		}
		c.busy++
		return t
	}
	c.endIfDone()
	return nil
}

func without(queue []*turn, gone *turn) (rest []*turn) {
	for _, t := range queue {
		if t != gone {
			rest = append(rest, t)
		}
	}
	return rest
}

// endIfDone ends it where nothing is left to ask.
func (c *Clients) endIfDone() {
	if len(c.queue) > 0 || c.busy > 0 {
		return
	}
	select {
	case <-c.done:
	default:
		close(c.done)
	}
}

// wire is the response to a request.
func (r *Reply) wire(req *handshake.Head) []byte {
	h := &handshake.Head{}
	h.SetStatusLine("HTTP/1.1", 101, "Switching Protocols")
	h.Add("Upgrade", "websocket")
	h.Add("Connection", "Upgrade")
	h.Add("Sec-WebSocket-Accept", handshake.AcceptKey(req.Get("Sec-WebSocket-Key")))
	if first, _, _ := strings.Cut(req.Get("Sec-WebSocket-Protocol"), ","); first != "" {
		h.Add("Sec-WebSocket-Protocol", strings.TrimSpace(first))
	}
	if r.head != nil {
		r.head(h, req)
	}
	wire := h.AppendTo(nil)
	if r.edit != nil {
		wire = r.edit(wire)
	}
	return append([]byte(r.before), wire...)
}

// answer sends a reply and collects what the client makes of it.
func (c *Clients) answer(ctx context.Context, conn net.Conn, r *handshake.Reader, req *handshake.Head, reply *Reply) *Attempt {
	wire := reply.wire(req)
	a := &Attempt{Request: req, Early: bytes.Clone(r.Rest()[:min(len(r.Rest()), mostSent)]), Sent: wire[:min(len(wire), mostSent)], Size: len(wire), End: Open, Wait: c.wait()}
	end := time.Now().Add(a.Wait)
	_ = conn.SetDeadline(end)
	inPieces(conn, wire, reply.parts, ctx.Done())
	tail := bytes.Join(reply.behind, nil)
	if !reply.bare {
		tail = append(tail, bare(fin|opPing, marker)...)
	}
	_, _ = conn.Write(tail)
	if reply.cut {
		closeWrite(conn)
	}
	q := &asking{conn: conn, a: &Answer{End: Open}, end: end}
	fr := &frameReader{r: r, asks: true}
	q.collect(fr, end, func() bool {
		return q.a.Ended() || q.a.pong(marker) || reply.pong != "" && q.a.pong(reply.pong)
	})
	if !q.a.Ended() && q.a.pong(marker) {
		q.collect(fr, q.soon(), q.a.Ended) // a client may end a connection a moment after it has answered
	}
	a.Frames, a.End, a.Flood = q.a.Frames, q.a.End, q.a.Flood
	_, _ = conn.Write(bare(fin|opClose, closing(1000, "")))
	return a
}

func closeWrite(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// judged takes note of what came of a reply, and asks again where it looks like
// a finding.
func (c *Clients) judged(t *turn, a *Attempt, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.endIfDone()
	c.busy--
	if cut {
		return // ended by us
	}
	c.attempts = append(c.attempts, a)
	c.pongs = c.pongs || a.pong(marker)
	v := t.judge(a, c.pongs)
	if a.Flood {
		v = Verdict{Undecided, "the client sends more than is looked at"}
	}
	again := v.Kind == Finding && len(t.all)+1 < timesAsked
	if len(t.all) > 0 && (a.key() != t.last.key() || v.Kind != t.Kind) {
		v, again = Verdict{Flaky, "asked again, the answer was another one: " + t.last.String() + "; then " + a.String()}, false
	}
	t.Verdict, t.last, t.all = v, a, append(t.all, a)
	if again {
		c.queue = append(c.queue, t)
	}
	c.tell()
}

// tell reports progress.
func (c *Clients) tell() {
	if c.Progress == nil {
		return
	}
	findings := 0
	for _, t := range c.turns {
		if t.Kind == Finding {
			findings++
		}
	}
	c.Progress(len(c.turns)-len(c.queue)-c.busy, len(c.turns), findings)
}

// report is what is known.
func (c *Clients) report() *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &Report{Version: Version, Kind: KindClient, Target: c.Address, Began: c.began, Took: time.Since(c.began), Survived: true}
	if len(c.attempts) > 0 {
		r.Peer = render.Printable(c.attempts[0].Request.Get("User-Agent"))
		r.Probes = append(r.Probes, aboutRequests(c.attempts)...)
	}
	for _, t := range c.turns {
		r.Probes = append(r.Probes, t.row())
	}
	r.count()
	return r
}

func (t *turn) row() Row {
	row := Row{ID: t.ID, Group: t.Group, Clause: t.Clause, Rule: t.Rule, Binding: t.Binding, Verdict: t.Kind, Sent: t.Sends, Due: t.Due,
		Text: render.MaskText(t.Text), Why: t.Why, Mend: t.Mend, Asked: len(t.all)}
	row.Weighty = t.Kind == Finding && (t.Binding == handshake.Must || t.Group == Safety)
	if a := t.last; a != nil {
		row.Came, row.Outcome, row.Bytes = render.Printable(a.String()), a.Outcome(), someBytes(a.Sent, a.Size)
		row.Answer = someBytes(a.Request.Raw, len(a.Request.Raw))
	}
	frames := bytes.Join(t.behind, nil)
	row.Frames = someBytes(frames, len(frames))
	return row
}
