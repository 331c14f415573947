package cmd

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/serve"
	"github.com/sockkit/sockkit/tcp"
)

// answerOptions are the flags of handshake listen, and what was made of them.
type answerOptions struct {
	common
	answer      answerFlags
	limits      limitFlags
	keepOpen    bool
	interactive bool
	addrFile    string
	perm        string
	hold        duration

	address endpoint.Address
	mode    os.FileMode
}

func newHandshakeListen(s *Streams) *cobra.Command {
	o := &answerOptions{hold: duration(time.Second)}
	c := &cobra.Command{
		Use:   "listen ADDRESS",
		Short: "Show each client's opening request with its verdict, and answer it",
		Long: `listen waits for clients, shows the opening request of each with everything that
is wrong in it, and answers it: with 101 where it is right, with the refusal that
it deserves where it is not. --status, --set, --omit and --accept bend the answer
on purpose, to see what a client does about it; --interactive asks a person.

A connection that has opened says nothing and is closed with 1000 after --hold.
The first client is the last unless -k is given. The status is 3 where its
request broke a MUST.`,
		Example: `  sockkit handshake listen 9000
  sockkit handshake listen -k ws://:9000 -s chat.v1 --compress
  sockkit handshake listen -k 9000 --accept wrong
  sockkit handshake listen -k 9000 --status 401 --set 'WWW-Authenticate: Basic realm="x"'
  sockkit handshake listen wss://:9443 --self-signed --interactive`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.complete(c, s, args); err != nil {
				return err
			}
			return runHandshakeListen(c.Context(), s, o)
		},
	}
	s.flags(c, func(f *pflag.FlagSet) {
		o.add(f)
		completeBends(c, responseHeaders...)
	})
	return c
}

func (o *answerOptions) add(f *pflag.FlagSet) {
	f.SortFlags = false
	group(f, "Listening", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.keepOpen, "keep-open", "k", false, "go on accepting, all at once")
		f.StringVar(&o.addrFile, "addr-file", "", "write the bound address to `FILE`, all at once")
		f.StringVar(&o.perm, "mode", "0600", "the permission of a Unix socket's file, in `OCTAL`")
		f.Var(&o.hold, "hold", "how long a connection that has opened is kept")
		f.BoolVar(&o.interactive, "interactive", false, "show the answer to a person at the terminal, who may change it")
	})
	o.answer.add(f)
	group(f, "Who gets in", o.limits.add)
	o.common.add(f)
	o.tls.add(f, o.tls.server)
	f.Lookup("max-conns").Usage = "close connections beyond `N` at once; 0: no bound"
	_ = f.MarkHidden("max-conns-per-ip")
	_ = f.MarkHidden("max-rate")
	handshakeHides(f)
}

func (o *answerOptions) complete(c *cobra.Command, s *Streams, args []string) (err error) {
	if err := o.check(c); err != nil {
		return err
	}
	if len(args) != 1 {
		return usagef(fmt.Sprintf("handshake listen wants one address, and %d came", len(args)), "sockkit handshake listen 9000, or wss://:9443 with --self-signed")
	}
	if o.address, err = webSocketAddress("listen", args[0]); err != nil {
		return err
	}
	o.address.User = "" // means nothing here, and belongs in no announcement
	if err := o.checkAddress(); err != nil {
		return err
	}
	if o.interactive && (!isTerminal(s.In) || o.json || o.quiet) {
		return usagef("--interactive wants a terminal on standard input, and neither --json nor --quiet", "--status, --set, --omit and --accept change the answer without asking")
	}
	if o.mode, err = permission(o.perm); err != nil {
		return err
	}
	if err := o.limits.complete(true); err != nil {
		return err
	}
	return o.answer.complete(c)
}

