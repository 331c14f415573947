package cmd

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/udp"
)

// dialOptions are the flags of dial, and what was made of them.
type dialOptions struct {
	common
	talk    talkFlags
	source  string
	proxy   string
	resolve []string
	zero    bool
	noHalf  bool
	ws      webSocketFlags
	sio     clientFlags

	address endpoint.Address
	via     *url.URL
}

// talkFlags are those of a conversation, which dial and listen share.
type talkFlags struct {
	send         []string
	sendOnly     bool
	recvOnly     bool
	crlf         bool
	quietPeriod  duration
	linger       duration
	count        int
	expect       []string
	binary       bool
	null         bool
	lengthPrefix bool

	patterns []*regexp.Regexp
}

func newDial(s *Streams) *cobra.Command {
	o := &dialOptions{}
	c := &cobra.Command{
		Use:   "dial ADDRESS | HOST PORT",
		Short: "Connect to an address, and to standard input and output",
		Long: `dial connects to an address. Standard input goes to the socket, and what comes
from the socket goes to standard output, byte for byte on a stream.

At the end of input the sending half is closed and the rest is read to its end.
Nothing typed or piped is ever lost: what could not be delivered is counted and
said, and the exit status is not 0. On a terminal there is a prompt.

On a datagram socket a line is a datagram, its newline kept. On a WebSocket a
line is a text message, its newline left out and put back on output; with
--binary what one read gives is a binary message, and no byte is changed. After
the end of input it waits up to -w for a first message, then until nothing has
come for --linger, and closes with 1000.

With Socket.IO a line is an event: its name and then its arguments, each JSON or
a bare word, and what comes is printed in the same form. Binary is
{"_base64":"…"}. The path of the address is the namespace.`,
		Example: `  sockkit dial example.com 80
  printf 'hello\n' | sockkit dial tcp://localhost:9000
  sockkit dial -v tls://example.com:443 < request.txt
  sockkit dial udp://localhost:5353 -x ping --count 1
  sockkit dial -z localhost 20-1024
  sockkit dial ws://localhost:9000/chat -s chat.v1 -H 'Cookie: id=7'
  sockkit dial wss://localhost:9443 -k -x hello --count 1
  sockkit dial --explain ws://localhost:9000/
  sockkit dial --http2 wss://localhost:9443 -k -x hello --count 1
  sockkit dial sio://localhost:3000/chat --auth '{"token":"abc"}' -x 'message "hello there"'
  sockkit dial localhost 2525 --expect '^220 ' --expect '^221 ' -C -x QUIT`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.complete(c, args); err != nil {
				return err
			}
			return runDial(c.Context(), s, o)
		},
	}
	s.flags(c, o.add)
	return c
}

func (o *dialOptions) add(f *pflag.FlagSet) {
	f.SortFlags = false
	group(f, "Connecting", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.zero, "zero", "z", false, "only test whether it is open; a range of ports prints the open ones")
		f.StringVar(&o.source, "source", "", "dial from this address, `ADDR[:PORT]`")
		f.StringVar(&o.proxy, "proxy", "", "go through a proxy: socks5, http or https `URL`")
		f.StringArrayVar(&o.resolve, "resolve", nil, "use this address for a host and port, `HOST:PORT:ADDRESS`")
	})
	group(f, "Conversation", func(f *pflag.FlagSet) {
		o.talk.add(f)
		f.BoolVar(&o.noHalf, "no-half-close", false, "keep the sending half open at the end of input")
	})
	group(f, "WebSocket, Socket.IO", o.ws.add)
	group(f, "Socket.IO", o.sio.add)
	o.common.add(f)
	o.tls.add(f, o.tls.client)
	f.BoolP("nc-shutdown", "N", false, "as in nc: close the sending half at the end of input (always done)")
	_ = f.MarkHidden("nc-shutdown")
}

