package h2

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Field is one field of a head. A pseudo-header field begins with a colon.
type Field struct{ Name, Value string }

func hpackField(f Field) hpack.HeaderField {
	name := strings.ToLower(f.Name) // RFC 9113 8.2
	secret := name == "authorization" || name == "cookie"
	return hpack.HeaderField{Name: name, Value: f.Value, Sensitive: secret}
}

// Get is the value of the first field of that name.
func Get(fields []Field, name string) (string, bool) {
	for _, f := range fields {
		if f.Name == name {
			return f.Value, true
		}
	}
	return "", false
}

// block is a header block that comes in several frames (RFC 9113 section 4.3).
type block struct {
	stream uint32
	end    bool // END_STREAM
	self   bool // the stream depends on itself
	frames int
	bytes  []byte
}

func (s *Session) beginBlock(f *http2.HeadersFrame) error {
	s.block = block{stream: f.StreamID, end: f.StreamEnded(), bytes: s.block.bytes[:0]}
	s.block.self = f.HasPriority() && f.Priority.StreamDep == f.StreamID
	if !f.HeadersEnded() {
		_ = s.conn.SetReadDeadline(time.Now().Add(s.cfg.HandshakeTimeout))
	}
	return s.addBlock(f.HeaderBlockFragment(), f.HeadersEnded())
}

func (s *Session) moreBlock(f *http2.ContinuationFrame) error {
	if f.HeadersEnded() {
		_ = s.conn.SetReadDeadline(time.Time{})
	}
	return s.addBlock(f.HeaderBlockFragment(), f.HeadersEnded())
}

func (s *Session) addBlock(part []byte, last bool) error {
	b := &s.block
	if b.frames++; b.frames > mostContinuation || len(b.bytes)+len(part) > 2*s.cfg.MaxHeaderList {
		return &ConnError{Code: Calm, Clause: "RFC 9113 10.5.1", Local: true,
			Reason: fmt.Sprintf("a head of more than %d frames or %d bytes", mostContinuation, 2*s.cfg.MaxHeaderList)}
	}
	b.bytes = append(b.bytes, part...)
	if !last {
		return nil
	}
	d := decoding{left: s.cfg.MaxHeaderList}
	if err := d.run(s.dec, b.bytes); err != nil {
		return err
	}
	if s.client {
		return s.response(&d)
	}
	return s.request(&d)
}

// decoding is a head that is taken out of its block. All of it is decoded, for
// the table's sake, also where it is wrong or too large.
type decoding struct {
	fields  []Field
	left    int
	large   bool
	wrong   string // what is wrong with it
	regular bool   // pseudo-header fields are over
}

func (d *decoding) run(dec *hpack.Decoder, b []byte) error {
	dec.SetEmitFunc(d.field)
	_, err := dec.Write(b)
	if err == nil {
		err = dec.Close()
	}
	switch {
	case errors.Is(err, hpack.ErrStringLength):
		return &ConnError{Code: Calm, Clause: "RFC 9113 10.5.1", Reason: "a field that is larger than the largest head", Local: true}
	case err != nil:
		return broken(Compression, "4.3", err.Error())
	}
	return nil
}

func (d *decoding) field(f hpack.HeaderField) {
	if d.left -= int(f.Size()); d.left < 0 {
		d.large = true
		return
	}
	if d.wrong == "" {
		d.check(f)
	}
	d.fields = append(d.fields, Field{f.Name, f.Value})
}

// check holds a field against RFC 9113 sections 8.2 and 8.3.
func (d *decoding) check(f hpack.HeaderField) {
	pseudo := f.IsPseudo()
	_, twice := Get(d.fields, f.Name)
	switch {
	case pseudo && d.regular:
		d.wrong = f.Name + " stands behind a field that is no pseudo-header field"
	case pseudo && twice:
		d.wrong = f.Name + " comes twice"
	case !pseudo && !validName(f.Name):
		d.wrong = fmt.Sprintf("%q is no field name in lower case", f.Name)
	case !httpguts.ValidHeaderFieldValue(f.Value) || strings.Trim(f.Value, " \t") != f.Value:
		d.wrong = "the value of " + f.Name + " holds what it must not"
	case forbidden(f):
		d.wrong = f.Name + " is a field of HTTP/1.1's connections"
	}
	d.regular = d.regular || !pseudo
}

func validName(s string) bool {
	return httpguts.ValidHeaderFieldName(s) && strings.ToLower(s) == s
}

// forbidden reports fields that HTTP/2 has no use for (RFC 9113 section 8.2.2).
func forbidden(f hpack.HeaderField) bool {
	switch f.Name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return true
	case "te":
		return f.Value != "trailers"
	}
	return false
}

// request takes a head as a server.
func (s *Session) request(d *decoding) error {
	id := s.block.stream
	switch st := s.streams[id]; {
	case id%2 == 0:
		return broken(Protocol, "5.1.1", "a client opens a stream of an even number")
	case st != nil:
		s.trailers(st, d)
		return nil
	case id <= s.lastPeer && s.past.how[id] == forgotten:
		return broken(Protocol, "5.1.1", "a stream's number is below that of the last one")
	case id <= s.lastPeer:
		return s.behind(id)
	case s.goAwaySent:
		s.lastPeer = id
		return s.refuse(id, RefusedStream)
	}
	s.lastPeer = id
	if s.active >= s.cfg.MaxStreams {
		return s.refuse(id, RefusedStream)
	}
	length, wrong := d.wrongRequest()
	if wrong != "" || s.block.end && length > 0 || s.block.self {
		return s.refuse(id, Protocol)
	}
	s.accept(id, d).length = length
	return nil
}

