package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// wsOptions say what a WebSocket peer is: a client of URL, or a server.
type wsOptions struct {
	URL          string   `json:"url,omitempty"`
	Echo         bool     `json:"echo,omitempty"` // sends each message back
	Subprotocols []string `json:"subprotocols,omitempty"`
	Cert         string   `json:"cert,omitempty"` // files; a server then speaks TLS
	Key          string   `json:"key,omitempty"`
	Compress     bool     `json:"compress,omitempty"`
	Takeover     bool     `json:"takeover,omitempty"` // of the context, on both sides
	ServerBits   int      `json:"serverBits,omitempty"`
	ClientBits   int      `json:"clientBits,omitempty"`
	NoConnect    bool     `json:"noConnect,omitempty"` // over HTTP/2: no WebSockets are offered
	Port         string   `json:"port,omitempty"`      // over HTTP/2: of the server, where it may not be any
}

// wsAct is what a peer is told to do.
type wsAct struct {
	Do     string   `json:"do"` // text, binary, parts, ping, close, drop
	Data   string   `json:"data,omitempty"`
	Times  int      `json:"times,omitempty"` // how often Data stands in the message; 0 is once
	Parts  []string `json:"parts,omitempty"` // of a text message, each a frame or more
	Code   int      `json:"code,omitempty"`  // 0: the close frame is empty
	Reason string   `json:"reason,omitempty"`
}

func (a wsAct) data() []byte { return []byte(strings.Repeat(a.Data, max(1, a.Times))) }

// wsSaw is what a peer saw.
type wsSaw struct {
	Saw         string `json:"saw"` // listening, open, text, binary, ping, pong, close, error, ended
	Data        string `json:"data"`
	Size        int    `json:"size"`
	Sum         string `json:"sum"`
	Code        int    `json:"code"`
	Reason      string `json:"reason"`
	Subprotocol string `json:"subprotocol"`
	Extensions  string `json:"extensions"`
}

// sawMessage describes a message; what is long by its size and its sum.
func sawMessage(binary bool, data []byte) wsSaw {
	s := wsSaw{Saw: "text", Size: len(data), Sum: sumOf(data)}
	if binary {
		s.Saw = "binary"
	}
	if len(data) <= 200 && !binary {
		s.Data = string(data)
	}
	return s
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// wsPeer is one end of a WebSocket connection that does as it is told, whatever
// library or program it is made of.
type wsPeer struct {
	t   testing.TB
	url string // where a server is reached
	act func(wsAct) error
	it  *proc // nil where it is no program of its own

	mu      sync.Mutex
	saw     []wsSaw
	told    int // of saw, what the test has taken note of
	changed chan struct{}
}

func newWSPeer(t testing.TB) *wsPeer { return &wsPeer{t: t, changed: make(chan struct{})} }

func (p *wsPeer) report(s wsSaw) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saw = append(p.saw, s)
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *wsPeer) event() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// take gives the next thing that was seen and that the test has not heard of.
func (p *wsPeer) take() (s wsSaw, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told == len(p.saw) {
		return s, false
	}
	p.told++
	return p.saw[p.told-1], true
}

// next waits for the next thing that the peer sees, which has to be of this
// kind. Pings that come in between are passed over: they are asked for by name.
func (p *wsPeer) next(kind string) (s wsSaw) {
	p.t.Helper()
	await(p.t, "the peer to see: "+kind, p.event, func() (ok bool) {
		for s, ok = p.take(); ok && s.Saw == "ping" && kind != "ping"; {
			s, ok = p.take()
		}
		return ok
	})
	if s.Saw != kind {
		p.t.Fatalf("the peer saw %+v; want %s", s, kind)
	}
	return s
}

// any waits for the next thing, whatever it is.
func (p *wsPeer) any() (s wsSaw) {
	p.t.Helper()
	await(p.t, "the peer to see something", p.event, func() (ok bool) {
		s, ok = p.take()
		return ok
	})
	return s
}

