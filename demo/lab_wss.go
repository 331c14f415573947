package demo

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/sockkit/sockkit/internal/tap"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// wssBench is the lab of the lesson on TLS: the same words on two connections
// through two middles, and servers whose certificates are wrong.
type wssBench struct {
	stage     *Stage
	authority *authority
	pin       string            // of the server's certificate
	servers   map[string]string // their addresses

	mu    sync.Mutex // one thing at a time
	links map[string]*wssLink
}

// wssLink is a connection through a middle.
type wssLink struct {
	scheme string // ws or wss
	middle string // the middle's address
	conn   *ws.Conn
}

func wssLab(s *Stage) (Actions, error) {
	b := &wssBench{stage: s, servers: map[string]string{}, links: map[string]*wssLink{}}
	if err := b.rise(); err != nil {
		return nil, err
	}
	for _, scheme := range []string{"ws", "wss"} {
		address, err := b.between(scheme)
		if err != nil {
			return nil, err
		}
		b.links[scheme] = &wssLink{scheme: scheme, middle: address}
	}
	s.Keep(closerFunc(b.close))
	return Actions{
		"say":      act(b.say),
		"break":    act(b.try),
		"question": act(b.question),
	}, nil
}

// rise brings the servers up: without TLS, right, with a certificate that has
// expired, and an impostor.
func (b *wssBench) rise() (err error) {
	if b.authority, err = newAuthority("An authority"); err != nil {
		return err
	}
	right, err := b.authority.signs(chatName)
	if err != nil {
		return err
	}
	b.pin = tcp.Fingerprint(right.Certificate[0])
	old := certificate(chatName)
	old.NotBefore, old.NotAfter = old.NotBefore.AddDate(0, -2, 0), old.NotBefore.AddDate(0, -1, 0)
	expired, err := b.authority.issues(old)
	if err != nil {
		return err
	}
	impostor, err := (*authority)(nil).signs(chatName)
	if err != nil {
		return err
	}
	for name, cert := range map[string]*tls.Certificate{"ws server": nil, "wss server": &right, "expired server": &expired, "impostor server": &impostor} {
		if err := b.server(name, cert); err != nil {
			return err
		}
	}
	return nil
}

// server brings one up that repeats what it is told.
func (b *wssBench) server(who string, cert *tls.Certificate) error {
	l, err := (&tcp.ListenConfig{}).Listen(b.stage.ctx, "tcp", anyPort)
	if err != nil {
		return err
	}
	b.stage.Keep(l)
	b.servers[who] = l.Addr().String()
	server := &ws.Server{Handler: echo, Tracer: b.stage.full(who), HandshakeTimeout: upgradeWait}
	if cert != nil {
		server.TCP = &tcp.Server{TLS: &tls.Config{Certificates: []tls.Certificate{*cert}, SessionTicketsDisabled: true}}
	}
	b.stage.Keep(server)
	go func() { _ = server.Serve(l.Sockets()[0]) }()
	return nil
}

// mostPassed bounds the connections that a middle passes on at a time.
const mostPassed = 4

// between puts a middle in front of a server. It passes on what comes, and reads
// along as sockkit tap does.
func (b *wssBench) between(scheme string) (address string, err error) {
	s := b.stage
	l, err := (&tcp.ListenConfig{}).Listen(s.ctx, "tcp", anyPort)
	if err != nil {
		return "", err
	}
	d := &tcp.Dialer{Tracer: s.full(scheme + " middle"), Timeout: patience}
	t := tap.Server{Listener: l, WebSocket: true, MaxConns: mostPassed, Dial: func(ctx context.Context) (net.Conn, error) {
		return d.DialContext(ctx, "tcp", b.servers[scheme+" server"])
	}}
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = t.Serve(ctx) }()
	s.Keep(closerFunc(func() error { cancel(); <-done; return nil }))
	return l.Addr().String(), nil
}

// close ends both connections.
func (b *wssBench) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.links {
		l.drop()
	}
	return nil
}

func (l *wssLink) drop() {
	if l.conn != nil {
		_ = l.conn.CloseNow() // it may be closed
		l.conn = nil
	}
}

// call opens a WebSocket for who to an address, at which it expects a name.
func (b *wssBench) call(ctx context.Context, who, scheme, name, address string, cfg *tls.Config) (*ws.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	named, tracer := net.JoinHostPort(name, port), b.stage.full(who)
	d := ws.Dialer{TCP: &tcp.Dialer{Hosts: map[string]string{named: host}, TLS: cfg, Tracer: tracer}, Tracer: tracer, Timeout: patience, CloseTimeout: upgradeWait}
	c, _, err := d.Dial(ctx, scheme+"://"+named+chatPath)
	return c, err
}

// wssWords are what is said on both connections.
type wssWords struct {
	Text string `json:"text"`
}

// mostWords bounds them, in bytes.
const mostWords = 500