// complete reads the words and checks the flags against each other.
func (o *dialOptions) complete(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("dial wants an address", "sockkit dial HOST PORT, or sockkit dial tls://HOST:PORT; sockkit help addresses")
	}
	if err := o.check(c); err != nil {
		return err
	}
	var err error
	if o.address, err = o.parse(args); err != nil {
		return err
	}
	if o.via, err = proxyURL(o.proxy); err != nil {
		return err
	}
	if err := o.checkAddress(); err != nil {
		return err
	}
	if err := o.ws.complete(c, o.address); err != nil {
		return err
	}
	if err := o.sio.complete(c, o.address); err != nil {
		return err
	}
	if err := o.completeHTTP2(c); err != nil {
		return err
	}
	if err := o.webSocketProxy(); err != nil {
		return err
	}
	return o.talk.complete()
}

func (o *dialOptions) checkAddress() error {
	a := o.address
	_, _, isRange := a.Ports()
	switch {
	case isRange && !o.zero:
		return usagef(fmt.Sprintf("%s names several ports", a), "with -z the open ones are printed")
	case a.Port == "0":
		return usagef("port 0 cannot be dialled", "0 is for listening on any free port")
	case o.via != nil && (a.Datagrams() || a.Scheme == endpoint.Unix || a.Scheme == endpoint.WSUnix || a.Scheme == endpoint.Exec):
		return usagef(fmt.Sprintf("--proxy passes TCP on, and %s is none", a), "")
	case !a.Secure() && o.tls.clientSet():
		return usagef(fmt.Sprintf("%s speaks no TLS, so the flags of TLS mean nothing to it", a), "did you mean "+secured(a)+"?")
	case a.WebSocket() && o.talk.crlf:
		return usagef("-C is for lines, and a WebSocket's messages have no line ends", "")
	case a.SocketIO() && (o.talk.binary || o.talk.null || o.talk.lengthPrefix || o.talk.crlf || o.noHalf):
		return usagef("Socket.IO has events, one a line: --binary, --null, --length-prefix and -C mean nothing to it", "")
	case a.WebSocket() && o.noHalf:
		return usagef("a WebSocket has no halves that could be closed", "--linger says how long answers are waited for")
	case a.Stream() && (o.talk.null || o.talk.lengthPrefix):
		return usagef(fmt.Sprintf("%s is a stream, without borders between messages", a), "--null and --length-prefix are for datagrams")
	case a.Scheme == endpoint.Stdio:
		return usagef("dial connects standard input and output to a socket; - is no socket", "")
	}
	return nil
}

// hosts reads --resolve.
func (o *dialOptions) hosts() (map[string]string, error) {
	hosts := map[string]string{}
	for _, entry := range o.resolve {
		parts := strings.SplitN(entry, ":", 3)
		if len(parts) != 3 {
			return nil, usagef(fmt.Sprintf("--resolve %q is not HOST:PORT:ADDRESS", entry), "")
		}
		address := strings.Trim(parts[2], "[]")
		if net.ParseIP(address) == nil {
			return nil, usagef(fmt.Sprintf("--resolve %q: %q is no address", entry, parts[2]), "")
		}
		hosts[net.JoinHostPort(parts[0], parts[1])] = address
	}
	return hosts, nil
}

func runDial(ctx context.Context, s *Streams, o *dialOptions) (err error) {
	ctx, cancel := o.within(ctx)
	defer cancel()
	restore := func() {}
	if o.talk.prompts(s, &o.common) && !o.zero {
		if s, ctx, restore, err = prompt(ctx, s, &o.common); err != nil {
			return err
		}
	}
	defer restore()
	t, err := o.newTracing(s, view{out: s.Err, level: o.level()})
	if err != nil {
		return err
	}
	defer t.closeInto(&err)
	op := o.opener(s, t)
	op.Source, op.Proxy = o.source, o.via
	if op.Hosts, err = o.hosts(); err != nil {
		return err
	}
	switch {
	case o.address.WebSocket():
		return asked(o.webSocket(ctx, s, op))
	case o.address.SocketIO():
		return asked(o.socketIO(ctx, s, op))
	}
	if o.zero {
		return scan(ctx, s, o, op)
	}
	conn, err := op.Dial(ctx, o.address)
	if err != nil {
		return stoppedBy(ctx, err)
	}
	return failed("dial", o.address, asked(o.talk.converse(ctx, s, &o.common, conn, o.address, o.noHalf)))
}

