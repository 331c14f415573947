package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/explain"
	"github.com/sockkit/sockkit/tcp"
)

// shakeOptions are the flags of handshake dial, and what was made of them.
type shakeOptions struct {
	common
	ask     askFlags
	explain bool
	source  string
	proxy   string
	resolve []string

	address endpoint.Address
	via     *url.URL
	hosts   map[string]string
	request []byte
}

func newHandshakeDial(s *Streams) *cobra.Command {
	o := &shakeOptions{}
	c := &cobra.Command{
		Use:   "dial URL",
		Short: "Send an opening request, and show both sides and the verdict",
		Long: `dial connects to URL, sends an opening request, reads the response and shows
both as they passed, with everything that is wrong in them, in which program,
and what to change. Of a refusal it shows the beginning of the body and the
likely causes. A connection that has opened is closed again with 1000.

The status is 3 where a rule is broken that a client may not overlook, and 4
where the server refused.`,
		Example: `  sockkit handshake dial ws://localhost:9000/chat
  sockkit handshake dial wss://localhost:9443/ -k -s chat.v1 --origin https://app.test
  sockkit handshake dial ws://localhost:9000/ --omit Upgrade
  sockkit handshake dial ws://localhost:9000/ --set 'Sec-WebSocket-Version: 8' -w 2s
  sockkit handshake dial ws+unix:/run/app.sock:/chat`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.complete(c, args); err != nil {
				return err
			}
			return runHandshakeDial(c.Context(), s, o)
		},
	}
	s.flags(c, func(f *pflag.FlagSet) {
		o.add(f)
		completeBends(c, requestHeaders...)
	})
	return c
}

func (o *shakeOptions) add(f *pflag.FlagSet) {
	f.SortFlags = false
	o.ask.add(f)
	group(f, "Connecting", func(f *pflag.FlagSet) {
		f.StringVar(&o.source, "source", "", "dial from this address, `ADDR[:PORT]`")
		f.StringVar(&o.proxy, "proxy", "", "go through a proxy: socks5, http or https `URL`; HTTP_PROXY and the like count without it")
		f.StringArrayVar(&o.resolve, "resolve", nil, "use this address for a host and port, `HOST:PORT:ADDRESS`")
	})
	o.common.add(f)
	o.tls.add(f, o.tls.client)
	f.BoolVar(&o.explain, "explain", false, "list each rule that was asked, those that hold too")
	handshakeHides(f)
}

// handshakeHides takes flags out of the help that say nothing about a single
// handshake.
func handshakeHides(f *pflag.FlagSet) {
	for _, name := range []string{"udp", "unix", "idle-timeout", "max-message"} {
		_ = f.MarkHidden(name)
	}
}

func (o *shakeOptions) complete(c *cobra.Command, args []string) (err error) {
	if err := o.check(c); err != nil {
		return err
	}
	if o.address, err = oneURL("dial", args); err != nil {
		return err
	}
	if err := o.checkAddress(); err != nil {
		return err
	}
	if o.via, err = o.proxyFor(); err != nil {
		return err
	}
	if o.hosts, err = (&dialOptions{resolve: o.resolve}).hosts(); err != nil {
		return err
	}
	h, err := o.ask.head(o.address)
	if err != nil {
		return err
	}
	o.request = h.AppendTo(nil)
	o.address.User = "" // is in the request, and belongs in no error
	if len(o.tls.alpn) == 0 {
		o.tls.alpn = []string{"http/1.1"} // RFC 6455 knows no other
	}
	return nil
}

func (o *shakeOptions) checkAddress() error {
	a := o.address
	_, _, isRange := a.Ports()
	switch {
	case isRange:
		return usagef(fmt.Sprintf("%s names several ports", a), "")
	case a.Port == "0":
		return usagef("port 0 cannot be dialled", "0 is for listening on any free port")
	case !a.Secure() && o.tls.clientSet():
		return usagef(fmt.Sprintf("%s speaks no TLS, so the flags of TLS mean nothing to it", a), "did you mean wss://"+a.HostPort()+a.Target+"?")
	case o.proxy != "" && a.Scheme == endpoint.WSUnix:
		return usagef(fmt.Sprintf("--proxy passes TCP on, and %s is none", a), "")
	}
	return nil
}

