package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/redis"
)

// clusterAct is something that a server of a cluster is to do; Node reads it by
// these names.
type clusterAct struct {
	N        int      `json:"n"`
	Do       string   `json:"do"`
	Event    string   `json:"event,omitempty"`
	Args     []any    `json:"args,omitempty"`
	To       []string `json:"to,omitempty"`
	Except   []string `json:"except,omitempty"`
	Rooms    []string `json:"rooms,omitempty"`
	Timeout  int      `json:"timeout,omitempty"` // milliseconds
	Close    bool     `json:"close,omitempty"`
	Local    bool     `json:"local,omitempty"`
	Volatile bool     `json:"volatile,omitempty"`
	ID       string   `json:"id,omitempty"`
}

// clusterSocket is a socket as fetchSockets finds it.
type clusterSocket struct {
	ID    string            `json:"id"`
	Rooms []string          `json:"rooms"`
	Data  map[string]string `json:"data"`
	Query string            `json:"query"`
}

// clusterAnswers are acknowledgements, and why there are no more.
type clusterAnswers struct {
	Error   string            `json:"error"`
	Answers []json.RawMessage `json:"answers"`
}

// clusterMember is a server of a cluster, ours or an official one.
type clusterMember interface {
	name() string
	url() string
	// call has it do something, and puts what comes of it into result.
	call(t testing.TB, a clusterAct, result any)
}

// nodeMember is an official server.
type nodeMember struct {
	title, address string
	it             *proc
	out            *memberLines
	mu             sync.Mutex
	last           int
}

// memberWords say what an official server is.
type memberWords struct {
	Name    string         `json:"name"`
	Kind    string         `json:"kind"` // classic, sharded or streams
	Redis   []string       `json:"redis"`
	Cluster bool           `json:"cluster,omitempty"`
	Adapter map[string]any `json:"adapter,omitempty"` // its options
	Options map[string]any `json:"options,omitempty"` // of the server

	hold time.Duration // of ours, by streams
}

// memberLines are the answers of a server.
type memberLines struct {
	mu      sync.Mutex
	rest    []byte
	answers map[int]chan memberAnswer
}

type memberAnswer struct {
	N      int             `json:"n"`
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error"`
}

func (l *memberLines) answer(n int) chan memberAnswer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answers[n] == nil {
		l.answers[n] = make(chan memberAnswer, 1)
	}
	return l.answers[n]
}

// Write implements [io.Writer].
func (l *memberLines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		i := slices.Index(l.rest, '\n')
		if i < 0 {
			return len(b), nil
		}
		var a memberAnswer
		if err := json.Unmarshal(l.rest[:i], &a); err == nil {
			l.answer(a.N) <- a
		}
		l.rest = l.rest[i+1:]
	}
}

func startNodeMember(t testing.TB, w memberWords) *nodeMember {
	t.Helper()
	words, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	m := &nodeMember{title: w.Name, out: &memberLines{answers: map[int]chan memberAnswer{}}}
	m.it = start(t, program{args: []string{"node", "node/redis-member.cjs", string(words)}, hold: true, out: m.out})
	var port int
	m.await(t, 0, &port)
	m.address = fmt.Sprintf("http://127.0.0.1:%d", port)
	return m
}

func (m *nodeMember) name() string { return m.title }
func (m *nodeMember) url() string  { return m.address }

func (m *nodeMember) await(t testing.TB, n int, result any) {
	t.Helper()
	select {
	case a := <-m.out.answer(n):
		if a.Error != "" {
			t.Fatalf("%s: %s", m.title, a.Error)
		}
		if result != nil && len(a.Result) > 0 {
			if err := json.Unmarshal(a.Result, result); err != nil {
				t.Fatalf("%s: %s: %v", m.title, a.Result, err)
			}
		}
	case <-m.it.done:
		t.Fatalf("%s has ended: %s", m.title, tail(m.it.err.String()))
	case <-time.After(patience):
		t.Fatalf("%s does not answer", m.title)
	}
}

// begin has it do something, and does not wait for the end.
func (m *nodeMember) begin(t testing.TB, a clusterAct) int {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	a.N = m.last
	if err := json.NewEncoder(m.it.in).Encode(a); err != nil {
		t.Fatalf("%s: %v", m.title, err)
	}
	return a.N
}

func (m *nodeMember) call(t testing.TB, a clusterAct, result any) {
	t.Helper()
	m.await(t, m.begin(t, a), result)
}

// goMember is one of our servers.
type goMember struct {
	*socketio.Server
	conn           *redis.Conn
	title, address string
	mu             sync.Mutex
	heard          []json.RawMessage
	troubles       chan error
	leave          func() // closes what the server stands on, once
}

func startGoMember(t testing.TB, w memberWords, o *socketio.ServerOptions, conn *redis.ConnOptions) *goMember {
	t.Helper()
	if o == nil {
		o = &socketio.ServerOptions{}
	}
	m := &goMember{title: w.Name, troubles: make(chan error, 1000)}
	address := w.Redis[0]
	for _, more := range w.Redis[1:] {
		address += "," + more[len("redis://"):]
	}
	var err error
	if m.conn, err = redis.Open(address, conn); err != nil {
		t.Fatal(err)
	}
	o.Adapter = goAdapter(m.conn, w)
	o.OnAdapterError = func(_ *socketio.Namespace, err error) { m.troubles <- err }
	m.Server = socketio.NewServer(o)
	m.OnConnection(func(s *socketio.Socket) {
		name, _ := s.Handshake().Auth["name"].(string)
		if !s.Recovered() {
			s.SetData(map[string]string{"name": name, "server": m.title})
		}
		s.On("join", func(room string, ack func()) { _ = s.Join(room); ack() })
	})
	m.OnServer("hello", m.hello)
	m.OnServer("blob", func(b any, ack func(any)) { ack(b) })
	h := httptest.NewServer(m.Server)
	m.address = h.URL
	m.leave = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Errorf("%s: %v", m.title, err)
		}
		if err := m.conn.Close(); err != nil {
			t.Errorf("%s: %v", m.title, err)
		}
		h.CloseClientConnections()
		h.Close()
	})
	t.Cleanup(m.leave)
	return m
}

