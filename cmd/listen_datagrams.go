package cmd

import (
	"context"
	"net/netip"
	"time"

	"github.com/sockkit/sockkit/internal/metrics"
	"github.com/sockkit/sockkit/internal/serve"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/udp"
)

// datagrams serves UDP and Unix datagram sockets.
func (l *listening) datagrams(ctx context.Context) error {
	if l.modes.mode() == serve.Exec {
		return usagef("--exec and --sh want a stream, and "+l.address.String()+" is none", "")
	}
	sockets, err := l.opener.ListenDatagram(ctx, l.address)
	if err != nil {
		return inUse(err)
	}
	defer closeSockets(sockets)
	l.address = l.address.Bound(sockets[0].LocalAddr())
	if err := l.announce(nil); err != nil {
		return err
	}
	defer l.removeAddrFile()
	if l.keepOpen || l.modes.mode() != serve.Stdio {
		return l.named(l.serveDatagrams(ctx, sockets))
	}
	conn, err := l.firstPeer(ctx, sockets)
	if err != nil {
		return l.named(err)
	}
	return l.named(l.talkDatagrams(ctx, conn))
}

func closeSockets(sockets []*udp.Socket) {
	for _, s := range sockets {
		s.Close()
	}
}

// firstPeer waits for a first datagram, no longer than -w where it was given.
func (l *listening) firstPeer(ctx context.Context, sockets []*udp.Socket) (*udp.Conn, error) {
	if l.timeout > 0 {
		after := time.Duration(l.timeout)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, after, &tcp.TimeoutError{After: after, By: "-w"})
		defer cancel()
	}
	conn, err := udp.Accept(ctx, l.tracer, sockets...)
	if ctx.Err() != nil {
		return nil, nobody(context.Cause(ctx))
	}
	return conn, err
}

// talkDatagrams talks to one peer until a signal, a limit or an expectation
// ends it: a datagram socket has no end of its own.
func (l *listening) talkDatagrams(ctx context.Context, conn *udp.Conn) error {
	limit := int(min(l.maxMessage, 65535))
	messages := &session.Messages{
		Conn: session.Packets(conn, limit), In: l.talk.datagrams(l.Streams, limit), Out: l.out(), Framing: l.talk.framing(),
		SendOnly: l.talk.sendOnly, Stay: len(l.talk.send) == 0, IdleTimeout: time.Duration(l.idle),
		Wait: time.Duration(l.timeout), Linger: time.Duration(l.talk.linger),
		Expect: &session.Expectation{Count: l.talk.count, Patterns: l.talk.patterns},
	}
	return messages.Run(ctx)
}

func (l *listening) serveDatagrams(ctx context.Context, sockets []*udp.Socket) error {
	server := &udp.Server{
		MaxPeers: l.limits.maxConns, MaxPeersPerIP: l.limits.maxConnsPerIP, PeerIdle: time.Duration(l.idle),
		MaxRate: int(l.limits.maxRate), Tracer: l.tracer,
	}
	if l.limits.admit() != nil {
		server.Allow = func(a netip.Addr) error { return l.limits.admitAddr(a) }
	}
	stop, err := l.serveMetrics(ctx, func() []metrics.Family { return datagramSamples(server.Stats()) })
	if err != nil {
		return err
	}
	defer stop()
	return serve.Datagrams(ctx, l.config(), l.talk.datagrams(l.Streams, int(min(l.maxMessage, 65535))), l.talk.framing(), server, sockets)
}

// datagramSamples are the figures of a server for datagrams.
func datagramSamples(st udp.Stats) []metrics.Family {
	dropped := map[string]float64{
		"max-rate": float64(st.Dropped.MaxRate), "max-conns": float64(st.Dropped.MaxPeers),
		"max-conns-per-ip": float64(st.Dropped.MaxPeersPerIP), "denied": float64(st.Dropped.Denied),
		"receive-buffer": float64(st.Dropped.ReceiveBuffer), "send-full": float64(st.Dropped.SendFull),
		"send-error": float64(st.Dropped.SendErrors),
	}
	return []metrics.Family{
		counter("datagrams_received_total", "Datagrams received.", st.DatagramsIn),
		counter("datagrams_sent_total", "Datagrams taken by the system.", st.DatagramsOut),
		counter("received_bytes_total", "Bytes received by the application.", st.BytesIn),
		counter("sent_bytes_total", "Bytes sent by the application.", st.BytesOut),
		gauge("peers", "Peers at the moment.", float64(st.Peers)),
		counter("peers_total", "Peers ever.", st.PeersTotal),
		{Name: "sockkit_datagrams_dropped_total", Help: "Datagrams dropped, by reason.", Type: metrics.Counter, Label: "reason", Values: dropped},
	}
}
