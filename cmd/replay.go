package cmd

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/capture"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/replay"
	"github.com/sockkit/sockkit/trace"
)

// replayOptions are the flags of replay, and what was made of them.
type replayOptions struct {
	dialOptions // how the address is dialled
	file        string
	side        string
	fast        bool
	ignore      []string
	only        []string
	addrFile    string
	keyLog      string

	patterns []*regexp.Regexp
}

func newReplay(s *Streams) *cobra.Command {
	o := &replayOptions{}
	c := &cobra.Command{
		Use:   "replay TRACE ADDRESS",
		Short: "Send again what one side of a recorded trace sent",
		Long: `replay sends to ADDRESS what the client of a recorded trace has sent, in its
rhythm, and says how the answers differ from those that were recorded. With
--fast nothing waits for its time: each thing is sent once the answers that came
before it in the recording are there.

The address says what is replayed: pieces of a stream, datagrams, messages of a
WebSocket, or events of Socket.IO with their acknowledgements. Each connection of
the trace becomes one, at its time. With --side server it listens on ADDRESS, and
answers each client that comes as the recorded server did.

TRACE is what --trace FILE.jsonl or --json has written at -vv or more, a capture
that inspect reads (pcap, pcapng, HAR), or - for standard input. What differs
each time, such as dates, is named by --ignore; the id of a socket of Socket.IO
may be another without that, and the new one is sent where the old one was. Where
the other side ended first, its end is compared, too: code and reason of a close
frame.`,
		Example: `  sockkit replay session.jsonl ws://localhost:3000/chat
  sockkit replay tap.jsonl localhost:8080 --fast --ignore 'Date: [^\r\n]*'
  sockkit replay capture.pcapng ws://localhost:3000 --fast
  sockkit replay events.jsonl sio://localhost:3000 --auth '{"token":"abc"}'
  sockkit replay session.jsonl --side server ws://:9000`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.complete(c, args); err != nil {
				return err
			}
			return runReplay(c.Context(), s, o)
		},
	}
	s.flags(c, o.add)
	return c
}

func (o *replayOptions) add(f *pflag.FlagSet) {
	f.SortFlags = false
	group(f, "Replaying", func(f *pflag.FlagSet) {
		f.StringVar(&o.side, "side", trace.Client, "whose part is played: `SIDE` is client or server")
		f.BoolVar(&o.fast, "fast", false, "wait for answers, and not for the time at which things were sent")
		f.StringArrayVar(&o.ignore, "ignore", nil, "what matches this `REGEX` may differ (repeatable)")
		f.StringArrayVar(&o.only, "only", nil, "replay this connection only, by its `NAME` in the report or its number (repeatable)")
		f.Var(&o.talk.linger, "linger", "wait so long for more than was recorded (default 0.5s)")
		f.StringVar(&o.keyLog, "keylog", "", "the secrets of TLS of a capture, a `FILE` as of SSLKEYLOGFILE")
		f.StringVar(&o.addrFile, "addr-file", "", "with --side server: write the bound address to `FILE`, all at once")
		f.StringArrayVar(&o.resolve, "resolve", nil, "use this address for a host and port, `HOST:PORT:ADDRESS`")
	})
	group(f, "WebSocket, Socket.IO", func(f *pflag.FlagSet) {
		w := &o.ws
		f.StringArrayVarP(&w.headers, "header", "H", nil, "add this header to the request, `'NAME: VALUE'` (repeatable)")
		f.StringSliceVarP(&w.subprotocols, "subprotocol", "s", nil, "offer this subprotocol, `NAME` (default: the recorded one)")
		f.StringVar(&w.origin, "origin", "", "send this `ORIGIN`, as a browser would")
		f.StringVar(&w.basicAuth, "basic-auth", "", "log in, `USER:PASSWORD` or @FILE")
		f.BoolVar(&w.compress, "compress", false, "offer permessage-deflate")
		f.StringVar(&o.sio.auth, "auth", "", "Socket.IO: send this `JSON` object along (or @FILE)")
		f.StringVar(&o.sio.path, "path", "", "Socket.IO: the `PATH` of the server's engine (default /socket.io/)")
		f.StringSliceVar(&o.sio.transports, "transports", nil, "Socket.IO: use these, the first one first: polling, websocket")
	})
	o.common.add(f)
	o.tls.add(f, func(f *pflag.FlagSet) {
		o.tls.client(f)
		o.tls.server(f)
	})
	rename(f, map[string]string{
		"timeout": "bound connecting and handshakes (default 10s), and the wait for an answer that was recorded (default 5s)",
		"json":    "print the report as JSON",
	})
}

