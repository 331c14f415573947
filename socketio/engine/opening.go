package engine

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"net/http"
	"sync"
)

// opening is the request that a session begins with, kept beyond its answer. Where
// nobody but the engine has seen it, its bytes are kept: they take a tenth of what
// package net/http makes of them.
type opening struct {
	once    sync.Once
	request *http.Request
	head    []byte // in place of request, until it is asked for
	remote  string
	tls     *tls.ConnectionState
}

// get is the request. Nothing ends it, and nothing can be read from it.
func (o *opening) get() *http.Request {
	o.once.Do(func() {
		if o.request == nil && o.head != nil {
			if r, err := readHead(o.head); err == nil { // as before
				r.RemoteAddr, r.TLS = o.remote, o.tls
				o.request, o.head = r, nil
			}
		}
	})
	return o.request
}

// lasting has o keep a request of package net/http.
func (o *opening) lasting(r *http.Request) {
	o.remote = r.RemoteAddr
	o.request = r.WithContext(context.WithoutCancel(r.Context()))
	o.request.Body = http.NoBody
}

var headReaders = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

// readHead reads the head of a request, which has no body.
func readHead(head []byte) (*http.Request, error) {
	b := headReaders.Get().(*bufio.Reader)
	defer headReaders.Put(b)
	b.Reset(bytes.NewReader(head))
	r, err := http.ReadRequest(b)
	if err == nil {
		r.Body = http.NoBody
	}
	b.Reset(nil)
	return r, err
}
