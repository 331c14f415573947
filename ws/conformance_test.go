package ws

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
)

// outcome is what became of one case.
type outcome struct {
	got
	err      error // of the raw peer's reading: io.EOF is well
	end      error // what our end was told
	findings []trace.Finding
}

// agreementOf reads an offer that is answered as it is.
func agreementOf(offer string) (a handshake.Agreement) {
	if offer == "" {
		return a
	}
	a.Compressed = true
	d := &a.Deflate
	d.ServerNoContextTakeover = strings.Contains(offer, "server_no_context_takeover")
	d.ClientNoContextTakeover = strings.Contains(offer, "client_no_context_takeover")
	for _, p := range strings.Split(offer, "; ") {
		_, _ = fmt.Sscanf(p, "server_max_window_bits=%d", &d.ServerMaxWindowBits)
		_, _ = fmt.Sscanf(p, "client_max_window_bits=%d", &d.ClientMaxWindowBits)
	}
	return a
}

func unpackingOf(who Role, a handshake.Agreement) *unpacking {
	bits, takeover := windowOf(who, a.Deflate)
	return &unpacking{takeover: takeover, size: 1 << bits}
}

// junk is what a peer goes on sending that does not look.
var junk = bytes.Repeat([]byte{0xff}, 64<<10)

// huge reports whether megabytes pass.
func (c *conformance) huge() bool { return c.once && c.clause != "RFC 7692 7.1" }

func (c *conformance) all(from Role) []byte {
	b := c.script(from)
	if c.rule != "" && !c.hold {
		b = append(b, junk...)
	}
	return b
}

// tested is an end that is held against the cases.
type tested struct {
	name string
	from Role // whom the script plays
	run  func(t *testing.T, c *conformance) outcome
}

func testedEnds(t *testing.T) (all []tested) {
	for _, f := range forms {
		for _, kind := range []string{"callbacks", "handler"} {
			rig := newServerRig(t, f, kind)
			all = append(all, tested{f.name + "/" + kind, ClientRole, rig.run})
		}
	}
	return append(all, tested{"dialer", ServerRole, runDialer})
}

// serverRig is a server that echoes, and what its peers came to.
type serverRig struct {
	addr string
	rec  byRemote
	mu   sync.Mutex
	ends map[string]chan error
}

// byRemote is a sink that sorts the findings by the address of the peer, and
// hands them on when the connection has ended.
type byRemote struct {
	mu    sync.Mutex
	conns map[trace.ID]*peerRecords
	ended map[string]chan []trace.Finding
}

type peerRecords struct {
	remote   string
	findings []trace.Finding
}

func (s *byRemote) Record(r trace.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := r.Event.(type) {
	case trace.Open:
		if s.conns == nil {
			s.conns = map[trace.ID]*peerRecords{}
		}
		s.conns[r.Conn] = &peerRecords{remote: e.Remote}
	case trace.Finding:
		if c := s.conns[r.Conn]; c != nil {
			c.findings = append(c.findings, e)
		}
	case trace.Close:
		if c := s.conns[r.Conn]; c != nil {
			delete(s.conns, r.Conn)
			s.end(c.remote) <- c.findings
		}
	}
}

// end is called under the lock.
func (s *byRemote) end(remote string) chan []trace.Finding {
	if s.ended == nil {
		s.ended = map[string]chan []trace.Finding{}
	}
	if s.ended[remote] == nil {
		s.ended[remote] = make(chan []trace.Finding, 1)
	}
	return s.ended[remote]
}

// of waits for the end of the connection with a peer.
func (s *byRemote) of(remote string) []trace.Finding {
	s.mu.Lock()
	ended := s.end(remote)
	s.mu.Unlock()
	return <-ended
}

func (r *serverRig) end(remote net.Addr) chan error {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := remote.String()
	if r.ends[key] == nil {
		r.ends[key] = make(chan error, 1)
	}
	return r.ends[key]
}

func newServerRig(t *testing.T, f form, kind string) *serverRig {
	r := &serverRig{ends: map[string]chan error{}}
	s := &Server{Deflate: &handshake.Deflate{}, CompressFrom: 1, MaxTakeover: -1, Tracer: trace.New(&r.rec, trace.Connection)}
	if kind == "handler" {
		s.Handler = func(_ context.Context, c *Conn) error {
			err := echo(c)
			r.end(c.NetConn().RemoteAddr()) <- err
			return err
		}
	} else {
		s.OnMessage = func(p *Peer, kind MessageType, b []byte) { _ = p.Write(kind, b) }
		s.OnClose = func(p *Peer, err error) { r.end(p.RemoteAddr()) <- err }
	}
	r.addr = strings.TrimPrefix(f.serve(t, s), "ws://")
	return r
}

