package redis

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/trace"
)

// inquiry is a request that servers are to answer, as an onlooker knows it. In a
// Redis Cluster answers go over other servers of it than requests do, and may be
// seen before them.
type inquiry struct {
	first    *observed // the request; nil until it is seen
	at       time.Time
	deadline time.Time
	others   int      // that are to answer; less than 0: not known
	ids      []string // of them, where they are known

	from          map[string]bool // who has answered, where the answers say so
	came          int             // servers that have
	nameless      int             // of these, who do not say so
	clients, acks int
	over          bool // it is told of
}

// keptLate is for how long answers are known that come too late.
const keptLate = time.Minute

// relate finds the request that a message begins or answers.
func (w *watcher) relate(m *observed) {
	if m.asks() {
		w.ask(m)
		return
	}
	if m.request == "" || !m.answers() {
		return
	}
	q := w.asked[m.request]
	if q == nil {
		if q = w.wait(m); q == nil {
			return
		}
	}
	if q.first != nil {
		m.inquiry = q
	}
	if m.to == "" && q.first != nil {
		m.to = q.first.uid
	}
	switch m.kind {
	case kindAnswer:
		q.acks++
		return
	case kindCount:
		q.clients += m.message.count
	}
	q.came++
	if m.uid == "" && q.others == 1 && len(q.ids) == 1 {
		m.uid = q.ids[0] // nobody else can have answered
	}
	if m.uid != "" {
		q.from[m.uid] = true
	} else {
		q.nameless++
	}
}

// wait makes an inquiry of a message; it is nil where there are too many.
func (w *watcher) wait(m *observed) *inquiry {
	if len(w.asked) >= mostObserved {
		return nil
	}
	q := &inquiry{at: m.sight.at, from: map[string]bool{}}
	q.deadline = q.at.Add(w.options.RequestTimeout)
	w.asked[m.request] = q
	return q
}

// ask begins to wait for answers, some of which may have been seen.
func (w *watcher) ask(m *observed) {
	q := w.asked[m.request]
	if m.single || q != nil && q.first != nil {
		return
	}
	if q == nil {
		if q = w.wait(m); q == nil {
			return
		}
	}
	q.others, q.ids = w.census(m.sight, m.adapter, m.uid, m.namespace)
	for _, id := range q.ids {
		w.known(ObservedServer{ID: id, Adapter: m.adapter, Namespace: m.namespace}, 0)
	}
	if q.others == 0 { // nobody else is there
		delete(w.asked, m.request)
		return
	}
	q.first, q.at = m, m.sight.at
	q.deadline = q.at.Add(orDefault(m.flags.Timeout, w.options.RequestTimeout))
	w.requests++
	m.begins = q
}

// settle tells of a request that all have answered.
func (w *watcher) settle(q *inquiry, at time.Time) {
	if q == nil || q.first == nil || q.over || !q.complete() {
		return
	}
	q.over = true
	w.record(at, q.event(at, false))
	delete(w.asked, q.first.request)
}

// complete reports whether no more answers are due.
func (q *inquiry) complete() bool {
	if q.others < 0 || q.came < q.others {
		return false
	}
	return q.first.kind != kindBroadcast || q.acks >= q.clients
}

// expire tells of the requests whose time is over.
func (w *watcher) expire(now time.Time) {
	for id, q := range w.asked {
		switch {
		case q.first == nil:
			if now.After(q.deadline) { // it was asked before we looked
				delete(w.asked, id)
			}
		case q.over && now.After(q.deadline.Add(keptLate)):
			delete(w.asked, id)
		case !q.over && now.After(q.deadline):
			q.over = true
			w.unanswered++
			w.record(now, q.event(q.deadline, true))
		}
	}
}

// event says how a request has ended.
func (q *inquiry) event(at time.Time, late bool) trace.AdapterRequest {
	e := trace.AdapterRequest{
		Adapter: q.first.adapter, Server: q.first.uid, Namespace: q.first.namespace, Type: typeOf(q.first), EventName: eventName(q.first.message),
		Request: unquoted(q.first.request), Expected: q.others, Came: q.came, Clients: q.clients, Acks: q.acks, TimedOut: late, Duration: at.Sub(q.at),
		Answered: slices.Sorted(maps.Keys(q.from)),
	}
	if q.came >= q.others && q.others >= 0 {
		return e
	}
	for _, id := range q.ids {
		if !q.from[id] {
			e.Silent = append(e.Silent, id)
		}
	}
	slices.Sort(e.Silent)
	e.Among = len(e.Silent) > 0 && q.others >= 0 && q.nameless > 0
	return e
}

