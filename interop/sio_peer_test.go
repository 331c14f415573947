package interop

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// sioAct is what a peer of Socket.IO is told to do: Of names one of its clients.
type sioAct struct {
	Do        string         `json:"do"`
	Of        string         `json:"of,omitempty"`
	URL       string         `json:"url,omitempty"`
	Options   map[string]any `json:"options,omitempty"` // in the official words
	Parser    string         `json:"parser,omitempty"`
	Auth      any            `json:"auth,omitempty"`
	Calls     bool           `json:"calls,omitempty"`     // auth is a function
	Namespace string         `json:"namespace,omitempty"` // at a server
	ID        string         `json:"id,omitempty"`        // of a server's socket
	Event     string         `json:"event,omitempty"`
	Args      []any          `json:"args,omitempty"`
	Ack       bool           `json:"ack,omitempty"`
	Retried   bool           `json:"retried,omitempty"` // the acknowledgement has an error first
	Timeout   int            `json:"timeout,omitempty"` // in milliseconds
	Volatile  bool           `json:"volatile,omitempty"`
	Compress  bool           `json:"compress,omitempty"`
	Broadcast bool           `json:"broadcast,omitempty"`
	To        []string       `json:"to,omitempty"`
	Except    []string       `json:"except,omitempty"`
	Rooms     []string       `json:"rooms,omitempty"`
	Close     bool           `json:"close,omitempty"`
	Size      int            `json:"size,omitempty"`
}

// sioSaw is what somebody saw: a client, which Of names, a server's socket, by
// its id, or the server.
type sioSaw struct {
	Saw       string          `json:"saw"`
	Of        string          `json:"of"`
	ID        string          `json:"id"`
	Event     string          `json:"event"`
	Args      json.RawMessage `json:"args"`
	Reason    string          `json:"reason"`
	Message   string          `json:"message"`
	Error     string          `json:"error"`
	Data      any             `json:"data"`
	Transport string          `json:"transport"`
	Namespace string          `json:"namespace"`
	Rooms     []string        `json:"rooms"`
	Recovered bool            `json:"recovered"`
	Active    bool            `json:"active"`
	Size      int             `json:"size"`
	Status    any             `json:"status"`
}

func (s sioSaw) String() string {
	text, _ := json.Marshal(s)
	return string(text[:min(len(text), 600)])
}

// sioLog is what was seen, and what of it tests have taken note of.
type sioLog struct {
	mu      sync.Mutex
	saw     []sioSaw
	ended   bool
	changed chan struct{}
}

func newSIOLog() *sioLog { return &sioLog{changed: make(chan struct{})} }

func (l *sioLog) report(s sioSaw) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.saw = append(l.saw, s)
	l.ended = l.ended || s.Saw == "ended"
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *sioLog) event() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// take gives what of saw next, for good.
func (l *sioLog) take(of string) (s sioSaw, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.saw, func(s sioSaw) bool { return s.Of == of })
	if i < 0 {
		return sioSaw{Saw: "ended"}, l.ended
	}
	s = l.saw[i]
	l.saw = slices.Delete(l.saw, i, i+1)
	return s, true
}

// next waits for the next thing that of sees, which has to be of this kind.
func (l *sioLog) next(t testing.TB, of, kind string) (s sioSaw) {
	t.Helper()
	await(t, of+" to see: "+kind, l.event, func() (ok bool) {
		s, ok = l.take(of)
		return ok
	})
	if s.Saw != kind {
		t.Fatalf("%s saw %v; want %s", of, s, kind)
	}
	return s
}

// skipTo waits for the next thing of this kind, whatever comes before it.
func (l *sioLog) skipTo(t testing.TB, of, kind string) (s sioSaw) {
	t.Helper()
	await(t, of+" to see: "+kind, l.event, func() (ok bool) {
		for s, ok = l.take(of); ok && s.Saw != kind && s.Saw != "ended"; {
			s, ok = l.take(of)
		}
		return ok
	})
	if s.Saw != kind {
		t.Fatalf("the peer has ended, and %s has not seen: %s", of, kind)
	}
	return s
}

// sioPeer is a program, or a page, with clients or with a server.
type sioPeer struct {
	*sioLog
	act func(sioAct) error
	url string // of a server
	it  *proc
}

func (p *sioPeer) do(t testing.TB, a sioAct) {
	t.Helper()
	if err := p.act(a); err != nil {
		t.Fatalf("the peer was to %s: %v", a.Do, err)
	}
}

// script starts a program that reads acts and writes what it sees.
func (p *sioPeer) script(t testing.TB, command ...string) {
	t.Helper()
	p.it = start(t, program{args: command, hold: true, out: &sioLines{to: p.sioLog}})
	it := p.it
	p.act = func(a sioAct) error { return json.NewEncoder(it.in).Encode(a) }
	go func() { <-it.done; p.report(sioSaw{Saw: "ended"}) }()
}

// sioLines reads what a program says that it saw, line by line.
type sioLines struct {
	to   *sioLog
	rest []byte
}

