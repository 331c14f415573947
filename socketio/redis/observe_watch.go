package redis

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/trace"
)

// The adapters, by the names that the command line has for them.
const (
	pubsubName  = "pubsub"
	shardedName = "sharded"
	streamsName = "streams"
)

// watcher makes records of what servers tell one another. It does no I/O but by
// census.
type watcher struct {
	options *ObserverOptions
	// census says how many servers are to answer a request, besides the one that
	// asks, and their ids; less than 0 is not known.
	census func(s *sight, adapter, uid, namespace string) (others int, ids []string)

	asked   map[string]*inquiry
	servers map[ObservedServer]int64
	kinds   map[ObservedKind]*ObservedKind
	mixed   map[string]string // the adapter of a namespace, as it was seen first

	requests, unanswered int
	garbage              int64
}

func newWatcher(o *ObserverOptions, census func(*sight, string, string, string) (int, []string)) *watcher {
	return &watcher{
		options: o, census: census, asked: map[string]*inquiry{}, servers: map[ObservedServer]int64{},
		kinds: map[ObservedKind]*ObservedKind{}, mixed: map[string]string{},
	}
}

// observed is a message, and what is known of the way that it went.
type observed struct {
	*message
	adapter, namespace string
	sight              *sight
	inquiry            *inquiry // that it answers
	begins             *inquiry
}

// take looks at what came.
func (w *watcher) take(s *sight) {
	if s.size() > w.options.MaxMessage {
		w.wrong(s, errMessage("it has %d bytes, and up to %d are looked at", s.size(), w.options.MaxMessage))
		return
	}
	m, err := w.decode(s)
	if err != nil {
		w.wrong(s, err)
		return
	}
	if m == nil {
		return
	}
	w.relate(m)
	w.count(m)
	w.record(s.at, w.event(m))
	w.bytes(m)
	w.settle(m.inquiry, s.at)
	w.settle(m.begins, s.at)
}

// decode reads a message; it is nil where it is none of an adapter's.
func (w *watcher) decode(s *sight) (*observed, error) {
	if s.entry != "" {
		return decodeEntry(s)
	}
	prefix := w.options.Prefix
	if rest, ok := strings.CutPrefix(s.channel, prefix+"-request#"); ok {
		namespace, _ := splitChannel(rest)
		m, named, err := decodeClassicRequest(s.raw)
		return &observed{m, pubsubName, cmp.Or(named, namespace), s, nil, nil}, err
	}
	if rest, ok := strings.CutPrefix(s.channel, prefix+"-response#"); ok {
		namespace, to := splitChannel(rest)
		m, err := decodeClassicAnswer(s.raw)
		if err == nil {
			m.to = to
		}
		return &observed{m, pubsubName, namespace, s, nil, nil}, err
	}
	rest, ok := strings.CutPrefix(s.channel, prefix+"#")
	if !ok {
		return nil, nil
	}
	return w.decodeShared(s, rest)
}

// splitChannel takes apart what follows the prefix of a channel: its namespace,
// and what is behind.
func splitChannel(rest string) (namespace, more string) {
	namespace, more, _ = strings.Cut(rest, "#")
	return namespace, strings.TrimSuffix(more, "#")
}

// decodeShared reads what went over a channel that several adapters name alike: a
// broadcast of the first is a list, what others say a map.
func (w *watcher) decodeShared(s *sight, rest string) (*observed, error) {
	if !s.sharded && isMsgpackList(s.raw) {
		m, namespace, err := decodeClassicBroadcast(s.raw)
		return &observed{m, pubsubName, namespace, s, nil, nil}, err
	}
	m, namespace, err := decodeCluster(s.raw)
	if err != nil {
		return nil, err
	}
	if _, more := splitChannel(rest); m.answers() {
		m.to = more
	}
	return &observed{m, w.adapterOf(s, m, namespace), namespace, s, nil, nil}, nil
}

func isMsgpackList(raw []byte) bool {
	return len(raw) > 0 && (raw[0]&0xf0 == 0x90 || raw[0] == 0xdc || raw[0] == 0xdd)
}

// adapterOf tells who may use sharded channels: that of streams writes MessagePack
// always, the other one for binary values alone.
func (w *watcher) adapterOf(s *sight, m *message, namespace string) string {
	switch {
	case !s.sharded:
		return streamsName
	case s.raw[0] == '{':
		return shardedName
	}
	if _, known := w.servers[ObservedServer{ID: m.uid, Adapter: shardedName, Namespace: namespace}]; known && len(m.attachments) > 0 {
		return shardedName
	}
	if _, known := w.servers[ObservedServer{ID: m.uid, Adapter: streamsName, Namespace: namespace}]; known || len(m.attachments) == 0 {
		return streamsName
	}
	return shardedName
}

func decodeEntry(s *sight) (*observed, error) {
	namespace, _ := s.values["nsp"].(string)
	m, err := readEntry(s.values, namespace)
	return &observed{m, streamsName, namespace, s, nil, nil}, err
}

// answers reports whether a message is an answer.
func (m *message) answers() bool {
	switch m.kind {
	case kindFetched, kindServerAnswer, kindCount, kindAnswer:
		return true
	}
	return false
}