// event words a message as a record.
func (w *watcher) event(m *observed) trace.AdapterMessage {
	e := trace.AdapterMessage{
		Adapter: m.adapter, Channel: m.sight.channel, Entry: m.sight.entry, Server: m.uid, To: m.to, Namespace: m.namespace, Type: typeOf(m),
		EventName: eventName(m.message), Rooms: m.selection.Rooms, Except: m.selection.Except, Close: m.close,
		Volatile: m.flags.Volatile, Uncompressed: m.flags.NoCompress, Timeout: m.flags.Timeout, Request: unquoted(m.request),
		Attachments: len(m.attachments), Size: m.sight.size(), Payload: m.data,
	}
	switch m.kind {
	case kindJoin, kindLeave:
		e.Change = m.rooms
	case kindCount:
		e.Count = m.message.count
	case kindFetched:
		e.Count, e.Payload = foundIn(m.message)
	}
	if q := m.inquiry; q != nil {
		e.After, e.Late = max(m.sight.at.Sub(q.at), 0), q.over
	}
	return e
}

// foundIn is how much an answer holds, and what of it is shown: no handshakes,
// which have cookies in them.
func foundIn(m *message) (n int, shown []byte) {
	type one struct {
		ID    string          `json:"id"`
		Rooms []string        `json:"rooms"`
		Data  json.RawMessage `json:"data,omitempty"`
	}
	if len(m.sockets) == 0 {
		if len(m.rooms) > 0 {
			shown, _ = marshal(m.rooms)
		}
		return len(m.rooms), shown
	}
	all := make([]one, len(m.sockets))
	for i, s := range m.sockets {
		all[i] = one{s.ID, s.Rooms, s.Data}
	}
	shown, _ = marshal(all)
	return len(all), shown
}

// typeNames are the official ones.
var typeNames = map[messageKind]string{
	kindInitialHeartbeat: "INITIAL_HEARTBEAT", kindHeartbeat: "HEARTBEAT", kindBroadcast: "BROADCAST",
	kindJoin: "SOCKETS_JOIN", kindLeave: "SOCKETS_LEAVE", kindDisconnect: "DISCONNECT_SOCKETS",
	kindFetch: "FETCH_SOCKETS", kindFetched: "FETCH_SOCKETS_RESPONSE", kindServerEvent: "SERVER_SIDE_EMIT",
	kindServerAnswer: "SERVER_SIDE_EMIT_RESPONSE", kindCount: "BROADCAST_CLIENT_COUNT", kindAnswer: "BROADCAST_ACK",
	kindClose: "ADAPTER_CLOSE", kindListSockets: "SOCKETS", kindListRooms: "ALL_ROOMS",
}

// typeOf names what a message is. What it answers tells answers apart that look
// alike.
func typeOf(m *observed) string {
	if m.kind == kindFetched && m.inquiry != nil {
		switch m.inquiry.first.kind {
		case kindListSockets:
			return "SOCKETS_RESPONSE"
		case kindListRooms:
			return "ALL_ROOMS_RESPONSE"
		}
	}
	return typeNames[m.kind]
}

// eventName is that of an event; "" where a message has none.
func eventName(m *message) string {
	if m.kind != kindBroadcast && m.kind != kindServerEvent {
		return ""
	}
	args, err := socketio.ParseArgs(m.data, m.attachments)
	if err != nil || args.Len() == 0 {
		return ""
	}
	var name string
	_ = json.Unmarshal(args.JSON(0), &name)
	return name
}

// unquoted is the id of a request, which is a string as a rule.
func unquoted(id string) string {
	var text string
	if strings.HasPrefix(id, `"`) && json.Unmarshal([]byte(id), &text) == nil {
		return text
	}
	return id
}
