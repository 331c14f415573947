package demo

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
)

func (h *handshakeStory) ask(s *Stage) error {
	l, err := s.listen("server")
	if err != nil {
		return err
	}
	h.listener = l
	if h.client, h.server, err = s.speakers("client", "server", l); err != nil {
		return err
	}
	request, err := opening(l, handshake.Bend{})
	if err != nil {
		return err
	}
	if err := h.client.send(request, ""); err != nil {
		return err
	}
	if h.request, err = h.server.request(); err != nil {
		return err
	}
	s.Note("server", "%d bytes came, and %d headers are in them", len(h.request.Raw), len(h.request.Fields()))
	s.Show()
	s.Tell(`
The first line asks for a path, as the address ws://%s%s names it, with GET and in HTTP/1.1. {Host} says which site is
meant: one address can serve many. {Upgrade} says to which language the connection shall change. {Connection} lists the
headers that are meant for the next program on the way only; Upgrade has to be among them.`, l.Addr(), chatPath)
	s.Tell(`
{Sec-WebSocket-Version} is 13, and there is no other in use. {Sec-WebSocket-Key} is a question to the server; it is new
for each connection. No page can send a header whose name begins with Sec-, so a page cannot fake any of this.`)
	return nil
}

func (h *handshakeStory) prove(s *Stage) error {
	key := h.request.Get("Sec-WebSocket-Key")
	for i, step := range handshake.ExplainKey(key) {
		s.Note("server", "%d. %s", i+1, step.What)
		s.Note("server", "   %s", step.Value)
	}
	s.Show()
	s.Tell(`
The client makes the same calculation and compares. The long constant, a {GUID}, is the same everywhere: no program that
has not heard of WebSocket would append it. SHA-1 is a function that makes 20 bytes of any text, and base64 writes bytes
as text.`)
	s.Tell(`
Nothing of this is secret, and it proves nothing about who the server is. It only proves that the server has read this
very request and knows what WebSocket is. The usual mistakes are to decode the key first, or to send the SHA-1 in
hexadecimal digits.`)
	return nil
}

func (h *handshakeStory) accept(s *Stage) error {
	if err := (&handshake.Acceptor{}).Accept(h.request, &h.answer); err != nil {
		return err
	}
	if err := h.server.send(h.answer.Head(), ""); err != nil {
		return err
	}
	h.server.upgraded(trace.Server, h.answer.Agreement)
	response, err := h.client.response()
	if err != nil {
		return err
	}
	agreed, err := handshake.CheckResponse(&handshake.Exchange{Request: h.request, Response: response})
	if err != nil {
		return err
	}
	h.client.upgraded(trace.Client, agreed)
	s.Show()
	s.Tell(`
{101} is HTTP's "switching protocols". Upgrade says to which, and {Sec-WebSocket-Accept} is the proof. From the empty
line on the connection is no HTTP any more: what follows are {frames}, the pieces in which WebSocket sends messages.`)
	return errors.Join(h.client.conn.Close(), h.server.conn.Close())
}

// owed are the headers that a request has to have.
var owed = []string{"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"}

func (h *handshakeStory) withoutHeaders(s *Stage) error {
	for _, name := range owed {
		request, err := opening(h.listener, handshake.Bend{Omit: []string{name}})
		if err != nil {
			return err
		}
		p, err := s.play(h.listener, request, &handshake.Acceptor{}, handshake.Bend{})
		if err != nil {
			return err
		}
		if p.answer.Finding == nil {
			return fmt.Errorf("a request without %s was accepted", name)
		}
		s.Note("client", "sends no %s", name)
		s.Note("server", "%s", rule(p.answer.Finding))
		s.As("client").Emit(0, trace.HTTPHead{Dir: trace.In, Line: p.line()})
	}
	s.Show()
	s.Tell(`
It is the server that refuses, with a status that begins with 4: "the fault is yours". {400} says that the request is
bad. {426} says that an upgrade is needed, and comes with "Upgrade: websocket" to say which. Because a page cannot set
these headers, a server that checks them cannot be tricked by one.`)
	s.Tell(`
Not every server checks. One that lets such requests through works with every good client, and that is why nobody
notices.`)
	return nil
}

func (h *handshakeStory) wrongAnswers(s *Stage) error {
	for _, name := range []string{"Upgrade", "Connection", "Sec-WebSocket-Accept"} {
		s.Note("server", "answers 101 without %s", name)
		if _, err := h.wrongAnswer(s, func(string) handshake.Bend { return handshake.Bend{Omit: []string{name}} }); err != nil {
			return err
		}
	}
	before := len(s.entries())
	p, err := h.wrongAnswer(s, func(key string) handshake.Bend {
		return handshake.Bend{Set: []handshake.Field{handshake.F("Sec-WebSocket-Accept", inHex(key))}}
	})
	if err != nil {
		return err
	}
	h.wrong = s.entries()[before:]
	s.Show()
	mistake := handshake.DiagnoseAccept(p.x.Request.Get("Sec-WebSocket-Key"), p.x.Response.Get("Sec-WebSocket-Accept"))
	s.Tell(`
Now it is the client that gives up: it closes the connection, though the server believes that all is well and may send
already. In a browser all that is seen of it is "WebSocket connection failed". Not every client is so strict: curl takes
each of these answers.`)
	s.Tell(`
Of a wrong value it can often be said what went wrong, because servers go wrong in the same few ways: %s`, mistake.What)
	return nil
}