// asks reports whether it wants answers.
func (m *message) asks() bool { return m.request != "" && !m.answers() }

// count notes whose message it is, and of what kind. Of ids that are made up there
// may be any number.
func (w *watcher) count(m *observed) {
	if m.uid != "" && m.uid != emitterUID {
		w.known(ObservedServer{ID: m.uid, Adapter: m.adapter, Namespace: m.namespace}, 1)
		w.mix(m)
	}
	key := ObservedKind{Adapter: m.adapter, Type: typeOf(m)}
	k := w.kinds[key]
	if k == nil {
		k = &ObservedKind{Adapter: key.Adapter, Type: key.Type}
		w.kinds[key] = k
	}
	k.Messages++
	k.Bytes += int64(m.sight.size())
}

// known adds messages to those of a server.
func (w *watcher) known(who ObservedServer, messages int64) {
	if _, known := w.servers[who]; known || len(w.servers) < mostObserved {
		w.servers[who] += messages
	}
}

// mostObserved bounds what is kept of ids that come from outside.
const mostObserved = 10000

// mix says where servers of two adapters are in a namespace.
func (w *watcher) mix(m *observed) {
	first, known := w.mixed[m.namespace]
	switch {
	case !known && len(w.mixed) < mostObserved:
		w.mixed[m.namespace] = m.adapter
	case known && first != m.adapter && first != "":
		w.mixed[m.namespace] = "" // it is said once
		w.finding(m.sight, trace.Finding{
			Rule: "adapter-mixed", Summary: "Servers of the adapters " + first + " and " + m.adapter + " are in the namespace " + m.namespace + ": they do not hear one another.",
			Came: "a message of " + m.uid + " by " + m.adapter, Due: "one adapter for all servers of a cluster", Mend: "Have all servers use the same adapter, or give the clusters prefixes of their own.",
		})
	}
}

// wrong says that what came is no message.
func (w *watcher) wrong(s *sight, err error) {
	w.garbage++
	w.finding(s, trace.Finding{
		Rule: "adapter-garbage", Summary: "What came over " + s.channel + " is no message of an adapter.", Came: garbageText(s, err),
		Due:  "a message of an adapter of Socket.IO",
		Mend: "Find what else publishes there: an official server of the adapter pubsub may end by it, or hear nothing more.",
	})
}

// garbageShown is how many bytes of garbage are shown.
const garbageShown = 32

// garbageText says why what came is no message, and how it begins.
func garbageText(s *sight, err error) string {
	text := err.Error()
	var other *json.UnmarshalTypeError
	var document *json.SyntaxError
	switch {
	case errors.As(err, &other) && other.Field != "":
		text = fmt.Sprintf("no message: %s is of the type %s", other.Field, other.Value)
	case errors.As(err, &other):
		text = "no message: it is of the type " + other.Value
	case errors.As(err, &document):
		text = "no JSON: " + text
	case errors.As(err, new(base64.CorruptInputError)):
		text = "neither JSON nor base64: " + text
	case errors.Is(err, socketio.ErrInvalidPayload):
		text = "neither JSON nor MessagePack"
	}
	switch raw := s.raw; {
	case len(raw) == 0:
	case len(raw) > garbageShown:
		text += fmt.Sprintf(": %q and %d bytes more", raw[:garbageShown], len(raw)-garbageShown)
	default:
		text += fmt.Sprintf(": %q", raw)
	}
	return text
}

func (w *watcher) finding(s *sight, f trace.Finding) {
	f.Clause, f.Binding, f.Fault = "Socket.IO, Redis adapters", "MUST", "server"
	w.record(s.at, f)
}

// record hands on what happened at a time that is over.
func (w *watcher) record(at time.Time, e trace.Event) {
	if t := w.options.Tracer; t.On(e.Level()) {
		t.Sink.Record(trace.Record{Time: at, Event: e})
	}
}

// bytes records those of a message. What holds the handshakes of clients is left
// out, unless it is wanted.
func (w *watcher) bytes(m *observed) {
	if !w.options.Tracer.On(trace.Byte) || m.sight.entry != "" {
		return
	}
	if m.kind == kindFetched && len(m.sockets) > 0 && !w.options.Secrets {
		return
	}
	w.record(m.sight.at, trace.Bytes{Dir: trace.In, Size: len(m.sight.raw), Payload: m.sight.raw})
}

func (w *watcher) summary() ObserverSummary {
	s := ObserverSummary{Requests: w.requests, Unanswered: w.unanswered, Garbage: w.garbage}
	for who, n := range w.servers {
		who.Messages = n
		s.Servers = append(s.Servers, who)
	}
	for _, k := range w.kinds {
		s.Messages = append(s.Messages, *k)
	}
	slices.SortFunc(s.Servers, func(a, b ObservedServer) int {
		return cmp.Or(cmp.Compare(a.Adapter, b.Adapter), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(s.Messages, func(a, b ObservedKind) int {
		return cmp.Or(cmp.Compare(a.Adapter, b.Adapter), cmp.Compare(a.Type, b.Type))
	})
	return s
}
