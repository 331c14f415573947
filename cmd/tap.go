package cmd

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/trace"
)

// tapOptions are the flags of tap, and what was made of them.
type tapOptions struct {
	common
	limits   limitFlags
	faults   faultFlags
	addrFile string
	perm     string
	once     bool
	web      webServeFlags
	text     bool
	binary   bool
	login    webSocketFlags // that the target's address holds
	ui       string
	uiHosts  []string
	observe  observeFlags

	listen, target endpoint.Address
	mode           os.FileMode
}

func newTap(s *Streams) *cobra.Command {
	o := &tapOptions{}
	c := &cobra.Command{
		Use:   "tap LISTEN TARGET | redis://HOST:PORT",
		Short: "Stand between clients and a target, and show what passes",
		Long: `tap listens on the first address and opens the second for each client that
connects, all at once, until a signal or --deadline. Everything is passed on
unchanged, half-closes too, and shown: > is what goes to the target, < what
comes from it, and [2] the number of a connection.

Any kind of socket goes with any other. A child process (exec:COMMAND) is
started for each client. With - as one of the two there is one client only,
standard output carries its payload, and the view goes to standard error.

Between two WebSockets not a byte is changed: the client's own request goes to
the target, which sees the client's Host and path. Both heads are checked by the
rules, messages are shown unmasked and inflated, frames with -vvv; what is wrong
is a finding, and passes all the same. wss:// is ended and begun by tap.

Between two Socket.IO addresses it is the same: requests of polling and their
answers, WebSockets and the move from one to the other go through unchanged, and
show the packets of Socket.IO, with -vvv those of Engine.IO, in one timeline.

With a WebSocket at one end only, tap speaks it: each message becomes bytes, a
datagram or a line, and each read, datagram or line a message. Lines (exec: and
-) are text messages without their newline, all else is binary. The end of the
other side closes with 1000, and a close with a code that means trouble resets
it. A client of the stream that has ended its half is given answers as with
datagrams, and then the target is closed.

Between datagram sockets each datagram stays what it is, and each sender has a
target socket of its own, until nothing has passed for two minutes. Between a
stream and datagrams each read of the stream is one datagram, and each datagram
is written to the stream as it is; once the stream has ended, datagrams are
waited for as dial does: -w for a first one, and then for a second of silence.

Faults are for tests of other software. What is to happen after a size happens
after so many bytes in all directions that suffer together; "10s" is a time and
"10M" a size, and with both given whichever is reached first counts.

--ui shows the same trace as a page, live: each record opens to its bytes, and
each byte to the field that it belongs to. It keeps the last 20,000 records.

With the address of a Redis alone tap shows what Socket.IO servers say to one
another there, whichever official adapter they use: > who broadcasts or asks, <
who answers and after how long, and which requests were not answered by all, and
by whom not. It writes nothing, and no server counts it as another. Streams and
channels are read as they come; sharded channels by MONITOR, which costs Redis
more, as servers would wait for the answers of one more subscriber. When Redis
goes it says so, and goes on when that is back. The end is a summary.

rediss:// is a Redis with TLS. Its certificate has to be for the host as it is
written, and by a known authority: --ca names one, --server-name another name,
--pin the certificate itself. One with tls-auth-clients yes wants --cert and
--key. Of a Redis Cluster each server is checked for what the cluster calls it,
an address unless it has cluster-announce-hostname; of sentinels they are, and
the master that they name.`,
		Example: `  sockkit tap :8080 localhost:80
  sockkit tap -vvvv tls://:9443 tcp://localhost:9000 --self-signed
  sockkit tap tcp://:9000 tls://example.com:443 --trace tap.pcapng
  sockkit tap udp://:5353 udp://localhost:53 --loss 20 --seed 7
  sockkit tap :9000 unix:/tmp/app.sock --delay 80ms --jitter 20ms
  sockkit tap -vvv ws://:8080 ws://localhost:3000
  sockkit tap sio://:8080 sio://localhost:3000
  sockkit tap --ui localhost:9999 sio://:8080 sio://localhost:3000
  sockkit tap ws://:8080 tcp://localhost:6379
  sockkit tap ws://:8080 'exec:tail -f /var/log/syslog'
  sockkit tap 9000 'exec:cat' --once --cut-after 1M
  sockkit tap --quiet :8080 localhost:80
  sockkit tap redis://localhost:6379
  sockkit tap rediss://:secret@redis.example.com:6380 --ca ca.pem --json`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.complete(c, args); err != nil {
				return err
			}
			if o.observe.url != "" {
				return runTapRedis(c.Context(), s, o)
			}
			return runTap(c.Context(), s, o)
		},
	}
	s.flags(c, func(f *pflag.FlagSet) {
		o.add(f)
		_ = c.RegisterFlagCompletionFunc("monitor", cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
	})
	return c
}

