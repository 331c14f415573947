package ws

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws/internal/h2"
)

// http2Web serves a request that asks for no WebSocket.
func (s *Server) http2Web(st *h2.Stream, fields []h2.Field, ended bool, secure *tls.ConnectionState) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-st.Over():
			cancel()
		case <-ctx.Done():
		}
	}()
	r, err := requestOfHTTP2(st, fields, ended, secure)
	if err != nil {
		s.refuseHTTP2(st, fields, 400, "the :path is no path")
		return
	}
	w := &http2Writer{stream: st, header: http.Header{}, bodyless: r.Method == "HEAD"}
	defer w.end()
	defer s.http2Panic(st)
	s.HTTP.ServeHTTP(w, r.WithContext(ctx))
}

// http2Panic tells the hook of a panic, and resets the stream. It is deferred.
func (s *Server) http2Panic(st *h2.Stream) {
	v := recover()
	if v == nil {
		return
	}
	st.Reset(h2.Internal, "")
	if v != http.ErrAbortHandler {
		s.panicked(st.RemoteAddr(), &tcp.PanicError{Callback: "HTTP", Value: v, Stack: debug.Stack()})
	}
}

// requestOfHTTP2 is a request as net/http has them.
func requestOfHTTP2(st *h2.Stream, fields []h2.Field, ended bool, secure *tls.ConnectionState) (*http.Request, error) {
	target, _ := h2.Get(fields, ":path")
	host, _ := h2.Get(fields, ":authority")
	r := &http.Request{
		Method: methodOf(fields), Proto: "HTTP/2.0", ProtoMajor: 2, Header: http.Header{}, Host: host, RequestURI: target,
		RemoteAddr: st.RemoteAddr().String(), TLS: secure, Body: http.NoBody, ContentLength: -1,
	}
	var err error
	if r.URL, err = url.ParseRequestURI(target); err != nil {
		return nil, err
	}
	for _, f := range requestOfHTTP1(fields).Fields() {
		if name := textproto.CanonicalMIMEHeaderKey(string(f.Name)); !ofHTTP1(strings.ToLower(name)) {
			r.Header.Add(name, string(f.Value))
		}
	}
	if r.Host == "" {
		r.Host, _ = h2.Get(fields, "host")
	}
	if ended {
		r.ContentLength = 0
		return r, nil
	}
	r.Body = io.NopCloser(st)
	if n, err := strconv.ParseInt(r.Header.Get("Content-Length"), 10, 64); err == nil {
		r.ContentLength = n
	}
	return r, nil
}

// http2Writer is the answer to a request, for net/http's handlers.
type http2Writer struct {
	stream   *h2.Stream
	header   http.Header
	wrote    bool
	bodyless bool
	err      error
}

// Header implements [http.ResponseWriter].
func (w *http2Writer) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter].
func (w *http2Writer) WriteHeader(status int) { w.head(status, false) }

func (w *http2Writer) head(status int, end bool) {
	if w.wrote || status/100 == 1 {
		return
	}
	w.wrote = true
	w.bodyless = w.bodyless || status == 204 || status == 304
	fields := []h2.Field{{Name: ":status", Value: strconv.Itoa(status)}}
	for name, values := range w.header {
		name = strings.ToLower(name)
		for _, value := range values {
			if !ofHTTP1(name) && !strings.ContainsAny(value, "\r\n\x00") {
				fields = append(fields, h2.Field{Name: name, Value: strings.TrimSpace(value)})
			}
		}
	}
	if w.header.Get("Date") == "" {
		fields = append(fields, h2.Field{Name: "date", Value: time.Now().UTC().Format(http.TimeFormat)})
	}
	w.err = w.stream.Respond(fields, end)
}

// Write implements [http.ResponseWriter].
func (w *http2Writer) Write(b []byte) (int, error) {
	if !w.wrote && w.header.Get("Content-Type") == "" {
		w.header.Set("Content-Type", http.DetectContentType(b))
	}
	w.head(http.StatusOK, false)
	switch {
	case w.err != nil:
		return 0, w.err
	case w.bodyless:
		return len(b), nil
	}
	return w.stream.Write(b)
}

// Flush implements [http.Flusher]: everything leaves at once anyway.
func (w *http2Writer) Flush() { w.head(http.StatusOK, false) }

// SetReadDeadline is for [http.ResponseController].
func (w *http2Writer) SetReadDeadline(t time.Time) error { return w.stream.SetReadDeadline(t) }

// SetWriteDeadline is for [http.ResponseController].
func (w *http2Writer) SetWriteDeadline(t time.Time) error { return w.stream.SetWriteDeadline(t) }

// end ends the answer.
func (w *http2Writer) end() {
	if !w.wrote {
		w.head(http.StatusOK, true)
	}
	_ = w.stream.Finish()
}
