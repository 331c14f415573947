package inspect

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
)

// DoctorOptions say when the doctor is called to a WebSocket or to Socket.IO.
type DoctorOptions struct {
	When string // DoctorNever and so on
	// Idle keeps a connection so long without a word of ours, to see who ends
	// it; 0 does not. It is not looked at where nothing opens.
	Idle time.Duration
	// Progress is told what is being tried, in one line; nil tells nobody. Calls
	// come one after the other.
	Progress func(what string)
}

// The values of [DoctorOptions.When].
const (
	DoctorNever  = ""
	DoctorAuto   = "auto"   // where something is wrong
	DoctorAlways = "always" // where nothing is, too
)

// Doctor is what was tried beside the plain way, and what all of it proves.
type Doctor struct {
	Tries    []Try         `json:"tries"`
	Idle     *Idle         `json:"idle,omitempty"`
	Verdicts []Verdict     `json:"verdicts"` // the likeliest first; empty where no fault was found
	Duration time.Duration `json:"duration_ns"`
}

// Try is one thing that was tried.
type Try struct {
	ID       string        `json:"id"`           // TryAgain and so on
	What     string        `json:"what"`         // how it differs from what was asked for
	Address  string        `json:"address"`      // what was asked
	To       string        `json:"to,omitempty"` // the address that was dialled
	Reached  string        `json:"reached"`      // as [Report.Reached]
	Opens    bool          `json:"opens"`        // it came to what the plain way was to come to
	Status   int           `json:"status,omitempty"`
	Said     string        `json:"said"` // what came of it, in words
	Duration time.Duration `json:"duration_ns"`
}

// The identifiers of tries. They may be added to, never changed.
const (
	TryAgain         = "again"         // the same once more
	TryTLS           = "tls"           // with TLS
	TryPlain         = "plain"         // without
	TryFamily        = "family"        // another address of the name
	TryPort          = "port"          // the other port of a usual pair
	TryPage          = "page"          // an ordinary request for the same path
	TryBanner        = "banner"        // listening only
	TryHTTP2         = "http2"         // the preface of HTTP/2
	TryPath          = "path"          // another path
	TryLocation      = "location"      // where a redirect leads
	TryNoSubprotocol = "nosubprotocol" // none offered
	TrySubprotocols  = "subprotocols"  // the usual ones offered
	TryNoExtension   = "noextension"   // no compression offered
	TryOrigin        = "origin"        // the server's own origin
	TryNoOrigin      = "noorigin"      // none
	TryHost          = "host"          // another Host
	TryEngine        = "engine"        // Engine.IO by polling
	TryEngine3       = "engine3"       // the same in version 3
	TryEngineSocket  = "enginesocket"  // Engine.IO by a WebSocket alone
	TryEngineSocket3 = "enginesocket3" // the same in version 3
	TryWebSocket     = "websocket"     // a plain WebSocket in place of Socket.IO
	TryNamespace     = "namespace"     // another namespace
)

// Verdict is one thing that is wrong, with what proves it.
type Verdict struct {
	ID      string   `json:"id"`
	What    string   `json:"what"`    // what is wrong
	Where   string   `json:"where"`   // WhereClient and so on
	Change  string   `json:"change"`  // what to change
	Because []string `json:"because"` // the observations that prove it

	rank int // the lower, the likelier
}

// The values of [Verdict.Where].
const (
	WhereClient  = "client"
	WhereProxy   = "proxy"
	WhereServer  = "server"
	WhereNetwork = "network"
)

// The bounds of what a doctor does.
const (
	doctorTime  = 15 * time.Second // for all tries
	tryTime     = 3 * time.Second  // for one
	mostTries   = 32
	triesBeside = 4 // so many at once
)

// doctor is one visit.
type doctor struct {
	in       *Inspection
	o        Options
	base     ask           // the plain way
	plain    *trial        // what came of it when it was asked again, with TLS or without
	failed   bool          // the plain way does not work
	patience time.Duration // for one try
	tries    []*trial
	said     []Verdict

	mu    sync.Mutex
	asked map[string]bool
}

