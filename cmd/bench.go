package cmd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/load"
)

// benchOptions are the flags of bench, and what was made of them.
type benchOptions struct {
	dialOptions // how the address is dialled
	mode        string
	conns       int
	duration    duration
	count       int64
	size        size
	rate        float64
	inFlight    int
	ramp        duration
	text        bool
	binary      bool
	compare     string
	failOver    float64

	before *load.Report // of --compare
}

func newBench(s *Streams) *cobra.Command {
	o := &benchOptions{}
	c := &cobra.Command{
		Use:   "bench ADDRESS | HOST PORT",
		Short: "Put a load on a server, and measure how it bears it",
		Long: `bench opens -c connections to an address and measures for -d, or until --count
messages are answered.

  echo       sends, waits for the same back, compares every byte (the default)
  push       sends only, as fast as the server takes it
  idle       holds the connections open, and says how many survive
  connect    opens, shakes hands, closes, and again
  broadcast  one connection more sends, and all receive; until the last has it

Without --rate each connection sends the next message once one is answered;
--in-flight keeps several under way. With --rate messages are due evenly in time,
and a latency counts from when its message was due: what a server that stalls
holds back is measured too (coordinated omission). Latencies are kept in an HDR
histogram.

A WebSocket sends text messages; compression is used with --compress. Socket.IO
goes over WebSocket: the event --event has one string as its argument, and the
same event is the answer, or with --ack its acknowledgement.

Standard output has the report; --json makes it one object, which --compare FILE
holds a later run against. Its own share of the processor is in it, with a
warning where bench was the bottleneck. The status is 0 where all that was sent
was answered, and 9 where something else came back than was sent, where the rate
was not kept or where --fail-over is exceeded; else it says what went wrong, as
that of dial does. Load servers that are yours only.`,
		Example: `  sockkit bench ws://localhost:9000 -c 100 -d 10s
  sockkit bench localhost:9000 -c 1000 --size 1k --in-flight 16
  sockkit bench wss://localhost:9443 -k -c 100 --rate 5000
  sockkit bench sio://localhost:3000 --mode broadcast -c 1000 --count 200
  sockkit bench ws://localhost:9000 --mode connect -c 64 -d 5s
  sockkit bench udp://localhost:5353 --count 10000
  sockkit bench ws://localhost:9000 --json > before.json
  sockkit bench ws://localhost:9000 --compare before.json --fail-over 10`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.complete(c, args); err != nil {
				return err
			}
			return runBench(c.Context(), s, o)
		},
	}
	s.flags(c, func(f *pflag.FlagSet) {
		o.add(f)
		var modes []cobra.Completion
		for _, m := range load.Modes {
			modes = append(modes, string(m))
		}
		_ = c.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions(modes, cobra.ShellCompDirectiveNoFileComp))
	})
	return c
}

func (o *benchOptions) add(f *pflag.FlagSet) {
	f.SortFlags = false
	group(f, "Load", o.addLoad)
	group(f, "WebSocket, Socket.IO", o.addHandshake)
	group(f, "What is shown", func(f *pflag.FlagSet) {
		f.BoolVar(&o.json, "json", false, "print the report as JSON")
		f.StringVar(&o.compare, "compare", "", "print ratios to an earlier report of --json, `FILE`")
		f.Float64Var(&o.failOver, "fail-over", 0, "with --compare: leave with status 9 where throughput or a latency (50 %, 99 %) is worse by more than `PERCENT`")
		f.BoolVar(&o.quiet, "quiet", false, "show no progress on a terminal")
	})
	group(f, "Address and time", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.four, "ipv4", "4", false, "IPv4 only")
		f.BoolVarP(&o.six, "ipv6", "6", false, "IPv6 only")
		f.BoolVarP(&o.noLookup, "no-lookup", "n", false, "look no names up")
		f.BoolVarP(&o.udp, "udp", "u", false, "read a bare address as UDP")
		f.BoolVarP(&o.unix, "unix", "U", false, "read a bare address as a Unix socket's path")
		f.StringArrayVar(&o.resolve, "resolve", nil, "use this address for a host and port, `HOST:PORT:ADDRESS`")
		f.VarP(&o.timeout, "timeout", "w", "bound connecting and handshakes, and the wait for an answer (default 10s; datagrams 1s)")
		f.Var(&o.deadline, "deadline", "end the whole run after this time")
	})
	o.tls.add(f, o.tls.client)
	o.color, o.maxMessage = "auto", 32<<20
}