// skipTo waits for the next thing of this kind, whatever comes before it.
func (p *wsPeer) skipTo(kind string) (s wsSaw) {
	p.t.Helper()
	await(p.t, "the peer to see: "+kind, p.event, func() (ok bool) {
		for s, ok = p.take(); ok && s.Saw != kind && s.Saw != "ended"; {
			s, ok = p.take()
		}
		return ok
	})
	if s.Saw != kind {
		p.t.Fatalf("the peer ended and has not seen: %s", kind)
	}
	return s
}

// nextText waits for a text message and holds it to its bytes.
func (p *wsPeer) nextText(want string) {
	p.t.Helper()
	if got := p.next("text"); got.Sum != sumOf([]byte(want)) {
		p.t.Fatalf("the peer saw a text of %d bytes, %q; want one of %d, %.60q", got.Size, got.Data, len(want), want)
	}
}

// do has the peer do something.
func (p *wsPeer) do(a wsAct) {
	p.t.Helper()
	if err := p.act(a); err != nil {
		p.t.Fatalf("the peer was to %s: %v", a.Do, err)
	}
}

// script starts a peer that is a program: it reads acts and writes what it sees.
func (p *wsPeer) script(o wsOptions, command ...string) {
	p.t.Helper()
	words, err := json.Marshal(o)
	if err != nil {
		p.t.Fatal(err)
	}
	sightings := &wsSightings{to: p}
	it := start(p.t, program{args: append(command, string(words)), hold: true, out: sightings})
	p.it = it
	p.act = func(a wsAct) error { return json.NewEncoder(it.in).Encode(a) }
	go func() { <-it.done; p.report(wsSaw{Saw: "ended"}) }()
	if o.URL != "" {
		return
	}
	p.url = wsURL(o, fmt.Sprintf("127.0.0.1:%d", p.next("listening").Size))
}

func wsURL(o wsOptions, hostPort string) string {
	if o.Cert != "" {
		return "wss://" + hostPort + "/"
	}
	return "ws://" + hostPort + "/"
}

// wsSightings reads what a program says that it saw, line by line.
type wsSightings struct {
	to   *wsPeer
	rest []byte
}

// Write implements [io.Writer].
func (w *wsSightings) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, ok := strings.Cut(string(w.rest), "\n")
		if !ok {
			return len(b), nil
		}
		w.rest = []byte(rest)
		var s wsSaw
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			s = wsSaw{Saw: "error", Reason: line}
		}
		w.to.report(s)
	}
}

// wsLibrary is a WebSocket implementation that is not ours.
type wsLibrary struct {
	start    func(p *wsPeer, o wsOptions)
	noEmpty  bool // it cannot send a close frame without a code
	abrupt   bool // it closes without waiting for our close frame
	oldCodes bool // it knows no 1012 to 1014, which the registry has since
}

// wsLibraries are all but Chromium, which is a client only.
var wsLibraries = map[string]wsLibrary{
	"node ws":    {start: func(p *wsPeer, o wsOptions) { p.script(o, "node", "node/ws-peer.cjs") }},
	"websockets": {start: func(p *wsPeer, o wsOptions) { p.script(o, debianPython, "python/ws_peer.py") }},
	"gorilla":    {start: startGorilla},
	"coder":      {start: startCoder},
	"gws":        {start: startGWS, noEmpty: true, abrupt: true},
	"gobwas":     {start: startGobwas, oldCodes: true},
}

// debianPython is the Python that Debian's packages belong to: another one may
// come first in PATH.
const debianPython = "/usr/bin/python3"

// wsServer starts a server of a library.
func wsServer(t testing.TB, lib wsLibrary, o wsOptions) *wsPeer {
	t.Helper()
	p := newWSPeer(t)
	lib.start(p, o)
	return p
}

// wsClient starts a client of a library, and waits until it is connected.
func wsClient(t testing.TB, lib wsLibrary, url string, o wsOptions) (p *wsPeer, opened wsSaw) {
	t.Helper()
	p, o.URL = newWSPeer(t), url
	lib.start(p, o)
	return p, p.next("open")
}
