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
	"time"

	"github.com/sockkit/sockkit/ws"
)

// exchange is a request that is answered where it comes, on the connection of the
// WebSocket server: long-polling is many small ones, and package net/http takes a
// goroutine for each connection and more for each that waits.
type exchange struct {
	*ws.Exchange
	head   []byte // of the request, where it is to be kept
	header http.Header
	status int
	body   []byte
	later  bool // a poll that will be answered
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
	x := &exchange{Exchange: e, header: http.Header{}}
	r := &http.Request{
		Method: string(e.Head.Method), URL: &url.URL{Path: path, RawQuery: rawQuery}, RequestURI: target,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, RemoteAddr: e.RemoteAddr().String(), TLS: e.TLS(),
		ContentLength: int64(len(e.Body)), Body: http.NoBody,
	}
	for _, f := range e.Head.Fields() {
		name := textproto.CanonicalMIMEHeaderKey(string(f.Name))
		if name == "Host" {
			r.Host = string(f.Value)
			continue
		}
		r.Header[name] = append(r.Header[name], string(f.Value))
	}
	if len(e.Body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(e.Body))
	}
	s.ServeHTTP(x, r)
	if !x.later {
		_ = x.end()
	}
	return true
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
	names := make([]string, 0, 8)
	for name := range x.header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range x.header[name] {
			field(name, oneLine.Replace(value))
		}
	}
	if x.header["Date"] == nil {
		b = append(time.Now().UTC().AppendFormat(append(b, "Date: "...), http.TimeFormat), "\r\n"...)
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

// oneLine keeps a value from ending its line.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")
