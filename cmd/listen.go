package cmd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// listenOptions are the flags of listen, and what was made of them.
type listenOptions struct {
	common
	talk     talkFlags
	port     string
	addrFile string
	mode     string
	noHalf   bool

	address endpoint.Address
	perm    os.FileMode
}

func newListen(s *Streams) *cobra.Command {
	o := &listenOptions{}
	c := &cobra.Command{
		Use:   "listen ADDRESS",
		Short: "Wait for a connection, and connect it to standard input and output",
		Long: `listen binds an address and waits. The first connection is connected to
standard input and output, and its end is the end.`,
		Example: `  sockkit listen 9000
  sockkit listen tls://:9443 --self-signed
  sockkit listen unix:/tmp/app.sock`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.complete(c, args); err != nil {
				return err
			}
			return runListen(c.Context(), s, o)
		},
	}
	f := c.Flags()
	o.common.add(f)
	o.tls.addBoth(f)
	o.tls.addServer(f)
	o.talk.add(f)
	f.StringVarP(&o.port, "port", "p", "", "the port, as in nc -l -p `PORT`")
	f.StringVar(&o.addrFile, "addr-file", "", "write the bound address to `FILE`")
	f.StringVar(&o.mode, "mode", "0600", "the permission of a Unix socket's file")
	f.BoolVar(&o.noHalf, "no-half-close", false, "keep the sending half open at the end of input")
	return c
}

func (o *listenOptions) complete(c *cobra.Command, args []string) error {
	if o.port != "" {
		args = append(args, o.port)
	}
	if len(args) == 0 {
		return usagef("listen wants an address", "sockkit listen 9000, or sockkit listen tls://:9443; sockkit help addresses")
	}
	if err := o.check(c); err != nil {
		return err
	}
	var err error
	if o.address, err = o.parse(args); err != nil {
		return err
	}
	if o.address.Scheme == endpoint.Exec || o.address.Scheme == endpoint.Stdio {
		return usagef(fmt.Sprintf("%s cannot be listened on", o.address), "dial and tap take it as a target")
	}
	mode, err := strconv.ParseUint(o.mode, 8, 9)
	if err != nil || mode == 0 {
		return usagef(fmt.Sprintf("--mode %q is no permission", o.mode), "write it in octal, as in 0660")
	}
	o.perm = os.FileMode(mode)
	return o.talk.complete()
}

func runListen(ctx context.Context, s *Streams, o *listenOptions) (err error) {
	ctx, cancel := o.within(ctx)
	defer cancel()
	t, err := o.newTracing(s, view{out: s.Err, level: o.level()})
	if err != nil {
		return err
	}
	defer t.closeInto(&err)
	op := o.opener(s, t)
	op.Mode = o.perm
	l, config, err := op.Listen(ctx, o.address)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := o.announce(s, t, o.address.Bound(l.Addr())); err != nil {
		return err
	}
	conn, err := o.accept(ctx, l)
	if err != nil {
		return err
	}
	l.Close()
	conn, err = o.secure(ctx, conn, config, t)
	if err != nil {
		return err
	}
	err = o.talk.converse(ctx, s, &o.common, conn, o.address, o.noHalf)
	if err != nil {
		return fmt.Errorf("listen %s: %w", o.address.Bound(l.Addr()), err)
	}
	return nil
}

// announce says where we listen, to people, to scripts and to the trace.
func (o *listenOptions) announce(s *Streams, t *tracing, a endpoint.Address) error {
	t.tracer.Emit(0, trace.Listening{Address: a.String(), Public: a.Public()})
	if !o.quiet {
		fmt.Fprintf(s.Err, "listening on %s\n", a)
		if a.Public() {
			fmt.Fprintf(s.Err, "note: this is open to the network, not to this machine alone\n")
		}
	}
	if o.addrFile == "" {
		return nil
	}
	if err := writeAddr(o.addrFile, a.String()+"\n"); err != nil {
		return fmt.Errorf("--addr-file: %w", err)
	}
	return nil
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
		os.Remove(f.Name())
	}
	return err
}

// accept waits for one connection, no longer than -w where it was given.
func (o *listenOptions) accept(ctx context.Context, l *tcp.Listener) (net.Conn, error) {
	if o.timeout > 0 {
		after := time.Duration(o.timeout)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, after, &tcp.TimeoutError{After: after})
		defer cancel()
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	conn, err := l.Accept()
	if ctx.Err() != nil {
		if conn != nil {
			conn.Close()
		}
		return nil, o.ended(l, "no connection came", context.Cause(ctx))
	}
	if err != nil {
		return nil, o.ended(l, "accept", err)
	}
	return conn, nil
}

func (o *listenOptions) ended(l *tcp.Listener, what string, err error) error {
	return fmt.Errorf("listen %s: %s: %w", o.address.Bound(l.Addr()), what, err)
}

// secure reports the connection as open, and speaks TLS on it where that is
// what was listened for.
func (o *listenOptions) secure(ctx context.Context, conn net.Conn, config *tls.Config, t *tracing) (net.Conn, error) {
	conn = tcp.Trace(conn, t.tracer, trace.Server, 0)
	if config == nil {
		return conn, nil
	}
	limit := time.Duration(o.timeout)
	if limit == 0 {
		limit = 10 * time.Second
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, &tcp.TimeoutError{After: limit})
	defer cancel()
	secured, err := tcp.ServerTLS(ctx, conn, config, t.tracer)
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", o.address, err)
	}
	return secured, nil
}
