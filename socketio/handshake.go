package socketio

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
)

// Handshake is what a socket began with.
type Handshake struct {
	Headers http.Header // of the session's first request
	Time    time.Time   // when the socket was made
	Address string      // the client's, without its port
	XDomain bool        // the request came from a page of another origin
	Secure  bool
	URL     string
	Query   url.Values
	Auth    map[string]any // what the client sent along; never nil

	host string // which Headers do not have
}

// officialHandshake has the official names.
type officialHandshake struct {
	Headers map[string]json.RawMessage `json:"headers"`
	Time    string                     `json:"time"`
	Address string                     `json:"address"`
	XDomain bool                       `json:"xdomain"`
	Secure  bool                       `json:"secure"`
	Issued  int64                      `json:"issued"` // milliseconds since 1970
	URL     string                     `json:"url"`
	Query   map[string]json.RawMessage `json:"query"`
	Auth    map[string]any             `json:"auth"`
}

// jsDate is how a Date of JavaScript reads as text.
const jsDate = "Mon Jan 02 2006 15:04:05 GMT-0700 (MST)"

// MarshalJSON implements [json.Marshaler], with the official names.
func (h *Handshake) MarshalJSON() ([]byte, error) {
	o := officialHandshake{
		Headers: map[string]json.RawMessage{}, Time: h.Time.Format(jsDate), Address: h.Address, XDomain: h.XDomain, Secure: h.Secure,
		Issued: h.Time.UnixMilli(), URL: h.URL, Query: map[string]json.RawMessage{}, Auth: h.Auth,
	}
	for name, values := range h.Headers {
		sep := ", "
		if name == "Cookie" {
			sep = "; "
		}
		o.Headers[lower(name)] = quotedJSON(strings.Join(values, sep))
	}
	if h.host != "" {
		o.Headers["host"] = quotedJSON(h.host)
	}
	for name, values := range h.Query {
		if len(values) == 1 {
			o.Query[name] = quotedJSON(values[0])
			continue
		}
		o.Query[name], _ = json.Marshal(values)
	}
	return json.Marshal(o)
}

func quotedJSON(s string) json.RawMessage {
	b, _ := json.Marshal(s)
	return b
}

// UnmarshalJSON implements [json.Unmarshaler]: it reads what other servers have
// written, official ones too. There programs may have put anything in its place: what
// is of another type than is due is as if it were not there.
func (h *Handshake) UnmarshalJSON(data []byte) error {
	var o officialHandshake
	var other *json.UnmarshalTypeError
	if err := json.Unmarshal(data, &o); err != nil && (!errors.As(err, &other) || other.Field == "") {
		return err
	}
	*h = Handshake{
		Headers: http.Header{}, Time: time.UnixMilli(o.Issued), Address: o.Address, XDomain: o.XDomain, Secure: o.Secure,
		URL: o.URL, Query: url.Values{}, Auth: o.Auth,
	}
	if h.Auth == nil {
		h.Auth = map[string]any{}
	}
	for name, value := range o.Headers {
		for _, v := range oneOrMany(value) {
			h.Headers.Add(name, v)
		}
	}
	for name, value := range o.Query {
		h.Query[name] = oneOrMany(value)
	}
	h.host = h.Headers.Get("Host")
	return nil
}

// oneOrMany reads a string, or a list of some.
func oneOrMany(value json.RawMessage) (all []string) {
	var one string
	if json.Unmarshal(value, &one) == nil {
		return []string{one}
	}
	_ = json.Unmarshal(value, &all)
	return all
}

// newHandshake is that of a socket which was made at a time.
func newHandshake(session *engine.Session, made time.Time, auth map[string]any) *Handshake {
	h := &Handshake{Time: made, Address: session.RemoteAddr(), Auth: auth}
	if host, _, ok := cutLast(h.Address, ":"); ok {
		h.Address = strings.Trim(host, "[]")
	}
	if r := session.Request(); r != nil {
		h.Headers, h.URL, h.Query, h.host = r.Header, r.URL.RequestURI(), r.URL.Query(), r.Host
		h.XDomain, h.Secure = r.Header.Get("Origin") != "", r.TLS != nil
	}
	if h.Query == nil {
		h.Query = url.Values{}
	}
	return h
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func lower(s string) string { return strings.ToLower(s) }
