package tcp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// attemptError is one address that could not be connected to.
type attemptError struct {
	address string
	err     error
}

type attemptErrors []attemptError

func (e attemptErrors) Error() string { return explain(e) }

// Unwrap lists the causes for errors.Is and errors.As.
func (e attemptErrors) Unwrap() []error {
	causes := make([]error, len(e))
	for i, f := range e {
		causes[i] = f.err
	}
	return causes
}

func (e attemptErrors) common() (string, bool) {
	for _, f := range e[1:] {
		if Reason(f.err) != Reason(e[0].err) {
			return "", false
		}
	}
	return Reason(e[0].err), true
}

func (e attemptErrors) addresses() []string {
	names := make([]string, len(e))
	for i, f := range e {
		names[i] = f.address
	}
	return names
}

type attempted struct {
	conn    net.Conn
	address string
	err     error
}

// race tries addrs one after the other without waiting long for any: the next
// starts when the last one failed or AttemptDelay is over; the first connection
// wins (happy eyeballs, RFC 8305 section 5).
func (d *Dialer) race(ctx context.Context, addrs []netip.AddrPort) (net.Conn, error) {
	if len(addrs) == 1 {
		return d.attempt(ctx, "tcp", addrs[0].String())
	}
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan attempted)
	begun, ended := 0, 0
	defer func() {
		cancel()
		go discard(results, begun-ended)
	}()
	start := func() {
		address := addrs[begun].String()
		begun++
		go func() {
			conn, err := d.attempt(ctx, "tcp", address)
			results <- attempted{conn, address, err}
		}()
	}
	start()
	next := time.NewTicker(d.attemptDelay())
	defer next.Stop()
	var failed attemptErrors
	for {
		select {
		case r := <-results:
			ended++
			if r.err == nil {
				return r.conn, nil
			}
			failed = append(failed, attemptError{r.address, r.err})
			if ended == len(addrs) {
				return nil, failed
			}
			if begun < len(addrs) {
				start()
				next.Reset(d.attemptDelay())
			}
		case <-next.C:
			if begun < len(addrs) {
				start()
			}
		}
	}
}

// discard closes the connections of attempts that came too late.
func discard(results <-chan attempted, n int) {
	for range n {
		if late := <-results; late.conn != nil {
			late.conn.Close()
		}
	}
}

func (d *Dialer) attemptDelay() time.Duration {
	if d.AttemptDelay > 0 {
		return d.AttemptDelay
	}
	return 250 * time.Millisecond
}

// attempt connects to one address and reports how it went.
func (d *Dialer) attempt(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAliveConfig: d.KeepAlive}
	if network != "unix" && d.LocalAddr != "" {
		local, err := localAddr(d.LocalAddr)
		if err != nil {
			return nil, err
		}
		dialer.LocalAddr = local
	}
	started := time.Now()
	d.Tracer.Emit(0, trace.Attempt{Network: network, Address: address})
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		d.Tracer.Emit(0, trace.AttemptFailed{
			Network: network, Address: address, Duration: time.Since(started), Error: Reason(err),
		})
		if errors.Is(err, syscall.EADDRNOTAVAIL) && dialer.LocalAddr != nil {
			err = &wordedError{"from " + d.LocalAddr + ": " + Reason(err), err}
		}
		return nil, err
	}
	return conn, nil
}

// localAddr reads HOST, HOST:PORT or :PORT.
func localAddr(s string) (*net.TCPAddr, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, "0"
	}
	local, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, &net.AddrError{Err: "source address: " + Reason(err), Addr: s}
	}
	return local, nil
}

// wordedError is an error in better words than its own.
type wordedError struct {
	words string
	err   error
}

func (e *wordedError) Error() string { return e.words }
func (e *wordedError) Unwrap() error { return e.err }
