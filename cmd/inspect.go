package cmd

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/inspect"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
)

// inspectOptions are the flags of inspect, and what was made of them.
type inspectOptions struct {
	common
	source     string
	resolve    []string
	first      bool
	bannerWait duration
	send       string
	sendHex    string
	watch      bool
	interval   duration
	count      int
	ws         webSocketFlags
	sio        clientFlags
	doctor     doctorFlags
	cluster    clusterFlags
	keyLog     string

	file    string // in place of an address
	address endpoint.Address
	payload []byte
	hosts   map[string]string
}

func newInspect(s *Streams) *cobra.Command {
	o := &inspectOptions{bannerWait: duration(500 * time.Millisecond), interval: duration(time.Second)}
	c := &cobra.Command{
		Use:   "inspect ADDRESS | HOST PORT | FILE",
		Short: "Open an address or a capture, and report each layer",
		Long: `inspect opens an address, reports what it finds and leaves: the addresses that
the name has, each attempt to connect, the socket and what the kernel knows of
the connection, TLS with its certificates and all that is wrong with them, what
the peer says first, and whether it closes.

Of a WebSocket it shows the opening handshake with every rule that is broken,
what was agreed on, the round trip of a ping and the first messages, and then
closes with 1000. Compression is offered, to see what the server makes of it.
Over TLS a second connection asks whether WebSockets are taken over HTTP/2, too.

Of Socket.IO it shows which versions the server speaks, the session that it
opens by polling, whether requests on connections of their own find it again
(sticky sessions), whether the move to a WebSocket works and else why not, what
became of the namespace that the address names, and the first events.

Where a WebSocket or Socket.IO does not work the doctor is called, who tries what
a person would try: TLS and none, the other loopback address, the usual other
ports and paths, with and without the subprotocol, compression and Origin, both
versions of Engine.IO and each transport; and says what is wrong, where, what to
change, and what proves it. It makes up to 32 connections within 15 seconds, and
sends no credentials to anybody but the server that was named. --doctor calls it
where nothing is wrong, too, --doctor=never not at all. --idle keeps a connection
open without a word to see who ends it, and whether pings keep it.

Before that nothing is sent but what --send says, an empty datagram on UDP, and a
ping on a WebSocket. The status is 7 where TLS is wrong, 4 where a server refuses
a WebSocket or a namespace, and 3 where anything else is wrong. Notes do not
count.

--watch goes on with samples of RTT and throughput until --count samples, the
peer's end or a signal. The kernel measures RTT on what is sent: with --send the
payload is sent again before each sample. A WebSocket gets a ping each time.

Of a Redis it shows the Socket.IO servers that are joined by it: how many there
are by which adapter, in which namespaces, by what prefix; the streams, and what
is wrong: servers that do not hear one another, subscribers that others wait for
in vain, memory that removes what recovery needs. --ask asks the servers, as they
ask one another, for their sockets and rooms, and says who does not answer. With
a sio:// address --redis adds the same to the report. Of rediss:// the flags of
TLS are the Redis's; beside a sio:// address its URL says the same: ?ca_file=PEM,
cert_file=PEM&key_file=PEM, server_name=NAME, with & between them.

A FILE is a capture that is read: pcap, pcapng, a browser's HAR export, what
curl -v wrote, a hex dump, or bytes. Streams are put together, TLS is decrypted
where --keylog or the file has the secrets, and opening handshakes, frames and
packets are shown as tap shows them (-vv, unless another level is asked for),
with all that breaks a rule. Then the connections are summed up. The status is
3 where a MUST is broken. - is standard input.`,
		Example: `  sockkit inspect localhost:9000
  sockkit inspect tls://localhost:9443 --ca ca.pem --server-name app.test
  sockkit inspect -k tls://localhost:9443 --alpn h2,http/1.1 --json
  sockkit inspect udp://localhost:5353 --send-hex 'dead 0100 0001 0000 0000 0000 00 0002 0001'
  sockkit inspect unix:/run/app.sock
  sockkit inspect wss://localhost:9443/chat -k -s chat.v1
  sockkit inspect sio://localhost:3000/chat --auth '{"token":"abc"}'
  sockkit inspect wss://example.com/chat --doctor --origin https://app.example.com --idle 2m
  sockkit inspect redis://localhost:6379 --ask
  sockkit inspect sio://localhost:3000 --redis redis://localhost:6379
  sockkit inspect --watch --send ping --count 10 localhost 9000
  sockkit inspect traffic.pcapng --keylog keys.txt
  sockkit inspect -v export.har --json`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.complete(c, args); err != nil {
				return err
			}
			if o.file != "" {
				return runInspectFile(c.Context(), s, o)
			}
			return runInspect(c.Context(), s, o)
		},
	}
	s.flags(c, o.add)
	return c
}

