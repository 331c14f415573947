package cmd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/metrics"
	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/internal/serve"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// listening is one run of listen.
type listening struct {
	*Streams
	*listenOptions
	*tracing
	opener *endpoint.Opener
	log    refusals
}

// streams serves TCP, TLS and Unix stream sockets.
func (l *listening) streams(ctx context.Context) error {
	listener, config, done, err := l.bind(ctx)
	if err != nil {
		return err
	}
	defer done()
	if l.keepOpen || l.modes.mode() != serve.Stdio {
		return l.named(l.serve(ctx, listener, config))
	}
	conn, err := l.acceptOne(ctx, listener, config)
	if err != nil {
		return l.named(err)
	}
	listener.Close()
	return l.named(l.talk.converse(ctx, l.Streams, &l.common, conn, l.address, l.noHalf))
}

// bind binds the address of a stream, or of what stands on one, and says where.
func (l *listening) bind(ctx context.Context) (*tcp.Listener, *tls.Config, func(), error) {
	listener, config, err := l.opener.Listen(ctx, l.address)
	if err != nil {
		return nil, nil, nil, inUse(err)
	}
	l.address = l.address.Bound(listener.Addr())
	if err := l.announce(config); err != nil {
		listener.Close()
		return nil, nil, nil, err
	}
	return listener, config, func() {
		listener.Close()
		l.removeAddrFile()
	}, nil
}

func (l *listening) named(err error) error { return failed("listen", l.address, err) }

// announce says where we listen: to people, to scripts and to the trace.
func (l *listening) announce(config *tls.Config) error {
	l.tracer.Emit(0, trace.Listening{Address: l.address.String(), Public: l.address.Public()})
	if !l.quiet {
		fmt.Fprintf(l.Err, "listening on %s\n", l.address)
		if l.address.Public() {
			fmt.Fprintln(l.Err, "note: this is open to the network, not to this machine alone")
		}
		if l.tls.selfSigned {
			fmt.Fprintf(l.Err, "certificate %s\n", fingerprint(config))
		}
	}
	if l.addrFile == "" {
		return nil
	}
	if err := writeAddr(l.addrFile, l.address.String()+"\n"); err != nil {
		return fmt.Errorf("--addr-file: %w", err)
	}
	return nil
}

func fingerprint(config *tls.Config) string {
	leaf, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
	if err != nil {
		return "unreadable"
	}
	return tcp.Fingerprint(leaf.Raw)
}

func (l *listening) removeAddrFile() {
	if l.addrFile != "" {
		_ = os.Remove(l.addrFile)
	}
}

