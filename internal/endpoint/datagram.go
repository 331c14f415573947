package endpoint

import (
	"context"
	"net"

	"github.com/sockkit/sockkit/udp"
)

func (o *Opener) dialDatagram(ctx context.Context, a Address) (net.Conn, error) {
	conn, err := o.datagramDialer(a).DialContext(ctx, o.datagramNetwork(a), o.datagramTarget(a))
	if err != nil {
		return nil, err // a nil *udp.Conn would be a net.Conn that is not nil
	}
	return conn, nil
}

func (o *Opener) datagramDialer(a Address) *udp.Dialer {
	return &udp.Dialer{
		LocalAddr: o.Source, Interface: a.Interface, TTL: o.TTL, NoLookup: o.NoLookup, Tracer: o.Tracer,
	}
}

func (o *Opener) datagramNetwork(a Address) string {
	if a.Scheme == Unixgram {
		return string(Unixgram)
	}
	return o.network("udp")
}

// datagramTarget is where to send. Without a host it is 127.0.0.1: a datagram
// gets no answer that would tell which of the loopback addresses is served.
func (o *Opener) datagramTarget(a Address) string {
	switch {
	case a.Scheme == Unixgram:
		return a.Path
	case a.Host != "" && a.Host != "*":
		return a.HostPort()
	case o.Family == 6:
		return net.JoinHostPort("::1", a.Port)
	}
	return net.JoinHostPort("127.0.0.1", a.Port)
}

// ListenDatagram binds a datagram address.
func (o *Opener) ListenDatagram(ctx context.Context, a Address) ([]*udp.Socket, error) {
	lc := &udp.ListenConfig{Interface: a.Interface, TTL: o.TTL, Mode: o.Mode, NoLookup: o.NoLookup}
	if a.Scheme == Unixgram {
		return lc.ListenAll(ctx, string(Unixgram), a.Path)
	}
	if a.Host == "*" {
		a.Host = "::"
		if o.Family == 4 {
			a.Host = "0.0.0.0"
		}
	}
	return lc.ListenAll(ctx, o.network("udp"), a.HostPort())
}

// Probe asks whether a datagram address is open.
func (o *Opener) Probe(ctx context.Context, a Address) (udp.Answer, error) {
	return o.datagramDialer(a).Probe(ctx, o.datagramNetwork(a), o.datagramTarget(a), 0)
}
