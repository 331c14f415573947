package admin

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
)

// counters count what has happened since the last figures.
type counters struct {
	sessionsBegun, packetsIn, packetsOut, bytesIn, bytesOut atomic.Int64
	polling                                                 atomic.Int64 // sessions that poll now
}

// watchEngine has the engine's sessions be counted, beside what is called for
// them already.
func (a *admin) watchEngine() {
	e := a.io.EngineServer()
	next := e.OnConnection
	e.OnConnection = func(s *engine.Session) {
		a.session(s)
		if next != nil {
			next(s)
		}
	}
}

// session counts one session.
func (a *admin) session(s *engine.Session) {
	a.sessionsBegun.Add(1)
	var polls atomic.Bool
	if s.Transport() == "polling" {
		polls.Store(true)
		a.polling.Add(1)
	}
	moved := func() {
		if polls.CompareAndSwap(true, false) {
			a.polling.Add(-1)
		}
	}
	s.OnPacket = counted(&a.packetsIn, &a.bytesIn, s.OnPacket)
	s.OnSend = counted(&a.packetsOut, &a.bytesOut, s.OnSend)
	onUpgrade, onClose := s.OnUpgrade, s.OnClose
	s.OnUpgrade = func(transport string) {
		moved()
		a.upgraded(s, transport)
		if onUpgrade != nil {
			onUpgrade(transport)
		}
	}
	s.OnClose = func(reason, description string) {
		moved()
		a.mu.Lock()
		a.ends[reason]++
		a.mu.Unlock()
		if onClose != nil {
			onClose(reason, description)
		}
	}
}

// counted counts packets that have data, as the official server does.
func counted(packets, bytes *atomic.Int64, next func(engine.Packet)) func(engine.Packet) {
	return func(p engine.Packet) {
		if len(p.Data) > 0 {
			packets.Add(1)
			bytes.Add(int64(len(p.Data)))
		}
		if next != nil {
			next(p)
		}
	}
}

// serverStats are the figures of a server.
type serverStats struct {
	ServerID            string           `json:"serverId"`
	Hostname            string           `json:"hostname"`
	PID                 int              `json:"pid"`
	Uptime              float64          `json:"uptime"` // seconds
	ClientsCount        int              `json:"clientsCount"`
	PollingClientsCount int64            `json:"pollingClientsCount"`
	AggregatedEvents    []aggregated     `json:"aggregatedEvents"`
	Namespaces          []namespaceStats `json:"namespaces"`
}

// aggregated is how often something has happened.
type aggregated struct {
	Timestamp int64  `json:"timestamp"` // milliseconds since 1970
	Type      string `json:"type"`
	SubType   string `json:"subType,omitempty"`
	Count     int64  `json:"count"`
}

type namespaceStats struct {
	Name         string `json:"name"`
	SocketsCount int    `json:"socketsCount"`
}

// tick sends the figures to all pages, and waits for the next time.
func (a *admin) tick() {
	if a.closed.Load() {
		return
	}
	a.countServers()
	happened := a.takeCounters()
	if a.watched() {
		a.tell("server_stats", a.stats(happened))
	}
	if n := a.outbox.takeLost(); n > 0 {
		a.note("%d events were not shown: they came faster than they could be sent", n)
	}
	a.timer.Reset(a.StatsInterval)
}

func (a *admin) stats(happened []aggregated) *serverStats {
	if happened == nil {
		happened = []aggregated{}
	}
	return &serverStats{
		ServerID: a.ServerID, Hostname: a.host, PID: os.Getpid(), Uptime: time.Since(a.began).Seconds(),
		ClientsCount: a.io.EngineServer().ClientsCount(), PollingClientsCount: a.polling.Load(),
		AggregatedEvents: happened, Namespaces: a.namespaces(),
	}
}

// namespaces are those there are. The page lays a list over the one before it,
// member by member: those that are gone stay in it once more, with no sockets, so
// that it is no shorter.
func (a *admin) namespaces() []namespaceStats {
	list, names := []namespaceStats{}, []string{}
	for _, n := range a.io.Namespaces() {
		list = append(list, namespaceStats{n.Name(), len(n.Sockets())})
		names = append(names, n.Name())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range a.names {
		if len(names) < mostGone && !slices.Contains(names, name) {
			list = append(list, namespaceStats{Name: name})
			names = append(names, name)
		}
	}
	a.names = names
	return list
}

const mostGone = 1000 // namespaces, beyond which those that are gone are forgotten

// takeCounters is what has happened since the last call.
func (a *admin) takeCounters() []aggregated {
	var all []aggregated
	now := time.Now().Truncate(time.Second).UnixMilli()
	add := func(kind, sub string, n int64) {
		if n > 0 {
			all = append(all, aggregated{now, kind, sub, n})
		}
	}
	add("rawConnection", "", a.sessionsBegun.Swap(0))
	add("packetsIn", "", a.packetsIn.Swap(0))
	add("packetsOut", "", a.packetsOut.Swap(0))
	add("bytesIn", "", a.bytesIn.Swap(0))
	add("bytesOut", "", a.bytesOut.Swap(0))
	a.mu.Lock()
	defer a.mu.Unlock()
	for reason, n := range a.ends {
		add("rawDisconnection", reason, int64(n))
	}
	clear(a.ends)
	return all
}

// note puts something into the server's trace.
func (a *admin) note(format string, args ...any) {
	if a.io.Tracer.On(trace.Connection) {
		a.io.Tracer.Emit(0, trace.Note{Text: "admin: " + fmt.Sprintf(format, args...)})
	}
}