// Diagnose calls the doctor, if the options and what was found ask for it, and
// completes the report. It makes connections of its own.
func (in *Inspection) Diagnose(ctx context.Context) {
	tries := in.callsForTries()
	if !tries && !in.callsForIdle() || ctx.Err() != nil {
		return
	}
	started := time.Now()
	d := &doctor{in: in, o: in.o, failed: in.failure != nil || in.turnedAway(), asked: map[string]bool{}}
	d.base, d.patience = in.plainAsk(), in.patience()
	in.Report.Doctor = &Doctor{Tries: []Try{}, Verdicts: []Verdict{}}
	if tries {
		d.examine(ctx)
		d.judge()
	}
	if in.callsForIdle() {
		d.idle(ctx)
	}
	r := in.Report.Doctor
	for _, t := range d.tries {
		r.Tries = append(r.Tries, t.record())
	}
	r.Verdicts = append(r.Verdicts, d.verdicts()...)
	r.Duration = time.Since(started)
	in.Report.Duration = time.Since(in.Report.Time)
	sortFindings(in.Report.Findings)
}

// callsForTries reports whether anything is to be tried.
func (in *Inspection) callsForTries() bool {
	a, when := in.o.Address, in.o.Doctor.When
	if !a.WebSocket() && !a.SocketIO() || when == DoctorNever || errors.As(in.failure, new(*tcp.TLSOptionError)) {
		return false
	}
	return when == DoctorAlways || in.failure != nil || in.Report.Worst() != nil || in.noneChosen()
}

// turnedAway reports whether a WebSocket was closed as soon as it was open, as
// servers do that refuse a client by a code.
func (in *Inspection) turnedAway() bool {
	return slices.ContainsFunc(in.Report.Findings, func(f Finding) bool { return f.ID == PeerClosed && f.Severity == Warning })
}

// noneChosen reports whether subprotocols were offered and the server took none:
// the RFC lets that pass, and browsers do not.
func (in *Inspection) noneChosen() bool {
	return in.Report.Reached == ReachedWebSocket && in.Report.Handshake.Subprotocol == "" && len(in.o.WebSocket.Subprotocols) > 0
}

func (in *Inspection) callsForIdle() bool {
	a := in.o.Address
	return (a.WebSocket() || a.SocketIO()) && in.o.Doctor.Idle > 0 && in.failure == nil
}

// examine tries what a person would try, from the lowest layer up. What a
// layer has shown decides what is tried on the next.
func (d *doctor) examine(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, doctorTime)
	defer cancel()
	switch reached := d.in.Report.Reached; {
	case !d.wrong() && d.o.Doctor.When != DoctorAlways:
		return // the certificate alone is wrong, and that is known
	case reached == ReachedNothing && len(d.in.targets) == 0:
		return // the name has no address, or the file no socket
	case d.in.Report.Connection == nil:
		d.run(ctx, append(d.families(), d.ports()...)...)
		return
	}
	again := d.base
	again.id, again.what = TryAgain, "the same again"
	d.run(ctx, append([]ask{again, d.flipped(), d.page()}, d.families()...)...)
	if d.plain = d.find(TryAgain); !d.plain.http() && d.first() != nil {
		d.plain = d.first()
	}
	if !d.plain.http() {
		d.run(ctx, append(d.ports(), d.others()...)...)
		d.follow()
	}
	switch {
	case d.failed && d.flip() == d.plain && d.plain.opens: // what was wrong is found
	case d.o.Address.SocketIO():
		d.examineSocketIO(ctx)
	default:
		d.examineWebSocket(ctx)
	}
}

// first is the plain way itself as a try, where it was answered; else nil.
func (d *doctor) first() *trial {
	h := d.in.Report.Handshake
	if h == nil || h.Status == 0 || d.base.kind == asksEngine {
		return nil
	}
	return &trial{ask: d.base, reached: ReachedHandshake, status: h.Status, x: h.x, body: h.x.Body}
}

