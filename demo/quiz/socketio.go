package quiz

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/ws"
)

// spoiler stands before right servers of Socket.IO and spoils one thing.
type spoiler struct {
	engine  func() *engine.Server                       // the options of a server behind; nil has the defaults
	greets  bool                                        // each socket is sent a picture, and then a text
	servers int                                         // behind it, which take turns; 0 is one
	packet  func(p engine.Packet) (engine.Packet, bool) // changes or drops what goes to clients; nil does not
	header  func(http.Header)                           // changes that of an answer
	request func(*http.Request)                         // changes a request
	wrap    func(http.Handler) http.Handler             // stands before all
}

func (s *spoiler) start(h *house) (string, error) {
	var behind []*url.URL
	for range max(s.servers, 1) {
		at, err := s.server(h)
		if err != nil {
			return "", err
		}
		behind = append(behind, at)
	}
	handler := s.handler(h, behind)
	if s.wrap != nil {
		handler = s.wrap(handler)
	}
	at, err := h.http(handler)
	return "sio://" + at + "/", err
}

// server is a right one.
func (s *spoiler) server(h *house) (*url.URL, error) {
	options := &engine.Server{}
	if s.engine != nil {
		options = s.engine()
	}
	at, err := h.socketIO(newServer(options, s.greets))
	return &url.URL{Scheme: "http", Host: at}, err
}

// newServer echoes messages, and acknowledges them.
func newServer(options *engine.Server, greets bool) *socketio.Server {
	io := socketio.NewServer(&socketio.ServerOptions{Engine: options})
	io.OnConnection(func(c *socketio.Socket) {
		if greets {
			_ = c.Emit("picture", []byte{0x89, 'P', 'N', 'G'})
			_ = c.Emit("message", "did you see the picture?")
		}
		c.On("message", func(text string, ack func(string)) {
			_ = c.Emit("message", text)
			if ack != nil {
				ack("ok")
			}
		})
	})
	return io
}

func soundSocketIO(h *house) (string, error) {
	at, err := h.socketIO(newServer(&engine.Server{}, false))
	return "sio://" + at + "/", err
}

// handler passes requests to the servers behind, one after the other.
func (s *spoiler) handler(h *house, behind []*url.URL) http.Handler {
	var turn atomic.Uint32
	next := func() *url.URL { return behind[int(turn.Add(1)-1)%len(behind)] }
	bridge := s.bridge(h, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.request != nil {
			s.request(r)
		}
		if s.packet != nil && r.Header.Get("Upgrade") != "" {
			bridge.ServeHTTP(w, r)
			return
		}
		proxy := proxyTo(next())
		proxy.ModifyResponse = s.response
		proxy.ServeHTTP(w, r)
	})
}

// response spoils an answer.
func (s *spoiler) response(r *http.Response) error {
	if s.header != nil {
		s.header(r.Header)
	}
	if s.packet == nil || r.StatusCode != http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	body = s.payload(body)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// payload spoils the packets of a body; what is none, such as "ok", stays.
func (s *spoiler) payload(body []byte) []byte {
	var list []engine.Packet
	err := engine.ParsePayload(body, func(p engine.Packet) bool {
		if spoilt, ok := s.packet(p); ok {
			list = append(list, spoilt)
		}
		return true
	})
	if err != nil {
		return body
	}
	if len(list) == 0 { // a poll has to be answered by something
		list = []engine.Packet{{Type: engine.Noop}}
	}
	return engine.AppendPayload(nil, list)
}

// bridge joins the WebSocket of a client to one of the server behind.
func (s *spoiler) bridge(h *house, next func() *url.URL) http.Handler {
	server := &ws.Server{
		Permit: func(*ws.Request) error { return nil },
		Handler: func(ctx context.Context, client *ws.Conn) error {
			at := "ws://" + next().Host + string(ws.RequestOf(ctx).Head.Target)
			inner, _, err := (&ws.Dialer{}).Dial(ctx, at)
			if err != nil {
				return err
			}
			defer inner.CloseNow()
			go relay(ctx, inner, client, nil)
			relay(ctx, client, inner, s.packet)
			return nil
		},
	}
	h.keep(&ending{server.Shutdown})
	return server
}

// relay passes messages on until one side ends, and then ends the other.
func relay(ctx context.Context, to, from *ws.Conn, spoil func(engine.Packet) (engine.Packet, bool)) {
	for {
		kind, b, err := from.Read(ctx)
		if err != nil {
			_ = to.Close(ws.StatusNormal, "")
			return
		}
		if p, err := engine.ParseText(b); spoil != nil && kind == ws.Text && err == nil {
			p, ok := spoil(p)
			if !ok {
				continue
			}
			b = p.AppendText(nil)
		}
		if to.Write(ctx, kind, b) != nil {
			_ = from.CloseNow()
			return
		}
	}
}

// opens changes the JSON of the open packet.
func opens(change func([]byte) []byte) func(engine.Packet) (engine.Packet, bool) {
	return func(p engine.Packet) (engine.Packet, bool) {
		if p.Type == engine.Open {
			p.Data = change(bytes.Clone(p.Data))
		}
		return p, true
	}
}

// quick pings often, for a fault that shows when a ping is missing.
func quick() *engine.Server { return &engine.Server{PingInterval: 2 * time.Second} }
