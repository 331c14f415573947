package cmd

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/inspect"
)

// addOpening adds the flags that concern the way into a namespace alone.
func (f *clientFlags) addOpening(set *pflag.FlagSet) {
	set.StringVar(&f.auth, "auth", "", "send this `JSON` object along (or @FILE)")
	set.StringVar(&f.path, "path", "", "the `PATH` of the server's engine (default /socket.io/)")
	set.StringSliceVar(&f.transports, "transports", nil, "look at these only: polling, websocket")
}

// checkSocketIO refuses what means nothing to Socket.IO.
func (o *inspectOptions) checkSocketIO(c *cobra.Command) error {
	if err := o.sio.complete(c, o.address); err != nil || !o.address.SocketIO() {
		return err
	}
	switch {
	case o.watch:
		return usagef("--watch samples one connection, and Socket.IO has many", "inspect --watch "+endpoint.Address{Scheme: endpoint.TCP, Host: o.address.Host, Port: o.address.Port}.String())
	case c.Flags().Changed("send") || c.Flags().Changed("send-hex"):
		return usagef("inspect joins a namespace, and sends it no events", "sockkit dial "+o.address.String()+" -x 'EVENT ARG…'")
	}
	return nil
}

// options are what is asked of Socket.IO.
func (f *clientFlags) options() inspect.SocketIOOptions {
	o := inspect.SocketIOOptions{Path: f.path, Transports: f.transports}
	if f.credentials != nil {
		o.Auth = f.credentials
	}
	return o
}
