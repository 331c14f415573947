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
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// clientPolling is the transport over HTTP.
type clientPolling struct {
	c      *Client
	number atomic.Uint64 // of the request, so that nothing answers it from a cache
	over   atomic.Bool

	mu     sync.Mutex
	cond   *sync.Cond    // of resumed
	pause  chan struct{} // closed once no poll is under way; nil while none is to end
	halted bool          // the loop waits
}

func (t *clientPolling) name() string   { return "polling" }
func (t *clientPolling) conn() trace.ID { return 0 }

const (
	defaultRequestTimeout = 20 * time.Second
	maxRefusal            = 4096 // bytes that are read of an error's body
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
	if len(packets) > 0 { // an error behind the first packet comes again with the next poll
		return packets[0], packets[1:], nil
	}
	var parse *parseError
	if errors.As(err, &parse) {
		err = &TransportError{Message: "server error", Err: err}
	}
	return Packet{}, nil, err
}

// get makes one poll. The packets before one that is none come with the error.
func (t *clientPolling) get(ctx context.Context) (packets []Packet, err error) {
	body, binary, err := t.request(ctx, http.MethodGet, nil, "xhr poll error")
	if err != nil {
		return nil, err
	}
	each := func(p Packet) bool {
		packets = append(packets, p)
		return true
	}
	if t.c.dialer.protocol() != 3 && t.c.opening.SID == "" && opens3(body) { // 1 could be a type as well
		err = ErrParse
	} else {
		err = parsePayload(body, t.c.dialer.protocol(), binary, each)
	}
	if err != nil {
		err = &parseError{fmt.Errorf("%w: %s", err, notEngine(body))}
	}
	return packets, err
}

// opens3 reports whether a body begins a session as version 3 does.
func opens3(body []byte) bool {
	size, _, ok := bytes.Cut(body, []byte(":0{"))
	_, err := strconv.ParseUint(string(size), 10, 32)
	return ok && err == nil
}

// notEngine says what a body is that is no payload.
func notEngine(body []byte) string {
	if opens3(body) {
		return "the server speaks Engine.IO 3, which is Socket.IO 2"
	}
	return fmt.Sprintf("%.80q is no payload of Engine.IO", body)
}

// write sends packets in one POST.
func (t *clientPolling) write(packets []Packet) error {
	body := appendPayload(nil, t.c.dialer.protocol(), packets)
	ctx, cancel := context.WithTimeout(t.c.ctx, or(t.c.dialer.RequestTimeout, defaultRequestTimeout))
	defer cancel()
	_, _, err := t.request(ctx, http.MethodPost, body, "xhr post error")
	return err
}

func (t *clientPolling) request(ctx context.Context, method string, body []byte, failure string) (answer []byte, binary bool, err error) {
	var conn *endConn
	req, err := http.NewRequestWithContext(noted(ctx, &conn), method, t.target(), bytes.NewReader(body))
	if err != nil {
		return nil, false, &TransportError{Message: failure, Err: err}
	}
	t.c.dialer.setHeader(req)
	if method == http.MethodGet {
		// A body that cannot be had again keeps net/http from repeating a poll whose
		// connection broke: what its answer held is lost, and the session with it.
		req.Body, req.GetBody = io.NopCloser(bytes.NewReader(nil)), nil
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	resp, err := t.c.web.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, false, &TransportError{Message: failure, Err: Readable(conn.cut(err))}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		answer, _ = io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		return nil, false, &TransportError{Message: failure, Status: resp.StatusCode, Body: string(answer)}
	}
	answer, err = t.body(resp)
	if err != nil {
		return nil, false, &TransportError{Message: failure, Err: err}
	}
	return answer, resp.Header.Get("Content-Type") == "application/octet-stream", nil
}

// setHeader adds the headers that the user wants.
func (d *Dialer) setHeader(req *http.Request) {
	req.Header.Set("Accept", "*/*")
	for name, values := range d.Header {
		req.Header[http.CanonicalHeaderKey(name)] = append([]string(nil), values...)
	}
	if host := d.Header.Get("Host"); host != "" {
		req.Host = host
	}
}

// body reads an answer, and no more of it than may be.
func (t *clientPolling) body(resp *http.Response) ([]byte, error) {
	most := t.c.dialer.maxMessage()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err == nil && int64(len(answer)) > most {
		err = fmt.Errorf("the answer has more than %d bytes", most)
	}
	return answer, err
}

// loop polls until the session ends or moves.
func (t *clientPolling) loop() {
	for t.goesOn() {
		packets, err := t.get(t.c.ctx)
		t.c.record(0, trace.In, t.name(), packets...)
		for _, p := range packets {
			t.c.packet(t, p)
		}
		if err != nil {
			if !t.over.Load() {
				t.c.broke(t, err)
			}
			break
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over.Store(true)
	if t.pause != nil && !t.halted {
		t.halted = true
		close(t.pause)
	}
}

// goesOn waits while polling is paused. It reports false at the end.
func (t *clientPolling) goesOn() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cond == nil {
		t.cond = sync.NewCond(&t.mu)
	}
	for t.pause != nil && !t.over.Load() {
		if !t.halted {
			t.halted = true
			close(t.pause)
		}
		t.cond.Wait()
	}
	return !t.over.Load()
}

// halt has the loop wait once the poll that is under way has its answer; then
// the channel is closed.
func (t *clientPolling) halt() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pause, t.halted = make(chan struct{}), false
	return t.pause
}

// resume goes on polling.
func (t *clientPolling) resume() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pause = nil
	if t.cond != nil {
		t.cond.Broadcast()
	}
}

// close ends polling; polite tells the server.
func (t *clientPolling) close(polite bool) {
	was := t.over.Swap(true)
	t.resume()
	if !was && polite {
		_ = t.write([]Packet{{Type: Close}})
	}
}

// isClosed reports whether the other side has ended the connection.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || tcp.IsReset(err)
}