func (o *tapOptions) add(f *pflag.FlagSet) {
	f.SortFlags = false
	group(f, "Listening", func(f *pflag.FlagSet) {
		f.BoolVar(&o.once, "once", false, "leave after the first connection, with a status that says how it went")
		f.StringVar(&o.addrFile, "addr-file", "", "write the bound address to `FILE`, all at once")
		f.StringVar(&o.perm, "mode", "0600", "the permission of a Unix socket's file, in `OCTAL`")
		f.IntVar(&o.limits.maxConns, "max-conns", defaultMaxConns, "turn connections away beyond `N` at once; 0: no bound")
		f.StringArrayVar(&o.limits.allow, "allow", nil, "let only these addresses in, `CIDR` (repeatable)")
		f.StringArrayVar(&o.limits.deny, "deny", nil, "turn these addresses away, `CIDR` (repeatable; before --allow)")
	})
	group(f, "The live trace as a page", func(f *pflag.FlagSet) {
		f.StringVar(&o.ui, "ui", "", "serve the live trace, every byte of it, as a page at this `ADDRESS`")
		f.StringArrayVar(&o.uiHosts, "ui-allow-host", nil, "a `NAME` beside the loopback ones that browsers may know the page by (repeatable)")
	})
	group(f, "WebSocket at one end", func(f *pflag.FlagSet) {
		f.BoolVar(&o.text, "text", false, "send text messages (the default for lines: exec: and -)")
		f.BoolVar(&o.binary, "binary", false, "send binary messages, and take no lines (the default for all others)")
		o.web.addAllowed(f)
	})
	group(f, "Faults", o.faults.add)
	group(f, "Looking at a Redis", o.observe.add)
	o.common.add(f)
	o.tls.add(f, func(f *pflag.FlagSet) {
		o.tls.server(f)
		o.tls.client(f)
	})
	rename(f, map[string]string{
		"verbose":      "connections only; -vv messages (default), -vvv frames, -vvvv every byte",
		"quiet":        "show nothing; bytes that nobody has to see stay in the kernel",
		"json":         "show trace records as JSON lines",
		"cert":         "the listener's certificate, a PEM `FILE`",
		"alpn":         "application `PROTOCOLS` to offer the target, with commas between them",
		"client-ca":    "demand a certificate of clients, by these authorities, a PEM `FILE`",
		"ca":           "the target's authorities, and no others, a PEM `FILE`",
		"insecure":     "do not check the target's certificate",
		"pin":          "accept only this certificate of the target, `sha256:HEX`",
		"timeout":      "bound connecting and handshakes (default 10s); with --once the wait for a client too",
		"idle-timeout": "end a connection after so long a silence (default: never; datagrams 2m)",
		"max-message":  "the largest message, in bytes; of a datagram never over 65507",
	})
}

// rename gives flags that other commands have too the words for this one.
func rename(f *pflag.FlagSet, words map[string]string) {
	for name, usage := range words {
		f.Lookup(name).Usage = usage
	}
}