// late is a frame for a stream that has ended. It may have been on its way; many
// of them are not.
func (s *Session) late() error {
	if s.useful.exceeded() {
		return tooMany()
	}
	return nil
}

// refuse resets a stream that was never made. Many refusals are an attack.
func (s *Session) refuse(id uint32, code Code) error {
	s.reset(id, code)
	if s.past.how[id] == forgotten {
		s.past.remember(id, byUs)
	}
	return s.late()
}

// wrongRequest holds the pseudo-header fields of a request against RFC 9113
// section 8.3.1, and RFC 8441 section 4 where :protocol is among them. Length is
// that of the body, where the request tells it.
func (d *decoding) wrongRequest() (length int64, wrong string) {
	if d.wrong != "" || d.large {
		return -1, d.wrong
	}
	if method, _ := Get(d.fields, ":method"); method == "CONNECT" {
		return -1, d.wrongPseudo()
	}
	length, err := int64(-1), error(nil)
	if text, ok := Get(d.fields, "content-length"); ok {
		if length, err = strconv.ParseInt(text, 10, 63); err != nil || length < 0 {
			return -1, "content-length is no number"
		}
	}
	return length, d.wrongPseudo()
}

func (d *decoding) wrongPseudo() string {
	method, ok := Get(d.fields, ":method")
	_, scheme := Get(d.fields, ":scheme")
	path, hasPath := Get(d.fields, ":path")
	_, authority := Get(d.fields, ":authority")
	_, protocol := Get(d.fields, ":protocol")
	switch {
	case !ok || method == "":
		return ":method is missing"
	case unknownPseudo(d.fields) != "":
		return unknownPseudo(d.fields) + " is unknown"
	case protocol && method != "CONNECT":
		return ":protocol with " + method
	case method == "CONNECT" && !protocol:
		if scheme || hasPath || !authority {
			return "CONNECT with :scheme or :path, or without :authority"
		}
	case !scheme || path == "":
		return ":scheme or :path is missing"
	}
	return ""
}

func unknownPseudo(fields []Field) string {
	for _, f := range fields {
		switch f.Name {
		case ":method", ":scheme", ":path", ":authority", ":protocol":
		default:
			if strings.HasPrefix(f.Name, ":") {
				return f.Name
			}
		}
	}
	return ""
}

// accept makes a stream of a request.
func (s *Session) accept(id uint32, d *decoding) *Stream {
	st := s.add(id)
	st.head, st.headCame, st.headEnd, st.inEnd = d.fields, true, s.block.end, s.block.end
	st.handling = true
	if d.large { // RFC 6585 section 5
		st.handling = false
		s.headers(st, []Field{{":status", "431"}, {"content-length", "0"}}, true)
		st.outEnd, st.outDone = true, true
		st.settle()
		st.cancel(&StreamError{Stream: id, Code: NoError, Local: true})
		return st
	}
	go s.serve(st)
	return st
}

// serve runs the handler.
func (s *Session) serve(st *Stream) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		st.handling = false
		if st.outDone && !st.inEnd && !st.gone { // RFC 9113 section 8.1: the rest is of no use
			st.endSoon()
		}
		st.release()
	}()
	s.cfg.Handle(st)
}

// trailers take a second head: fields behind the data.
func (s *Session) trailers(st *Stream, d *decoding) {
	pseudo := false
	for _, f := range d.fields {
		pseudo = pseudo || strings.HasPrefix(f.Name, ":")
	}
	code, reason := Protocol, ""
	switch {
	case st.inEnd:
		code, reason = StreamClosed, "a head behind END_STREAM"
	case !s.block.end || pseudo:
		reason = "trailers without END_STREAM, or with pseudo-header fields"
	case d.wrong != "":
		reason = d.wrong
	default:
		st.endCame()
		return
	}
	st.cancel(&StreamError{Stream: st.id, Code: code, Clause: "RFC 9113 8.1", Reason: reason, Local: true})
}

// response takes a head as a client.
func (s *Session) response(d *decoding) error {
	id := s.block.stream
	st := s.streams[id]
	switch {
	case st == nil && (id%2 == 0 || s.isIdle(id)):
		return broken(Protocol, "5.1", "HEADERS for a stream that was never opened")
	case st == nil:
		return s.late()
	case st.headCame:
		s.trailers(st, d)
		return nil
	}
	status, wrong := d.wrongResponse()
	switch {
	case wrong != "":
		st.head = d.fields
		st.cancel(&StreamError{Stream: id, Code: Protocol, Clause: "RFC 9113 8.1.1", Reason: wrong, Local: true})
	case strings.HasPrefix(status, "1") && !s.block.end:
		return s.late() // 1xx: another one follows
	default:
		st.head, st.headCame, st.headEnd = d.fields, true, s.block.end
		st.readable.Broadcast()
		if s.block.end {
			st.endCame()
		}
	}
	return nil
}

// wrongResponse holds a response against RFC 9113 section 8.3.2.
func (d *decoding) wrongResponse() (status, wrong string) {
	status, ok := Get(d.fields, ":status")
	switch {
	case d.wrong != "":
		return status, d.wrong
	case d.large:
		return status, "the head is larger than was agreed on"
	case !ok || len(status) != 3 || strings.Trim(status, "0123456789") != "" || status[0] == '0':
		return status, ":status is missing, or no number of three digits"
	case status == "101":
		return status, "101, which HTTP/2 does not have (RFC 9113 section 8.6)"
	}
	for _, f := range d.fields {
		if strings.HasPrefix(f.Name, ":") && f.Name != ":status" {
			return status, f.Name + " in a response"
		}
	}
	return status, ""
}
