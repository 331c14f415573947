package handshake

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Request describes a client's opening request (RFC 6455 4.1). Only the URL
// has to be given.
type Request struct {
	URL string // ws://, wss://, http:// or https://; a name and password in it become Authorization

	Host   string // instead of the URL's host and port
	Target string // instead of the URL's path and query
	Key    string // the Sec-WebSocket-Key; "" is a fresh one

	Subprotocols []string    // in order of preference
	Offers       []Deflate   // permessage-deflate, in order of preference; empty offers no compression
	Extensions   []Extension // offered besides
	Origin       string

	Header []Field // added behind, or put in place of those above that have its name
}

// ErrURL says that an address is none that a WebSocket can be opened at.
var ErrURL = errors.New("handshake: not the address of a WebSocket")

// ErrField says that a header cannot be sent as it is: its name is no token,
// or its value holds a control character. A [Bend] sends it all the same.
var ErrField = errors.New("handshake: not a header")

// Head builds the request. Where no key was given the head's
// Sec-WebSocket-Key is a fresh one. The error is an ErrURL or an ErrField.
func (r *Request) Head() (*Head, error) {
	u, err := parseURL(r.URL)
	if err != nil {
		return nil, err
	}
	h := &Head{}
	h.SetRequestLine("GET", or(r.Target, u.RequestURI()), "HTTP/1.1")
	h.Add("Host", or(r.Host, hostOf(u)))
	h.Add("Upgrade", "websocket")
	h.Add("Connection", "Upgrade")
	h.Add("Sec-WebSocket-Key", or(r.Key, NewKey()))
	h.Add("Sec-WebSocket-Version", "13")
	r.addOptional(h, u)
	setAll(h, r.Header)
	return h, h.sendable()
}

// sendable makes sure that nothing handed in ends a line and begins another.
func (h *Head) sendable() error {
	if classOf(h.Target)&isControlByte != 0 || strings.ContainsAny(string(h.Target), " \t") {
		return fmt.Errorf("%w: the path is %s", ErrURL, quote(h.Target))
	}
	for i := range h.fields {
		if f := &h.fields[i]; f.Raw != nil || !isToken(f.Name) || classOf(f.Value)&isControlByte != 0 {
			return fmt.Errorf("%w: %q", ErrField, f.String())
		}
	}
	return nil
}

func (r *Request) addOptional(h *Head, u *url.URL) {
	if r.Origin != "" {
		h.Add("Origin", r.Origin)
	}
	if len(r.Subprotocols) > 0 {
		h.Add("Sec-WebSocket-Protocol", strings.Join(r.Subprotocols, ", "))
	}
	var offers []Extension
	for _, d := range r.Offers {
		offers = append(offers, d.Extension())
	}
	if offers = append(offers, r.Extensions...); len(offers) > 0 {
		h.Add("Sec-WebSocket-Extensions", FormatExtensions(offers))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		h.Add("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
}

// setAll puts fields in place of those of their names. Where a name comes
// several times, so it does in the head.
func setAll(h *Head, fields []Field) {
	for i, f := range fields {
		again := false
		for _, before := range fields[:i] {
			again = again || named(f.Name, string(before.Name))
		}
		if again {
			h.AddField(f)
		} else {
			h.Set(f)
		}
	}
}

// AppendTo appends the request as it goes over the wire.
func (r *Request) AppendTo(b []byte) ([]byte, error) {
	h, err := r.Head()
	if err != nil {
		return b, err
	}
	return h.AppendTo(b), nil
}

// parseURL reads an address (RFC 6455 3).
func parseURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	case u.Scheme != "ws" && u.Scheme != "wss" && u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%w: %q begins with neither ws:// nor wss://", ErrURL, address)
	case u.Hostname() == "":
		return nil, fmt.Errorf("%w: %q names no host", ErrURL, address)
	case !isAuthority([]byte(hostOf(u))):
		return nil, fmt.Errorf("%w: the host in %q is not ASCII; write it as punycode (xn--…)", ErrURL, address)
	case u.Fragment != "" || strings.HasSuffix(address, "#"):
		return nil, fmt.Errorf("%w: %q has a fragment (#…), which RFC 6455 section 3 forbids; a # in a name is %%23", ErrURL, address)
	}
	return u, nil
}

// hostOf is the host, and the port where it is not the scheme's own
// (RFC 6455 4.1 item 4). An IPv6 zone stays at home (RFC 6874 4).
func hostOf(u *url.URL) string {
	host, port := u.Hostname(), u.Port()
	if strings.Contains(host, ":") {
		address, _, _ := strings.Cut(host, "%")
		host = "[" + address + "]"
	}
	secure := u.Scheme == "wss" || u.Scheme == "https"
	if port == "" || port == "80" && !secure || port == "443" && secure {
		return host
	}
	return host + ":" + port
}

// CheckResponse validates a response as a client (RFC 6455 4.1): it stops at the
// first rule for which a client has to give up, and else returns what was
// agreed on. The error is a [*Finding]; its Part is [InRefusal] where the server
// answered with a status other than 101. Without the request, rules about both
// are not asked. Without the response, none came.
func CheckResponse(x *Exchange) (Agreement, error) {
	if x.Response == nil {
		x = &Exchange{Request: x.Request, Response: &Head{response: true, faults: 1 << emptyHead}}
	}
	t, on := table(), x.scopes()
	for _, s := range []scope{responseBytes, wholeResponse, upgrade, refusal} {
		if !on[s] {
			continue
		}
		for _, r := range t.abort[s] {
			if h := r.check(x); h != nil {
				return Agreement{}, r.finding(h)
			}
		}
	}
	return agreed(x), nil
}

// agreed reads what a good pair of heads agrees on.
func agreed(x *Exchange) (a Agreement) {
	if !x.Response.whole() {
		return a
	}
	a.Subprotocol = string(x.Response.value(protocolField))
	if a.Deflate, a.Compressed = x.Response.deflate(); a.Compressed && x.Request.whole() {
		offer, _, _ := bestOffer(x.Request, a.Deflate)
		a.Deflate = offer.Agree(a.Deflate)
	}
	return a
}
