package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/internal/live"
	"github.com/sockkit/sockkit/internal/tap"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/udp"
)

// race sends messages by UDP and by TCP, through a tap each.
type race struct {
	*Stage
	c        conditions
	drop     func(net.Conn, float64) error
	modelled atomic.Bool // the loss of TCP
	udp, tcp net.Conn    // the clients'
}

// raceTime bounds a race. TCP may need long to get the last one through.
const raceTime = 25 * time.Second

func (b *udpBench) race(ctx context.Context, c conditions) (any, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if !b.racing.TryLock() {
		return nil, errors.New("messages are on their way already")
	}
	defer b.racing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, raceTime)
	defer cancel()
	r := &race{Stage: b.part(ctx), c: c, drop: b.drop}
	defer func() { _ = r.close() }() // the race is over, however they end
	r.Push("command", c.command())
	if err := r.open(); err != nil {
		return nil, inWords(err)
	}
	t, err := r.run()
	b.mu.Lock()
	b.last = t
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return t.udp.summary("UDP") + "\n" + t.tcp.summary("TCP"), nil
}

func (r *race) open() error {
	if err := r.openUDP(); err != nil {
		return err
	}
	return r.openTCP()
}

// openUDP makes the way from a client by a tap to a server.
func (r *race) openUDP() error {
	server, err := r.serve(udpServer, &udp.Server{})
	if err != nil {
		return err
	}
	middle, err := r.bind(udpTap, &udp.ListenConfig{}, anyPort)
	if err != nil {
		return err
	}
	way := udp.Dialer{Tracer: r.at(udpTap, trace.Connection)}
	r.through(&tap.Server{
		Listener:        tap.ListenPackets(&udp.Server{}, []*udp.Socket{middle}),
		ClientDatagrams: true, TargetDatagrams: true, Faults: r.c.faults(),
		Dial: func(ctx context.Context) (net.Conn, error) { return way.DialContext(ctx, "udp", server.String()) },
	})
	r.udp, err = r.Stage.open(udpClient, middle.LocalAddr())
	return err
}

// openTCP is the same; what comes from the client is also lost.
func (r *race) openTCP() error {
	server, err := r.listen(tcpServer)
	if err != nil {
		return err
	}
	middle, err := r.listen(tcpTap)
	if err != nil {
		return err
	}
	way := tcp.Dialer{Tracer: r.at(tcpTap, trace.Connection), Timeout: patience}
	r.through(&tap.Server{
		Listener: middle, Faults: r.c.faults(), Open: r.lossy,
		Dial: func(ctx context.Context) (net.Conn, error) {
			return way.DialContext(ctx, "tcp", server.Addr().String())
		},
	})
	if r.tcp, err = r.dial(tcpClient, middle.Addr()); err != nil {
		return err
	}
	conn, err := r.accept(tcpServer, server)
	if err == nil {
		go drain(conn)
	}
	return err
}

// through has a tap serve until the race is over.
func (r *race) through(t *tap.Server) {
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = t.Serve(ctx) // what fails shows as a message that does not come
	}()
	r.Keep(closerFunc(func() error {
		cancel()
		<-done
		return nil
	}))
}

// drain reads until the end; the trace has what came.
func drain(conn net.Conn) {
	for b := make([]byte, mostRead); ; {
		if _, err := conn.Read(b); err != nil {
			_ = conn.Close() // it has nothing to say
			return
		}
	}
}

// lossy has segments lost that come from the client: by the kernel where it can,
// else in a model.
func (r *race) lossy(_ context.Context, client net.Conn) (net.Conn, error) {
	if r.c.Loss == 0 {
		return client, nil
	}
	err := r.drop(client, r.c.Loss/100)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		r.modelled.Store(true)
		r.Note(tcpTap, "this system cannot drop segments: a loss is modelled as a wait of %v", modelTimeout)
		return &stalling{Conn: client, stage: r.Stage, rate: r.c.Loss / 100, random: rand.New(rand.NewPCG(r.c.Seed, 0))}, nil
	case err != nil:
		_ = client.Close()
		return nil, err
	}
	r.Note(tcpTap, "from here on the kernel drops %v%% of the segments that come from the client", r.c.Loss)
	return client, nil
}

