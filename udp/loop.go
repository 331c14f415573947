package udp

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// loop serves one socket of a server.
type loop struct {
	server *Server
	socket *Socket
	in     *inbox
	out    outbox
	peers  table
	began  time.Time
	done   chan struct{}

	current  *Peer // whose callback runs
	now      int64 // of this batch, on the loop's clock
	armed    bool  // a read deadline is set for the oldest peer
	draining bool  // only what is there is read
	budget   int   // batches that are still handled then

	mu      sync.Mutex // guards the read deadline and what follows
	ending  error
	leaving []*Peer
	call    atomic.Bool // there is something under mu to see to
}

func newLoop(s *Server, socket *Socket) (*loop, error) {
	l := &loop{server: s, socket: socket, began: time.Now(), done: make(chan struct{}), budget: drainBatches}
	var err error
	if l.in, err = newInbox(socket.link, l.handle); err != nil {
		return nil, err
	}
	l.out.link, l.out.count, l.out.joins = socket.link, &s.count, offload(socket.link)
	return l, l.out.sender.init(socket.link)
}

// drainBatches bounds what is still handled after Shutdown.
const drainBatches = 256

func (l *loop) clock() int64 { return int64(time.Since(l.began)) }

// serve runs the loop and cleans up. It returns why it ended.
func (l *loop) serve() error {
	err := l.run()
	if ending := l.why(); ending != nil {
		err = ending
	} else if !errors.Is(err, net.ErrClosed) {
		err = &Error{Op: "serve", Address: l.socket.display(), Err: err}
	}
	for p := l.peers.oldest; p != nil; p = l.peers.oldest {
		l.forget(p, err)
	}
	l.out.close()
	l.server.count.receiveBuffer.Add(kernelDrops(l.socket.link))
	l.server.remove(l)
	if failed := l.socket.Close(); failed != nil && err == nil {
		err = failed
	}
	close(l.done)
	return err
}

func (s *Server) remove(l *loop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.loops, l)
}

func (l *loop) run() error {
	for l.arm() {
		err := l.in.run()
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		l.now = l.clock()
		l.tidy()
	}
	if err := l.socket.conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	l.draining = true
	return l.in.drainAll()
}

// arm sets the read deadline to when the oldest peer is due to be forgotten.
// It returns false if the loop is to end.
func (l *loop) arm() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending != nil {
		return false
	}
	var due time.Time
	idle := l.server.idle()
	l.armed = l.peers.oldest != nil && idle > 0
	switch {
	case l.call.Load():
		due = aLongTimeAgo
	case l.armed:
		due = l.began.Add(time.Duration(l.peers.oldest.seen + idle))
	}
	_ = l.socket.conn.SetReadDeadline(due) // fails only once the socket is closed, as reading will
	return true
}

// wake has the loop look at what is under mu, which the caller has locked.
func (l *loop) wake() {
	l.call.Store(true)
	_ = l.socket.conn.SetReadDeadline(aLongTimeAgo)
}

// end makes the loop leave.
func (l *loop) end(reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending == nil {
		l.ending = reason
	}
	l.wake()
}

func (l *loop) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ending
}

// leave has the loop forget p.
func (l *loop) leave(p *Peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaving = append(l.leaving, p)
	l.wake()
}

// tidy forgets the peers that were closed or have been silent for long. It
// returns false if the loop is to end.
func (l *loop) tidy() bool {
	ending := false
	if l.call.Load() {
		l.mu.Lock()
		leaving := l.leaving
		l.leaving, ending = nil, l.ending != nil
		l.call.Store(ending)
		l.mu.Unlock()
		for _, p := range leaving {
			l.forget(p, net.ErrClosed)
		}
	}
	idle := l.server.idle()
	for idle > 0 {
		p := l.peers.expired(l.now, idle)
		if p == nil {
			break
		}
		l.server.Tracer.Emit(p.id, trace.Limit{
			Rule: "idle-timeout", Reason: fmt.Sprintf("nothing came for %v: the peer is forgotten", time.Duration(idle)),
		})
		l.forget(p, ErrIdle)
	}
	return !ending
}

// handle deals with a batch of n buffers and returns false to stop.
func (l *loop) handle(n int) bool {
	l.now = l.clock()
	l.out.hold()
	var got tally
	for i := range n {
		l.buffer(i, &got)
	}
	l.server.count.datagramsIn.Add(got.datagrams) // before the answers leave
	l.server.count.bytesIn.Add(got.bytes)
	l.out.release()
	if !l.tidy() {
		if l.draining {
			l.budget--
		}
		return l.draining && l.budget > 0
	}
	if !l.armed && l.peers.oldest != nil {
		l.arm()
	}
	return true
}

// tally is what a batch brought.
type tally struct{ datagrams, bytes uint64 }

// buffer deals with one buffer, which is a datagram or a burst.
func (l *loop) buffer(i int, got *tally) {
	defer l.recovered()
	payload, r := l.in.at(i)
	p := l.peer(i, &r, len(payload))
	if p == nil {
		return
	}
	for more := true; more; more = len(payload) > 0 {
		if p.gone.Load() { // it was closed by what came before in this burst
			if p = l.peer(i, &r, len(payload)); p == nil {
				return
			}
		}
		l.current = p
		var one []byte
		one, payload = cutSegment(payload, r.segment)
		if r.segment > 0 {
			r.Size = len(one)
		}
		if l.server.MaxRate > 0 && !p.rate.take(l.now, l.server.MaxRate) {
			l.overRate(p)
			continue
		}
		got.datagrams++
		got.bytes += uint64(len(one))
		p.in += int64(len(one))
		if l.server.Tracer.On(trace.Message) {
			l.reportIn(p, one, &r.Info)
		}
		if l.server.OnDatagram != nil {
			l.server.OnDatagram(p, one, r.Info)
		}
	}
}

// peer finds the sender of buffer i, or admits it. It returns nil if it is
// turned away.
func (l *loop) peer(i int, r *received, size int) *Peer {
	from := r.origin()
	p := l.peers.find(&from)
	if p != nil && p.gone.Load() {
		l.forget(p, net.ErrClosed)
		p = nil
	}
	if p == nil {
		datagrams := 1
		if r.segment > 0 {
			datagrams = (size + r.segment - 1) / r.segment
		}
		if p = l.admit(i, r, uint64(datagrams)); p == nil {
			return nil
		}
	}
	l.peers.touch(p, l.now)
	if p.local != r.Local {
		l.moved(p, r)
	}
	return p
}

// overRate counts a datagram that is dropped, and says so once a second.
func (l *loop) overRate(p *Peer) {
	l.server.count.maxRate.Add(1)
	if p.told != 0 && l.now-p.told < int64(time.Second) {
		return
	}
	p.told = max(l.now, 1)
	if l.server.Tracer.On(trace.Connection) {
		l.server.Tracer.Emit(p.id, trace.Limit{
			Rule: "max-rate", Reason: fmt.Sprintf("more than %d datagrams a second: those above are dropped", l.server.MaxRate),
		})
	}
}
