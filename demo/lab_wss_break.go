package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/internal/live"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// wssAgreed is what the client knows of TLS and of the server's certificate.
type wssAgreed struct {
	Version string `json:"version"`
	Cipher  string `json:"cipher"`
	Name    string `json:"name"` // that the client asked for
	Subject string `json:"subject"`
	Issuer  string `json:"issuer"`
	Names   string `json:"names"`
	From    string `json:"from"`
	Until   string `json:"until"`
	Pin     string `json:"pin"`
}

// agreed shows what the latest TLS handshake of the client came to.
func (b *wssBench) agreed() {
	list := events[trace.TLS](b.stage.cast.entries(), "wss client")
	if len(list) == 0 {
		return
	}
	const day = "2 January 2006, 15:04 MST"
	e := list[len(list)-1]
	a := wssAgreed{Version: e.Version, Cipher: e.Cipher, Name: e.ServerName}
	if len(e.Certificates) > 0 {
		c := e.Certificates[0]
		a.Subject, a.Issuer, a.Names = c.Subject, c.Issuer, strings.Join(c.Names, ", ")
		a.From, a.Until, a.Pin = c.NotBefore.Format(day), c.NotAfter.Format(day), c.SHA256
	}
	b.stage.Push("tls", a)
}

// wssTry is a client of one of the servers, with something that may be wrong.
type wssTry struct {
	server string
	scheme string
	name   string // what it takes the server for; "" is its name
	trusts bool   // it knows the authority
	pin    bool   // it knows the pin of the right certificate
}

// wssTries are those by their names in the page.
var wssTries = map[string]wssTry{
	"authority": {server: "wss server", scheme: "wss"},
	"name":      {server: "wss server", scheme: "wss", trusts: true, name: "shop.example"},
	"expired":   {server: "expired server", scheme: "wss", trusts: true},
	"impostor":  {server: "impostor server", scheme: "wss", trusts: true},
	"pin":       {server: "wss server", scheme: "wss", pin: true},
	"pin-other": {server: "impostor server", scheme: "wss", pin: true},
	"no-tls":    {server: "ws server", scheme: "wss", trusts: true},
	"no-wss":    {server: "wss server", scheme: "ws"},
}

// wssTryName names one.
type wssTryName struct {
	What string `json:"what"`
}

// try has a new client call a server, and tells what it makes of it.
func (b *wssBench) try(ctx context.Context, a wssTryName) (any, error) {
	t, ok := wssTries[a.What]
	if !ok {
		return nil, fmt.Errorf("%.20q is nothing of this list", a.What)
	}
	cfg, name, err := b.configured(t)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	from := b.stage.cast.Next()
	c, err := b.call(ctx, "new client", t.scheme, name, b.servers[t.server], cfg)
	said := ""
	if err != nil {
		said = "The client gives up: " + refusedFor(err)
	} else {
		said = "The client goes on. " + greets(ctx, c)
	}
	return reaction{said, b.outcome(ctx, from, t.server)}, nil
}

// configured is how a client checks the server.
func (b *wssBench) configured(t wssTry) (cfg *tls.Config, name string, err error) {
	if name = t.name; name == "" {
		name = chatName
	}
	switch {
	case t.pin:
		cfg, err = (&tcp.TLSOptions{Pins: []string{b.pin}}).Client(name)
	case t.trusts:
		cfg = &tls.Config{RootCAs: b.authority.trusts()}
	default:
		cfg = &tls.Config{RootCAs: (*authority)(nil).trusts()}
	}
	return cfg, name, err
}

// refusedFor is why a client gives up, in words, and what may help.
func refusedFor(err error) string {
	var failed *tcp.TLSError
	var refused *ws.HandshakeError
	switch {
	case errors.As(err, &failed):
		return failed.Reason + "."
	case errors.As(err, &refused):
		return reasonOf(err)
	}
	return tcp.Reason(err) + "."
}

// outcome waits until both ends are closed, and names the records that say how
// each has fared.
func (b *wssBench) outcome(ctx context.Context, from int, server string) (rows []int) {
	ctx, cancel := context.WithTimeout(ctx, 2*upgradeWait)
	defer cancel()
	b.stage.cast.Await(ctx.Done(), from, func(list []live.Entry) bool {
		rows = nil
		closed := map[string]bool{}
		for _, e := range list {
			switch e.Event.(type) {
			case trace.TLS, trace.TLSFailed, trace.UpgradeFailed, trace.Upgrade:
				rows = append(rows, e.Number)
			case trace.Close:
				closed[e.Who] = true
			}
		}
		return closed["new client"] && closed[server]
	})
	return rows
}