// modelTimeout is the least retransmission timeout of Linux.
const modelTimeout = 200 * time.Millisecond

// stalling is a connection whose reads now and then take as long as a segment
// that is lost and sent again.
type stalling struct {
	net.Conn
	stage  *Stage
	rate   float64
	random *rand.Rand
}

// Read implements [net.Conn].
func (s *stalling) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if n > 0 && s.random.Float64() < s.rate {
		s.stage.As(tcpTap).Emit(0, trace.Fault{Dir: trace.Out, Kind: "loss (modelled)", Size: n, Delay: modelTimeout})
		sleep(s.stage.ctx, modelTimeout)
	}
	return n, err
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// run sends, waits for what comes, and shows it meanwhile.
func (r *race) run() (*tracks, error) {
	ctx, end := context.WithCancel(r.ctx)
	var showing sync.WaitGroup
	showing.Go(func() { r.watching(ctx) })
	err := r.send()
	complete := err == nil && r.cast.Await(r.ctx.Done(), r.step, func(list []live.Entry) bool {
		return follow(r.c, named(list)).complete()
	})
	end()
	showing.Wait()
	if _, failed := r.kernel(tcpClient, r.tcp, aboutRace); err == nil {
		err = failed
	}
	t := r.show(true)
	if err == nil && !complete && t.tcp.arrivals() == t.c.Messages {
		complete = true // a datagram was lost by somebody else than tap
	}
	if err == nil && !complete {
		err = fmt.Errorf("%s %s Time was up after %v.", t.udp.summary("UDP"), t.tcp.summary("TCP"), raceTime)
	}
	return t, err
}

func aboutRace(i *tcp.ConnInfo) string {
	return fmt.Sprintf("%d segments out, %d of them again; congestion window %d segments; retransmission timeout %v",
		i.SegmentsOut, i.Retransmits, i.Window, i.RTO)
}

// send sends each message by both at once.
func (r *race) send() error {
	tick := time.NewTicker(ms(r.c.Gap))
	defer tick.Stop()
	for n := 1; ; n++ {
		text := raced(n, r.c.Messages)
		if err := errors.Join(write(r.udp, text), write(r.tcp, text)); err != nil {
			return inWords(err)
		}
		if n == r.c.Messages {
			return nil
		}
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		}
	}
}

// raceView is what the page draws.
type raceView struct {
	Over     bool       `json:"over"`
	Modelled bool       `json:"modelled"`
	Loss     float64    `json:"loss"`
	Span     int        `json:"span"` // milliseconds that are shown at least
	UDP      raceTrack  `json:"udp"`
	TCP      raceTrack  `json:"tcp"`
	Kernel   raceKernel `json:"kernel"`
}

type raceTrack struct {
	Said string  `json:"said"`
	List []racer `json:"list"`
}

// raceKernel is what the sender's kernel knows of the TCP connection.
type raceKernel struct {
	Out   string `json:"out"`
	Again string `json:"again"`
	Cwnd  string `json:"cwnd"`
	RTT   string `json:"rtt"`
	RTO   string `json:"rto"`
}

const eachLook = 80 * time.Millisecond

// watching shows the race as it goes on.
func (r *race) watching(ctx context.Context) {
	tick := time.NewTicker(eachLook)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.show(false)
		case <-ctx.Done():
			return
		}
	}
}

func (r *race) show(over bool) *tracks {
	t := follow(r.c, r.entries())
	t.udp.judge(over)
	t.tcp.judge(over)
	r.Push("race", raceView{
		Over: over, Modelled: r.modelled.Load(), Loss: r.c.Loss, Span: r.c.Messages*r.c.Gap + 2*r.c.Delay + r.c.Jitter,
		UDP: raceTrack{t.udp.summary("UDP"), t.udp.list}, TCP: raceTrack{t.tcp.summary("TCP"), t.tcp.list}, Kernel: r.known(),
	})
	return t
}

func (r *race) known() raceKernel {
	i, err := tcp.Info(r.tcp)
	if err != nil {
		return raceKernel{Out: inWords(err).Error()}
	}
	return raceKernel{grouped(i.SegmentsOut), grouped(i.Retransmits), grouped(i.Window), i.RTT.String(), i.RTO.String()}
}
