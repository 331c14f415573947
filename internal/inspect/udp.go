package inspect

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/udp"
)

// udp sends a datagram to every address and waits for what comes back. A
// datagram socket has no connection: only an answer shows that somebody is
// there, and only a refusal (ICMP port unreachable) that nobody is.
func (in *Inspection) udp(ctx context.Context) error {
	targets, err := in.resolve(ctx)
	if err != nil {
		return err
	}
	if in.o.First {
		targets = targets[:1]
	}
	probes := make([]probe, len(targets))
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, to := range targets {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			probes[i] = in.probe(ctx, to)
		})
	}
	all.Wait()
	best := choose(probes)
	for i := range probes {
		probes[i].attempt.Used = i == best
		in.Report.Attempts = append(in.Report.Attempts, probes[i].attempt)
	}
	if best < 0 || ctx.Err() != nil {
		return in.unreached(ctx)
	}
	in.Report.Reached = ReachedConnection
	in.Report.Connection, in.Report.Peer = probes[best].connection, probes[best].peer
	in.silence()
	return nil
}

// probe is one datagram that was sent, and what came of it.
type probe struct {
	attempt    Attempt
	connection *Connection
	peer       *Peer
}

// choose returns the index of the probe to report on: the first that was
// answered, else the first that was not refused; -1 if there is none.
func choose(probes []probe) int {
	best := -1
	for i, p := range probes {
		switch {
		case p.attempt.Result == Answered:
			return i
		case p.attempt.Result == Silent && best < 0:
			best = i
		}
	}
	return best
}

func (in *Inspection) probe(ctx context.Context, to netip.AddrPort) probe {
	p := probe{attempt: Attempt{Network: "udp", Address: to.String()}, peer: &Peer{Sent: len(in.o.Send), End: EndOpen}}
	d := &udp.Dialer{LocalAddr: in.o.Source, Interface: in.o.Address.Interface, Tracer: in.o.Tracer}
	started := time.Now()
	conn, err := d.DialContext(ctx, "udp", to.String())
	if err != nil {
		var operation *udp.Error
		if errors.As(err, &operation) {
			err = operation.Err
		}
		p.attempt.failed(err)
		return p
	}
	defer conn.Close()
	p.connection = &Connection{Network: "udp", Local: conn.LocalAddr().String(), Remote: to.String(), Duration: time.Since(started)}
	p.connection.Socket, _ = tcp.SocketOptions(conn)
	started = time.Now()
	_, err = conn.Write(in.o.Send)
	if err == nil {
		err = p.answer(ctx, conn, in.wait())
	}
	p.attempt.Duration = time.Since(started)
	p.peer.Waited = p.attempt.Duration
	p.ended(ctx, err)
	return p
}

// wait is how long an answer is waited for.
func (in *Inspection) wait() time.Duration { return max(in.o.BannerWait, 0) }

// answer waits for one datagram.
func (p *probe) answer(ctx context.Context, conn *udp.Conn, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	started := time.Now()
	buf := make([]byte, 1<<16)
	n, info, err := conn.ReadDatagram(ctx, buf)
	if err != nil {
		return err
	}
	p.attempt.Result = Answered
	p.peer.came(buf[:n], started)
	p.peer.After, p.peer.TTL = time.Since(started), info.TTL
	if from := info.From(); from != p.attempt.Address {
		p.peer.From = from
	}
	return nil
}

// ended says what a probe without an answer has come to.
func (p *probe) ended(ctx context.Context, err error) {
	switch {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		p.attempt.Result = Silent
	case errors.Is(err, syscall.ECONNREFUSED):
		p.attempt.failed(fmt.Errorf("%w: nobody is bound to this port (ICMP says so)", syscall.ECONNREFUSED))
	default:
		p.attempt.failed(err)
	}
}

// silence says what no answer means.
func (in *Inspection) silence() {
	for _, a := range in.Report.Attempts {
		if a.Result == Answered {
			return
		}
	}
	f := Finding{ID: NoAnswer, Severity: Note, What: fmt.Sprintf("no answer within %v, and no refusal", in.wait()),
		Hint: "the service ignores what was sent, or a firewall drops it; --send asks something that it answers"}
	in.Report.add(f)
}