func (o *inspectOptions) add(f *pflag.FlagSet) {
	f.SortFlags = false
	group(f, "Inspecting", func(f *pflag.FlagSet) {
		f.BoolVar(&o.first, "first", false, "stop at the first address that connects, in place of trying each")
		f.Var(&o.bannerWait, "banner-wait", "how long the peer is listened to; 0: not at all")
		f.StringVarP(&o.send, "send", "x", "", "send `PAYLOAD` as it stands before the peer is listened to")
		f.StringVar(&o.sendHex, "send-hex", "", "the same in hexadecimal `DIGITS`; spaces and colons are left out")
		f.StringVar(&o.source, "source", "", "dial from this address, `ADDR[:PORT]`")
		f.StringArrayVar(&o.resolve, "resolve", nil, "use this address for a host and port, `HOST:PORT:ADDRESS`")
	})
	group(f, "WebSocket, Socket.IO", o.ws.addOpening)
	group(f, "Socket.IO", o.sio.addOpening)
	group(f, "The doctor, for both", o.doctor.add)
	group(f, "Socket.IO servers at a Redis", o.cluster.add)
	group(f, "Watching", func(f *pflag.FlagSet) {
		f.BoolVar(&o.watch, "watch", false, "go on with samples of the connection, and draw RTT and throughput")
		f.Var(&o.interval, "interval", "the time between samples")
		f.IntVar(&o.count, "count", 0, "leave after `N` samples; 0: go on until the peer or a signal ends it")
	})
	group(f, "Files", func(f *pflag.FlagSet) {
		f.StringVar(&o.keyLog, "keylog", "", "decrypt TLS by the secrets in `FILE` (default: what SSLKEYLOGFILE names)")
	})
	o.common.add(f)
	o.tls.add(f, o.tls.client)
	f.Lookup("json").Usage = "print the report as one JSON object; with --watch, each sample as one more"
	f.Lookup("insecure").Usage = "only note what is wrong with the server's certificate"
	f.Lookup("color").Usage = "color the report and the trace: `WHEN` is auto, always or never"
	f.Lookup("quiet").Usage = "print no report; the status tells"
	_ = f.MarkHidden("idle-timeout") // an inspection has no idle time and no messages
	_ = f.MarkHidden("max-message")
}

// complete reads the words and checks the flags against each other.
func (o *inspectOptions) complete(c *cobra.Command, args []string) (err error) {
	if len(args) == 0 {
		return usagef("inspect wants an address or a file", "sockkit inspect HOST PORT, or sockkit inspect tls://HOST:PORT; sockkit help addresses")
	}
	if err := o.check(c); err != nil {
		return err
	}
	if isCaptureName(args) {
		o.file = args[0]
		return o.completeFile(c)
	}
	if isRedis(args[0]) {
		return o.completeRedis(c, args)
	}
	if o.address, err = o.parse(args); err != nil {
		if err = o.asFile(args, err); err != nil {
			return err
		}
	}
	if o.file != "" {
		return o.completeFile(c)
	}
	if err := o.checkAddress(); err != nil {
		return err
	}
	if err := o.ws.complete(c, o.address); err != nil {
		return err
	}
	if err := o.checkSocketIO(c); err != nil {
		return err
	}
	if err := o.checkDoctor(c); err != nil {
		return err
	}
	if err := o.checkCluster(c); err != nil {
		return err
	}
	o.address.User = "" // is in the request, and belongs in no report
	if err := o.checkWatch(c); err != nil {
		return err
	}
	if o.hosts, err = (&dialOptions{resolve: o.resolve}).hosts(); err != nil {
		return err
	}
	return o.readPayload(c)
}