// proxyFor is the proxy that --proxy names, or else the environment.
func (o *shakeOptions) proxyFor() (*url.URL, error) {
	if o.proxy != "" || o.address.Scheme == endpoint.WSUnix {
		return proxyURL(o.proxy)
	}
	via, err := tcp.ProxyFromEnvironment(string(o.address.Scheme), o.address.HostPort())
	if err != nil {
		return nil, &usageError{err, "--proxy takes its place"}
	}
	return via, nil
}

// limit is how long a handshake may take.
func (o *common) limit() time.Duration {
	if o.timeout > 0 {
		return time.Duration(o.timeout)
	}
	return defaultTimeout
}

func runHandshakeDial(ctx context.Context, s *Streams, o *shakeOptions) (err error) {
	ctx, cancel := o.within(ctx)
	defer cancel()
	t, err := o.newTracing(s, view{out: s.Err, level: o.level()})
	if err != nil {
		return err
	}
	defer t.closeInto(&err)
	op := o.opener(s, t)
	op.Source, op.Proxy, op.Hosts = o.source, o.via, o.hosts
	until := time.Now().Add(o.limit())
	conn, err := op.Dial(ctx, o.address)
	if err != nil {
		return stoppedBy(ctx, err)
	}
	c := &shake{conn: framed(conn), tracer: t.tracer, id: traceID(conn), until: until, limit: o.limit(), target: o.address.Target}
	failure := c.run(ctx, o.request)
	if signal, ok := context.Cause(ctx).(stopped); ok {
		return signal
	}
	if err := o.print(s, c); err != nil {
		return err
	}
	return o.result(c, failure)
}

// print shows what passed, unless records take its place.
func (o *shakeOptions) print(s *Streams, c *shake) error {
	if o.json || o.quiet {
		return nil
	}
	lines := explain.With(&c.x, c.findings, o.showSecrets).Lines(o.words(s))
	if o.explain {
		lines = append(append(lines, ""), explain.Verdicts(handshake.Judge(&c.x), o.words(s))...)
	}
	return printLines(s.Out, lines)
}

// result is the error that says how it ended.
func (o *shakeOptions) result(c *shake, failure error) error {
	const op = "handshake dial"
	verdict := explain.Judge(&c.x, c.findings)
	switch {
	case verdict.Outcome == explain.Refused:
		return refusedError(op+" "+o.address.String(), &c.x)
	case failure != nil && (isTimeout(failure) || tcp.IsReset(failure)):
		return hinted(failed(op, o.address, failure), c.findings)
	case verdict.Outcome == explain.Broken || verdict.Must > 0:
		return found(op+" "+o.address.String(), c.findings)
	}
	return failed(op, o.address, failure)
}

// hinted adds what a finding says is to be done.
func hinted(err error, findings []handshake.Finding) error {
	if err == nil || len(findings) == 0 {
		return err
	}
	return &endpoint.Hint{Err: err, Text: findings[0].Mend}
}

// refusedError says with which status a server refused: status 4.
func refusedError(what string, x *handshake.Exchange) error {
	status := strings.TrimSpace(fmt.Sprintf("%d %s", x.Response.Status, x.Response.Reason))
	e := &verdictError{status: statusRefused, text: what + ": refused with " + printableValue(status)}
	if causes := handshake.ExplainRefusal(x); len(causes) > 0 {
		e.hint = causes[0].Cause + " " + causes[0].Mend
	}
	return e
}

// timedOut puts our own limit in the place of the error that it caused.
func timedOut(ctx context.Context, err error, limit time.Duration) error {
	var timeout net.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return causeOf(ctx, err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &tcp.TimeoutError{After: limit, By: "-w"}
	}
	return err
}
