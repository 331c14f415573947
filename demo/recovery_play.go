package demo

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// network passes connections on to a server, and can be cut.
type network struct {
	stage    *Stage
	listener net.Listener
	done     sync.WaitGroup
	mu       sync.Mutex
	state    state
	changed  chan struct{} // closed when the state changes
	to       string
	conns    map[net.Conn]bool
}

// state is what a network does with those who connect.
type state int

const (
	up   state = iota // passes them on
	held              // has them wait
	down              // turns them away
)

// network makes one to the server of a URL, as http://….
func (s *Stage) network(to string) (*network, error) {
	l, err := s.listen("network")
	if err != nil {
		return nil, err
	}
	n := &network{stage: s, listener: l.Sockets()[0], changed: make(chan struct{}), to: to[len("http://"):], conns: map[net.Conn]bool{}}
	s.Keep(closerFunc(n.close))
	n.done.Go(n.accept)
	return n, nil
}

// close ends all of it.
func (n *network) close() error {
	err := n.listener.Close()
	n.turn(down, n.to)
	n.done.Wait()
	return err
}

func (n *network) accept() {
	for {
		conn, err := n.listener.Accept()
		if err != nil {
			return
		}
		n.done.Go(func() { n.carry(conn) })
	}
}

// carry passes a connection on, as soon as the network is up.
func (n *network) carry(conn net.Conn) {
	defer conn.Close()
	to := n.waits()
	if to == "" {
		return
	}
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	if n.keeps(conn) && n.keeps(far) {
		_, _ = tcp.Relay(n.stage.ctx, conn, far)
	}
	n.drops(conn, far)
}

// waits until the network is up, and returns where it leads; "" where it is
// down.
func (n *network) waits() string {
	for {
		n.mu.Lock()
		now, to, changed := n.state, n.to, n.changed
		n.mu.Unlock()
		switch now {
		case up:
			return to
		case down:
			return ""
		}
		<-changed
	}
}

// keeps reports whether the network is still up, and remembers conn.
func (n *network) keeps(conn net.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[conn] = true
	return n.state == up
}

func (n *network) drops(conns ...net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range conns {
		delete(n.conns, c)
	}
}

// turn changes the state, and where the network leads. Down ends what is
// connected.
func (n *network) turn(now state, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state, n.to = now, to
	close(n.changed)
	n.changed = make(chan struct{})
	if now == down {
		for c := range n.conns {
			_ = c.Close()
		}
	}
}

// traveller is a whole client, and what it has been told.
type traveller struct {
	*socketio.Client
	who      string
	reasons  chan string
	attempts chan attempt
	failed   chan struct{}
	back     chan int
	idle     time.Time // since when it waits; the handlers', which run in order
}

// attempt is one to reconnect, and how long the client has waited before it.
type attempt struct {
	number int
	waited time.Duration
}

func (a attempt) String() string {
	return fmt.Sprintf("waited %.1f ms; attempt %d", float64(a.waited.Microseconds())/1000, a.number)
}

// The waits of a traveller between its attempts: short ones, for a lesson.
const (
	firstWait = 50 * time.Millisecond
	mostWait  = 150 * time.Millisecond
)

// travels makes a client called who that reconnects, through the network. Of
// its records those of Socket.IO's packets are kept.
func (f *recoveryStory) travels(s *Stage, who string) (*traveller, error) {
	t := &traveller{who: who, reasons: make(chan string, mostSockets), attempts: make(chan attempt, mostSockets),
		failed: make(chan struct{}, mostSockets), back: make(chan int, mostSockets)}
	t.Client = socketio.NewClient("http://"+f.network.listener.Addr().String(), &socketio.ClientOptions{
		Transports: []string{"websocket"}, ReconnectionDelay: firstWait, ReconnectionDelayMax: mostWait, RandomizationFactor: -1,
		Tracer: s.tracer.View(some{s.sink(who), isPacket}, trace.Message),
	})
	s.Keep(t.Client)
	t.OnDisconnect(func(reason string) { t.idle = time.Now(); t.reasons <- reason })
	t.OnReconnectAttempt(func(n int) { t.attempts <- attempt{n, time.Since(t.idle)} })
	t.OnReconnectError(func(error) { t.idle = time.Now(); t.failed <- struct{}{} })
	t.OnReconnect(func(attempt int) { t.back <- attempt })
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	return t, t.Connect(ctx)
}

// isPacket picks packets of Socket.IO.
func isPacket(e trace.Event) bool {
	_, ok := e.(trace.SIOPacket)
	return ok
}

// cuts cuts the network, and waits until both sides know.
func (f *recoveryStory) cuts(s *Stage, t *traveller) error {
	s.Note("network", "is cut")
	f.network.turn(down, f.network.to)
	reason, err := within(s, "the end at "+t.who, t.reasons)
	if err != nil {
		return err
	}
	s.Note(t.who, "disconnect: %s", reason)
	if reason, err = within(s, "the end at the server", f.told); err != nil {
		return err
	}
	s.Note("server", "disconnect: %s", reason)
	return nil
}

// fails waits until the client has tried and failed n times.
func (f *recoveryStory) fails(s *Stage, t *traveller, n int) error {
	for range n {
		a, err := within(s, "an attempt", t.attempts)
		if err != nil {
			return err
		}
		if _, err := within(s, "its end", t.failed); err != nil {
			return err
		}
		s.Note(t.who, "%v failed", a)
	}
	return nil
}

// mends has the network lead to a server, and waits until the client is back.
// What the client has on its mind it says only when that has been noted.
func (f *recoveryStory) mends(s *Stage, t *traveller, to string) (*socketio.Socket, error) {
	before := len(connects(s.entries(), t.who))
	f.network.turn(held, to)
	s.Note("network", "is back")
	a, err := within(s, "an attempt", t.attempts)
	if err != nil {
		return nil, err
	}
	s.Note(t.who, "%v gets through", a)
	f.network.turn(up, to)
	if _, err := within(s, "the reconnection", t.back); err != nil {
		return nil, err
	}
	if err := s.Await("the namespace", func(list []entry) bool { return len(connects(list, t.who)) > before }); err != nil {
		return nil, err
	}
	if err := s.until("the client", t.Connected); err != nil {
		return nil, err
	}
	return within(s, "the socket", f.came)
}

// connects are the packets by which who was let in, and incoming the events
// that came to it.
func connects(list []entry, who string) []trace.SIOPacket {
	return sioPackets(list, who, "CONNECT", trace.In)
}

func incoming(list []entry, who string) []trace.SIOPacket {
	return sioPackets(list, who, "EVENT", trace.In)
}

func outgoing(list []entry, who string) []trace.SIOPacket {
	return sioPackets(list, who, "EVENT", trace.Out)
}

func sioPackets(list []entry, who, kind string, way trace.Dir) (found []trace.SIOPacket) {
	for _, e := range events[trace.SIOPacket](list, who) {
		if e.Type == kind && e.Dir == way {
			found = append(found, e)
		}
	}
	return found
}
