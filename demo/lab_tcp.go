package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// tcpBench is the lab of the lesson on TCP: one connection at a time, both ends
// of which the reader moves.
type tcpBench struct {
	stage    *Stage
	listener *tcp.Listener

	mu      sync.Mutex
	client  *tcpEnd
	server  *tcpEnd
	waiting []net.Conn // in the backlog
}

// tcpEnd is one end, with a program behind it that reads all that comes, unless
// it is asleep.
type tcpEnd struct {
	who    string
	conn   net.Conn
	mu     sync.Mutex
	awake  sync.Cond
	asleep bool
}

func tcpLab(s *Stage) (Actions, error) {
	l, err := s.listen("server")
	if err != nil {
		return nil, err
	}
	b := &tcpBench{stage: s, listener: l}
	s.Push("address", l.Addr().String())
	go b.watch(s.ctx)
	return Actions{
		"open":     do(b.open),
		"send":     act(b.send),
		"end":      act(b.end),
		"close":    act(b.close),
		"reset":    act(b.reset),
		"sleep":    do(b.sleep),
		"wake":     do(b.wake),
		"fill":     do(b.fill),
		"queue":    do(b.queue),
		"accept":   do(b.accept),
		"question": act(b.question),
	}, nil
}

// open connects the two anew.
func (b *tcpBench) open(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) > 0 {
		return errors.New("connections wait in the backlog: have the server accept them first")
	}
	if b.client != nil {
		_ = errors.Join(b.client.conn.Close(), b.server.conn.Close()) // the reader wants another
	}
	client, server, err := b.stage.pair("client", "server", b.listener)
	if err != nil {
		return err
	}
	b.client, b.server = newTCPEnd("client", client), newTCPEnd("server", server)
	for _, e := range []*tcpEnd{b.client, b.server} {
		b.stage.Keep(closerFunc(func() error { e.wake(); return nil }))
		go e.read(b.stage)
	}
	return nil
}

func newTCPEnd(who string, conn net.Conn) *tcpEnd {
	e := &tcpEnd{who: who, conn: conn}
	e.awake.L = &e.mu
	return e
}

// read is the program behind an end.
func (e *tcpEnd) read(s *Stage) {
	b := make([]byte, mostRead)
	for {
		e.rest()
		_, err := e.conn.Read(b)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded): // put to sleep
			continue
		case err == io.EOF:
			s.Note(e.who, "a read returns 0 bytes: nothing more will come")
			return
		case isClosed(err):
			return
		case err != nil:
			s.Note(e.who, "a read fails: %s", tcp.Reason(err))
			return
		}
	}
}

// rest waits while the program sleeps.
func (e *tcpEnd) rest() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.asleep {
		e.awake.Wait()
	}
}

// ends are those of the connection.
func (b *tcpBench) ends(who string) (this, other *tcpEnd, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.client == nil:
		return nil, nil, errors.New("there is no connection yet: open one")
	case who == "server":
		return b.server, b.client, nil
	}
	return b.client, b.server, nil
}

// tcpWho says which end is meant.
type tcpWho struct {
	Who  string `json:"who"` // client or server
	Text string `json:"text"`
}

const mostTyped = 64 << 10

func (b *tcpBench) send(_ context.Context, a tcpWho) (any, error) {
	e, _, err := b.ends(a.Who)
	if err != nil {
		return nil, err
	}
	if len(a.Text) == 0 || len(a.Text) > mostTyped {
		return nil, fmt.Errorf("1 to %s bytes can be sent at once, not %s", grouped(mostTyped), grouped(len(a.Text)))
	}
	if err := write(e.conn, a.Text); err != nil {
		return nil, fmt.Errorf("the write fails: %w", inWords(err))
	}
	return nil, nil
}

// inWords words an error for the page.
func inWords(err error) error {
	switch {
	case err == nil:
		return nil
	case isClosed(err):
		return errors.New("this end is closed already: open a connection anew")
	}
	return errors.New(tcp.Reason(err))
}

func (b *tcpBench) end(_ context.Context, a tcpWho) (any, error) {
	e, _, err := b.ends(a.Who)
	if err != nil {
		return nil, err
	}
	half, ok := e.conn.(interface{ CloseWrite() error })
	if !ok {
		return nil, errors.New("this connection has no half to end")
	}
	return nil, inWords(half.CloseWrite())
}

func (b *tcpBench) close(_ context.Context, a tcpWho) (any, error) {
	e, _, err := b.ends(a.Who)
	if err != nil {
		return nil, err
	}
	e.wake()
	return nil, inWords(e.conn.Close())
}

// reset ends a connection by force: what was sent and not read is lost.
func (b *tcpBench) reset(_ context.Context, a tcpWho) (any, error) {
	e, _, err := b.ends(a.Who)
	if err != nil {
		return nil, err
	}
	if c, ok := tcp.Unwrap(e.conn).(*net.TCPConn); ok {
		if err := c.SetLinger(0); err != nil {
			return nil, inWords(err)
		}
	}
	b.stage.Note(e.who, "SO_LINGER is 0: close sends a reset")
	e.wake()
	return nil, inWords(e.conn.Close())
}