func (o *answerOptions) checkAddress() error {
	a := o.address
	_, _, isRange := a.Ports()
	switch {
	case isRange:
		return usagef(fmt.Sprintf("%s names several ports, and one is listened on", a), "")
	case a.Secure() && o.tls.cert == "" && !o.tls.selfSigned:
		return usagef("a TLS listener wants a certificate", "--cert FILE --key FILE, or --self-signed for one that is made in memory")
	case !a.Secure() && (o.tls.cert != "" || o.tls.selfSigned || o.tls.clientCA != ""):
		return usagef(fmt.Sprintf("%s speaks no TLS, so it takes no certificate", a), "did you mean wss://"+a.HostPort()+a.Target+"?")
	}
	return nil
}

// answering is one run of handshake listen.
type answering struct {
	*Streams
	*answerOptions
	*tracing
	listening *listening // announces, and accepts whom the limits let in
	config    *tls.Config

	mu   sync.Mutex // one client is shown at a time
	edit *editor
}

func runHandshakeListen(ctx context.Context, s *Streams, o *answerOptions) (err error) {
	ctx, cancel := o.within(ctx)
	defer cancel()
	t, err := o.newTracing(s, view{out: s.Err, level: o.level(), tags: o.keepOpen})
	if err != nil {
		return err
	}
	defer t.closeInto(&err)
	op := o.opener(s, t)
	op.Mode = o.mode
	if len(op.TLS.ALPN) == 0 {
		op.TLS.ALPN = []string{"http/1.1"} // RFC 6455 knows no other
	}
	listener, config, err := op.Listen(ctx, o.address)
	if err != nil {
		return inUse(err)
	}
	defer listener.Close()
	a := &answering{Streams: s, answerOptions: o, tracing: t, config: config}
	a.listening = &listening{Streams: s, tracing: t, opener: op, listenOptions: &listenOptions{
		common: o.common, limits: o.limits, addrFile: o.addrFile, keepOpen: o.keepOpen, address: o.address.Bound(listener.Addr()),
	}}
	o.address = a.listening.address
	if err := a.listening.announce(config); err != nil {
		return err
	}
	defer a.listening.removeAddrFile()
	if o.interactive {
		a.edit = newEditor(s)
	}
	return a.serve(ctx, listener)
}

// serve answers one client, or with -k all that come.
func (a *answering) serve(ctx context.Context, listener *tcp.Listener) error {
	conn, err := a.listening.accept(ctx, listener)
	if err != nil {
		return failed("handshake listen", a.address, err)
	}
	if !a.keepOpen {
		listener.Close()
		return a.client(ctx, conn)
	}
	clients := &crowd{most: a.limits.maxConns}
	defer clients.Wait()
	a.listening.timeout = 0 // -w bounds the wait for the first client only
	for err == nil {
		a.take(ctx, clients, conn)
		conn, err = a.listening.accept(ctx, listener)
	}
	return failed("handshake listen", a.address, causeOf(ctx, unwrapNobody(err)))
}

// unwrapNobody is what ended the wait for clients of whom some have come.
func unwrapNobody(err error) error {
	if nobody, ok := err.(*serve.NobodyCame); ok {
		return nobody.Err
	}
	return err
}

// take answers a client beside the others, or closes its connection where there
// are too many.
func (a *answering) take(ctx context.Context, clients *crowd, conn net.Conn) {
	if !clients.enter() {
		a.listening.turnAway(conn, &tcp.Refusal{Rule: "max-conns", Reason: fmt.Sprintf("%d connections are open", clients.most)})
		return
	}
	go func() {
		defer clients.leave()
		_ = a.client(ctx, conn) // what is wrong was shown; the others go on
	}()
}

// crowd counts those who are there at once.
type crowd struct {
	sync.WaitGroup
	most int // less than 0: no bound
	mu   sync.Mutex
	n    int
}

func (c *crowd) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most >= 0 && c.n >= c.most {
		return false
	}
	c.n++
	c.Add(1)
	return true
}

func (c *crowd) leave() {
	c.mu.Lock()
	c.n--
	c.mu.Unlock()
	c.Done()
}