// stoppedBy prefers a signal to the error that it caused.
func stoppedBy(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		if cause, ok := context.Cause(ctx).(stopped); ok {
			return cause
		}
	}
	return err
}

// converse talks over conn as the flags say, and closes it.
func (t *talkFlags) converse(ctx context.Context, s *Streams, o *common, conn net.Conn, a endpoint.Address, noHalf bool) error {
	expect := &session.Expectation{Count: t.count, Patterns: t.patterns}
	out := s.output()
	if o.json {
		out = io.Discard
	}
	if a.Stream() {
		stream := &session.Stream{
			Conn: conn, In: t.stream(s), Out: out, KeepHalf: noHalf, SendOnly: t.sendOnly,
			Quiet: time.Duration(t.quietPeriod), IdleTimeout: time.Duration(o.idle), Expect: expect,
			Interactive: isTerminal(s.In) && len(t.send) == 0, Note: o.note(s),
		}
		return stream.Run(ctx)
	}
	limit := int(min(o.maxMessage, 65535))
	messages := &session.Messages{
		Conn: session.Packets(conn, limit), In: t.datagrams(s, limit), Out: out, Framing: t.framing(),
		SendOnly: t.sendOnly, Wait: time.Duration(o.timeout), Linger: time.Duration(t.linger),
		IdleTimeout: time.Duration(o.idle), Expect: expect,
	}
	return messages.Run(ctx)
}

// probe is dial -z for a datagram socket, which cannot be seen to be open
// unless it answers.
func probe(ctx context.Context, s *Streams, o *dialOptions, op *endpoint.Opener) error {
	if _, _, isRange := o.address.Ports(); isRange {
		return usagef("-z takes a range of ports on TCP only", "a UDP port that is silent may be open or filtered")
	}
	answer, err := op.Probe(ctx, o.address)
	switch {
	case err != nil:
		return stoppedBy(ctx, err)
	case answer == udp.Refused:
		return &udp.Error{Op: "dial", Address: o.address.String(), Err: syscall.ECONNREFUSED}
	case answer == udp.Silent && !o.quiet:
		fmt.Fprintf(s.Err, "%s does not answer, nor refuse: it is open or filtered\n", o.address)
	}
	return nil
}

// scan is dial -z.
func scan(ctx context.Context, s *Streams, o *dialOptions, op *endpoint.Opener) error {
	if !o.address.Stream() {
		return probe(ctx, s, o, op)
	}
	first, last, isRange := o.address.Ports()
	if !isRange {
		conn, err := op.Dial(ctx, o.address)
		if err != nil {
			return stoppedBy(ctx, err)
		}
		return conn.Close()
	}
	if first < 1 || last > 65535 || first > last {
		return usagef(fmt.Sprintf("the ports %s are no range", o.address.Port), "write FIRST-LAST, as in 20-1024")
	}
	open := 0
	for port := first; port <= last && ctx.Err() == nil; port++ {
		a := o.address
		a.Port = fmt.Sprint(port)
		conn, err := op.Dial(ctx, a)
		if err != nil {
			continue
		}
		conn.Close()
		open++
		fmt.Fprintln(s.Out, a)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if open == 0 {
		return &tcp.Error{Op: "dial", Address: o.address.String(), Err: fmt.Errorf("none of the %d ports is open", last-first+1)}
	}
	return nil
}
