package interop

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
)

// wsConn is a connection of a Go library.
type wsConn interface {
	send(binary bool, data []byte) error
	parts(parts []string) error
	ping(data string) error
	close(code int, reason string) error // code 0: an empty close frame
	drop()
}

// opened makes a connection the one that the peer's acts are for.
func (p *wsPeer) opened(c wsConn, subprotocol, extensions string) {
	p.mu.Lock()
	p.act = func(a wsAct) error { return perform(c, a) }
	p.mu.Unlock()
	p.report(wsSaw{Saw: "open", Subprotocol: subprotocol, Extensions: extensions})
}

func perform(c wsConn, a wsAct) error {
	switch a.Do {
	case "parts":
		return c.parts(a.Parts)
	case "ping":
		return c.ping(a.Data)
	case "close":
		return c.close(a.Code, a.Reason)
	case "drop":
		c.drop()
		return nil
	}
	return c.send(a.Do == "binary", a.data())
}

// received reports a message, and sends it back where that is asked for.
func (p *wsPeer) received(c wsConn, o wsOptions, binary bool, data []byte) {
	p.report(sawMessage(binary, data))
	if !o.Echo {
		return
	}
	if err := c.send(binary, data); err != nil {
		p.report(wsSaw{Saw: "error", Reason: err.Error()})
	}
}

// ended reports the end: by a close frame, or, with 1006, without one.
func (p *wsPeer) ended(code int, reason string) {
	p.report(wsSaw{Saw: "close", Code: code, Reason: reason})
}

// serveHTTP serves upgrades on a free port.
func (p *wsPeer) serveHTTP(o wsOptions, h http.HandlerFunc) {
	p.t.Helper()
	s := httptest.NewUnstartedServer(h)
	if o.Cert == "" {
		s.Start()
	} else {
		s.TLS = o.serverTLS(p)
		s.StartTLS()
	}
	p.t.Cleanup(s.Close)
	p.url = wsURL(o, s.Listener.Addr().String())
}

func (o wsOptions) serverTLS(p *wsPeer) *tls.Config {
	p.t.Helper()
	cert, err := tls.LoadX509KeyPair(o.Cert, o.Key)
	if err != nil {
		p.t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

// trusting accepts any certificate: what is tested is not TLS.
func trusting() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true} //nolint:gosec // see above
}

// listenRaw is a listener on a free port, with TLS where that is asked for.
func (p *wsPeer) listenRaw(o wsOptions) net.Listener {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { l.Close() })
	p.url = wsURL(o, l.Addr().String())
	if o.Cert == "" {
		return l
	}
	return tls.NewListener(l, o.serverTLS(p))
}
