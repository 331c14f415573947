package quiz

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/ws"
)

// silent is where a server of net/http says what nobody has to read.
var silent = log.New(io.Discard, "", 0)

// websocket is a server that echoes messages, and is right but for what is set.
type websocket struct {
	// bend changes the answer to a right request, or makes bytes of its own of
	// it; nil bytes are those of the head.
	bend func(request, answer *handshake.Head) []byte
	// deflate compresses for clients that have offered it.
	deflate bool
	// echo sends a message back; nil does it well.
	echo func(ctx context.Context, c *ws.Conn, kind ws.MessageType, message []byte) error
}

func (s *websocket) start(h *house) (string, error) {
	at, err := h.each(func(conn net.Conn) { s.serve(h.ctx, conn) })
	return "ws://" + at + "/", err
}

// serve answers the opening request, and then messages. What asks for no
// WebSocket is refused, as a right server does.
func (s *websocket) serve(ctx context.Context, conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(patience))
	reader := &handshake.Reader{Source: conn}
	var request handshake.Head
	var answer handshake.Answer
	failed := reader.ReadRequest(&request)
	refused := s.acceptor().Accept(&request, &answer)
	wire := answer.AppendTo(nil)
	if failed == nil && refused == nil && s.bend != nil {
		head := answer.Head()
		if wire = s.bend(&request, head); wire == nil {
			wire = head.AppendTo(nil)
		}
	}
	opens := failed == nil && refused == nil && bytes.HasPrefix(wire[len("HTTP/1.1"):], []byte(" 101"))
	if _, err := conn.Write(wire); err != nil || !opens {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	s.talk(ctx, ws.NewConn(conn, ws.Config{Role: ws.ServerRole, Agreed: answer.Agreement, Early: reader.Rest()}))
}

func (s *websocket) acceptor() *handshake.Acceptor {
	if s.deflate {
		return &handshake.Acceptor{Deflate: &handshake.Deflate{}}
	}
	return &handshake.Acceptor{}
}

func (s *websocket) talk(ctx context.Context, c *ws.Conn) {
	echo := s.echo
	if echo == nil {
		echo = func(ctx context.Context, c *ws.Conn, kind ws.MessageType, b []byte) error {
			return c.Write(ctx, kind, b)
		}
	}
	for {
		kind, b, err := c.Read(ctx)
		if err != nil || echo(ctx, c, kind, b) != nil {
			return
		}
	}
}

// field is one of a head.
func field(name, value string) handshake.Field {
	return handshake.Field{Name: []byte(name), Value: []byte(value)}
}

// bent changes the answer as b says.
func bent(b handshake.Bend) starter {
	return answering(func(_, answer *handshake.Head) []byte {
		b.Apply(answer)
		return nil
	})
}

// answering has the answer changed by bend.
func answering(bend func(request, answer *handshake.Head) []byte) starter {
	return (&websocket{bend: bend}).start
}

// echoing has the messages sent back by echo.
func echoing(echo func(ctx context.Context, c *ws.Conn, kind ws.MessageType, message []byte) error) starter {
	return (&websocket{echo: echo}).start
}

// framed sends a message back in the frames that make returns for it.
func framed(make func(ws.Frame) []ws.Frame) starter {
	return echoing(func(ctx context.Context, c *ws.Conn, kind ws.MessageType, message []byte) error {
		for _, f := range make(ws.Frame{Fin: true, Opcode: kind, Payload: message}) {
			if err := c.WriteFrame(ctx, f); err != nil {
				return err
			}
		}
		return nil
	})
}

// plainProxy stands before a right server, and passes on all but what HTTP
// keeps between two neighbours: the upgrade does not reach the server.
func plainProxy(h *house) (string, error) {
	at, err := (&websocket{}).start(h)
	if err != nil {
		return "", err
	}
	target, err := url.Parse("http" + at[len("ws"):])
	if err != nil {
		return "", err
	}
	proxy := proxyTo(target)
	proxy.ModifyResponse = func(r *http.Response) error { // whose Upgrade is the server's, and did not pass
		r.Header.Set("Upgrade", "websocket")
		return nil
	}
	at, err = h.http(withoutUpgrade(proxy))
	return "ws://" + at + "/", err
}

func proxyTo(target *url.URL) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		ErrorLog: silent,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
	}
}

// withoutUpgrade takes Upgrade and Connection away, as a proxy does that was not
// told to pass them on.
func withoutUpgrade(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Upgrade")
		r.Header.Del("Connection")
		next.ServeHTTP(w, r)
	})
}
