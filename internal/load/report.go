package load

import (
	"runtime"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what a load has measured. Durations are in nanoseconds, in JSON too.
type Report struct {
	Version int    `json:"version"`
	Address string `json:"address"`
	Setting
	Elapsed time.Duration `json:"elapsed"` // from the first message to the last answer, or the end

	Connections Connections `json:"connections"`
	Messages    Messages    `json:"messages"`
	// Latency is from when a message was due, which is when it was sent where no
	// rate is set, to its answer. In mode connect it is that of opening, and in
	// mode broadcast until the last has received it. It is nil in modes push and
	// idle.
	Latency *Latency `json:"latency,omitempty"`
	// Service is from when it was sent in truth, where a rate is set: what a stall
	// has held back is left out of it.
	Service *Latency `json:"service,omitempty"`
	// Lag is how late bench itself was to let a message go, where a rate is set. It
	// is a part of Latency.
	Lag *Latency `json:"lag,omitempty"`
	// Opening is the latency of opening handshakes, connecting included.
	Opening *Latency   `json:"opening,omitempty"`
	Failed  int64      `json:"failed"` // errors in all
	Errors  []Failures `json:"errors"`
	CPU     CPU        `json:"cpu"`

	// First is the error that says most.
	First error `json:"-"`
}

// Setting is what was asked for.
type Setting struct {
	Mode     Mode          `json:"mode"`
	Conns    int           `json:"conns"`
	Size     int           `json:"size"`
	InFlight int           `json:"inFlight"`
	Rate     float64       `json:"rate,omitempty"` // a second; 0 is as fast as goes
	Duration time.Duration `json:"duration,omitempty"`
	Count    int64         `json:"count,omitempty"`
}

// Connections are counts of connections.
type Connections struct {
	Opened int64 `json:"opened"`
	Alive  int64 `json:"alive"` // at the end
}

// Messages are counts of messages, and in mode connect of connections.
type Messages struct {
	Sent      int64   `json:"sent"`
	Answered  int64   `json:"answered"`
	Lost      int64   `json:"lost"`   // sent, and not answered
	Unsent    int64   `json:"unsent"` // due by the rate, and not sent
	Late      int64   `json:"late"`   // datagrams that came after they were given up, or twice
	PerSecond float64 `json:"perSecond"`
	BytesIn   int64   `json:"bytesIn"` // of everything, as the application sees it
	BytesOut  int64   `json:"bytesOut"`
}

// Latency is how latencies are spread.
type Latency struct {
	Count       int64         `json:"count"`
	Min         time.Duration `json:"min"`
	Mean        time.Duration `json:"mean"`
	Max         time.Duration `json:"max"`
	Percentiles []Percentile  `json:"percentiles"`
	Buckets     []Bucket      `json:"buckets"`
	HDR         string        `json:"hdr"` // the histogram in HdrHistogram's V2 format, compressed, in base64
}

// Percentile is the latency that so many percent do not exceed.
type Percentile struct {
	Percent float64       `json:"percent"`
	Value   time.Duration `json:"value"`
}

// Bucket is how many are below a bound, and not below the one before.
type Bucket struct {
	Below time.Duration `json:"below"`
	Count int64         `json:"count"`
}

// CPU is what the load itself has used.
type CPU struct {
	User       time.Duration `json:"user"`
	System     time.Duration `json:"system"`
	PerMessage time.Duration `json:"perMessage"`
	Cores      float64       `json:"cores"`   // used on average
	Allowed    int           `json:"allowed"` // that it may use
	// Bottleneck says that it may have been the load that was slow, and not the
	// server.
	Bottleneck bool `json:"bottleneck"`
}

// busy is the share of the cores from which on the load is a bottleneck.
const busy = 0.85

// Percentiles that are reported.
var Percentiles = []float64{50, 75, 90, 99, 99.9, 99.99}

// Percentile returns one that is reported.
func (l *Latency) Percentile(percent float64) time.Duration {
	for _, p := range l.Percentiles {
		if p.Percent == percent {
			return p.Value
		}
	}
	return 0
}

func newLatency(h *hdr.Histogram) *Latency {
	if h == nil || h.TotalCount() == 0 {
		return nil
	}
	l := &Latency{
		Count: h.TotalCount(), Min: time.Duration(h.Min()), Mean: time.Duration(h.Mean()), Max: time.Duration(h.Max()),
		Buckets: buckets(h),
	}
	for _, percent := range Percentiles {
		l.Percentiles = append(l.Percentiles, Percentile{percent, time.Duration(h.ValueAtQuantile(percent))})
	}
	if encoded, err := h.Encode(hdr.V2CompressedEncodingCookieBase); err == nil {
		l.HDR = string(encoded)
	}
	return l
}

// buckets are bounds of 1, 2 and 5 times a power of ten, from the one below the
// least to the one above the most.
func buckets(h *hdr.Histogram) (list []Bucket) {
	bounds := []time.Duration{}
	for unit := time.Microsecond; unit <= 100*time.Second; unit *= 10 {
		bounds = append(bounds, unit, 2*unit, 5*unit)
	}
	counts := make([]int64, len(bounds)+1)
	at := 0
	for _, bar := range h.Distribution() {
		for at < len(bounds) && bar.From >= int64(bounds[at]) {
			at++
		}
		counts[at] += bar.Count
	}
	bounds = append(bounds, time.Duration(longest))
	for i, bound := range bounds {
		if counts[i] > 0 || len(list) > 0 {
			list = append(list, Bucket{bound, counts[i]})
		}
	}
	for len(list) > 0 && list[len(list)-1].Count == 0 {
		list = list[:len(list)-1]
	}
	return list
}

// report sums up.
func (r *run) report() *Report {
	now := r.clock()
	cpu := usedCPU().less(r.cpu)
	p := &Report{
		Version: 1, Elapsed: time.Duration(now - r.start.Load()), Failed: r.failures.total(), Errors: r.failures.list(),
		Setting: Setting{Mode: r.Mode, Conns: r.Conns, Size: r.Size, InFlight: r.InFlight, Rate: r.Rate, Duration: r.Duration, Count: r.Count},
		First:   r.failures.first,
	}
	p.Messages = r.messages()
	latency, service := r.records.sum()
	p.Latency, p.Service = newLatency(latency), newLatency(service)
	p.Lag, p.Opening = newLatency(r.lag.latency), newLatency(r.openings.latency)
	p.Connections = Connections{Opened: r.openings.answered, Alive: int64(r.alive())}
	if r.Mode == Connect {
		p.Connections.Opened = p.Messages.Answered
	}
	p.Messages.PerSecond = float64(p.units()) / max(p.Elapsed.Seconds(), 1e-9)
	p.CPU = p.used(cpu)
	return p
}

// units is how much work was done.
func (p *Report) units() int64 {
	switch p.Mode {
	case Push:
		return p.Messages.Sent
	case Idle:
		return 0
	}
	return p.Messages.Answered
}

func (r *run) messages() Messages {
	m := Messages{
		Sent: r.sentPush.Load(), Answered: r.records.answered(), Lost: r.lost.Load(), Unsent: r.unsent.Load(),
		Late: r.late.Load(), BytesIn: r.in.Load(), BytesOut: r.out.Load(),
	}
	for _, f := range r.senders {
		f.mu.Lock()
		m.Sent += f.sent
		f.mu.Unlock()
	}
	if r.Mode == Connect {
		m.Sent = m.Answered + r.failures.total()
	}
	return m
}

func (p *Report) used(cpu cpuTime) CPU {
	c := CPU{User: cpu.user, System: cpu.system, Allowed: min(runtime.GOMAXPROCS(0), runtime.NumCPU())}
	if n := p.units(); n > 0 {
		c.PerMessage = cpu.total() / time.Duration(n)
	}
	c.Cores = cpu.total().Seconds() / max(p.Elapsed.Seconds(), 1e-9)
	c.Bottleneck = c.Cores >= busy*float64(c.Allowed) && p.Elapsed >= time.Second/10
	return c
}

// Snapshot is how far a load is.
type Snapshot struct {
	Opening   bool // the connections are being opened
	Elapsed   time.Duration
	Open      int
	Messages  int64         // answered, or sent in mode push
	PerSecond float64       // since the last snapshot
	Half, Few time.Duration // so long took half of them, and 99 % of them, since the beginning
	Failed    int64
}

// progress tells how far it is, until the function that it returns is called.
func (r *run) progress() (stop func()) {
	if r.Progress == nil {
		return func() {}
	}
	quit, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		last := Snapshot{}
		for {
			select {
			case <-ticker.C:
				last = r.snapshot(last)
				r.Progress(last)
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-over }
}

func (r *run) snapshot(last Snapshot) Snapshot {
	s := Snapshot{Elapsed: time.Duration(r.clock() - r.start.Load()), Failed: r.failures.total()}
	if s.Opening = r.start.Load() == 0; s.Opening {
		r.openings.mu.Lock()
		s.Open = int(r.openings.answered)
		r.openings.mu.Unlock()
		return s
	}
	latency, _ := r.records.sum()
	s.Open, s.Messages = r.alive(), r.sentPush.Load()+latency.TotalCount()
	s.Half, s.Few = time.Duration(latency.ValueAtQuantile(50)), time.Duration(latency.ValueAtQuantile(99))
	s.PerSecond = float64(s.Messages-last.Messages) / max((s.Elapsed-last.Elapsed).Seconds(), 1e-3)
	return s
}
