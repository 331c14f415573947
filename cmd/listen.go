package cmd

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/serve"
)

// listenOptions are the flags of listen, and what was made of them.
type listenOptions struct {
	common
	talk     talkFlags
	modes    modeFlags
	limits   limitFlags
	port     string
	addrFile string
	perm     string
	keepOpen bool
	noHalf   bool
	metrics  string
	web      webServeFlags
	sio      socketIOFlags

	address endpoint.Address
	mode    os.FileMode
}

// modeFlags say what is done with what peers send.
type modeFlags struct {
	echo, discard bool
	broadcast     string
	exec, sh      string
}

func newListen(s *Streams) *cobra.Command {
	o := &listenOptions{}
	c := &cobra.Command{
		Use:   "listen ADDRESS",
		Short: "Wait for connections, and connect them to standard input and output",
		Long: `listen binds an address and waits. The first connection is connected to
standard input and output, and its end is the end, as with nc -l.

With -k it goes on accepting, all at once: what arrives goes to standard output,
in whole lines, and standard input goes to all. One of the modes says what else
is done with what peers send.

A bare port is bound on 127.0.0.1 and ::1 only; 0.0.0.0:9000, [::]:9000 or
*:9000 opens it to the network. Port 0 is any free port: the line "listening on"
and --addr-file say which.`,
		Example: `  sockkit listen 9000
  sockkit listen -k --echo tcp://:9000 --max-conns 2000
  sockkit listen -k --broadcast tls://:9443 --self-signed
  sockkit listen -k --exec 'tr a-z A-Z' unix:/tmp/upper.sock
  sockkit listen -k --echo ws://:9000
  sockkit listen -k --echo sio://:3000 --require-auth '{"token":"abc"}'
  sockkit listen -k --broadcast=all sio://:3000 --redis redis://localhost:6379
  sockkit listen -k --broadcast wss://:9443/chat --self-signed -s chat.v1
  sockkit listen -u -k 5353
  sockkit listen 0 --addr-file addr.txt --expect ready -w 5s`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.complete(c, args); err != nil {
				return err
			}
			return runListen(c.Context(), s, o)
		},
	}
	s.flags(c, func(f *pflag.FlagSet) {
		o.add(f)
		_ = c.RegisterFlagCompletionFunc("redis-adapter", cobra.FixedCompletions([]string{adapterPubSub, adapterSharded, adapterStreams}, cobra.ShellCompDirectiveNoFileComp))
	})
	return c
}

func (o *listenOptions) add(f *pflag.FlagSet) {
	f.SortFlags = false
	group(f, "Listening", o.addListening)
	group(f, "What is done with what comes (one of)", o.modes.add)
	group(f, "Who gets in", o.limits.add)
	group(f, "WebSocket, Socket.IO", o.web.add)
	group(f, "Socket.IO", o.sio.add)
	group(f, "Conversation", func(f *pflag.FlagSet) {
		o.talk.add(f)
		f.BoolVar(&o.noHalf, "no-half-close", false, "keep the sending half open at the end of input")
	})
	o.common.add(f)
	o.tls.add(f, o.tls.server)
}

func (o *listenOptions) addListening(f *pflag.FlagSet) {
	f.BoolVarP(&o.keepOpen, "keep-open", "k", false, "go on accepting, all at once")
	f.StringVarP(&o.port, "port", "p", "", "the port, as in nc -l -p `PORT`")
	f.StringVar(&o.addrFile, "addr-file", "", "write the bound address to `FILE`, all at once")
	f.StringVar(&o.perm, "mode", "0600", "the permission of a Unix socket's file, in `OCTAL`")
	f.StringVar(&o.metrics, "metrics", "", "serve /metrics and /healthz on `ADDRESS`")
}

func (m *modeFlags) add(f *pflag.FlagSet) {
	f.BoolVar(&m.echo, "echo", false, "send it back")
	f.StringVar(&m.broadcast, "broadcast", "", "send it to all the others; `all`: to the sender too")
	f.Lookup("broadcast").NoOptDefVal = "others"
	f.BoolVar(&m.discard, "discard", false, "drop it")
	f.StringVar(&m.exec, "exec", "", "give it to a `COMMAND` for each connection, run without a shell")
	f.StringVar(&m.sh, "sh", "", "the same with a `LINE` of shell")
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
	if err := o.checkAddress(); err != nil {
		return err
	}
	if err := o.web.complete(c, o.address); err != nil {
		return err
	}
	if err := o.sio.complete(c, o.address); err != nil {
		return err
	}
	if o.mode, err = permission(o.perm); err != nil {
		return err
	}
	if o.metrics != "" {
		if _, err := metricsAddress(o.metrics); err != nil {
			return err
		}
	}
	if err := o.modes.check(); err != nil {
		return err
	}
	if err := o.limits.complete(o.address.Stream()); err != nil {
		return err
	}
	return o.talk.complete()
}

