package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/netutil"

	"github.com/sockkit/sockkit/demo"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
)

// pageOptions are the flags of a page that a command serves.
type pageOptions struct {
	listen    string
	addrFile  string
	allowHost []string
	open      bool
	visitors  int
}

func (o *pageOptions) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "localhost:0", "serve the page at this `ADDRESS`; port 0 is any free one")
	f.StringVar(&o.addrFile, "addr-file", "", "write the page's address to `FILE`, all at once")
	f.BoolVar(&o.open, "open", false, "open the page in the browser")
	f.IntVar(&o.visitors, "max-visitors", 100, "`N` visitors at once")
	f.StringArrayVar(&o.allowHost, "allow-host", nil, "a `NAME` beside the loopback ones that browsers may know the page by (repeatable)")
}

// pageFlags are those that mean nothing to a lesson in the terminal.
var pageFlags = []string{"listen", "addr-file", "open", "max-visitors", "allow-host"}

// given is the first of them that was given.
func (o *pageOptions) given(c *cobra.Command) string {
	for _, name := range pageFlags {
		if c.Flags().Changed(name) {
			return name
		}
	}
	return ""
}

// mostConns bounds the connections to the page: a browser opens several.
const mostConns = 1024

// runDemoPage serves the lessons as a page, until the end of ctx.
func runDemoPage(ctx context.Context, s *Streams, o *pageOptions) (err error) {
	a, err := tcpAddress("--listen", o.listen, "write localhost:8080, or :8080")
	if err != nil {
		return err
	}
	if o.visitors < 1 {
		return usagef(fmt.Sprintf("--max-visitors %d lets nobody in", o.visitors), "1 or more")
	}
	page, err := demo.NewSite()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, page.Close()) }()
	page.MaxVisitors, page.Hosts = o.visitors, o.allowHost
	l, err := (&tcp.ListenConfig{}).Listen(ctx, "tcp", a.HostPort())
	if err != nil {
		return inUse(err)
	}
	url := "http://" + l.Addr().String() + "/"
	if o.addrFile != "" {
		if err := writeAddr(o.addrFile, url+"\n"); err != nil {
			l.Close()
			return fmt.Errorf("--addr-file: %w", err)
		}
		defer os.Remove(o.addrFile)
	}
	fmt.Fprintf(s.Err, "listening on %s\n", url)
	o.warn(s, a.Bound(l.Addr()))
	if o.open {
		o.browse(s, url)
	}
	return servePage(ctx, page, l)
}

// warn says that others can come.
func (o *pageOptions) warn(s *Streams, a endpoint.Address) {
	if a.Public() {
		fmt.Fprintln(s.Err, "note: everybody on the network can open it, and its lessons open sockets on this machine")
	}
}

// servePage serves a page until the end of ctx, which is no failure: it is how a
// page ends.
func servePage(ctx context.Context, page http.Handler, l net.Listener) error {
	server := &http.Server{Handler: page, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(netutil.LimitListener(l, mostConns)); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return context.Cause(ctx)
}

// browse opens the page in the browser. That there is none is said, and no
// failure: the address is printed.
func (o *pageOptions) browse(s *Streams, url string) {
	words := map[string][]string{
		"darwin":  {"open"},
		"windows": {"rundll32", "url.dll,FileProtocolHandler"},
	}[runtime.GOOS]
	if words == nil {
		words = []string{"xdg-open"}
	}
	c := exec.Command(words[0], append(words[1:], url)...)
	if err := c.Start(); err != nil {
		fmt.Fprintf(s.Err, "note: no browser could be opened: %v\n", err)
		return
	}
	go func() { _ = c.Wait() }()
}