// asFile reads a word that is no address as the path of a file; err is what was
// wrong with it as an address.
func (o *inspectOptions) asFile(args []string, err error) error {
	info, missing := os.Stat(args[0])
	if len(args) != 1 || missing != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket != 0 {
		o.address = endpoint.Address{Scheme: endpoint.Unix, Path: args[0]}
		return nil
	}
	o.file = args[0]
	return nil
}

func (o *inspectOptions) checkAddress() error {
	a := o.address
	_, _, isRange := a.Ports()
	switch {
	case a.Scheme == endpoint.Exec || a.Scheme == endpoint.Stdio:
		return usagef(fmt.Sprintf("%s is no socket, and there is nothing to inspect", a),
			"dial shows what a command says; inspect takes tcp, tls, udp, unix, unixgram, ws, wss, ws+unix, sio and sios addresses")
	case isRange:
		return usagef(fmt.Sprintf("%s names several ports", a), "inspect looks at one; dial -z prints the open ones of a range")
	case a.Port == "0":
		return usagef("port 0 cannot be inspected", "0 is for listening on any free port")
	case !a.Secure() && o.tls.given():
		return usagef(fmt.Sprintf("%s speaks no TLS, so there are no certificates to check", a), o.tlsHint())
	}
	return nil
}

// given reports whether a flag says how TLS is spoken, or what is trusted.
func (t *tlsFlags) given() bool {
	return t.cert != "" || t.ca != "" || t.serverName != "" || t.insecure || len(t.alpn) > 0 || len(t.pins) > 0
}

func (o *inspectOptions) tlsHint() string {
	if o.address.Scheme == endpoint.TCP || o.address.Scheme == endpoint.WS || o.address.Scheme == endpoint.SIO {
		return "did you mean " + secured(o.address) + "?"
	}
	return ""
}

func (o *inspectOptions) checkWatch(c *cobra.Command) error {
	overTCP := o.address.Port != "" && !o.address.Datagrams()
	switch {
	case o.watch && !overTCP:
		return usagef(fmt.Sprintf("--watch samples TCP, and %s is none", o.address), "")
	case !o.watch && (c.Flags().Changed("count") || c.Flags().Changed("interval")):
		return usagef("--count and --interval go with --watch", "")
	case o.count < 0:
		return usagef(fmt.Sprintf("--count %d is negative", o.count), "")
	case o.watch && o.interval < duration(time.Millisecond):
		return usagef("--interval wants at least 1ms", "")
	case o.watch && o.quiet:
		return usagef("--quiet and --watch exclude each other", "")
	}
	return nil
}

func (o *inspectOptions) readPayload(c *cobra.Command) error {
	if c.Flags().Changed("send") && c.Flags().Changed("send-hex") {
		return usagef("--send and --send-hex exclude each other", "")
	}
	o.payload = []byte(o.send)
	if o.sendHex == "" {
		return nil
	}
	digits := strings.NewReplacer(" ", "", ":", "", "\n", "").Replace(o.sendHex)
	payload, err := hex.DecodeString(digits)
	if err != nil {
		return usagef(fmt.Sprintf("--send-hex %q is no hexadecimal", o.sendHex), "two digits are a byte, as in 'de ad 01 00'")
	}
	o.payload = payload
	return nil
}