// writeAddr writes by renaming, so that a reader sees all of it or nothing.
func writeAddr(name, content string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".addr-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// serve serves peers by the event-driven server.
func (l *listening) serve(ctx context.Context, listener *tcp.Listener, config *tls.Config) error {
	server := &tcp.Server{
		TLS: config, HandshakeTimeout: time.Duration(l.timeout), IdleTimeout: time.Duration(l.idle),
		MaxConns: l.limits.maxConns, MaxConnsPerIP: l.limits.maxConnsPerIP, MaxRate: int64(l.limits.maxRate),
		Admit: l.limits.admit(), Tracer: l.tracer, OnRefused: l.refused,
	}
	stop, err := l.serveMetrics(ctx, func() []metrics.Family { return streamSamples(server.Stats()) })
	if err != nil {
		return err
	}
	defer stop()
	return serve.Streams(ctx, l.config(), server, []net.Listener{listener})
}

func (l *listening) config() serve.Config {
	c := serve.Config{
		Mode: l.modes.mode(), Out: l.out(), Once: !l.keepOpen, FirstWithin: time.Duration(l.timeout), Drain: time.Duration(l.sio.drain),
		Expect: &session.Expectation{Count: l.talk.count, Patterns: l.talk.patterns}, Log: l.dropped,
	}
	if c.Mode == serve.Stdio {
		c.In = l.talk.stream(l.Streams)
	}
	if c.Mode == serve.Exec {
		c.Command = l.command
	}
	return c
}

// out is where payload goes: nowhere where records take its place.
func (l *listening) out() io.Writer {
	if l.common.json || l.talk.sendOnly {
		return io.Discard
	}
	return l.output()
}

// command is what is run for one connection.
func (l *listening) command(local, remote net.Addr) *endpoint.Command {
	words, name := endpoint.Shell(l.modes.sh), l.modes.sh
	if l.modes.exec != "" {
		words, _ = endpoint.Split(l.modes.exec) // was checked with the flags
		name = l.modes.exec
	}
	return &endpoint.Command{
		Args: words, Name: name, Stderr: l.Err, Tracer: l.tracer, Children: l.children,
		Env: []string{"SOCKKIT_LOCAL=" + local.String(), "SOCKKIT_REMOTE=" + remote.String()},
	}
}

// acceptOne waits for one connection that is let in, no longer than -w where it
// was given, and speaks TLS on it where that is what was listened for.
func (l *listening) acceptOne(ctx context.Context, listener *tcp.Listener, config *tls.Config) (net.Conn, error) {
	conn, err := l.accept(ctx, listener)
	if err != nil {
		return nil, err
	}
	conn = tcp.Trace(conn, l.tracer, trace.Server, 0)
	if config == nil {
		return conn, nil
	}
	limit := time.Duration(l.timeout)
	if limit == 0 {
		limit = defaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, &tcp.TimeoutError{After: limit})
	defer cancel()
	secured, err := tcp.ServerTLS(ctx, conn, config, l.tracer)
	return secured, stoppedBy(ctx, err)
}

const defaultTimeout = 10 * time.Second

func (l *listening) accept(ctx context.Context, listener *tcp.Listener) (net.Conn, error) {
	if l.timeout > 0 {
		after := time.Duration(l.timeout)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, after, &tcp.TimeoutError{After: after, By: "-w"})
		defer cancel()
	}
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	admit := l.limits.admit()
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			if conn != nil {
				conn.Close()
			}
			return nil, nobody(context.Cause(ctx))
		case err != nil:
			return nil, err
		case admit == nil:
			return conn, nil
		}
		refusal := admit(conn.RemoteAddr())
		if refusal == nil {
			return conn, nil
		}
		l.turnAway(conn, refusal)
	}
}

func nobody(cause error) error {
	if _, ok := cause.(stopped); ok {
		return cause
	}
	return &serve.NobodyCame{Err: cause}
}

func (l *listening) turnAway(conn net.Conn, err error) {
	rule := "admit"
	var refusal *tcp.Refusal
	if errors.As(err, &refusal) {
		rule = refusal.Rule
	}
	l.tracer.Emit(0, trace.TurnedAway{Remote: conn.RemoteAddr().String(), Rule: rule, Reason: err.Error()})
	l.refused(conn.RemoteAddr(), rule, err.Error())
	if l.address.Scheme == endpoint.TLS {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = conn.Write(tcp.AccessDenied())
		_ = tcp.CloseWrite(conn)
	}
	conn.Close()
}

// dropped logs a peer that was ended, or that broke off.
func (l *listening) dropped(remote net.Addr, reason error) {
	if l.quiet || l.verbose > 0 {
		return // -v shows the record
	}
	line := l.log.sparing(func() string { return fmt.Sprintf("ended %s: %s", remote, render.Printable(tcp.Reason(reason))) })
	if line != "" {
		fmt.Fprintln(l.Err, line)
	}
}

// refused logs a connection that was turned away.
func (l *listening) refused(remote net.Addr, rule, reason string) {
	if l.quiet || l.verbose > 0 {
		return // -v shows the record
	}
	if line := l.log.line(remote, rule, reason); line != "" {
		fmt.Fprintln(l.Err, line)
	}
}

// inUse adds who holds the port to an error that says that it is bound.
func inUse(err error) error {
	var op *net.OpError
	if !errors.Is(err, syscall.EADDRINUSE) || !errors.As(err, &op) || op.Addr == nil {
		return err
	}
	_, port, splitErr := net.SplitHostPort(op.Addr.String())
	number, convErr := strconv.Atoi(port)
	if splitErr != nil || convErr != nil {
		return err
	}
	who := endpoint.Holder(strings.TrimRight(op.Net, "46"), number)
	if who == "" {
		return &endpoint.Hint{Err: err, Text: "port 0 is any free one"}
	}
	return &endpoint.Hint{Err: err, Text: who + " holds it; port 0 is any free one"}
}
