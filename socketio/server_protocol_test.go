package socketio

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// echoServer is that of the official protocol's test suite.
func echoServer() *Server {
	io := NewServer(&ServerOptions{Engine: quickEngine()})
	io.OnConnection(func(s *Socket) {
		_ = s.Emit("auth", s.Handshake().Auth)
		s.On("message", func(args ...any) { _ = s.Emit("message-back", args...) })
		s.On("message-with-ack", func(ack func(...any), args ...any) { ack(args...) })
	})
	io.Of("/custom").OnConnection(func(s *Socket) { _ = s.Emit("auth", s.Handshake().Auth) })
	return io
}

// TestProtocol is what the official protocol's test suite asks of a server.
func TestProtocol(t *testing.T) {
	everywhere(t, func(t *testing.T, serve func(*testing.T, *Server) string, dial func(*testing.T, string, string) *peer) {
		addr := serve(t, echoServer())
		p := dial(t, addr, "")
		p.join("/")
		p.want(`42["auth",{}]`)
		p.send(`42["message",1,"2",{"3":[true]}]`)
		p.want(`42["message-back",1,"2",{"3":[true]}]`)
		p.send(`452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, b64(1, 2, 3), b64(4, 5, 6))
		p.want(`452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, b64(1, 2, 3), b64(4, 5, 6))
		p.send(`42456["message-with-ack",1,"2",{"3":[false]}]`)
		p.want(`43456[1,"2",{"3":[false]}]`)
		p.send(`452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, b64(1, 2, 3), b64(4, 5, 6))
		p.want(`462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, b64(1, 2, 3), b64(4, 5, 6))

		p.send(`40/custom,{"token":"abc"}`)
		p.match(`^40/custom,\{"sid":"[\w-]{20}"\}$`)
		p.want(`42/custom,["auth",{"token":"abc"}]`)
		p.send(`40/random`)
		p.want(`44/random,{"message":"Invalid namespace"}`)
		p.send(`41/custom,`, `42["message","on"]`)
		p.want(`42["message-back","on"]`)

		with := dial(t, addr, "")
		with.send(`40{"token":"123"}`)
		with.match(`^40\{"sid":"[\w-]{20}"\}$`)
		with.want(`42["auth",{"token":"123"}]`)
	})
}

// TestMalformed holds that what is no packet closes the connection, and that
// nobody else notices.
func TestMalformed(t *testing.T) {
	bad := []string{
		`4`, `4abc`, `42{}`, `42[]`, `42[null]`, `42[{"toString":"foo"}]`, `42["connect"]`, `42["disconnecting"]`, `42["a"`, `47`, `41{}`,
		`40"x"`, `450-["a"]`, `4511-["a"]`, `4599999999999-["a"]`, `45["a"]`, `45-["a"]`, `43{}`, `40[1]`, `42` + strings.Repeat("[", 5000),
		`42["a",` + strings.Repeat("[", 15000) + strings.Repeat("]", 15000) + `]`,
		b64(1), // binary that nobody has announced
	}
	everywhere(t, func(t *testing.T, serve func(*testing.T, *Server) string, dial func(*testing.T, string, string) *peer) {
		io := echoServer()
		why, failures := reasons(io), make(chan error, 100)
		io.OnConnection(func(s *Socket) { s.OnError(func(err error) { failures <- err }) })
		addr := serve(t, io)
		other := dial(t, addr, "")
		other.join("/")
		other.want(`42["auth",{}]`)
		for _, packet := range bad {
			p := dial(t, addr, "")
			p.join("/")
			p.want(`42["auth",{}]`)
			p.send(packet)
			p.ended()
			if got := get(t, why); got != ReasonForcedClose {
				t.Errorf("%.50s: %s", packet, got)
			}
			get(t, failures)
		}
		p := dial(t, addr, "")
		p.join("/")
		p.want(`42["auth",{}]`)
		p.send(`451-["message",{"_placeholder":true,"num":"splice"}]`, b64(1))
		p.ended()
		other.send(`42["message","still here"]`, `42["error","x"]`, `42["__proto__",{"__proto__":{"a":1},"constructor":1}]`)
		other.want(`42["message-back","still here"]`)
	})
}

// TestVectors sends what the official decoder refuses over real connections.
func TestVectors(t *testing.T) {
	io := echoServer()
	addr := onHTTP(t, io)
	for _, v := range loadVectors(t).SioDecode {
		if v.Error == "" {
			continue
		}
		p := dialWebSocket(t, addr, "")
		p.join("/")
		p.want(`42["auth",{}]`)
		for _, in := range v.In {
			var text string
			if json.Unmarshal(in, &text) == nil {
				p.send("4" + text)
				continue
			}
			p.send(b64(1))
		}
		p.ended()
	}
	soon(t, "all have gone", func() bool { return len(io.Sockets()) == 0 })
}