func runInspect(ctx context.Context, s *Streams, o *inspectOptions) (err error) {
	ctx, cancel := o.within(ctx)
	defer cancel()
	records := o.common
	records.json = false // the report is what --json asks for
	t, err := records.newTracing(s, view{out: s.Err, level: o.level()})
	if err != nil {
		return err
	}
	defer t.closeInto(&err)
	in, failure := inspect.Open(ctx, o.options(s, t))
	defer in.Close()
	if !o.watch || failure != nil {
		in.Close() // the trace is whole before the report comes
		in.Diagnose(ctx)
		o.doctor.end(s)
	}
	if signal, ok := context.Cause(ctx).(stopped); ok {
		return signal
	}
	if errors.As(failure, new(*tcp.TLSOptionError)) {
		return failure // nothing was done that could be reported
	}
	if err := o.print(s, in.Report); err != nil {
		return err
	}
	if failure != nil {
		return failure
	}
	if o.watch {
		if err := watchConnection(ctx, s, o, in); err != nil {
			return err
		}
	}
	return verdict(in.Report)
}

func (o *inspectOptions) options(s *Streams, t *tracing) inspect.Options {
	op := o.opener(s, t)
	wait := time.Duration(o.bannerWait)
	if wait == 0 {
		wait = -1 // the zero value is the default there
	}
	return inspect.Options{
		Address: o.address, Timeout: op.Timeout, First: o.first, BannerWait: wait, Send: o.payload, Family: op.Family,
		NoLookup: op.NoLookup, Hosts: o.hosts, Source: o.source, TLS: op.TLS, Tracer: op.Tracer, SendBinary: o.sendHex != "",
		WebSocket: inspect.WebSocketOptions{
			Header: o.ws.fields, Subprotocols: o.ws.subprotocols, Origin: o.ws.origin, NoDeflate: o.ws.noCompress, ShowSecrets: o.showSecrets,
		},
		SocketIO: o.sio.options(),
		Doctor:   o.doctorOptions(s),
		Redis:    o.cluster.options(&o.common),
	}
}

// print writes the report to standard output.
func (o *inspectOptions) print(s *Streams, r *inspect.Report) error {
	if o.json {
		return writeJSON(s.Out, r, !o.watch)
	}
	if o.quiet {
		return nil
	}
	_, err := io.WriteString(s.Out, r.Text(o.look(s.Out)))
	return outputError(err)
}

// look says how text is shown on out.
func (o *common) look(out *os.File) inspect.TextOptions {
	return inspect.TextOptions{Width: columns(out), Color: o.colored(out)}
}

// columns is the width of the terminal at out, and 0 where there is none.
func columns(out *os.File) int {
	if !isTerminal(out) {
		return 0
	}
	width, _, err := term.GetSize(int(out.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// writeJSON writes v on one line, or indented for people.
func writeJSON(w io.Writer, v any, indent bool) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if indent {
		e.SetIndent("", "  ")
	}
	return outputError(e.Encode(v))
}

// outputError tells a reader that has left from an output that cannot be
// written.
func outputError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPIPE):
		return session.ErrReaderLeft
	}
	return &session.OutputError{Err: err}
}

// verdict is the error that says that something is wrong; nil where nothing is.
func verdict(r *inspect.Report) error {
	worst := r.Worst()
	if worst == nil {
		return nil
	}
	status := statusFindings
	if worst.TLS && worst.Severity == inspect.Error {
		status = statusTLS
	}
	text := worst.What
	if more := r.Count(inspect.Error) + r.Count(inspect.Warning) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return &verdictError{status, fmt.Sprintf("inspect %s: %s", r.Address, text), worst.Hint}
}

// verdictError is a finding that decides the exit status.
type verdictError struct {
	status     int
	text, hint string
}

func (e *verdictError) Error() string { return e.text }