// inHex is the accept value of a server that sends the SHA-1 as hexadecimal
// digits.
func inHex(key string) string {
	for _, step := range handshake.ExplainKey(key) {
		if raw, err := hex.DecodeString(step.Value); err == nil && len(raw) == 20 {
			return step.Value
		}
	}
	return ""
}

// wrongAnswer plays a handshake whose answer is bent, and notes what the client
// makes of it.
func (h *handshakeStory) wrongAnswer(s *Stage, bend func(key string) handshake.Bend) (*played, error) {
	request, err := opening(h.listener, handshake.Bend{})
	if err != nil {
		return nil, err
	}
	p, err := s.play(h.listener, request, &handshake.Acceptor{}, bend(request.Get("Sec-WebSocket-Key")))
	if err != nil {
		return nil, err
	}
	var f *handshake.Finding
	if !errors.As(p.err, &f) {
		return nil, fmt.Errorf("a wrong answer was taken: %v", p.err)
	}
	if accept := p.x.Response.Get("Sec-WebSocket-Accept"); f.ID == "response-accept-wrong" {
		s.Note("server", "answers 101 with Sec-WebSocket-Accept: %s", accept)
	}
	s.Note("client", "gives up: %s", rule(f))
	return p, nil
}

// The lesson's server lets in pages of this origin, and clients of this name.
const (
	goodOrigin = "https://chat.example"
	goodLogin  = "Bearer open-sesame"
)

// permit is what the lesson's server lets in.
func permit(req *handshake.Head) error {
	switch {
	case string(req.Target) != chatPath:
		return &handshake.Refusal{Status: 404}
	case req.Get("Authorization") != goodLogin:
		return &handshake.Refusal{Status: 401, Header: []handshake.Field{handshake.F("WWW-Authenticate", "Bearer")}}
	case req.Get("Origin") != goodOrigin:
		return &handshake.Refusal{Status: 403, Body: "origin not allowed\n"}
	}
	return nil
}

func (h *handshakeStory) refusals(s *Stage) error {
	login, page := handshake.F("Authorization", goodLogin), handshake.F("Origin", goodOrigin)
	tries := []struct {
		what string
		bend handshake.Bend
	}{
		{"asks for /chta", handshake.Bend{Target: "/chta", Set: []handshake.Field{login, page}}},
		{"asks for /chat and does not say who it is", handshake.Bend{Set: []handshake.Field{page}}},
		{"comes from a page of http://localhost:3000", handshake.Bend{Set: []handshake.Field{login, handshake.F("Origin", "http://localhost:3000")}}},
		{"speaks version 8", handshake.Bend{Set: []handshake.Field{handshake.F("Sec-WebSocket-Version", "8"), login, page}}},
		{"does all of it right", handshake.Bend{Set: []handshake.Field{login, page}}},
	}
	for _, try := range tries {
		request, err := opening(h.listener, try.bend)
		if err != nil {
			return err
		}
		p, err := s.play(h.listener, request, &handshake.Acceptor{Permit: permit}, handshake.Bend{})
		if err != nil {
			return err
		}
		s.Note("client", "%s", try.what)
		s.As("client").Emit(0, trace.HTTPHead{Dir: trace.In, Line: p.line()})
		h.likely(s, p)
	}
	s.Show()
	s.Tell(`
Any status other than 101 is an ordinary answer of HTTP, and the connection does not become a WebSocket. The status is
the first clue: {404}, the path is wrong; {401}, say who you are; {403}, you are not let in, most often because of the
page's origin; {426}, not this version, and the header Sec-WebSocket-Version says which one. A {301} sends the client
elsewhere, which browsers do not follow here.`)
	s.Tell(`
JavaScript in a page learns none of this: it is told that the connection failed, with code 1006, and no more. Look into
the developer tools of the browser, or ask with a tool that shows the answer.`)
	return nil
}

// likely notes the likeliest cause of a refusal.
func (h *handshakeStory) likely(s *Stage, p *played) {
	for _, name := range []string{"WWW-Authenticate", "Sec-WebSocket-Version"} {
		if v := p.x.Response.Get(name); v != "" {
			s.Note("client", "with %s: %s", name, v)
		}
	}
	if len(p.x.Body) > 0 && p.answer.Refusal != nil && p.answer.Refusal.Body != "" {
		s.Note("client", "with the body %q", strings.TrimSpace(string(p.x.Body)))
	}
}

