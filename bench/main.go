//go:build linux

// Bench times sockkit beside nc, ncat, socat, curl, plain Go and C, in the same
// run, as ratios of CPU time, and prints one table. It says, and does not fail,
// where a rival is missing. Nothing leaves the loopback interface.
//
//	go run . [-list] [-quick] [-rounds N] [-only REGEX] [-json FILE] [-sockkit FILE] [-scale]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

type options struct {
	rounds  int
	quick   bool
	only    *regexp.Regexp
	json    string
	sockkit string
	scale   bool
	list    bool
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.list {
		list(os.Stdout, o)
		return nil
	}
	l, err := newLab(o)
	if err != nil {
		return err
	}
	defer l.close()
	go closeOnSignal(l)
	if o.scale {
		return l.scale(os.Stdout, o.rounds)
	}
	report, err := l.measure(o)
	if err != nil {
		return err
	}
	report.print(os.Stdout)
	if o.json == "" {
		return nil
	}
	return report.save(o.json)
}

func parse(args []string) (options, error) {
	o := options{only: regexp.MustCompile("")}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.rounds, "rounds", 0, "how often each contestant has its turn (5; with -quick 2)")
	flags.BoolVar(&o.quick, "quick", false, "a sixteenth of the work: to see that it runs")
	flags.Func("only", "only the rows whose name matches `REGEX`", func(s string) (err error) {
		o.only, err = regexp.Compile(s)
		return err
	})
	flags.StringVar(&o.json, "json", "", "write the report to `FILE` as well")
	flags.StringVar(&o.sockkit, "sockkit", "", "time this binary in place of one built from ..")
	flags.BoolVar(&o.list, "list", false, "only say which rows there are, and their targets")
	flags.BoolVar(&o.scale, "scale", false, "no rivals: sockkit with 100 to 19,000 connections")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q: flags only", flags.Arg(0))
	}
	if o.rounds == 0 {
		o.rounds = 5
		if o.quick {
			o.rounds = 2
		}
	}
	if o.rounds < 1 {
		return o, fmt.Errorf("-rounds %d: at least 1", o.rounds)
	}
	return o, nil
}

// closeOnSignal leaves nothing behind; the servers die with this process.
func closeOnSignal(l *lab) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
	<-asked
	l.close()
	os.Exit(130)
}
