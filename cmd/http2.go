package cmd

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/ws"
)

// http2Flags bound what a peer may do over HTTP/2.
type http2Flags struct {
	streams      int // of a server
	window, head size
}

// mostOfHTTP2 is the largest stream number, window and setting (RFC 9113 5.1.1,
// 6.5.2, 6.9.1).
const mostOfHTTP2 = math.MaxInt32

func (h *http2Flags) add(f *pflag.FlagSet) {
	h.window, h.head = 256<<10, 64<<10
	f.Var(&h.window, "http2-window", "what may come on a stream of HTTP/2 before it is read")
	f.Var(&h.head, "http2-head", "the largest head over HTTP/2")
}

func (h *http2Flags) addServer(f *pflag.FlagSet) {
	h.add(f)
	f.IntVar(&h.streams, "http2-streams", 100, "refuse requests beyond `N` at once on one connection of HTTP/2")
}

// complete checks the flags, which a WebSocket alone has a use for.
func (h *http2Flags) complete(c *cobra.Command, a endpoint.Address) error {
	if !a.WebSocket() {
		return noWebSocketFlag(c, a, "http2-streams", "http2-window", "http2-head")
	}
	for name, n := range map[string]int64{"streams": int64(h.streams), "window": int64(h.window), "head": int64(h.head)} {
		if f := c.Flags().Lookup("http2-" + name); f != nil && f.Changed && (n < 1 || n > mostOfHTTP2) {
			return usagef(fmt.Sprintf("--http2-%s %s is not from 1 to %d", name, f.Value, mostOfHTTP2), "")
		}
	}
	return nil
}

// options are the flags as the package has them. A connection without a stream
// ends after idle; 0 is its default.
func (h *http2Flags) options(idle time.Duration) *ws.HTTP2 {
	return &ws.HTTP2{MaxStreams: h.streams, Window: int(h.window), MaxHeaderList: int(h.head), IdleTimeout: idle}
}

// completeHTTP2 checks --http2 against the flags of TLS and its own.
func (o *dialOptions) completeHTTP2(c *cobra.Command) error {
	if err := o.ws.over2.complete(c, o.address); err != nil {
		return err
	}
	for _, name := range []string{"http2-window", "http2-head"} {
		if !o.ws.http2 && c.Flags().Changed(name) {
			return usagef("--"+name+" is for WebSockets over HTTP/2", "add --http2")
		}
	}
	if o.ws.http2 && len(o.tls.alpn) > 0 && !slices.Contains(o.tls.alpn, "h2") {
		return usagef("--http2 wants h2 among the protocols of --alpn", "without --alpn h2 is offered, and nothing else")
	}
	return nil
}