func (h *handshakeStory) throughProxy(s *Stage) error {
	client, front, err := s.speakers("client", "proxy", h.listener)
	if err != nil {
		return err
	}
	back, server, err := s.speakers("proxy", "server", h.listener)
	if err != nil {
		return err
	}
	request, err := opening(h.listener, handshake.Bend{})
	if err != nil {
		return err
	}
	if err := client.send(request, ""); err != nil {
		return err
	}
	came, err := front.request()
	if err != nil {
		return err
	}
	(&handshake.Bend{
		Proto: "HTTP/1.0", Omit: []string{"Upgrade", "Connection"},
		Set: []handshake.Field{handshake.F("Host", "backend"), handshake.F("Connection", "close"), handshake.F("X-Forwarded-For", "192.0.2.7")},
	}).Apply(came)
	if err := back.send(came, ""); err != nil {
		return err
	}
	if err := h.refuseProxied(s, server); err != nil {
		return err
	}
	response, err := back.response()
	if err != nil {
		return err
	}
	if err := front.quietly(response, ""); err != nil {
		return err
	}
	if response, err = client.response(); err != nil {
		return err
	}
	s.As("client").Emit(0, trace.HTTPHead{Dir: trace.In, Line: string(response.AppendLine(nil))})
	s.Show()
	s.Tell(`
The client did all right, the server did all right, and it still failed. The client's developers see a %d, and the
server's log says that the client sent no Upgrade: each believes that the other is at fault. The {X-Forwarded-For} that
the proxy added gives it away.`, response.Status)
	s.Tell(`
In nginx three lines mend it: {proxy_http_version 1.1;} {proxy_set_header Upgrade $http_upgrade;} {proxy_set_header
Connection "upgrade";}`)
	return errors.Join(client.conn.Close(), front.conn.Close(), back.conn.Close(), server.conn.Close())
}

// refuseProxied is the server's part behind the proxy: it finds what is missing
// and refuses.
func (h *handshakeStory) refuseProxied(s *Stage, server *speaker) error {
	request, err := server.request()
	if err != nil {
		return err
	}
	for _, f := range handshake.Check(&handshake.Exchange{Request: request}) {
		s.Note("server", "by the %s: %s", f.Fault, rule(&f))
	}
	return server.reply(request, &handshake.Acceptor{}, handshake.Bend{}, &h.answer)
}

func (h *handshakeStory) subprotocols(s *Stage) error {
	const names = "chat.v2, chat.v1"
	s.Note("client", "asks with Sec-WebSocket-Protocol: %s", names)
	for _, server := range []struct {
		who    string
		speaks []string
		bend   handshake.Bend
	}{
		{"server 1", []string{"chat.v1", "chat.v2"}, handshake.Bend{}},
		{"server 2", nil, handshake.Bend{}},
		{"server 3", nil, handshake.Bend{Set: []handshake.Field{handshake.F("Sec-WebSocket-Protocol", "mqtt")}}},
	} {
		request, err := opening(h.listener, handshake.Bend{Set: []handshake.Field{handshake.F("Sec-WebSocket-Protocol", names)}})
		if err != nil {
			return err
		}
		p, err := s.play(h.listener, request, &handshake.Acceptor{Subprotocols: server.speaks}, server.bend)
		if err != nil {
			return err
		}
		s.Note(server.who, "answers 101 with %s", chosen(p.x.Response))
		s.Note("client", "%s", verdictOn(p))
	}
	s.Show()
	s.Tell(`
The client lists its names in the order of its liking. To pick none is allowed by the RFC, and most programs go on
without one. Browsers have a rule of their own: where a page has asked, one has to be picked, or the connection fails. To
pick a name that was not asked for is wrong for everybody.`)
	s.Tell(`
Compression is agreed on in the same way, by {Sec-WebSocket-Extensions}: the client offers permessage-deflate, and a
server that does not want it says nothing.`)
	return nil
}

func chosen(response *handshake.Head) string {
	if !response.Has("Sec-WebSocket-Protocol") {
		return "no Sec-WebSocket-Protocol"
	}
	return "Sec-WebSocket-Protocol: " + response.Get("Sec-WebSocket-Protocol")
}

// verdictOn says what the client makes of an answer, and what a browser would.
func verdictOn(p *played) string {
	var f *handshake.Finding
	if errors.As(p.err, &f) {
		return "gives up: " + rule(f)
	}
	for _, f := range handshake.Check(&p.x) {
		if f.Source == handshake.WHATWG {
			return "goes on, and a browser would give up: " + rule(&f)
		}
	}
	return "goes on"
}

func (h *handshakeStory) question(s *Stage) error {
	if err := s.Ask(`
{A server sends the SHA-1 in hexadecimal digits. Its log says "client connected", and a second later "client has
left". Where is the mistake, and where is it seen?}`); err != nil {
		return err
	}
	s.Again(h.wrong)
	s.Tell(`
{The mistake is the server's, and only the client sees it.} The server has sent its 101 and counts the connection as
open; the client compares the value with its own, and leaves without a word. What looks like a client that comes and goes
is a handshake that was never finished. Look at both heads, side by side: that is what a handshake checker is for.`)
	return nil
}
