package cmd

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// webSocketFlags are those of a client's opening handshake, and of the
// connection behind it.
type webSocketFlags struct {
	headers      []string
	subprotocols []string
	origin       string
	basicAuth    string
	pingInterval duration
	compress     bool
	noCompress   bool
	reconnect    string
	follow       bool
	explain      bool
	http2        bool
	over2        http2Flags

	fields   []handshake.Field
	attempts int // of --reconnect; 0: none, less: without end
}

func (w *webSocketFlags) add(f *pflag.FlagSet) {
	f.StringArrayVarP(&w.headers, "header", "H", nil, "add this header to the request, `'NAME: VALUE'` (repeatable)")
	f.StringSliceVarP(&w.subprotocols, "subprotocol", "s", nil, "offer this subprotocol, `NAME` (repeatable)")
	f.StringVar(&w.origin, "origin", "", "send this `ORIGIN`, as a browser would")
	f.StringVar(&w.basicAuth, "basic-auth", "", "log in, `USER:PASSWORD` or @FILE")
	f.Var(&w.pingInterval, "ping-interval", "send pings so often; two without a pong end it")
	f.BoolVar(&w.compress, "compress", false, "offer permessage-deflate")
	f.BoolVar(&w.noCompress, "no-compress", false, "do not offer it (the default)")
	f.StringVar(&w.reconnect, "reconnect", "", "connect again when it is lost, up to `N` times in a row")
	f.Lookup("reconnect").NoOptDefVal = "endless"
	f.BoolVarP(&w.follow, "location", "L", false, "follow redirects")
	f.BoolVar(&w.http2, "http2", false, "open it over HTTP/2 (RFC 8441): h2 by ALPN, or with prior knowledge for ws")
	w.over2.add(f)
	f.BoolVar(&w.explain, "explain", false, "show each step of the opening handshake, and each rule")
}

// complete checks the flags, which a WebSocket alone has a use for.
func (w *webSocketFlags) complete(c *cobra.Command, a endpoint.Address) error {
	if a.SocketIO() {
		if err := noWebSocketFlag(c, a, "subprotocol", "ping-interval", "location", "explain", "http2"); err != nil {
			return err
		}
	} else if !a.WebSocket() {
		return noWebSocketFlag(c, a, "header", "subprotocol", "origin", "basic-auth", "ping-interval", "compress", "no-compress", "reconnect", "location", "explain", "http2")
	}
	if w.compress && w.noCompress {
		return usagef("--compress and --no-compress exclude each other", "")
	}
	if err := w.readReconnect(); err != nil {
		return err
	}
	return w.readHeaders(a)
}

// noWebSocketFlag refuses flags that mean nothing to another socket.
func noWebSocketFlag(c *cobra.Command, a endpoint.Address, names ...string) error {
	for _, name := range names {
		if f := c.Flags().Lookup(name); f != nil && f.Changed {
			hint := "did you mean ws://" + a.HostPort() + "?"
			if name == "subprotocol" {
				hint += " nc's -s is --source here"
				if f := c.Flags(); f.Lookup("source") == nil {
					hint = "nc's -s ADDRESS -p PORT is ADDRESS:PORT here"
				}
			}
			return usagef(fmt.Sprintf("--%s is a WebSocket's, and %s is none", name, a), hint)
		}
	}
	return nil
}

func (w *webSocketFlags) readReconnect() error {
	switch w.reconnect {
	case "":
		return nil
	case "endless":
		w.attempts = -1
		return nil
	}
	if _, err := fmt.Sscanf(w.reconnect+"\n", "%d\n", &w.attempts); err != nil || w.attempts < 1 {
		return usagef(fmt.Sprintf("--reconnect takes a number of attempts; %q came", w.reconnect), "--reconnect goes on without end, --reconnect=5 five times in a row")
	}
	return nil
}

// readHeaders makes fields of the flags that are headers.
func (w *webSocketFlags) readHeaders(a endpoint.Address) error {
	for _, line := range w.headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return usagef(fmt.Sprintf("-H %q is no header", line), "write it as 'Name: value'")
		}
		w.fields = append(w.fields, handshake.F(name, strings.TrimSpace(value)))
	}
	name, password, ok := a.Credentials()
	if w.basicAuth != "" {
		secret, err := credentials(w.basicAuth)
		if err != nil {
			return err
		}
		if name, password, ok = strings.Cut(secret, ":"); !ok {
			return usagef("--basic-auth wants USER:PASSWORD, or @FILE that holds it", "")
		}
	}
	if ok {
		w.fields = append(w.fields, handshake.F("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(name+":"+password))))
	}
	return nil
}

// credentials are a flag's value, or the first line of the file that it names.
func credentials(value string) (string, error) {
	file, ok := strings.CutPrefix(value, "@")
	if !ok {
		return value, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", &usageError{fmt.Errorf("--basic-auth: %w", err), ""}
	}
	line, _, _ := strings.Cut(string(content), "\n")
	return strings.TrimRight(line, "\r"), nil
}

// maxRedirects is how many redirects -L follows.
const maxRedirects = 10

// dialer opens WebSockets as the flags say, on what op opens.
func (o *dialOptions) dialer(op *endpoint.Opener) *ws.Dialer {
	w := &o.ws
	d := &ws.Dialer{
		Subprotocols: w.subprotocols, Origin: w.origin, Header: w.fields, Timeout: -1,
		NetDial: op.Below(o.address), TLSFor: op.TLSFor, Limits: ws.Limits{MaxMessage: int64(o.maxMessage)},
		CloseTimeout: min(o.limit(), 5*time.Second), PingInterval: time.Duration(w.pingInterval),
		Tracer: op.Tracer, CompressFrom: 1,
	}
	if w.compress {
		d.Deflate = &handshake.Deflate{ClientMaxWindowBits: handshake.Unvalued}
	}
	if w.http2 {
		d.HTTP2 = w.over2.options(0)
	}
	if w.follow {
		d.MaxRedirects = maxRedirects
	}
	return d
}

// webSocketProxy is the proxy of the environment, where --proxy names none.
func (o *dialOptions) webSocketProxy() error {
	if o.proxy != "" || !o.address.WebSocket() && !o.address.SocketIO() || o.address.Scheme == endpoint.WSUnix {
		return nil
	}
	via, err := tcp.ProxyFromEnvironment(string(o.address.Scheme), o.address.HostPort())
	if err != nil {
		return &usageError{err, "--proxy takes its place"}
	}
	o.via = via
	return nil
}

// secured is an address with TLS.
func secured(a endpoint.Address) string {
	switch a.Scheme {
	case endpoint.WS:
		return "wss://" + a.HostPort() + a.Target
	case endpoint.SIO:
		return "sios://" + a.HostPort() + a.Target
	}
	return "tls://" + a.HostPort()
}
