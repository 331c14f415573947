package handshake

import (
	"errors"
	"fmt"
	"slices"
)

// Acceptor answers requests as a server. It checks a request against the rules
// up to the first that makes a server refuse, and allocates nothing where the
// request is right. The zero value accepts every right request, without a
// subprotocol and without compression. It can serve many connections at once;
// it must not be changed then.
type Acceptor struct {
	// Subprotocols are those the server speaks. Of what the client asks for the
	// first one that is among them is chosen: the order is the client's
	// (RFC 6455 4.1 item 10). Where none is, none is named (4.2.2 item 4).
	Subprotocols []string

	// Deflate says how the server wishes to compress. Nil is not at all.
	Deflate *Deflate

	// Permit decides about a request that is right: by its target, its Origin,
	// its cookies. Nil permits all. The error refuses; it is a [*Refusal], or
	// else it becomes 403 with the error's text as the body.
	Permit func(req *Head) error

	// Header is added to each 101.
	Header []Field
}

// Agreement is what client and server agreed on.
type Agreement struct {
	Subprotocol string // "" is none
	Compressed  bool
	Deflate     Deflate // the parameters, where Compressed
}

// Answer is a server's answer to one request. It can be used again and again.
type Answer struct {
	Status int // 101, or that of a refusal
	Agreement
	Finding *Finding // the rule for which the request is refused
	Refusal *Refusal // what Permit refuses with

	accept [acceptSize]byte
	header []Field
	x      Exchange
}

// Refusal is an answer other than 101 that Permit gives.
type Refusal struct {
	Status int // 0 is 403
	Header []Field
	Body   string // plain text; "" is the status's own
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("handshake: refused with %d %s", r.status(), statusText(r.status()))
}

func (r *Refusal) status() int {
	if r.Status == 0 {
		return 403
	}
	return r.Status
}

// Accept fills in the answer to a request: 101 with what is agreed on, or a
// refusal. The error is nil, a [*Finding] or what Permit returned. Hand in a
// head also where reading it failed with an error other than ErrNeedMore: the
// answer says so.
//
// The answer is of use while req is, and holds no memory of its own.
func (a *Acceptor) Accept(req *Head, ans *Answer) error {
	ans.Status, ans.Agreement, ans.Finding, ans.Refusal = 101, Agreement{}, nil, nil
	ans.header = a.Header
	ans.x.Request = req
	if f := refuses(&ans.x); f != nil {
		ans.Status, ans.Finding = f.Status, f
		return f
	}
	if a.Permit != nil {
		if err := a.Permit(req); err != nil {
			return ans.refuse(err)
		}
	}
	AppendAcceptKey(ans.accept[:0], req.value(keyField))
	ans.Subprotocol = a.choose(req)
	if a.Deflate != nil {
		if offer, ok := firstOffer(req); ok {
			ans.Compressed, ans.Deflate = true, a.Deflate.Accept(offer)
		}
	}
	return nil
}

// AddHeader adds a header to the answer, for Permit.
func (ans *Answer) AddHeader(f Field) { ans.header = append(slices.Clip(ans.header), f) }

// refuses finds the first rule for which a server refuses.
func refuses(x *Exchange) *Finding {
	t := table()
	for s := range numScopes {
		if s == requestBytes && x.Request.faults == 0 || s == wholeRequest && !x.Request.whole() {
			continue
		}
		for _, r := range t.refuse[s] {
			if h := r.check(x); h != nil {
				return r.finding(h)
			}
		}
	}
	return nil
}

func (ans *Answer) refuse(err error) error {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		refusal = &Refusal{Status: 403, Body: err.Error() + "\n"}
	}
	ans.Status, ans.Refusal = refusal.status(), refusal
	return err
}

// choose picks the subprotocol. It returns the server's own string.
func (a *Acceptor) choose(req *Head) string {
	for i := req.after(protocolField, -1); i >= 0; i = req.after(protocolField, i) {
		l := list{rest: req.fields[i].Value}
		for item, ok := l.next(); ok; item, ok = l.next() {
			for _, p := range a.Subprotocols {
				if string(item) == p && p != "" {
					return p
				}
			}
		}
	}
	return ""
}

// AppendTo appends the answer as it goes over the wire: the head of a 101, or
// a refusal with its body. It allocates nothing where b has room.
func (ans *Answer) AppendTo(b []byte) []byte {
	if ans.Status != 101 {
		b = ans.refusalHead().AppendTo(b)
		return append(b, ans.Body()...)
	}
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = append(append(b, ans.accept[:]...), "\r\n"...)
	if ans.Subprotocol != "" {
		b = append(append(append(b, "Sec-WebSocket-Protocol: "...), ans.Subprotocol...), "\r\n"...)
	}
	if ans.Compressed {
		b = append(ans.Deflate.appendTo(append(b, "Sec-WebSocket-Extensions: "...)), "\r\n"...)
	}
	for i := range ans.header {
		b = ans.header[i].AppendTo(b)
	}
	return append(b, "\r\n"...)
}

// Head returns the head of the answer, to be looked at or bent.
func (ans *Answer) Head() *Head {
	if ans.Status != 101 {
		return ans.refusalHead()
	}
	h := &Head{}
	h.SetStatusLine("HTTP/1.1", 101, statusText(101))
	h.Add("Upgrade", "websocket")
	h.Add("Connection", "Upgrade")
	h.Add("Sec-WebSocket-Accept", string(ans.accept[:]))
	if ans.Subprotocol != "" {
		h.Add("Sec-WebSocket-Protocol", ans.Subprotocol)
	}
	if ans.Compressed {
		h.Add("Sec-WebSocket-Extensions", ans.Deflate.String())
	}
	for _, f := range ans.header {
		h.AddField(f)
	}
	return h
}
