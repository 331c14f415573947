package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
)

// common are the flags that mean the same everywhere.
type common struct {
	verbose     int
	quiet       bool
	traceFiles  []string
	json        bool
	showSecrets bool
	timeout     duration
	idle        duration
	deadline    duration
	maxMessage  size
	four, six   bool
	noLookup    bool
	color       string
	udp, unix   bool
	tls         tlsFlags
}

// tlsFlags are those of TLS. Which of them a command offers depends on its side.
type tlsFlags struct {
	cert, key, ca, clientCA string
	serverName              string
	alpn                    []string
	insecure, selfSigned    bool
	pins                    []string
}

func (o *common) add(f *pflag.FlagSet) {
	group(f, "What is shown", o.addShown)
	group(f, "Address and time", o.addReach)
}

func (o *common) addShown(f *pflag.FlagSet) {
	f.CountVarP(&o.verbose, "verbose", "v", "show connections; -vv messages and handshakes, -vvv frames, -vvvv every byte")
	f.BoolVar(&o.quiet, "quiet", false, "say nothing but errors")
	f.StringArrayVar(&o.traceFiles, "trace", nil, "record to `FILE`, .jsonl or .pcapng by its ending")
	f.BoolVar(&o.json, "json", false, "print trace records as JSON lines in place of the payload")
	f.BoolVar(&o.showSecrets, "show-secrets", false, "do not mask credentials in what is shown")
	f.StringVar(&o.color, "color", "auto", "color the trace: `WHEN` is auto, always or never")
}

func (o *common) addReach(f *pflag.FlagSet) {
	f.BoolVarP(&o.four, "ipv4", "4", false, "IPv4 only")
	f.BoolVarP(&o.six, "ipv6", "6", false, "IPv6 only")
	f.BoolVarP(&o.noLookup, "no-lookup", "n", false, "look no names up")
	f.BoolVarP(&o.udp, "udp", "u", false, "read a bare address as UDP")
	f.BoolVarP(&o.unix, "unix", "U", false, "read a bare address as a Unix socket's path")
	f.VarP(&o.timeout, "timeout", "w", "bound connecting and handshakes (default 10s); listening, the wait for a first client too")
	f.Var(&o.idle, "idle-timeout", "end a connection after so long a silence")
	f.Var(&o.deadline, "deadline", "end the whole run after this time")
	o.maxMessage = 32 << 20
	f.Var(&o.maxMessage, "max-message", "the largest message, in bytes")
}

// add defines the flags of both sides; the others are those of one.
func (t *tlsFlags) add(f *pflag.FlagSet, side func(*pflag.FlagSet)) {
	group(f, "TLS", func(f *pflag.FlagSet) {
		f.StringVar(&t.cert, "cert", "", "the certificate to show, a PEM `FILE`")
		f.StringVar(&t.key, "key", "", "its private key, a PEM `FILE`")
		f.StringSliceVar(&t.alpn, "alpn", nil, "application `PROTOCOLS`, the best first, with commas between them")
		side(f)
	})
}

func (t *tlsFlags) client(f *pflag.FlagSet) {
	f.StringVar(&t.ca, "ca", "", "trust these authorities only, a PEM `FILE`")
	f.StringVar(&t.serverName, "server-name", "", "the `NAME` to ask for and to check")
	f.BoolVarP(&t.insecure, "insecure", "k", false, "do not check the server's certificate")
	f.StringArrayVar(&t.pins, "pin", nil, "accept only this certificate, `sha256:HEX`")
}

// clientSet reports whether a flag of the dialling side was given.
func (t *tlsFlags) clientSet() bool {
	return t.cert != "" || t.ca != "" || t.serverName != "" || len(t.alpn) > 0 || t.insecure || len(t.pins) > 0
}

func (t *tlsFlags) server(f *pflag.FlagSet) {
	f.StringVar(&t.clientCA, "client-ca", "", "demand a client certificate of these authorities, a PEM `FILE`")
	f.BoolVar(&t.selfSigned, "self-signed", false, "make a certificate in memory and print its SHA-256")
}