// goAdapter makes an adapter of the options of the official one.
func goAdapter(c *redis.Conn, w memberWords) socketio.AdapterFactory {
	text := func(name string) string { s, _ := w.Adapter[name].(string); return s }
	number := func(name string) int { n, _ := w.Adapter[name].(int); return n }
	yes := func(name string) bool { b, _ := w.Adapter[name].(bool); return b }
	millis := func(name string) time.Duration { return time.Duration(number(name)) * time.Millisecond }
	switch w.Kind {
	case "sharded":
		return c.ShardedAdapter(&redis.ShardedOptions{ChannelPrefix: text("channelPrefix"), SubscriptionMode: redis.SubscriptionMode(text("subscriptionMode"))})
	case "streams":
		return c.StreamsAdapter(&redis.StreamsOptions{
			StreamName: text("streamName"), StreamCount: number("streamCount"), ChannelPrefix: text("channelPrefix"),
			UseShardedPubSub: yes("useShardedPubSub"), SessionKeyPrefix: text("sessionKeyPrefix"), MaxLen: number("maxLen"),
			ReadCount: number("readCount"), BlockTime: millis("blockTimeInMs"), Hold: w.hold,
		})
	}
	return c.Adapter(&redis.AdapterOptions{
		Key: text("key"), RequestsTimeout: millis("requestsTimeout"), PublishOnSpecificResponseChannel: yes("publishOnSpecificResponseChannel"),
	})
}

func (m *goMember) name() string { return m.title }
func (m *goMember) url() string  { return m.address }

func (m *goMember) hello(text string, more any, ack func(string)) {
	line := sioLine([]any{text})
	if more != nil {
		line = sioLine([]any{text, more})
	}
	m.mu.Lock()
	m.heard = append(m.heard, line)
	m.mu.Unlock()
	ack(m.title + ":" + text)
}

// target is whom an act is for.
func (m *goMember) target(a clusterAct) *socketio.BroadcastOperator {
	to := m.To(a.To...).Except(a.Except...)
	if a.Local {
		to = to.Local()
	}
	if a.Timeout > 0 {
		to = to.Timeout(time.Duration(a.Timeout) * time.Millisecond)
	}
	if a.Volatile {
		to = to.Volatile()
	}
	return to
}

func (m *goMember) call(t testing.TB, a clusterAct, result any) {
	t.Helper()
	v, err := m.act(t, a)
	if err != nil {
		t.Fatalf("%s: %s: %v", m.title, a.Do, err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if result != nil {
		if err := json.Unmarshal(text, result); err != nil {
			t.Fatal(err)
		}
	}
}

func (m *goMember) act(t testing.TB, a clusterAct) (any, error) {
	args := sioOurValue(slices.Clone(a.Args))
	list, _ := args.([]any)
	to := m.target(a)
	switch a.Do {
	case "emit":
		return nil, to.Emit(a.Event, list...)
	case "ack":
		return clusterAnswersOf(to.EmitWithAck(t.Context(), a.Event, list...))
	case "join":
		return nil, to.SocketsJoin(a.Rooms...)
	case "leave":
		return nil, to.SocketsLeave(a.Rooms...)
	case "disconnect":
		return nil, to.DisconnectSockets(a.Close)
	case "fetch":
		return m.fetch(t, to)
	case "serverEmit":
		return nil, m.ServerSideEmit(a.Event, list...)
	case "serverAck":
		return clusterAnswersOf(m.ServerSideEmitWithAck(t.Context(), a.Event, list...))
	case "heard":
		m.mu.Lock()
		defer m.mu.Unlock()
		all := m.heard
		m.heard = nil
		return all, nil
	case "rooms":
		return m.Of("/").Adapter().SocketRooms(a.ID), nil
	case "count":
		return m.Of("/").Adapter().ServerCount(t.Context())
	}
	return nil, fmt.Errorf("%q is nothing to do", a.Do)
}

func (m *goMember) fetch(t testing.TB, to *socketio.BroadcastOperator) (any, error) {
	all, err := to.FetchSockets(t.Context())
	found := []clusterSocket{}
	for _, s := range all {
		one := clusterSocket{ID: s.ID, Rooms: s.Rooms, Query: s.Handshake.Query.Get("EIO")}
		_ = json.Unmarshal(s.Data, &one.Data)
		slices.Sort(one.Rooms)
		found = append(found, one)
	}
	return found, err
}

func clusterAnswersOf(all []socketio.Args, err error) (any, error) {
	a := clusterAnswers{Answers: []json.RawMessage{}}
	if err != nil {
		a.Error = err.Error()
		if !errors.Is(err, socketio.ErrTimeout) {
			return nil, err
		}
	}
	for _, one := range all {
		values, err := one.Values()
		if err != nil {
			return nil, err
		}
		text := json.RawMessage("null")
		if len(values) > 0 {
			text, _ = json.Marshal(sioTheirs(values[0]))
		}
		a.Answers = append(a.Answers, text)
	}
	return a, nil
}