func permission(s string) (os.FileMode, error) {
	mode, err := strconv.ParseUint(s, 8, 32)
	if err != nil || mode == 0 || mode > 0o777 {
		return 0, usagef(fmt.Sprintf("--mode %q is no permission", s), "write it in octal, as in 0660")
	}
	return os.FileMode(mode), nil
}

func (o *listenOptions) checkAddress() error {
	a := o.address
	_, _, isRange := a.Ports()
	switch {
	case a.Scheme == endpoint.Exec, a.Scheme == endpoint.Stdio:
		return usagef(fmt.Sprintf("%s cannot be listened on", a), "dial and tap take it as a target")
	case o.metrics != "" && !o.keepOpen:
		return usagef("--metrics goes with -k", "a single connection has no figures to watch")
	case len(o.talk.send) > 0 && o.modes.mode() != serve.Stdio:
		return usagef("--send is for a conversation, and a mode takes its place", "leave the mode out, or --send")
	case a.Stream() && (o.talk.null || o.talk.lengthPrefix):
		return usagef(fmt.Sprintf("%s is a stream, without borders between messages", a), "--null and --length-prefix are for datagrams")
	case isRange:
		return usagef(fmt.Sprintf("%s names several ports, and one is listened on", a), "")
	case a.WebSocket() && o.talk.crlf:
		return usagef("-C is for lines, and a WebSocket's messages have no line ends", "")
	case a.WebSocket() && o.noHalf:
		return usagef("a WebSocket has no halves that could be closed", "")
	case a.SocketIO() && (o.modes.mode() == serve.Exec || o.talk.binary || o.talk.null || o.talk.lengthPrefix || o.talk.crlf || o.noHalf):
		return usagef("Socket.IO has events, one a line: --exec, --sh, --binary, --null, --length-prefix and -C mean nothing to it", "")
	case a.SocketIO() && o.limits.maxConnsPerIP > 0:
		return usagef("--max-conns-per-ip does not count sessions of Socket.IO", "--max-conns does")
	case a.Secure() && o.tls.cert == "" && !o.tls.selfSigned:
		return usagef("a TLS listener wants a certificate", "--cert FILE --key FILE, or --self-signed for one that is made in memory")
	case !a.Secure() && (o.tls.cert != "" || o.tls.selfSigned || o.tls.clientCA != ""):
		return usagef(fmt.Sprintf("%s speaks no TLS, so it takes no certificate", a), "did you mean "+secured(a)+"?")
	}
	return nil
}

func (m *modeFlags) check() error {
	chosen := 0
	for _, set := range []bool{m.echo, m.discard, m.broadcast != "", m.exec != "", m.sh != ""} {
		if set {
			chosen++
		}
	}
	if chosen > 1 {
		return usagef("--echo, --broadcast, --discard, --exec and --sh exclude each other", "")
	}
	if m.broadcast != "" && m.broadcast != "others" && m.broadcast != "all" {
		return usagef(fmt.Sprintf("--broadcast takes all or nothing; %q came", m.broadcast), "--broadcast, or --broadcast=all")
	}
	if m.exec != "" {
		words, err := endpoint.Split(m.exec)
		if err != nil {
			return &usageError{fmt.Errorf("--exec: %w", err), hintFor(err)}
		}
		return endpoint.Runnable(words[0])
	}
	return nil
}

// mode is what is done with what peers send.
func (m *modeFlags) mode() serve.Mode {
	switch {
	case m.echo:
		return serve.Echo
	case m.discard:
		return serve.Discard
	case m.broadcast == "all":
		return serve.BroadcastAll
	case m.broadcast != "":
		return serve.Broadcast
	case m.exec != "" || m.sh != "":
		return serve.Exec
	}
	return serve.Stdio
}

func runListen(ctx context.Context, s *Streams, o *listenOptions) (err error) {
	ctx, cancel := o.within(ctx)
	defer cancel()
	restore := func() {}
	if o.prompts(s) {
		if s, ctx, restore, err = prompt(ctx, s, &o.common); err != nil {
			return err
		}
	}
	defer restore()
	t, err := o.newTracing(s, view{out: s.Err, level: o.level(), tags: o.keepOpen})
	if err != nil {
		return err
	}
	defer t.closeInto(&err)
	op := o.opener(s, t)
	op.Mode = o.mode
	l := &listening{Streams: s, listenOptions: o, tracing: t, opener: op}
	switch {
	case o.address.WebSocket():
		return asked(l.webSockets(ctx))
	case o.address.SocketIO():
		return asked(l.socketIO(ctx))
	case o.address.Stream():
		return asked(l.streams(ctx))
	}
	return asked(l.datagrams(ctx))
}

// prompts reports whether there is a person to type.
func (o *listenOptions) prompts(s *Streams) bool {
	return o.modes.mode() == serve.Stdio && o.talk.prompts(s, &o.common)
}