// complete reads the words and checks the flags against each other.
func (o *tapOptions) complete(c *cobra.Command, args []string) error {
	if slices.ContainsFunc(args, isRedis) {
		return o.completeRedis(c, args)
	}
	if err := tapWords(args); err != nil {
		return err
	}
	if err := notObserving(c.Flags()); err != nil {
		return err
	}
	if err := o.check(c); err != nil {
		return err
	}
	if !o.quiet && o.verbose == 0 {
		o.verbose = int(trace.Message) // the view is what was asked for
	}
	var err error
	if o.listen, err = o.parse(args[:1]); err != nil {
		return err
	}
	if o.target, err = o.parse(args[1:]); err != nil {
		return err
	}
	if err := o.checkAddresses(); err != nil {
		return err
	}
	if err := o.checkTLS(); err != nil {
		return err
	}
	if err := o.checkWebSocket(c); err != nil {
		return err
	}
	if o.mode, err = permission(o.perm); err != nil {
		return err
	}
	if err := o.limits.complete(o.listen.Stream()); err != nil {
		return err
	}
	return o.faults.complete(c.Flags(), o.kindOf(o.listen), o.kindOf(o.target))
}

func tapWords(args []string) error {
	const hint = "sockkit tap :8080 localhost:80; sockkit help addresses"
	switch len(args) {
	case 0:
		return usagef("tap wants an address to listen on and a target", hint)
	case 1:
		return usagef("tap wants a target behind "+endpoint.WithoutUser(args[0]), hint)
	case 2:
		return nil
	}
	return usagef(fmt.Sprintf("tap takes two addresses, and %d words came", len(args)), "a host and its port are one word: localhost:80")
}

func (o *tapOptions) checkAddresses() error {
	_, _, manyListen := o.listen.Ports()
	_, _, manyTargets := o.target.Ports()
	switch {
	case o.listen.Scheme == endpoint.Exec:
		return usagef(fmt.Sprintf("%s cannot be listened on", o.listen), "it can be the target")
	case o.listen.Scheme == endpoint.Stdio && o.target.Scheme == endpoint.Stdio:
		return usagef("standard input and output cannot be both ends", "")
	case manyListen:
		return usagef(fmt.Sprintf("%s names several ports, and one is listened on", o.listen), "")
	case manyTargets:
		return usagef(fmt.Sprintf("%s names several ports, and a target has one", o.target), "")
	case o.target.Port == "0":
		return usagef("port 0 cannot be dialled", "0 is for listening on any free port")
	case o.target.Scheme == endpoint.Exec:
		words, err := endpoint.Split(o.target.Path)
		if err != nil {
			return &usageError{err, hintFor(err)}
		}
		return endpoint.Runnable(words[0])
	}
	return nil
}

// checkTLS refuses flags of TLS for a side that speaks none.
func (o *tapOptions) checkTLS() error {
	t, serves := &o.tls, o.listen.Secure()
	switch {
	case serves && t.cert == "" && !t.selfSigned:
		return usagef("a TLS listener wants a certificate", "--cert FILE --key FILE, or --self-signed for one that is made in memory")
	case !serves && (t.cert != "" || t.selfSigned || t.clientCA != ""):
		return usagef(fmt.Sprintf("%s speaks no TLS, so it takes no certificate", o.listen), "--cert, --self-signed and --client-ca are the listener's, tls://… or wss://…")
	case !o.target.Secure() && (t.ca != "" || t.serverName != "" || t.insecure || len(t.pins) > 0 || len(t.alpn) > 0):
		return usagef(fmt.Sprintf("%s speaks no TLS, so there is nothing to check", o.target), "--ca, --server-name, --insecure, --pin and --alpn are the target's, tls://… or wss://…")
	}
	return nil
}

// stdio reports whether one of the ends is standard input and output.
func (o *tapOptions) stdio() bool {
	return o.listen.Scheme == endpoint.Stdio || o.target.Scheme == endpoint.Stdio
}

func runTap(ctx context.Context, s *Streams, o *tapOptions) (err error) {
	ctx, cancel := o.within(ctx)
	defer cancel()
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	v := o.view(s, leave)
	closeUI, err := o.serveUI(ctx, s, &v)
	if err != nil {
		return err
	}
	defer closeUI()
	t, err := o.newTracing(s, v)
	if err != nil {
		return err
	}
	defer t.closeInto(&err)
	return newTapping(s, o, t).run(ctx)
}