// complete reads the words and checks the flags against each other.
func (o *replayOptions) complete(c *cobra.Command, args []string) (err error) {
	const hint = "sockkit replay session.jsonl ws://localhost:3000; sockkit help addresses"
	switch {
	case len(args) < 2:
		return usagef("replay wants a trace and an address", hint)
	case len(args) > 2:
		return usagef(fmt.Sprintf("replay takes a trace and an address, and %d words came", len(args)), hint)
	case o.side != trace.Client && o.side != trace.Server:
		return usagef(fmt.Sprintf("--side takes client or server; %q came", o.side), "")
	case o.addrFile != "" && o.side == trace.Client:
		return usagef("--addr-file is for a listener, and a client has none", "--side server listens")
	}
	if err := o.check(c); err != nil {
		return err
	}
	o.file = args[0]
	if o.address, err = o.parse(args[1:]); err != nil {
		return err
	}
	for _, text := range o.ignore {
		pattern, err := regexp.Compile(text)
		if err != nil {
			return usagef(fmt.Sprintf("--ignore %q is no regular expression: %v", text, err), "")
		}
		o.patterns = append(o.patterns, pattern)
	}
	if err := o.checkSide(); err != nil {
		return err
	}
	if err := o.ws.complete(c, o.address); err != nil {
		return err
	}
	return o.sio.complete(c, o.address)
}

// checkSide refuses what the side that is played has no use for.
func (o *replayOptions) checkSide() error {
	a := o.address
	switch {
	case a.Scheme == endpoint.Stdio || a.Scheme == endpoint.Exec:
		return usagef(fmt.Sprintf("%s is no socket", a), "replay goes to an address that can be dialled, or listened on")
	case o.side == trace.Server:
		if a.Secure() && o.tls.cert == "" && !o.tls.selfSigned {
			return usagef("a TLS listener wants a certificate", "--cert FILE --key FILE, or --self-signed for one that is made in memory")
		}
		return nil
	case a.Port == "0":
		return usagef("port 0 cannot be dialled", "0 is for listening on any free port")
	case !a.Secure() && o.tls.clientSet():
		return usagef(fmt.Sprintf("%s speaks no TLS, so the flags of TLS mean nothing to it", a), "did you mean "+secured(a)+"?")
	}
	return nil
}

// layer is what the address says to replay.
func (o *replayOptions) layer() replay.Layer {
	switch {
	case o.address.WebSocket():
		return replay.Messages
	case o.address.SocketIO():
		return replay.Events
	case o.address.Datagrams():
		return replay.Datagrams
	}
	return replay.Stream
}

func runReplay(ctx context.Context, s *Streams, o *replayOptions) (err error) {
	scripts, err := o.read(s)
	if err != nil {
		return fmt.Errorf("replay %s: %w", o.file, err)
	}
	ctx, cancel := o.within(ctx)
	defer cancel()
	asJSON := o.json
	o.json = false // the report is JSON, and not the trace
	t, err := o.newTracing(s, view{out: s.Err, level: o.level(), tags: len(scripts) > 1})
	if err != nil {
		return err
	}
	defer t.closeInto(&err)
	p := &replaying{
		replayOptions: o, Streams: s, tracing: t, opener: o.opener(s, t), scripts: scripts, player: &replay.Player{
			Layer: o.layer(), Fast: o.fast, Answers: o.side == trace.Server, Wait: time.Duration(o.timeout), Linger: time.Duration(o.talk.linger),
		},
	}
	if p.opener.Hosts, err = o.hosts(); err != nil {
		return err
	}
	play := p.dialAll
	if o.side == trace.Server {
		play = p.serveAll
	}
	if err := play(ctx); err != nil {
		return stoppedBy(ctx, err)
	}
	return p.report(ctx, asJSON)
}

// read reads the trace, and picks what is to be played.
func (o *replayOptions) read(s *Streams) ([]*replay.Script, error) {
	in := io.Reader(s.In)
	if o.file != "-" {
		f, err := os.Open(o.file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	keys, err := openKeyLog(o.keyLog)
	if err != nil {
		return nil, err
	}
	if keys != nil {
		defer keys.Close()
	}
	scripts, err := replay.Read(o.records(in, keys), o.layer(), o.side)
	if err != nil || len(o.only) == 0 {
		return scripts, err
	}
	var picked []*replay.Script
	var names []string
	for _, script := range scripts {
		names = append(names, script.Name)
		for _, name := range o.only {
			if script.Name == name || script.Name == "connection "+name {
				picked = append(picked, script)
			}
		}
	}
	if len(picked) == 0 {
		return nil, fmt.Errorf("none of its connections is called %s: there are %s", strings.Join(o.only, " or "), strings.Join(names, ", "))
	}
	return picked, nil
}

// records are those of a trace, or of a capture, which inspect reads likewise.
func (o *replayOptions) records(in io.Reader, keys io.Reader) iter.Seq2[trace.Record, error] {
	buffered := bufio.NewReader(in)
	first, _ := buffered.Peek(4096) // what fails here fails again
	if bytes.HasPrefix(first, []byte(`{"time":`)) || !capture.IsCapture(first) {
		return trace.ReadJSON(buffered)
	}
	return func(yield func(trace.Record, error) bool) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		more := true
		sink := sinkFunc(func(r trace.Record) {
			r.Event = trace.Clone(r.Event)
			if more = more && yield(r, nil); !more {
				cancel()
			}
		})
		options := capture.Options{File: o.file, Sink: sink, Level: trace.Frame, MaxMessage: int64(o.maxMessage)}
		if keys != nil {
			options.KeyLog = keys
		}
		if _, err := capture.Read(ctx, buffered, options); err != nil && more {
			yield(trace.Record{}, err)
		}
	}
}

// sinkFunc is a function that takes records.
type sinkFunc func(trace.Record)

// Record implements [trace.Sink].
func (f sinkFunc) Record(r trace.Record) { f(r) }