func (o *benchOptions) addLoad(f *pflag.FlagSet) {
	f.StringVar(&o.mode, "mode", string(load.Echo), "what is done: `MODE` is echo, push, idle, connect or broadcast")
	f.IntVarP(&o.conns, "connections", "c", 1, "open `N` connections")
	f.VarP(&o.duration, "duration", "d", "measure so long (default 10s, unless --count is given)")
	f.Int64Var(&o.count, "count", 0, "end after `N` messages in all; in mode connect, after N connections")
	o.size = 32
	f.Var(&o.size, "size", "the bytes of a message")
	f.Float64Var(&o.rate, "rate", 0, "send `N` messages a second in all, in mode connect open N connections (default: as fast as goes)")
	f.IntVar(&o.inFlight, "in-flight", 1, "have `N` messages of each connection wait for their answers")
	f.Var(&o.ramp, "ramp", "open the connections evenly over this time (default: 64 at once)")
	f.BoolVar(&o.text, "text", false, "WebSocket: send text messages (the default)")
	f.BoolVar(&o.binary, "binary", false, "WebSocket: send binary messages")
}

func (o *benchOptions) addHandshake(f *pflag.FlagSet) {
	w := &o.ws
	f.StringArrayVarP(&w.headers, "header", "H", nil, "add this header to the request, `'NAME: VALUE'` (repeatable)")
	f.StringSliceVarP(&w.subprotocols, "subprotocol", "s", nil, "offer this subprotocol, `NAME` (repeatable)")
	f.StringVar(&w.origin, "origin", "", "send this `ORIGIN`, as a browser would")
	f.StringVar(&w.basicAuth, "basic-auth", "", "log in, `USER:PASSWORD` or @FILE")
	f.BoolVar(&w.compress, "compress", false, "offer permessage-deflate")
	f.StringVar(&o.sio.event, "event", "message", "Socket.IO: send the event `NAME`")
	f.BoolVar(&o.sio.ack, "ack", false, "Socket.IO: ask for the acknowledgement of each event, which is the answer then")
	f.StringVar(&o.sio.auth, "auth", "", "Socket.IO: send this `JSON` object along (or @FILE)")
	f.StringVar(&o.sio.path, "path", "", "Socket.IO: the `PATH` of the server's engine (default /socket.io/)")
}

// complete reads the words and checks the flags against each other.
func (o *benchOptions) complete(c *cobra.Command, args []string) (err error) {
	if len(args) == 0 {
		return usagef("bench wants an address", "sockkit bench ws://HOST:PORT; sockkit help addresses")
	}
	if err := o.check(c); err != nil {
		return err
	}
	if o.address, err = o.parse(args); err != nil {
		return err
	}
	for _, check := range []func() error{o.checkTarget, o.checkLoad, o.checkMode, o.checkFiles, o.readBefore} {
		if err := check(); err != nil {
			return err
		}
	}
	if (o.text || o.binary) && !o.address.WebSocket() {
		return usagef(fmt.Sprintf("--text and --binary are kinds of a WebSocket's messages, and %s has none", o.address), "")
	}
	if err := o.ws.complete(c, o.address); err != nil {
		return err
	}
	return o.sio.complete(c, o.address)
}

func (o *benchOptions) checkTarget() error {
	a := o.address
	_, _, isRange := a.Ports()
	switch {
	case a.Scheme == endpoint.Stdio || a.Scheme == endpoint.Exec:
		return usagef(fmt.Sprintf("%s is no socket", a), "bench loads tcp, tls, udp, unix, ws, wss and sio addresses")
	case isRange:
		return usagef(fmt.Sprintf("%s names several ports", a), "bench loads one")
	case a.Port == "0":
		return usagef("port 0 cannot be dialled", "0 is for listening on any free port")
	case !a.Secure() && o.tls.clientSet():
		return usagef(fmt.Sprintf("%s speaks no TLS, so the flags of TLS mean nothing to it", a), "did you mean "+secured(a)+"?")
	}
	return nil
}

// largestDatagram is that of UDP over IPv4.
const largestDatagram = 65507

