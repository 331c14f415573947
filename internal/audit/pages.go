package audit

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/internal/live"
)

//go:embed site
var site embed.FS

// pages serves the page that a browser opens, on connections that are handed
// in.
type pages struct {
	c      *Clients
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	server *http.Server

	used atomic.Bool   // a browser has the page
	told chan struct{} // it was told that all is asked
	tell sync.Once
}

func newPages(c *Clients) *pages {
	p := &pages{c: c, conns: make(chan net.Conn), closed: make(chan struct{}), told: make(chan struct{})}
	files, err := fs.Sub(site, "site")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /state", p.state)
	p.server = &http.Server{Handler: live.Guard(mux, c.Hosts), ReadHeaderTimeout: defaultDialWait, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10}
	p.server.SetKeepAlivesEnabled(false) // the next request may be an attempt
	go func() { _ = p.server.Serve(p) }()
	return p
}

// state tells the page which subprotocols to ask for next, and how far it is.
func (p *pages) state(w http.ResponseWriter, _ *http.Request) {
	c := p.c
	p.used.Store(true)
	c.mu.Lock()
	state := struct {
		Done      bool     `json:"done"`
		Left      int      `json:"left"`
		Of        int      `json:"of"`
		Protocols []string `json:"protocols"`
		Rows      []Row    `json:"rows,omitempty"`
	}{Done: len(c.queue) == 0 && c.busy == 0, Left: len(c.queue) + c.busy, Of: len(c.turns), Protocols: []string{}}
	if len(c.queue) > 0 && c.queue[0].wants != nil {
		state.Protocols = c.queue[0].wants
	}
	c.mu.Unlock()
	if state.Done {
		state.Rows = c.report().Probes
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(state) // the browser may have left
	if state.Done {
		p.tell.Do(func() { close(p.told) })
	}
}

// lastLook gives a browser the time to be told that all is asked.
func (p *pages) lastLook(ctx context.Context) {
	if !p.used.Load() {
		return
	}
	timer := time.NewTimer(lastLook)
	defer timer.Stop()
	select {
	case <-p.told:
	case <-timer.C:
	case <-ctx.Done():
	}
}

const lastLook = 3 * time.Second

// serve hands a connection to the HTTP server, with what was read of it, and
// waits for its end.
func (p *pages) serve(conn net.Conn, head []byte, rest io.Reader) {
	_ = conn.SetDeadline(time.Time{})
	page := &pageConn{Conn: conn, in: io.MultiReader(bytes.NewReader(head), rest), ended: make(chan struct{})}
	select {
	case p.conns <- page:
		<-page.ended
	case <-p.closed:
	}
}

// pageConn is a connection of which some was read already.
type pageConn struct {
	net.Conn
	in    io.Reader
	once  sync.Once
	ended chan struct{}
}

// Read implements [io.Reader].
func (c *pageConn) Read(b []byte) (int, error) { return c.in.Read(b) }

// Close implements [io.Closer].
func (c *pageConn) Close() error {
	c.once.Do(func() { close(c.ended) })
	return c.Conn.Close()
}

// Accept implements [net.Listener].
func (p *pages) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (p *pages) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Addr implements [net.Listener].
func (p *pages) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pages) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = p.server.Shutdown(ctx) // what a browser was told is on its way
	_ = p.server.Close()
}
