package engine

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/sockkit/sockkit/trace"
)

// Observer follows the Engine.IO, of version 4 or 3, between a client and a
// server whose bytes somebody else passes on. It does no I/O, answers nothing
// and changes nothing: it turns bodies and messages into packets, and what
// breaks the protocol into findings. A record's direction is out where the
// client sends and in where the server does. Its zero value is ready, its
// fields must not change in use, and its methods may be called from any
// goroutine.
type Observer struct {
	// Tracer takes the records; nil records nothing.
	Tracer *trace.Tracer
	// OnPacket takes each packet; nil is told nothing. The bytes are valid during
	// the call.
	OnPacket func(p Observed)

	mu       sync.Mutex
	sessions map[string]*observed
}

// Observed is a packet that passed.
type Observed struct {
	Conn      trace.ID
	Dir       trace.Dir // Out is the client's
	Session   string
	Transport string // polling or websocket
	Protocol  int    // 4 or 3
	Packet    Packet
}

// observed is what is known of a session.
type observed struct {
	id           string
	maxPayload   int64
	gets, posts  int // that wait for their answers
	moved, begun bool
}

const (
	maxObserved     = 10000    // sessions that are followed at once
	maxObservedBody = 64 << 20 // bytes of a body behind its compression
)

// session finds what is known of a session, under the lock.
func (o *Observer) session(id string) *observed {
	if id == "" {
		return &observed{}
	}
	s := o.sessions[id]
	if s == nil {
		if o.sessions == nil {
			o.sessions = map[string]*observed{}
		}
		for other := range o.sessions { // any of them: most have ended unseen
			if len(o.sessions) < maxObserved {
				break
			}
			delete(o.sessions, other)
		}
		s = &observed{id: id, begun: true}
		o.sessions[id] = s
	}
	return s
}

// forget drops what is known of a session that has ended.
func (o *Observer) forget(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.sessions, id)
}

func (o *Observer) finding(conn trace.ID, r *rule, fault, format string, args ...any) {
	if o.Tracer.On(trace.Connection) {
		o.Tracer.Emit(conn, r.finding(fault, fmt.Sprintf(format, args...)))
	}
}

// ObservedExchange is a request that waits for its answer.
type ObservedExchange struct {
	o         *Observer
	conn      trace.ID
	method    string
	transport string
	protocol  int
	script    bool
	size      int // of the request's body
	session   *observed
}

// Request takes a request for the engine's path: its target is the path with
// the query, and its body may be nil. The answer belongs to what it returns.
func (o *Observer) Request(conn trace.ID, method, target string, header http.Header, body []byte) *ObservedExchange {
	x := &ObservedExchange{o: o, conn: conn, method: method, protocol: 4, size: len(body)}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		x.session = &observed{}
		return x
	}
	q := query(u.RawQuery)
	x.transport, x.protocol, x.script = q.get("transport"), version(q), q.has("j")
	o.mu.Lock()
	x.session = o.session(q.get("sid"))
	two, moved := x.begin(), x.session.moved
	o.mu.Unlock()
	if two != nil {
		o.finding(conn, two, byClient, "another %s of session %s before the first is answered", method, x.session.id)
	}
	if moved && x.transport == "polling" {
		o.finding(conn, &ruleAfterUpgrade, byClient, "%s %s", method, target)
	}
	if method == http.MethodPost && x.transport == "polling" && x.session.id != "" {
		x.payload(trace.Out, header, body)
	}
	return x
}

// begin counts a request, and returns the rule that it breaks by its time.
func (x *ObservedExchange) begin() *rule {
	if x.transport != "polling" { // an upgrade goes on beside the polls
		return nil
	}
	r := &ruleTwoPolls
	if x.method == http.MethodPost {
		r = &ruleTwoPosts
	}
	count := x.underWay()
	*count++
	if *count > 1 && x.session.id != "" {
		return r
	}
	return nil
}