// sleep has the server's program stop reading; wake has it go on.
func (b *tcpBench) sleep(context.Context) error {
	e, _, err := b.ends("server")
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.asleep = true
	e.mu.Unlock()
	b.stage.Note(e.who, "the program stops reading")
	return inWords(e.conn.SetReadDeadline(time.Unix(1, 0)))
}

func (b *tcpBench) wake(context.Context) error {
	e, _, err := b.ends("server")
	if err != nil {
		return err
	}
	e.wake()
	b.stage.Note(e.who, "the program reads again")
	return nil
}

func (e *tcpEnd) wake() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asleep = false
	_ = e.conn.SetReadDeadline(time.Time{}) // it may be closed
	e.awake.Broadcast()
}

// fill writes from the client until nothing more is taken.
func (b *tcpBench) fill(ctx context.Context) error {
	e, other, err := b.ends("client")
	if err != nil {
		return err
	}
	other.mu.Lock()
	asleep := other.asleep
	other.mu.Unlock()
	if !asleep {
		return errors.New("the server reads all that comes: have it stop reading first")
	}
	wrote := 0
	for piece := make([]byte, chunk); wrote < mostWrote && ctx.Err() == nil; {
		if err := e.conn.SetWriteDeadline(time.Now().Add(stuck)); err != nil {
			return inWords(err)
		}
		n, err := e.conn.Write(piece)
		wrote += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			b.stage.Note("client", "a write does not return any more, after %s bytes: both kernels' buffers are full", grouped(wrote))
			return nil
		}
		if err != nil {
			return inWords(err)
		}
	}
	return fmt.Errorf("the buffers took %s bytes and were not full", grouped(wrote))
}

const mostQueued = 16

// queue connects a client that nobody accepts yet.
func (b *tcpBench) queue(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) >= mostQueued {
		return fmt.Errorf("%d wait already", mostQueued)
	}
	who := fmt.Sprintf("client %d", len(b.waiting)+1)
	conn, err := b.stage.dial(who, b.listener.Addr())
	if err != nil {
		return inWords(err)
	}
	b.waiting = append(b.waiting, conn)
	b.stage.Push("queued", len(b.waiting))
	return inWords(write(conn, who+" was here\n"))
}

// accept has the server take the first that waits, and read what it has sent.
func (b *tcpBench) accept(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		return errors.New("nobody waits in the backlog")
	}
	conn, err := b.stage.acceptFrom("server", b.listener, b.waiting[0].LocalAddr())
	if err != nil {
		return inWords(err)
	}
	_, err = read(conn, mostRead)
	_ = errors.Join(conn.Close(), b.waiting[0].Close())
	b.waiting = b.waiting[1:]
	b.stage.Push("queued", len(b.waiting))
	return inWords(err)
}

// tcpFigures are what the page shows of an end's kernel.
type tcpFigures struct {
	State    string `json:"state"`
	RTT      string `json:"rtt"`
	Sent     string `json:"sent"`     // bytes acknowledged by the other kernel
	Received string `json:"received"` // bytes that came
	Waiting  string `json:"waiting"`  // bytes in the send buffer
	Window   string `json:"window"`   // what the other side has room for
	Again    int    `json:"again"`    // segments sent again
	Cwnd     int    `json:"cwnd"`
}

// watch pushes what the kernels know, twice a second.
func (b *tcpBench) watch(ctx context.Context) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if this, other, err := b.ends("client"); err == nil {
				b.stage.Push("client", figures(this.conn))
				b.stage.Push("server", figures(other.conn))
			}
		case <-ctx.Done():
			return
		}
	}
}

func figures(conn net.Conn) tcpFigures {
	i, err := tcp.Info(conn)
	switch {
	case isClosed(err):
		return tcpFigures{State: "the program has closed it"}
	case err != nil:
		return tcpFigures{State: err.Error()}
	}
	return tcpFigures{
		State: i.State, RTT: i.RTT.String(), Sent: grouped(confirmed(i)), Received: grouped(int(i.BytesReceived)),
		Waiting: grouped(i.NotSent), Window: grouped(i.SendWindow), Again: i.Retransmits, Cwnd: i.Window,
	}
}

// tcpAnswer is the reader's to the question: after the client's end, can the
// server still send?
type tcpAnswer struct {
	Can string `json:"can"` // yes or no
}

// question looks for the answer in the trace: something that the server has sent
// behind the client's end, and that came.
func (b *tcpBench) question(_ context.Context, a tcpAnswer) (any, error) {
	var ended, last *entry
	for _, e := range b.stage.cast.entries() {
		switch event := e.Event.(type) {
		case trace.Open:
			if e.who == "client" {
				ended = nil
			}
		case trace.HalfClose:
			if e.who == "client" && event.Dir == trace.Out {
				ended = &e
			}
		case trace.Data:
			if e.who == "client" && event.Dir == trace.In && ended != nil {
				last = &e
			}
		}
		if last != nil {
			return Verdict{a.Can == "yes", "It can: the client's end says only that no more comes from it. Here the server's bytes reached it all the same.", []int{ended.number, last.number}}, nil
		}
	}
	return nil, errors.New("nothing of the kind has happened yet: open a connection, end the client's half, and have the server send")
}
