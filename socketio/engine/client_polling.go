package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// clientPolling is the transport over HTTP.
type clientPolling struct {
	c       *Client
	number  atomic.Uint64 // of the request, so that nothing answers it from a cache
	pausing atomic.Bool
	paused  chan struct{} // closed once no poll is under way; made by pause
	over    atomic.Bool
}

func (t *clientPolling) name() string { return "polling" }

const (
	defaultRequestTimeout = 20 * time.Second
	maxAnswer             = 64 << 20 // bytes of a poll's answer
)

// target is the URL of a request.
func (t *clientPolling) target() string {
	u := *t.c.base
	q := u.Query()
	q.Set("transport", "polling")
	q.Set("t", strconv.FormatInt(time.Now().UnixMilli(), 36)+"."+strconv.FormatUint(t.number.Add(1), 36))
	if t.c.opening.SID != "" {
		q.Set("sid", t.c.opening.SID)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// open makes the handshake request.
func (t *clientPolling) open(ctx context.Context) (first Packet, rest []Packet, err error) {
	packets, err := t.get(ctx)
	if err != nil {
		return Packet{}, nil, err
	}
	return packets[0], packets[1:], nil
}

// get makes one poll.
func (t *clientPolling) get(ctx context.Context) ([]Packet, error) {
	body, err := t.request(ctx, http.MethodGet, nil, "xhr poll error")
	if err != nil {
		return nil, err
	}
	var packets []Packet
	each := func(p Packet) bool {
		packets = append(packets, p)
		return true
	}
	if t.c.dialer.protocol() == 3 {
		err = parsePayload3(body, each)
	} else {
		err = ParsePayload(body, each)
	}
	if err != nil && len(packets) == 0 {
		return nil, &parseError{fmt.Errorf("%w: %.80q is no payload of Engine.IO", err, body)}
	}
	return packets, nil
}

// write sends packets in one POST.
func (t *clientPolling) write(packets []Packet) error {
	body := AppendPayload(nil, packets)
	if t.c.dialer.protocol() == 3 {
		body = appendPayload3(nil, packets)
	}
	ctx, cancel := context.WithTimeout(t.c.ctx, or(t.c.dialer.RequestTimeout, defaultRequestTimeout))
	defer cancel()
	_, err := t.request(ctx, http.MethodPost, body, "xhr post error")
	return err
}

func (t *clientPolling) request(ctx context.Context, method string, body []byte, failure string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, t.target(), bytes.NewReader(body))
	if err != nil {
		return nil, &TransportError{Message: failure, Err: err}
	}
	for name, values := range t.c.dialer.Header {
		req.Header[name] = values
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	if host := t.c.dialer.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := t.c.web.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, &TransportError{Message: failure, Err: err}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, &TransportError{Message: failure, Status: resp.StatusCode, Body: string(answer[:min(len(answer), 4096)])}
	case err != nil:
		return nil, &TransportError{Message: failure, Err: err}
	}
	return answer, nil
}

// loop polls until the session ends or moves.
func (t *clientPolling) loop() {
	for !t.over.Load() {
		if t.pausing.Load() {
			close(t.paused)
			return
		}
		packets, err := t.get(t.c.ctx)
		if err != nil {
			if !t.over.Load() {
				t.c.broke(t, err)
			}
			return
		}
		for _, p := range packets {
			t.c.packet(t, p)
		}
	}
}

// pause has the loop end once the poll that is under way has its answer.
func (t *clientPolling) pause() <-chan struct{} {
	t.paused = make(chan struct{})
	t.pausing.Store(true)
	return t.paused
}

// close ends polling; polite tells the server.
func (t *clientPolling) close(polite bool) {
	if t.over.Swap(true) || !polite {
		return
	}
	_ = t.write([]Packet{{Type: Close}})
}

// isClosed reports whether the other side has ended the connection.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || tcp.IsReset(err)
}