// rawClient opens a connection by hand.
func rawClient(t testing.TB, addr, offer string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	req := "GET / HTTP/1.1\r\nHost: " + addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if offer != "" {
		req += "Sec-WebSocket-Extensions: " + offer + "\r\n"
	}
	if _, err := io.WriteString(conn, req+"\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	reader := handshake.Reader{Source: r}
	var h handshake.Head
	if err := reader.ReadResponse(&h); err != nil || h.Status != 101 {
		t.Fatalf("%v: %s", err, h.Raw)
	}
	return conn, bufio.NewReader(io.MultiReader(bytes.NewReader(reader.Rest()), r))
}

func (r *serverRig) run(t *testing.T, c *conformance) (o outcome) {
	conn, in := rawClient(t, r.addr, c.offer)
	defer conn.Close()
	wrote := make(chan struct{})
	go func() { _, _ = conn.Write(c.all(ClientRole)); close(wrote) }()
	o.got, o.err = readFrames(t, in, ServerRole, unpackingOf(ServerRole, agreementOf(c.offer)), false)
	<-wrote
	conn.Close()
	o.end = <-r.end(conn.LocalAddr())
	o.findings = r.rec.of(conn.LocalAddr().String())
	return o
}

// runDialer has our client meet a server that plays the script.
func runDialer(t *testing.T, c *conformance) (o outcome) {
	rec := &byRemote{}
	agreed := agreementOf(c.offer)
	played := make(chan struct{})
	url := answering(t, func(conn net.Conn, r *bufio.Reader, key string) {
		defer close(played)
		answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + handshake.AcceptKey(key) + "\r\n"
		if c.offer != "" {
			answer += "Sec-WebSocket-Extensions: " + c.offer + "\r\n"
		}
		_, _ = io.WriteString(conn, answer+"\r\n")
		wrote := make(chan struct{})
		go func() { _, _ = conn.Write(c.all(ServerRole)); close(wrote) }()
		o.got, o.err = readFrames(t, r, ClientRole, unpackingOf(ClientRole, agreed), true)
		<-wrote
		if o.err == nil {
			_ = conn.(*net.TCPConn).CloseWrite()
			_, o.err = r.ReadByte()
		}
	})
	d := &Dialer{Tracer: trace.New(rec, trace.Connection), CompressFrom: 1}
	if agreed.Compressed {
		d.Deflate = &agreed.Deflate
	}
	conn, _, err := d.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	o.end = echo(conn)
	<-played
	o.findings = rec.of(conn.NetConn().RemoteAddr().String())
	return o
}

// TestConformance holds every form of either end against the cases.
func TestConformance(t *testing.T) {
	cases := allCases()
	for _, end := range testedEnds(t) {
		t.Run(end.name, func(t *testing.T) {
			for i := range cases {
				c := &cases[i]
				if c.huge() && (testing.Short() || raced && end.name != "listener/callbacks") {
					continue // it takes seconds then
				}
				t.Run(c.clause+" "+c.name, func(t *testing.T) { c.judge(t, end.from, end.run(t, c)) })
			}
		})
	}
}

// ruleOf is the rule that the script breaks when this end sends it.
func (c *conformance) ruleFor(from Role) string {
	switch {
	case c.rule != "masking":
		return c.rule
	case from == ClientRole:
		return "frame-unmasked"
	}
	return "frame-masked"
}

func (c *conformance) judge(t *testing.T, from Role, o outcome) {
	t.Helper()
	if o.err != io.EOF {
		t.Errorf("the connection ended with %v", o.err)
	}
	if !slices.Equal(o.messages, c.echo) {
		t.Errorf("%d messages came back; want %d: %.200q", len(o.messages), len(c.echo), o.messages)
	}
	if !slices.Equal(o.pongs, c.pongs) {
		t.Errorf("pongs %q; want %q", o.pongs, c.pongs)
	}
	want := c.code
	if want == 0 {
		want = StatusNormal
	}
	if !o.closed || o.code != want {
		t.Errorf("close frame: %v, %v; want %v", o.closed, o.code, want)
	}
	if rule := c.ruleFor(from); rule != "" {
		c.judgeViolation(t, from, rule, o)
		return
	}
	if (c.finding != "") != (len(o.findings) == 1) || c.finding != "" && o.findings[0].Rule != c.finding {
		t.Errorf("findings %+v; want %q", o.findings, c.finding)
	}
	var closed *CloseError
	if !errors.As(o.end, &closed) || closed.Local || closed.Code != want || closed.Err != nil {
		t.Errorf("it ended with %v", o.end)
	}
}

func (c *conformance) judgeViolation(t *testing.T, from Role, rule string, o outcome) {
	t.Helper()
	var closed *CloseError
	var broken *Violation
	if !errors.As(o.end, &closed) || !errors.As(o.end, &broken) {
		t.Fatalf("it ended with %v", o.end)
	}
	if broken.ID != rule || broken.By != from || closed.Code != c.code || !closed.Local || o.reason != cutReason(broken.Summary) {
		t.Errorf("%v: %+v, %q; want %s", closed, broken, o.reason, rule)
	}
	if !strings.HasPrefix(broken.Clause, c.clause) && broken.Code != StatusPolicyViolation {
		t.Logf("clause %s, of the rule %s", c.clause, broken.Clause)
	}
	if len(o.findings) != 1 || o.findings[0].Rule != rule || o.findings[0].Clause != broken.Clause || o.findings[0].Fault != from.String() || o.findings[0].Came == "" {
		t.Errorf("findings: %+v", o.findings)
	}
}
