package engine

import (
	"bytes"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/ws"
)

// exchange is a request that is answered where it comes, on the connection of the
// WebSocket server: long-polling is many small ones, and package net/http takes a
// goroutine for each connection and more for each that waits.
type exchange struct {
	*ws.Exchange
	request http.Request
	url     url.URL
	reader  bytes.Reader // of the body
	header  http.Header
	status  int
	body    []byte
	later   bool // a poll that will be answered
}

// exchange answers a request in place. It reports false where the request is for
// package net/http: one of another path, and where middlewares may want what only
// that can do.
func (s *Server) exchange(e *ws.Exchange) bool {
	target := string(e.Head.Target)
	path, rawQuery, _ := strings.Cut(target, "?")
	if len(s.middlewares) > 0 || !s.serves(path) || strings.ContainsAny(path, "%#") || strings.Contains(rawQuery, "#") ||
		int64(len(e.Body)) > s.maxBuffer() {
		return false
	}
	x := &exchange{Exchange: e, url: url.URL{Path: path, RawQuery: rawQuery}, header: make(http.Header, 4)}
	x.request = http.Request{
		Method: methods[string(e.Head.Method)], URL: &x.url, RequestURI: target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		RemoteAddr: e.RemoteAddr(), TLS: e.TLS(), ContentLength: int64(len(e.Body)), Body: http.NoBody,
	}
	x.takeFields()
	if len(e.Body) > 0 {
		x.reader.Reset(e.Body)
		x.request.Body = io.NopCloser(&x.reader)
	}
	s.ServeHTTP(x, &x.request)
	if !x.later {
		_ = x.end()
	}
	return true
}

// methods are those that come this way.
var methods = map[string]string{"GET": "GET", "POST": "POST"}

// takeFields makes the request's header. All values stand in one string, and the
// lists of one in one slice.
func (x *exchange) takeFields() {
	fields := x.Head.Fields()
	room := scratch.Get().(*[]byte)
	b := (*room)[:0]
	for _, f := range fields {
		b = append(b, f.Value...)
	}
	text, lists := string(b), make([]string, 0, len(fields))
	putScratch(room, b)
	x.request.Header = make(http.Header, len(fields))
	for _, f := range fields {
		var value string
		value, text = text[:len(f.Value)], text[len(f.Value):]
		name := textproto.CanonicalMIMEHeaderKey(string(f.Name))
		if name == "Host" {
			x.request.Host = value
			continue
		}
		if old, ok := x.request.Header[name]; ok {
			x.request.Header[name] = append(old, value)
			continue
		}
		lists = append(lists, value)
		x.request.Header[name] = lists[len(lists)-1 : len(lists) : len(lists)]
	}
}

// headToKeep is the head of a request that is answered in place, where nobody but
// the engine has seen it.
func (s *Server) headToKeep(w http.ResponseWriter) []byte {
	x, ok := w.(*exchange)
	if !ok || s.shows() {
		return nil
	}
	return x.Head.AppendTo(nil)
}

// Header implements [http.ResponseWriter], as do the others.
func (x *exchange) Header() http.Header { return x.header }

func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
}

func (x *exchange) Write(b []byte) (int, error) {
	x.WriteHeader(http.StatusOK)
	x.body = append(x.body, b...)
	return len(b), nil
}

// end sends the answer (RFC 9112, section 4).
func (x *exchange) end() error {
	x.WriteHeader(http.StatusOK)
	room := scratch.Get().(*[]byte)
	b := append((*room)[:0], "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(x.status), 10)
	b = append(append(append(b, ' '), http.StatusText(x.status)...), "\r\n"...)
	field := func(name, value string) {
		b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
	}
	var few [8]string
	names := few[:0]
	for name := range x.header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range x.header[name] {
			if strings.ContainsAny(value, "\r\n") { // it would end its line
				value = oneLine.Replace(value)
			}
			field(name, value)
		}
	}
	if x.header["Date"] == nil {
		field("Date", now())
	}
	if x.header["Content-Type"] == nil && len(x.body) > 0 {
		field("Content-Type", http.DetectContentType(x.body))
	}
	if x.header["Content-Length"] == nil && x.status != http.StatusNoContent {
		field("Content-Length", strconv.Itoa(len(x.body)))
	}
	b = append(append(b, "\r\n"...), x.body...)
	err := x.Answer(b, x.header.Get("Connection") == "close")
	putScratch(room, b)
	return err
}

// date is the value of the field Date, for a second.
type date struct {
	second int64
	text   string
}

var today atomic.Pointer[date]

// now is the time as a value of Date (RFC 9110, section 6.6.1).
func now() string {
	t := time.Now()
	d := today.Load()
	if d == nil || d.second != t.Unix() {
		d = &date{t.Unix(), t.UTC().Format(http.TimeFormat)}
		today.Store(d)
	}
	return d.text
}

// oneLine keeps a value from ending its line.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")