// TestWrongState holds that a packet which may not come now closes the whole
// connection (Socket.IO protocol v5, and the official server).
func TestWrongState(t *testing.T) {
	cases := map[string]struct {
		joins []string
		sends []string
	}{
		"an event before CONNECT":     {nil, []string{`42["message"]`}},
		"an acknowledgement before":   {nil, []string{`430[]`}},
		"DISCONNECT before CONNECT":   {nil, []string{`41`}},
		"CONNECT twice":               {[]string{"/"}, []string{`40`}},
		"an event in another":         {[]string{"/"}, []string{`42/custom,["message"]`}},
		"an event in none":            {[]string{"/"}, []string{`42/nowhere,["message"]`}},
		"CONNECT_ERROR":               {[]string{"/"}, []string{`44{"message":"x"}`}},
		"CONNECT_ERROR in none":       {[]string{"/"}, []string{`44/none,"x"`}},
		"an event after DISCONNECT":   {[]string{"/", "/custom"}, []string{`41/custom,`, `42/custom,["message"]`}},
		"CONNECT to a joined one too": {[]string{"/", "/custom"}, []string{`40/custom,`}},
	}
	everywhere(t, func(t *testing.T, serve func(*testing.T, *Server) string, dial func(*testing.T, string, string) *peer) {
		io := NewServer(nil)
		why := reasons(io)
		io.Of("/custom")
		addr := serve(t, io)
		for name, c := range cases {
			p := dial(t, addr, "")
			for _, n := range c.joins {
				p.join(n)
			}
			p.send(c.sends...)
			p.ended()
			if len(c.joins) > 0 {
				if got := get(t, why); got != ReasonForcedServerClose {
					t.Errorf("%s: %s", name, got)
				}
			}
		}
	})
}

func TestIgnored(t *testing.T) {
	addr := onHTTP(t, echoServer())
	p := dialWebSocket(t, addr, "")
	p.join("/")
	p.want(`42["auth",{}]`)
	p.send(`43999["x"]`, `431[]`, `42["unheard",1]`, `42["message",1]`)
	p.want(`42["message-back",1]`)
}

// TestLeaving holds the reasons of the ways to go.
func TestLeaving(t *testing.T) {
	everywhere(t, func(t *testing.T, serve func(*testing.T, *Server) string, dial func(*testing.T, string, string) *peer) {
		io := NewServer(&ServerOptions{Engine: quickEngine()})
		io.Of("/custom")
		why, all := reasons(io), sockets(io)
		customWhy := reasons(io.Of("/custom"))
		addr := serve(t, io)
		check := func(name, want string, from chan string) {
			t.Helper()
			if got := get(t, from); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}

		p := dial(t, addr, "") // the last namespace is left, the engine stays
		p.join("/")
		p.send(`41`)
		check("DISCONNECT", ReasonClientNamespaceDisconnect, why)
		p.join("/")
		p.send(`41`, `1`) // and DISCONNECT right before the close counts
		check("DISCONNECT and close", ReasonClientNamespaceDisconnect, why)

		p = dial(t, addr, "")
		p.join("/")
		p.send(`1`)
		check("close", ReasonTransportClose, why)

		for range 3 {
			<-all
		}
		p = dial(t, addr, "")
		p.join("/")
		p.join("/custom")
		get(t, all).Disconnect(false)
		p.want(`41`)
		check("Disconnect(false)", ReasonServerNamespaceDisconnect, why)
		p.send(`41/custom,`)
		check("the other namespace", ReasonClientNamespaceDisconnect, customWhy)

		p = dial(t, addr, "")
		p.join("/")
		p.join("/custom")
		get(t, all).Disconnect(true)
		check("Disconnect(true)", ReasonServerNamespaceDisconnect, why)
		check("Disconnect(true), elsewhere", ReasonServerNamespaceDisconnect, customWhy)
		got := []string{p.next(), p.next(), p.next()}
		if !regexp.MustCompile(`^(41 41/custom,?|41/custom,? 41) $`).MatchString(strings.Join(got, " ")) {
			t.Errorf("got %q", got)
		}

		p = dial(t, addr, "")
		p.join("/")
		p.leave()
		if got := get(t, why); got != ReasonTransportClose && got != ReasonTransportError && got != ReasonPingTimeout { // between two polls
			t.Errorf("dropped: %s", got)
		}

		p = dial(t, addr, "")
		p.join("/")
		closeQuickly(t, io)
		check("Close", ReasonServerShuttingDown, why)
		p.ended()
	})
}