// underWay counts the requests of this one's kind that wait for their answers.
func (x *ObservedExchange) underWay() *int {
	if x.method == http.MethodPost {
		return &x.session.posts
	}
	return &x.session.gets
}

func (x *ObservedExchange) done() {
	x.o.mu.Lock()
	defer x.o.mu.Unlock()
	if x.transport == "polling" {
		*x.underWay()--
	}
}

// Aborted says that no answer will come.
func (x *ObservedExchange) Aborted() { x.done() }

// Response takes the answer to a request. Interim ones (1xx but 101) are none.
func (x *ObservedExchange) Response(status int, header http.Header, body []byte) {
	x.done()
	switch {
	case status == http.StatusOK && x.method == http.MethodGet && x.transport == "polling":
		x.payload(trace.In, header, body)
	case status == http.StatusRequestEntityTooLarge:
		x.o.finding(x.conn, &ruleMaxPayload, byClient, "a body of %d bytes, answered %d", x.size, status)
	case status >= 400:
		x.refused(status, header, body)
	}
}

// refused says what a refusal means.
func (x *ObservedExchange) refused(status int, header http.Header, body []byte) {
	var e struct {
		Code    *Code
		Message string
	}
	body, _ = inflated(header, body)
	if json.Unmarshal(body, &e) != nil || e.Code == nil { // an upgrade is answered with the message only
		for code, message := range codeMessages {
			if string(body) == message {
				c := Code(code)
				e.Code, e.Message = &c, message
			}
		}
	}
	if e.Code == nil {
		return
	}
	if r, ok := codeRules[*e.Code]; ok {
		x.o.finding(x.conn, &r, byClient, "%s, answered %d: %s", x.method, status, e.Message)
	}
	if *e.Code == UnknownSID && x.session.id != "" {
		x.o.forget(x.session.id)
	}
}

// payload takes the packets of a body.
func (x *ObservedExchange) payload(dir trace.Dir, header http.Header, body []byte) {
	fault := faultOf(dir)
	body, err := inflated(header, body)
	if err != nil {
		x.o.finding(x.conn, &rulePayload, fault, "a body that cannot be decompressed: %v", err)
		return
	}
	if x.script {
		body = unscripted(dir, body)
	}
	if most := x.session.maxPayload; dir == trace.Out && most > 0 && int64(len(body)) > most {
		x.o.finding(x.conn, &ruleMaxPayload, fault, "%d bytes, and maxPayload is %d", len(body), most)
	}
	if dir == trace.In && x.protocol == 4 && x.session.id == "" && opens3(body) {
		x.o.finding(x.conn, &ruleOtherVersion, fault, "%.80q", body)
		return
	}
	err = parsePayload(body, x.protocol, header.Get("Content-Type") == "application/octet-stream", func(p Packet) bool {
		x.o.packet(x.conn, dir, x.session, "polling", x.protocol, p)
		return true
	})
	if err != nil {
		x.o.finding(x.conn, &rulePayload, fault, "%.80q", body)
	}
}

// unscripted takes off what JSONP puts around a payload.
func unscripted(dir trace.Dir, body []byte) []byte {
	if dir == trace.Out {
		data, _ := formData(body)
		return data
	}
	_, quoted, _ := bytes.Cut(body, []byte("]("))
	var text string
	if json.Unmarshal(bytes.TrimSuffix(quoted, []byte(");")), &text) != nil {
		return body
	}
	return []byte(text)
}

// inflated is a body without its content coding, bounded.
func inflated(header http.Header, body []byte) ([]byte, error) {
	var r io.Reader
	var err error
	switch header.Get("Content-Encoding") {
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		r, err = zlib.NewReader(bytes.NewReader(body))
	default:
		return body, nil
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxObservedBody))
}

func faultOf(dir trace.Dir) string {
	if dir == trace.Out {
		return byClient
	}
	return byServer
}