// check refuses what contradicts itself.
func (o *common) check(c *cobra.Command) error {
	switch {
	case o.four && o.six:
		return usagef("-4 and -6 exclude each other", "leave both out to use either")
	case o.quiet && o.verbose > 0:
		return usagef("--quiet and -v exclude each other", "--trace FILE records without showing")
	case o.color != "auto" && o.color != "always" && o.color != "never":
		return usagef(fmt.Sprintf("--color takes auto, always or never; %q came", o.color), "")
	case o.maxMessage < 1:
		return usagef("--max-message wants at least 1 byte", "")
	case (o.tls.cert == "") != (o.tls.key == ""):
		return usagef("--cert and --key go together", "a certificate is of no use without its private key")
	case o.tls.selfSigned && o.tls.cert != "":
		return usagef("--self-signed and --cert exclude each other", "")
	}
	return filled(c.Flags())
}

// filled refuses flags that were given and are empty, as by a script's variable that
// is not set, where that would let everybody in, trust everybody, or serve alone.
func filled(set *pflag.FlagSet) error {
	for _, name := range []string{"basic-auth", "require-auth", "client-ca", "admin", "redis", "redis-prefix", "metrics", "ca", "pin"} {
		if f := set.Lookup(name); f != nil && f.Changed && f.Value.String() == "" {
			return usagef(fmt.Sprintf("--%s is empty", name), "perhaps a variable is not set; where nothing is meant leave the flag out")
		}
	}
	return nil
}

func usagef(text, hint string) error { return &usageError{errors.New(text), hint} }

// parse reads the address of a command.
func (o *common) parse(words []string) (endpoint.Address, error) {
	a, err := endpoint.Parse(words, endpoint.Options{UDP: o.udp, Unix: o.unix})
	if err != nil {
		return a, &usageError{err, hintFor(err)}
	}
	return a, nil
}

// opener opens addresses as the flags say.
func (o *common) opener(s *Streams, t *tracing) *endpoint.Opener {
	family := 0
	if o.four {
		family = 4
	}
	if o.six {
		family = 6
	}
	return &endpoint.Opener{
		Timeout: time.Duration(o.timeout), Family: family, NoLookup: o.noLookup,
		TLS:    o.tls.options(t.keyLog()),
		Tracer: t.tracer, Stdin: s.In, Stdout: s.Out, Stderr: s.Err, Children: s.children,
	}
}

func (t *tlsFlags) options(keyLog io.Writer) tcp.TLSOptions {
	return tcp.TLSOptions{
		Cert: t.cert, Key: t.key, CA: t.ca, ClientCA: t.clientCA, ServerName: t.serverName,
		ALPN: t.alpn, Insecure: t.insecure, Pins: t.pins, SelfSigned: t.selfSigned, KeyLog: keyLog,
	}
}

// note returns a function that says what is worth saying.
func (o *common) note(s *Streams) func(string) {
	return func(text string) {
		if !o.quiet {
			fmt.Fprintf(s.Err, "note: %s\n", text)
		}
	}
}

// within bounds ctx by --deadline.
func (o *common) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.deadline == 0 {
		return context.WithCancel(ctx)
	}
	after := time.Duration(o.deadline)
	return context.WithTimeoutCause(ctx, after, &tcp.TimeoutError{After: after, By: "--deadline"})
}

// proxyURL reads --proxy.
func proxyURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, &usageError{fmt.Errorf("--proxy: %w", err), ""}
	}
	switch u.Scheme {
	case "socks5", "socks5h", "http", "https":
	default:
		return nil, usagef(fmt.Sprintf("--proxy %q: the scheme is none of socks5, http and https", s), "write socks5://HOST:PORT or http://HOST:PORT")
	}
	if u.Hostname() == "" {
		return nil, usagef(fmt.Sprintf("--proxy %q names no host", s), "write socks5://HOST:PORT or http://HOST:PORT")
	}
	return u, nil
}
