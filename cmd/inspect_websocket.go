package cmd

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/inspect"
)

// addOpening adds the flags that concern the opening handshake alone.
func (w *webSocketFlags) addOpening(f *pflag.FlagSet) {
	f.StringArrayVarP(&w.headers, "header", "H", nil, "add this header to the request, `'NAME: VALUE'` (repeatable)")
	f.StringSliceVarP(&w.subprotocols, "subprotocol", "s", nil, "offer this subprotocol, `NAME` (repeatable)")
	f.StringVar(&w.origin, "origin", "", "send this `ORIGIN`, as a browser would")
	f.StringVar(&w.basicAuth, "basic-auth", "", "log in, `USER:PASSWORD` or @FILE")
	f.BoolVar(&w.compress, "compress", false, "offer permessage-deflate (the default)")
	f.BoolVar(&w.noCompress, "no-compress", false, "do not offer it")
}

// doctorFlags say when the doctor is called.
type doctorFlags struct {
	when string
	idle duration

	told bool // a line of progress stands on the terminal
}

func (d *doctorFlags) add(f *pflag.FlagSet) {
	f.StringVar(&d.when, "doctor", inspect.DoctorAuto, "try what else could work, and say what is wrong: `WHEN` is auto (where something is), always or never")
	f.Lookup("doctor").NoOptDefVal = inspect.DoctorAlways
	f.Var(&d.idle, "idle", "keep a connection open in silence for so long, to see who ends it")
}

// checkDoctor refuses what means nothing.
func (o *inspectOptions) checkDoctor(c *cobra.Command) error {
	d := &o.doctor
	given := c.Flags().Changed("doctor") || d.idle != 0
	switch {
	case d.when != inspect.DoctorAuto && d.when != inspect.DoctorAlways && d.when != "never":
		return usagef(fmt.Sprintf("--doctor takes auto, always or never; %q came", d.when), "write --doctor=WHEN; --doctor alone is always")
	case given && !o.address.WebSocket() && !o.address.SocketIO():
		return usagef(fmt.Sprintf("--doctor and --idle are for WebSocket and Socket.IO, and %s is neither", o.address), "")
	case d.idle < 0:
		return usagef("--idle wants a time above 0", "")
	case d.idle > 0 && o.watch:
		return usagef("--idle and --watch exclude each other", "")
	}
	return nil
}

// doctorOptions are what the flags say. Where nobody reads a report there is no
// need for one, unless it was asked for.
func (o *inspectOptions) doctorOptions(s *Streams) inspect.DoctorOptions {
	d := inspect.DoctorOptions{When: o.doctor.when, Idle: time.Duration(o.doctor.idle)}
	if d.When == "never" || d.When == inspect.DoctorAuto && o.quiet && !o.json {
		d.When = inspect.DoctorNever
	}
	if isTerminal(s.Err) && os.Getenv("TERM") != "dumb" && !o.quiet && o.verbose == 0 {
		d.Progress = func(what string) {
			o.doctor.told = true
			fmt.Fprintf(s.Err, "\r\x1b[K%s …", what)
		}
	}
	return d
}

// end takes the line of progress off.
func (d *doctorFlags) end(s *Streams) {
	if d.told {
		fmt.Fprint(s.Err, "\r\x1b[K")
	}
}