func (o *benchOptions) checkLoad() error {
	switch {
	case o.conns < 1:
		return usagef(fmt.Sprintf("-c wants at least 1 connection; %d came", o.conns), "")
	case o.size < 1 || o.size > 1<<30:
		return usagef("--size is from 1 byte to 1G", "")
	case o.address.Datagrams() && o.size > largestDatagram:
		return usagef(fmt.Sprintf("a datagram has at most %d bytes, and --size is %d", largestDatagram, int64(o.size)), "")
	case o.rate < 0 || o.rate > 1e9:
		return usagef(fmt.Sprintf("--rate is a number of messages a second; %g came", o.rate), "")
	case o.inFlight < 1 || o.inFlight > 1<<20:
		return usagef(fmt.Sprintf("--in-flight is from 1 to %d; %d came", 1<<20, o.inFlight), "")
	case o.conns*o.inFlight > 1<<24:
		return usagef(fmt.Sprintf("-c %d and --in-flight %d are more messages at once than there is memory for", o.conns, o.inFlight), "at most 16,777,216 in all")
	case o.count < 0:
		return usagef(fmt.Sprintf("--count %d is negative", o.count), "")
	case o.text && o.binary:
		return usagef("--text and --binary exclude each other", "")
	case o.failOver < 0 || o.failOver > 0 && o.compare == "":
		return usagef("--fail-over is a percentage above 0, and wants --compare FILE to compare with", "")
	}
	return nil
}

func (o *benchOptions) checkMode() error {
	mode := load.Mode(o.mode)
	if !slices.Contains(load.Modes, mode) {
		return usagef(fmt.Sprintf("--mode takes echo, push, idle, connect or broadcast; %q came", o.mode), "")
	}
	const exchange = "echo and broadcast have messages that wait for answers"
	switch {
	case o.address.Datagrams() && mode != load.Echo && mode != load.Push:
		return usagef(fmt.Sprintf("%s has no connections, which mode %s is about", o.address, mode), "datagrams have the modes echo and push")
	case mode == load.Idle && (o.count > 0 || o.rate > 0):
		return usagef("mode idle sends nothing that --count or --rate could bound", "-d says how long the connections are held")
	case o.inFlight > 1 && mode != load.Echo && mode != load.Broadcast:
		return usagef(fmt.Sprintf("--in-flight means nothing to mode %s", mode), exchange)
	case mode == load.Broadcast && o.size < 17:
		return usagef(fmt.Sprintf("mode broadcast tells messages from each other by their numbers, which take 17 bytes; --size is %d", int64(o.size)), "")
	case o.sio.ack && mode == load.Broadcast:
		return usagef("in mode broadcast the answer is the event that all receive, and no acknowledgement", "")
	case mode == load.Connect && o.ramp > 0:
		return usagef("--ramp is for connections that stay open", "--rate says how many are opened a second")
	}
	return nil
}

// spareFiles are those that the process needs besides its connections.
const spareFiles = 32

// checkFiles refuses more connections than files may be open.
func (o *benchOptions) checkFiles() error {
	limit, due := load.FileLimit(), uint64(o.conns)+spareFiles
	if limit == 0 || due <= limit {
		return nil
	}
	return usagef(fmt.Sprintf("-c %s takes %s open files, and the limit is %s", load.Thousands(int64(o.conns)), load.Thousands(int64(due)), load.Thousands(int64(limit))),
		fmt.Sprintf("ulimit -n %d raises it, as far as the system allows; -c %d fits", due, limit-spareFiles))
}

// target is what is loaded, as the flags say.
func (o *benchOptions) kind() load.Kind {
	switch {
	case o.address.Datagrams():
		return load.Datagram
	case o.address.WebSocket():
		return load.WebSocket
	case o.address.SocketIO():
		return load.SocketIO
	}
	return load.Stream
}

// plan is the load that the flags ask for.
func (o *benchOptions) plan() load.Plan {
	namespace, _ := o.address.Namespace()
	wait := o.limit()
	if o.timeout == 0 && o.address.Datagrams() {
		wait = time.Second
	}
	return load.Plan{
		Mode: load.Mode(o.mode), Conns: o.conns, Duration: time.Duration(o.duration), Count: o.count,
		Size: int(o.size), Rate: o.rate, InFlight: o.inFlight, Ramp: time.Duration(o.ramp), Wait: wait,
		Target: load.Target{
			Kind: o.kind(), Binary: o.binary, Namespace: strings.TrimSuffix(namespace, "/"), Event: o.sio.event, Ack: o.sio.ack,
		},
	}
}
