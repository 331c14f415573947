package demo

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// speaker is one side of an opening handshake.
type speaker struct {
	stage  *Stage
	who    string
	conn   net.Conn
	reader *handshake.Reader
}

// speaks makes a side of a connection, all of whose reading and writing has to
// be done in time.
func (s *Stage) speaks(who string, conn net.Conn) (*speaker, error) {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	return &speaker{s, who, conn, &handshake.Reader{Source: conn}}, nil
}

// speakers are both sides of a new connection. That it opens and closes is known
// by now, and makes no records.
func (s *Stage) speakers(client, server string, l *tcp.Listener) (ours, theirs *speaker, err error) {
	d := tcp.Dialer{Timeout: patience}
	conn, err := d.DialContext(s.ctx, "tcp", l.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	s.Keep(conn)
	other, err := l.Accept()
	if err != nil {
		return nil, nil, err
	}
	s.Keep(other)
	if ours, err = s.speaks(client, conn); err != nil {
		return nil, nil, err
	}
	theirs, err = s.speaks(server, other)
	return ours, theirs, err
}

// send sends a head, which is shown.
func (p *speaker) send(h *handshake.Head, body string) error {
	p.shown(trace.Out, h.AppendTo(nil), h)
	return p.quietly(h, body)
}

// quietly sends a head that is not shown.
func (p *speaker) quietly(h *handshake.Head, body string) error {
	_, err := p.conn.Write(append(h.AppendTo(nil), body...))
	return err
}

// request reads the head of a request, and response that of a response.
func (p *speaker) request() (*handshake.Head, error) {
	h := &handshake.Head{}
	return h, p.reader.ReadRequest(h)
}

func (p *speaker) response() (*handshake.Head, error) {
	h := &handshake.Head{}
	return h, p.reader.ReadResponse(h)
}

// received is the record of a head that was read.
func (p *speaker) received(h *handshake.Head) { p.shown(trace.In, h.Raw, h) }

func (p *speaker) shown(dir trace.Dir, wire []byte, h *handshake.Head) {
	p.stage.As(p.who).Emit(0, trace.HTTPHead{Dir: dir, Line: string(h.AppendLine(nil)), Size: len(wire), Payload: wire})
}

// found records a finding of this side's.
func (p *speaker) found(f *handshake.Finding) {
	p.stage.As(p.who).Emit(0, trace.Finding{
		Rule: f.ID, Clause: f.Clause, Binding: string(f.Level), Fault: string(f.Fault),
		Summary: f.Summary, Came: f.Came, Due: f.Due, Mend: f.Mend,
	})
}

// upgraded records that this side's WebSocket is open.
func (p *speaker) upgraded(side string, a handshake.Agreement) {
	p.stage.As(p.who).Emit(0, trace.Upgrade{Side: side, Target: chatPath, Subprotocol: a.Subprotocol})
}

// chatPath is where the lesson's server serves its WebSocket.
const chatPath = "/chat"

// opening is the request to a listener, with the fields changed.
func opening(l *tcp.Listener, bend handshake.Bend) (*handshake.Head, error) {
	h, err := (&handshake.Request{URL: "ws://" + l.Addr().String() + chatPath}).Head()
	if err != nil {
		return nil, err
	}
	bend.Apply(h)
	return h, nil
}

// played is one whole handshake as both sides saw it.
type played struct {
	x      handshake.Exchange
	answer handshake.Answer
	err    error // why the client gives up; nil where it goes on
}

// play plays one handshake on a new connection: the request is sent, a server
// answers it as the acceptor says, the answer is bent, and the client judges
// it. What is shown of it is the caller's choice.
func (s *Stage) play(l *tcp.Listener, request *handshake.Head, a *handshake.Acceptor, bend handshake.Bend) (*played, error) {
	client, server, err := s.speakers("client", "server", l)
	if err != nil {
		return nil, err
	}
	defer client.conn.Close()
	defer server.conn.Close()
	if err := client.quietly(request, ""); err != nil {
		return nil, err
	}
	p := &played{}
	if p.x.Request, err = server.request(); err != nil {
		return nil, err
	}
	if err := server.reply(p.x.Request, a, bend, &p.answer); err != nil {
		return nil, err
	}
	if p.x.Response, err = client.response(); err != nil {
		return nil, err
	}
	if p.x.Response.Status != 101 {
		p.x.Body, _ = client.reader.Body(p.x.Response, mostRead) // whatever of it comes is enough
	}
	_, p.err = handshake.CheckResponse(&p.x)
	return p, nil
}

// reply answers a request.
func (p *speaker) reply(request *handshake.Head, a *handshake.Acceptor, bend handshake.Bend, ans *handshake.Answer) error {
	_ = a.Accept(request, ans) // a refusal is an answer, too
	head, body := ans.Head(), ""
	if ans.Status != 101 {
		body = ans.Body()
	}
	bend.Apply(head)
	return p.quietly(head, body)
}

// line is the first line of the answer.
func (p *played) line() string { return string(p.x.Response.AppendLine(nil)) }

// rule is the rule that ended a handshake, in words.
func rule(f *handshake.Finding) string {
	return fmt.Sprintf("%s (%s)", strings.TrimSuffix(f.Summary, "."), f.Clause)
}
