package udp

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// Answer is what became of a [Dialer.Probe].
type Answer int

// The answers. Silence may be a service that does not answer what it does not
// understand, a firewall, or a loss.
const (
	Silent  Answer = iota // nothing came: open or filtered
	Refused               // ICMP port unreachable: nobody is bound
	Replied               // a datagram came back: open
)

// String returns silent, refused or replied.
func (a Answer) String() string {
	switch a {
	case Refused:
		return "refused"
	case Replied:
		return "replied"
	}
	return "silent"
}

// DefaultProbeWait is how long a probe waits where it is not told.
const DefaultProbeWait = time.Second

// probeTries is how many datagrams a probe sends, spread over its time: one may
// be lost, and ICMP is sent sparingly (RFC 1812 section 4.3.2.8).
const probeTries = 3

// Probe sends empty datagrams to an address and waits for what comes back: a
// refusal, a reply, or nothing for the time wait (0 means 1 second, also the
// end of ctx). The networks are DialContext's. An error says that it could not
// be told; it is an [*Error]. Windows does not tell refusals.
func (d *Dialer) Probe(ctx context.Context, network, address string, wait time.Duration) (Answer, error) {
	if wait <= 0 {
		wait = DefaultProbeWait
	}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		if network == unixgram && errors.Is(err, syscall.ECONNREFUSED) {
			return Refused, nil
		}
		return Silent, err
	}
	defer conn.Close()
	answer, err := conn.probe(ctx, wait)
	if err != nil {
		return Silent, &Error{Op: "probe", Address: display(network, address), Err: err}
	}
	return answer, nil
}

func (c *Conn) probe(ctx context.Context, wait time.Duration) (Answer, error) {
	buf := make([]byte, receiveSize)
	deadline := time.Now().Add(wait)
	for left := probeTries; left > 0; left-- {
		if _, err := c.Write(nil); errors.Is(err, syscall.ECONNREFUSED) {
			return Refused, nil
		} else if err != nil {
			return Silent, err
		}
		until := deadline
		if left > 1 {
			until = time.Now().Add(wait / probeTries)
		}
		if err := c.SetReadDeadline(until); err != nil {
			return Silent, err
		}
		_, _, err := c.ReadDatagram(ctx, buf)
		switch {
		case err == nil:
			return Replied, nil
		case errors.Is(err, syscall.ECONNREFUSED):
			return Refused, nil
		case ctx.Err() != nil:
			return Silent, ctx.Err()
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return Silent, err
		}
	}
	return Silent, nil
}
