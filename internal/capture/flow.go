package capture

import (
	"container/list"
	"net/netip"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// flow is the datagrams between two addresses.
type flow struct {
	a      *assembler
	id     trace.ID
	key    pair
	place  *list.Element
	client netip.AddrPort // who sent the first
	report *Connection
	opened time.Time
}

// sent takes one datagram.
func (a *assembler) sent(from, to netip.AddrPort, payload []byte, size int, hops byte, comments []string) {
	key := pairOf(from, to)
	f := a.udp[key]
	if f == nil {
		f = a.beginFlow(key, from, to)
	}
	a.senders.MoveToBack(f.place)
	for _, text := range comments {
		a.note(f.id, "comment in the capture: "+text)
	}
	e := trace.Datagram{
		Dir: trace.Out, Network: "udp", Local: f.report.Client, Remote: f.report.Server,
		Size: size, Truncated: len(payload) < size, TTL: int(hops), Payload: payload,
	}
	f.report.Out += int64(size)
	if from != f.client {
		e.Dir = trace.In
		f.report.Out -= int64(size)
		f.report.In += int64(size)
	}
	f.report.Duration = max(a.now.Sub(f.opened), 0)
	if a.tracer.On(trace.Message) {
		a.emit(f.id, e)
	}
}

func (a *assembler) beginFlow(key pair, from, to netip.AddrPort) *flow {
	if len(a.udp) >= mostOpen {
		a.senders.Front().Value.(*flow).end()
	}
	f := &flow{a: a, id: a.tracer.NewID(), key: key, client: from, opened: a.now}
	f.report = &Connection{ID: f.id, Network: "udp", Client: from.String(), Server: to.String(), Opened: a.now, End: EndOpen, Whole: true}
	a.report.add(f.report)
	a.emit(f.id, trace.Open{Side: trace.Client, Network: "udp", Local: f.report.Client, Remote: f.report.Server})
	f.place = a.senders.PushBack(f)
	a.udp[key] = f
	return f
}

// end drops what is kept of a flow.
func (f *flow) end() {
	delete(f.a.udp, f.key)
	f.a.senders.Remove(f.place)
	delete(f.a.report.byID, f.id)
}