// say says the words on both, and shows what each of those who saw something of
// it saw.
func (b *wssBench) say(ctx context.Context, a wssWords) (any, error) {
	if len(a.Text) == 0 || len(a.Text) > mostWords {
		return nil, fmt.Errorf("1 to %d bytes can be said, not %s", mostWords, grouped(len(a.Text)))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r := reaction{}
	for _, scheme := range []string{"ws", "wss"} {
		seen, err := b.links[scheme].say(ctx, b, a.Text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", scheme, err)
		}
		b.stage.Push(scheme, seen)
		r.Said += fmt.Sprintf("%s: %s ", scheme, seen.verdict())
		r.Rows = append(r.Rows, seen.rows...)
	}
	return r, nil
}

// say says the words, and hears them again.
func (l *wssLink) say(ctx context.Context, b *wssBench, text string) (seen wssSeen, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if l.conn == nil {
		if l.conn, err = b.call(ctx, l.scheme+" client", l.scheme, chatName, l.middle, &tls.Config{RootCAs: b.authority.trusts()}); err != nil {
			return seen, err
		}
		b.agreed()
	}
	from := b.stage.cast.Next()
	err = l.conn.Write(ctx, ws.Text, []byte(text))
	if err == nil {
		_, _, err = l.conn.Read(ctx)
	}
	if err != nil {
		l.drop()
		return seen, err
	}
	return sight(b.stage.cast.since(from), l.scheme, text), nil
}

// wssSeen is what was seen of one message on one connection.
type wssSeen struct {
	There  string `json:"there"`  // the bytes that the middle passed to the server
	Back   string `json:"back"`   // and back
	Sizes  string `json:"sizes"`  // how many
	Found  string `json:"found"`  // whether the words stand in them as they are
	Read   string `json:"read"`   // what the middle makes of them
	Server string `json:"server"` // what the server heard
	Client string `json:"client"` // what the client heard

	rows []int
}

// sight is what the records of one message show.
func sight(list []entry, scheme, text string) (seen wssSeen) {
	middle := scheme + " middle"
	there, back := wireOf(list, middle, trace.Out), wireOf(list, middle, trace.In)
	seen.There, seen.Back = dumped(there), dumped(back)
	seen.Sizes = fmt.Sprintf("%s there, %s back", counted(len(there), "byte"), counted(len(back), "byte"))
	seen.Found = standsIn(there, back, text)
	if seen.Read = "nothing"; len(messages(list, middle, trace.Out)) > 0 {
		seen.Read = fmt.Sprintf("%q", messages(list, middle, trace.Out)[0].Payload)
	}
	seen.Server, seen.Client = heardBy(list, scheme+" server"), heardBy(list, scheme+" client")
	for _, e := range list {
		switch e.Event.(type) {
		case trace.WSMessage, trace.Data, trace.Bytes:
			if e.who == middle {
				seen.rows = append(seen.rows, e.number)
			}
		}
	}
	return seen
}

// wireOf is all that who saw pass in one direction.
func wireOf(list []entry, who string, way trace.Dir) (b []byte) {
	for _, e := range events[trace.Bytes](list, who) {
		if e.Dir == way {
			b = append(b, e.Payload...)
		}
	}
	return b
}

// standsIn says whether bytes hold the words as they are.
func standsIn(there, back []byte, text string) string {
	to, from := bytes.Contains(there, []byte(text)), bytes.Contains(back, []byte(text))
	switch {
	case to && from:
		return "both ways"
	case from:
		return "on the way back; what the client sent is masked, by a key that stands in front of it"
	case to:
		return "on the way there"
	}
	return "nowhere"
}

// heardBy is the message that came to who.
func heardBy(list []entry, who string) string {
	if came := messages(list, who, trace.In); len(came) > 0 {
		return fmt.Sprintf("%q", came[0].Payload)
	}
	return "nothing"
}

func (s *wssSeen) verdict() string {
	if s.Read == "nothing" {
		return "the middle sees " + s.Sizes + ", and can read nothing."
	}
	return "the middle reads " + s.Read + "."
}

// The most of a dump that is shown, in bytes, and how many stand in a line.
const (
	mostDumped = 160
	dumpLine   = 8
)

// dumped are bytes in hexadecimal digits and as text, a few in a line.
func dumped(b []byte) string {
	var text strings.Builder
	for at := 0; at < min(len(b), mostDumped); at += dumpLine {
		line := b[at:min(at+dumpLine, len(b))]
		fmt.Fprintf(&text, "%-*s ", 3*dumpLine, spaced(line))
		for _, c := range line {
			if c < ' ' || c > '~' {
				c = '.'
			}
			text.WriteByte(c)
		}
		text.WriteByte('\n')
	}
	if more := len(b) - mostDumped; more > 0 {
		fmt.Fprintf(&text, "and %s more\n", counted(more, "byte"))
	}
	return text.String()
}

// readAnswer is the reader's to the question: what of the connection in TLS can
// the middle read?
type readAnswer struct {
	What string `json:"what"`
}

// question looks for the server's name among the bytes that the middle passed.
func (b *wssBench) question(_ context.Context, a readAnswer) (any, error) {
	list := b.stage.cast.entries()
	if len(messages(list, "wss server", trace.In)) == 0 {
		return nil, errors.New("nothing has been said on wss yet: say something first")
	}
	for _, e := range list {
		if event, ok := e.Event.(trace.Bytes); ok && e.who == "wss middle" && bytes.Contains(event.Payload, []byte(chatName)) {
			hidden := !bytes.Contains(wireOf(list, "wss middle", trace.Out), []byte(chatPath+" HTTP"))
			return Verdict{a.What == "name" && hidden, "The server's name alone: the client sends it in the open, in its first record, so that one address can have many certificates. Open the record that is marked and look for server_name. The path and the words are in encrypted records.", []int{e.number}}, nil
		}
	}
	return nil, fmt.Errorf("the middle has not seen %s", chatName)
}
