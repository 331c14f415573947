package cmd

import (
	"context"
	"fmt"

	"github.com/sockkit/sockkit/internal/live"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// serveUI serves the page that --ui asks for, and has the view fill it, until
// the function that it returns is called.
func (o *tapOptions) serveUI(ctx context.Context, s *Streams, v *view) (stop func(), err error) {
	if o.ui == "" {
		if len(o.uiHosts) > 0 {
			return nil, usagef("--ui-allow-host is for a page, and there is none", "--ui localhost:9999 serves one")
		}
		return func() {}, nil
	}
	a, err := tcpAddress("--ui", o.ui, "write localhost:9999, or :9999")
	if err != nil {
		return nil, err
	}
	l, err := (&tcp.ListenConfig{}).Listen(ctx, "tcp", a.HostPort())
	if err != nil {
		return nil, fmt.Errorf("--ui: %w", inUse(err))
	}
	timeline := &live.Timeline{Between: true}
	title := fmt.Sprintf("what passes to %s", o.target)
	if o.observe.url != "" {
		title = "what Socket.IO servers say to one another at " + o.observe.name
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = servePage(ctx, live.Guard(timeline.Page(title), o.uiHosts), l) // ended by cancel
	}()
	if !o.quiet {
		fmt.Fprintf(s.Err, "page on http://%s/\n", l.Addr())
		if a.Bound(l.Addr()).Public() {
			fmt.Fprintln(s.Err, "note: everybody on the network can see there what passes")
		}
	}
	v.page = openly{timeline.Sink("", trace.Client)}
	return func() { cancel(); <-done }, nil
}

// openly keeps secrets from a sink: a page is for everybody on the machine.
type openly struct{ sink trace.Sink }

// Record implements [trace.Sink].
func (o openly) Record(r trace.Record) {
	if _, secret := r.Event.(trace.Secret); !secret {
		o.sink.Record(r)
	}
}
