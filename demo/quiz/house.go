package quiz

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// house keeps what the servers hold open, and gives all of it back.
type house struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	open   map[io.Closer]struct{}
	closed bool
	wg     sync.WaitGroup
}

func newHouse() *house {
	h := &house{open: map[io.Closer]struct{}{}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// keep has c closed with the house. Where that is closed already, c is at once.
func (h *house) keep(c io.Closer) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.open) >= maxOpen {
		c.Close()
		return false
	}
	h.open[c] = struct{}{}
	return true
}

// maxOpen bounds the listeners and connections of a house.
const maxOpen = 1000

// leave closes c, and forgets it.
func (h *house) leave(c io.Closer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, c)
	c.Close()
}

// Close ends everything, and waits for its end.
func (h *house) Close() error {
	h.cancel()
	h.mu.Lock()
	h.closed = true
	list := slices.Collect(maps.Keys(h.open))
	clear(h.open)
	h.mu.Unlock()
	var errs []error
	for _, c := range list {
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	h.wg.Wait()
	return errors.Join(errs...)
}

// listen takes a free port of the loopback address.
func (h *house) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if !h.keep(l) {
		return nil, net.ErrClosed
	}
	return l, nil
}

// each serves every connection of a new listener, and returns its address.
func (h *house) each(serve func(net.Conn)) (string, error) {
	l, err := h.listen()
	if err != nil {
		return "", err
	}
	h.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if h.keep(conn) {
				h.wg.Go(func() {
					defer h.leave(conn)
					serve(conn)
				})
			}
		}
	})
	return l.Addr().String(), nil
}

// http serves requests on a new listener.
func (h *house) http(handler http.Handler) (string, error) {
	l, err := h.listen()
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: patience, ErrorLog: silent}
	h.keep(s)
	h.wg.Go(func() { _ = s.Serve(l) })
	return l.Addr().String(), nil
}

// socketIO serves on a new listener by io.
func (h *house) socketIO(io *socketio.Server) (string, error) {
	l, err := h.listen()
	if err != nil {
		return "", err
	}
	h.keep(&ending{io.Close})
	h.wg.Go(func() { _ = io.Serve(l) })
	return l.Addr().String(), nil
}

// ending makes a closer of what ends with a context.
type ending struct {
	end func(context.Context) error
}

// Close implements [io.Closer].
func (e *ending) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return e.end(ctx)
}

// patience bounds what a server waits for: the rest of a request, an end.
const patience = 10 * time.Second