// Write implements [io.Writer].
func (w *sioLines) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		var s sioSaw
		if err := json.Unmarshal(line, &s); err != nil {
			s = sioSaw{Saw: "error", Of: "error", Message: string(line)}
		}
		w.rest = rest
		w.to.report(s)
	}
}

// The packages of Node that clients are made by.
const (
	sioClient4 = "socket.io-client"
	sioClient2 = "socket.io-client-2"
)

// sioNode starts Node for clients of a package.
func sioNode(t testing.TB, name string) *sioPeer {
	t.Helper()
	p := &sioPeer{sioLog: newSIOLog()}
	p.script(t, "node", "node/sio-client.cjs", name)
	return p
}

// sioWords say what an official server is.
type sioWords struct {
	Package string         `json:"package,omitempty"` // socket.io-2, or version 4
	Options map[string]any `json:"options,omitempty"` // in the official words
	Parser  string         `json:"parser,omitempty"`
	Port    int            `json:"port,omitempty"`
	Welcome string         `json:"welcome,omitempty"` // each socket is sent it at once
}

// sioOfficial starts an official server.
func sioOfficial(t testing.TB, w sioWords) *sioPeer {
	t.Helper()
	words, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	p := &sioPeer{sioLog: newSIOLog()}
	p.script(t, "node", "node/sio-server.cjs", string(words))
	p.url = fmt.Sprintf("http://127.0.0.1:%d", p.next(t, "server", "listening").Size)
	return p
}

// sioClient is one client of a peer.
type sioClient struct {
	*sioPeer
	t  testing.TB
	of string
}

var sioClients atomic.Int64

// dial has a peer connect to a namespace of a server.
func (p *sioPeer) dial(t testing.TB, a sioAct) *sioClient {
	t.Helper()
	c := &sioClient{p, t, fmt.Sprintf("client %d", sioClients.Add(1))}
	a.Do = "connect"
	c.do(a)
	return c
}

func (c *sioClient) do(a sioAct) {
	c.t.Helper()
	a.Of = c.of
	c.sioPeer.do(c.t, a)
}

func (c *sioClient) next(kind string) sioSaw {
	c.t.Helper()
	return c.sioPeer.next(c.t, c.of, kind)
}

func (c *sioClient) skipTo(kind string) sioSaw {
	c.t.Helper()
	return c.sioPeer.skipTo(c.t, c.of, kind)
}

// emit sends an event whose arguments are a list in JSON.
func (c *sioClient) emit(event, args string) {
	c.t.Helper()
	c.do(sioAct{Do: "emit", Event: event, Args: sioList(c.t, args)})
}

// nextEvent waits for an event with these arguments.
func (c *sioClient) nextEvent(event, args string) {
	c.t.Helper()
	sioWant(c.t, c.next("event"), event, args)
}

// nextAck waits for an acknowledgement with these arguments.
func (c *sioClient) nextAck(event, args string) {
	c.t.Helper()
	sioWant(c.t, c.next("ack"), event, args)
}

// sioWant holds what was seen against an event and its arguments.
func sioWant(t testing.TB, got sioSaw, event, args string) {
	t.Helper()
	if got.Error != "" || got.Event != event || sioPlain(t, got.Args) != sioPlain(t, []byte(args)) {
		t.Errorf("%s saw the %s %q with %.300s, error %q; want %q with %.300s", got.Of, got.Saw, got.Event, got.Args, got.Error, event, args)
	}
}

// sioPlain is JSON in one form.
func sioPlain(t testing.TB, text []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%.200q is no JSON: %v", text, err)
	}
	plain, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// sioList reads arguments as the lines of JSON have them.
func sioList(t testing.TB, text string) (list []any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%q is no list: %v", text, err)
	}
	return list
}

// sioOurs are arguments as our packages take them: binary as []byte.
func sioOurs(t testing.TB, text string) []any {
	t.Helper()
	return sioOurValue(any(sioList(t, text))).([]any)
}

func sioOurValue(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = sioOurValue(v[i])
		}
	case map[string]any:
		if text, ok := v["_base64"].(string); ok {
			data, _ := base64.StdEncoding.DecodeString(text)
			return data
		}
		for k := range v {
			v[k] = sioOurValue(v[k])
		}
	}
	return v
}

// sioLine is the reverse: arguments as the lines of JSON have them.
func sioLine(values []any) json.RawMessage {
	text, err := json.Marshal(sioTheirs(values))
	if err != nil {
		return json.RawMessage(fmt.Sprintf("%q", err))
	}
	return text
}

func sioTheirs(v any) any {
	switch v := v.(type) {
	case []byte:
		return map[string]any{"_base64": base64.StdEncoding.EncodeToString(v)}
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = sioTheirs(v[i])
		}
		return list
	case map[string]any:
		all := map[string]any{}
		for k := range v {
			all[k] = sioTheirs(v[k])
		}
		return all
	}
	return v
}

// sioAddress is a server's URL as sockkit's address.
func sioAddress(url string) string { return "sio" + strings.TrimPrefix(url, "http") }
