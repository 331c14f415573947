package cmd

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/faults"
)

// faultFlags are those of what tap does to traffic on purpose.
type faultFlags struct {
	delay, jitter         duration
	bandwidth             size
	loss, reorder, double percent
	cut, stall, halfClose trigger
	direction             string
	seed                  uint64
	seedGiven             bool
}

func (o *faultFlags) add(f *pflag.FlagSet) {
	f.Var(&o.delay, "delay", "deliver everything so much later; as much as before passes a second")
	f.Var(&o.jitter, "jitter", "make each delay longer or shorter by up to this, at random; streams stay in order")
	f.Var(&o.bandwidth, "bandwidth", "pass no more than this a second in each direction, evenly")
	f.Var(&o.loss, "loss", "datagrams: lose this share of them")
	f.Var(&o.reorder, "reorder", "datagrams: have this share of them overtaken by the next one")
	f.Var(&o.double, "duplicate", "datagrams: send this share of them twice")
	f.Var(&o.cut, "cut-after", "reset the connection after so much or so long")
	f.Var(&o.stall, "stall-after", "pass nothing any more after so much or so long, and stay open")
	f.Var(&o.halfClose, "half-close-after", "end our sending half towards the client (--direction up: the target) after so much or so long")
	f.StringVar(&o.direction, "direction", "both", "what suffers: `WAY` is up (to the target), down or both")
	f.Uint64Var(&o.seed, "seed", 0, "repeat the random decisions of another run: its `NUMBER`")
}

// complete checks the faults against the kinds of socket.
func (o *faultFlags) complete(f *pflag.FlagSet, listen, target tapEnd) error {
	if _, ok := directions[o.direction]; !ok {
		return usagef(fmt.Sprintf("--direction takes up, down or both; %q came", o.direction), "")
	}
	datagramsOnly := o.faults().ForDatagrams()
	end := listen
	if o.direction == "up" {
		end = target
	}
	switch {
	case datagramsOnly && !listen.Datagrams() && !target.Datagrams():
		return usagef("--loss, --reorder and --duplicate are for datagrams, and neither end sends any",
			"--delay, --bandwidth, --cut-after and --stall-after are for streams too")
	case o.halfClose.On() && !end.stream:
		return usagef(fmt.Sprintf("--half-close-after wants a stream, and %s is none", end), "")
	}
	o.seedGiven = f.Changed("seed")
	if !o.seedGiven {
		o.seed = uint64(rand.Uint32())
	}
	return nil
}

var directions = map[string]faults.Direction{"both": faults.Both, "up": faults.Up, "down": faults.Down}

// faults is what is to be done.
func (o *faultFlags) faults() *faults.Faults {
	return &faults.Faults{
		Delay: time.Duration(o.delay), Jitter: time.Duration(o.jitter), Bandwidth: int64(o.bandwidth),
		Loss: o.loss.share(), Reorder: o.reorder.share(), Duplicate: o.double.share(),
		Cut: o.cut.Trigger, Stall: o.stall.Trigger, HalfClose: o.halfClose.Trigger,
		Direction: directions[o.direction], Seed: o.seed,
	}
}

// percent is a flag such as 5, 0.1 or 20%.
type percent float64

func (p percent) share() float64 { return float64(p) / 100 }

// String implements pflag.Value.
func (p *percent) String() string {
	if *p == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(*p), 'g', -1, 64)
}

// Type implements pflag.Value.
func (p *percent) Type() string { return "PERCENT" }

// Set implements pflag.Value.
func (p *percent) Set(s string) error {
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil || !(n >= 0 && n <= 100) {
		return fmt.Errorf("a share is written in percent, from 0 to 100")
	}
	*p = percent(n)
	return nil
}

// trigger is a flag such as 64k or 10s: a size, a time, or, given twice, both.
type trigger struct{ faults.Trigger }

// String implements pflag.Value.
func (t *trigger) String() string {
	var words []string
	if t.OnSize {
		words = append(words, (*size)(&t.Size).String())
	}
	if t.OnTime {
		words = append(words, t.Time.String())
	}
	return strings.Join(words, ",")
}

// Type implements pflag.Value.
func (t *trigger) Type() string { return "SIZE|DURATION" }

// Set implements pflag.Value.
func (t *trigger) Set(s string) error {
	var n size
	if err := n.Set(s); err == nil && !strings.HasSuffix(s, "m") {
		t.OnSize, t.Size = true, int64(n)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return fmt.Errorf("a size is written 1500, 64k or 16M, and a time 500ms, 2s or 1m")
	}
	t.OnTime, t.Time = true, d
	return nil
}
