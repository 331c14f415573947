package cmd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/audit"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// auditClientFlags are those of an audit of a client.
type auditClientFlags struct {
	idle      duration
	addrFile  string
	allowHost []string
	replies   []*audit.Reply
}

func (a *auditClientFlags) add(f *pflag.FlagSet) {
	a.idle = duration(audit.DefaultIdle)
	f.Var(&a.idle, "idle", "end when no attempt has come for so long")
	f.StringVar(&a.addrFile, "addr-file", "", "write the bound address to `FILE`, all at once")
	f.StringArrayVar(&a.allowHost, "allow-host", nil, "a `NAME` beside the loopback ones that a browser may know the page by (repeatable)")
}

// given is the first of them that was given.
func (a *auditClientFlags) given(c *cobra.Command) string {
	for _, name := range []string{"idle", "addr-file", "allow-host", "client-ca", "self-signed"} {
		if c.Flags().Changed(name) {
			return name
		}
	}
	return ""
}

// serverOnly are the flags that mean nothing to an audit of a client.
var serverOnly = []string{"header", "subprotocol", "origin", "basic-auth", "concurrency", "rate", "slow", "source", "proxy", "resolve", "insecure", "pin", "ca", "server-name"}

func (o *auditOptions) completeClient(c *cobra.Command, args []string) (err error) {
	if len(args) > 0 {
		return usagef(fmt.Sprintf("handshake audit takes a URL or --client ADDRESS, and both came: %q", args[0]), "leave one of them away")
	}
	for _, name := range serverOnly {
		if c.Flags().Changed(name) {
			return usagef("--"+name+" is for asking a server, and --client answers clients", "")
		}
	}
	if o.address, err = webSocketAddress("audit --client", o.client); err != nil {
		return err
	}
	if err := (&answerOptions{common: o.common, address: o.address}).checkAddress(); err != nil {
		return err
	}
	if o.answers.replies, err = audit.PickReplies(o.only); err != nil {
		return &usageError{fmt.Errorf("--only %w", err), "--client ADDRESS --dry-run lists the answers, with their groups and clauses"}
	}
	return nil
}

func runHandshakeAuditClient(ctx context.Context, s *Streams, o *auditOptions) (err error) {
	if o.dryRun {
		return printLines(s.Out, audit.ListReplies(o.answers.replies))
	}
	ctx, cancel := o.within(ctx)
	defer cancel()
	records := o.common
	records.json = false // the report is what --json asks for
	t, err := records.newTracing(s, view{out: s.Err, level: o.level(), tags: true})
	if err != nil {
		return err
	}
	defer t.closeInto(&err)
	op := o.opener(s, t)
	listener, config, err := op.Listen(ctx, o.address)
	if err != nil {
		return inUse(err)
	}
	defer listener.Close()
	o.address = o.address.Bound(listener.Addr())
	if err := o.announce(s, config); err != nil {
		return err
	}
	if o.answers.addrFile != "" {
		defer os.Remove(o.answers.addrFile)
	}
	clients := &audit.Clients{Address: o.address.String(), Replies: o.answers.replies, Wait: time.Duration(o.timeout), Idle: time.Duration(o.answers.idle), Hosts: o.answers.allowHost, Progress: o.progress(s)}
	report, failure := clients.Serve(ctx, accepting(listener, config, t.tracer))
	if err := o.finish(s, report); err != nil {
		return err
	}
	return o.clientVerdict(report, failure)
}

// accepting takes connections from a listener, with TLS where there is a
// configuration, until the context ends.
func accepting(l *tcp.Listener, config *tls.Config, t *trace.Tracer) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		for {
			stop := context.AfterFunc(ctx, func() { l.Close() })
			conn, err := l.Accept()
			stop()
			if err != nil {
				return nil, causeOf(ctx, err)
			}
			traced := tcp.Trace(conn, t, trace.Server, 0)
			if config == nil {
				return traced, nil
			}
			secured, err := tcp.ServerTLS(ctx, traced, config, t)
			if err == nil {
				return secured, nil
			}
			traced.Close() // the client said no to TLS, or to the certificate: no attempt
		}
	}
}

// announce says where to come to, and how.
func (o *auditOptions) announce(s *Streams, config *tls.Config) error {
	if !o.quiet {
		fmt.Fprintf(s.Err, "listening on %s\n", o.address)
		for _, line := range o.instructions() {
			fmt.Fprintln(s.Err, line)
		}
		if o.address.Public() {
			fmt.Fprintln(s.Err, "note: this is open to the network, not to this machine alone")
		}
		if o.tls.selfSigned {
			fmt.Fprintf(s.Err, "certificate %s\n", fingerprint(config))
		}
	}
	if o.answers.addrFile == "" {
		return nil
	}
	if err := writeAddr(o.answers.addrFile, o.address.String()+"\n"); err != nil {
		return fmt.Errorf("--addr-file: %w", err)
	}
	return nil
}

func (o *auditOptions) instructions() []string {
	url := strings.TrimSuffix(o.address.String(), "/") + "/"
	lines := []string{fmt.Sprintf("note: any client: have it connect to %s again and again, %d times or more; each time it gets another answer", url, len(o.answers.replies))}
	if o.address.Scheme != endpoint.WSUnix {
		lines = append(lines, "note: a browser: open http"+strings.TrimPrefix(url, "ws"))
	}
	return append(lines, "note: one answer by its name: "+url+o.answers.replies[0].ID+"; --dry-run lists them")
}

// clientVerdict is the error that the report of a client makes, or nil.
func (o *auditOptions) clientVerdict(r *audit.Report, failure error) error {
	what := "handshake audit --client " + o.address.String()
	var signal stopped
	if errors.As(failure, &signal) {
		return signal
	}
	if err := auditVerdict(what, r); err != nil {
		return err
	}
	if errors.Is(failure, audit.ErrIdle) {
		idle := time.Duration(o.answers.idle)
		return fmt.Errorf("%s: %d of %d answers were given, and then no client came: %w", what, r.Answered(), len(o.answers.replies), &tcp.TimeoutError{After: idle, By: "--idle"})
	}
	return failed("handshake audit --client", o.address, failure)
}