// patience is the time for one try: a proxy that looks for its server in vain
// answers after some seconds, and does so again.
func (in *Inspection) patience() time.Duration {
	took := time.Duration(0)
	if h := in.Report.Handshake; h != nil {
		took = h.Duration
	}
	if e := in.Report.Engine; e != nil {
		for _, v := range e.Versions {
			took = max(took, v.Duration)
		}
	}
	return min(in.o.Timeout, max(tryTime, 2*took))
}

// wrong reports whether more than a certificate is wrong.
func (d *doctor) wrong() bool {
	return d.failed || d.in.noneChosen() || slices.ContainsFunc(d.in.Report.Findings, func(f Finding) bool { return f.Severity != Note && !f.TLS })
}

// follow goes on with the scheme that is spoken on the port, where that is the
// other one.
func (d *doctor) follow() {
	if t := d.flip(); t != nil && t.http() {
		d.base.address, d.plain = t.address, t
		d.base.guarded = d.base.guarded || t.guarded
	}
}

// flip is the try with the other scheme.
func (d *doctor) flip() *trial {
	if t := d.find(TryTLS); t != nil {
		return t
	}
	return d.find(TryPlain)
}

func (d *doctor) onUnix() bool { return d.o.Address.Scheme == endpoint.WSUnix }

// find returns the first try with an identifier; nil where there is none.
func (d *doctor) find(id string) *trial {
	for _, t := range d.tries {
		if t.id == id {
			return t
		}
	}
	return nil
}

// opened returns the tries with one of some identifiers that came to something.
func (d *doctor) opened(ids ...string) (list []*trial) {
	for _, t := range d.tries {
		if t.opens && slices.Contains(ids, t.id) {
			list = append(list, t)
		}
	}
	return list
}

// run tries a list, some beside each other, and keeps its order.
func (d *doctor) run(ctx context.Context, asks ...ask) {
	var wait sync.WaitGroup
	slots := make(chan struct{}, triesBeside)
	for _, a := range asks {
		if a.id == "" || d.asked[a.key()] || len(d.tries) >= mostTries || ctx.Err() != nil {
			continue
		}
		d.asked[a.key()] = true
		t := &trial{ask: a}
		d.tries = append(d.tries, t)
		slots <- struct{}{}
		d.tell("trying " + a.what)
		wait.Add(1)
		go func() {
			defer func() { <-slots; wait.Done() }()
			d.try(ctx, t)
		}()
	}
	wait.Wait()
}

// tell tells of progress.
func (d *doctor) tell(what string) {
	if d.o.Doctor.Progress != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.o.Doctor.Progress(printable(what))
	}
}

// plainAsk is the plain way, as something that can be asked again.
func (in *Inspection) plainAsk() ask {
	a := ask{address: in.o.Address, header: in.o.WebSocket.Header, subprotocols: in.o.WebSocket.Subprotocols,
		origin: in.o.WebSocket.Origin, noDeflate: in.o.WebSocket.NoDeflate}
	if !a.address.SocketIO() {
		return a
	}
	p := &polling{in: in, path: enginePath(in.o.SocketIO.Path)}
	a.kind, a.noDeflate, a.subprotocols = asksEngine, true, nil
	if !slices.Contains(p.transports(), "polling") {
		a.kind = asksEngineSocket
	}
	a.address.Scheme = map[endpoint.Scheme]endpoint.Scheme{endpoint.SIO: endpoint.WS, endpoint.SIOS: endpoint.WSS}[a.address.Scheme]
	_, a.query = in.o.Address.Namespace()
	a.address.Target = p.path
	return a
}

// host is the address that the plain way led to, or would have led to.
func (d *doctor) host() string {
	if c := d.in.Report.Connection; c != nil {
		if host, _, err := net.SplitHostPort(c.Remote); err == nil {
			return host
		}
	}
	if len(d.in.targets) > 0 {
		return d.in.targets[0].Addr().String()
	}
	return d.in.host()
}

// withoutCredentials leaves out what nobody but the server that was named is to
// see.
func withoutCredentials(list []handshake.Field) []handshake.Field {
	return slices.DeleteFunc(slices.Clone(list), func(f handshake.Field) bool { return secretField(string(f.Name)) })
}
