package admin

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/socketio"
)

// socketView is a socket as a page is told of it. All of it is JSON by then: what
// is no JSON, or binary, stays here.
type socketView struct {
	ID        string          `json:"id"`
	ClientID  string          `json:"clientId"`
	Transport string          `json:"transport"`
	Namespace string          `json:"nsp"`
	Data      json.RawMessage `json:"data"`
	Handshake json.RawMessage `json:"handshake"`
	Rooms     []string        `json:"rooms"`
}

// noteName is the member of a socket's data in which servers tell each other what
// adminNote has, official ones too.
const noteName = "_admin"

type adminNote struct {
	ClientID  string `json:"clientId"`
	Transport string `json:"transport"`
}

// clientID names a client. It is not the session's id, which is a secret: who has
// it can speak as the client.
func clientID(session string) string {
	sum := sha256.Sum256([]byte(session))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// remoteView is a socket of another server.
func (a *admin) remoteView(namespace string, r *socketio.RemoteSocket) *socketView {
	v := &socketView{ID: r.ID, Namespace: namespace, Data: json.RawMessage("{}"), Handshake: a.handshakeView(r.Handshake), Rooms: r.Rooms}
	if v.Rooms == nil {
		v.Rooms = []string{}
	}
	var data map[string]json.RawMessage
	var note adminNote
	if json.Unmarshal(r.Data, &data) == nil && data != nil {
		_ = json.Unmarshal(data[noteName], &note)
		delete(data, noteName)
		v.Data = dataView(data)
	} else if len(r.Data) > 0 {
		v.Data = dataView(r.Data)
	}
	if v.ClientID, v.Transport = note.ClientID, note.Transport; v.ClientID == "" {
		v.ClientID = r.ID // nobody has said: at least it is no other's
	}
	return v
}

// dataView is a socket's data as JSON, an object. What is no JSON is named in its
// place.
func dataView(data any) (view json.RawMessage) {
	defer func() {
		if v := recover(); v != nil { // of a method of the data's own
			view = wrong(fmt.Errorf("%v", v))
		}
	}()
	if data == nil {
		return json.RawMessage("{}")
	}
	text, err := json.Marshal(data)
	if err == nil && !fits(text) {
		err = errDeep
	}
	if err != nil {
		return wrong(err)
	}
	return object(text)
}

var errDeep = errors.New("nested too deeply to be shown")

// fits reports whether JSON may be sent on inside of what pages are told.
func fits(text []byte) bool {
	_, err := socketio.ParseArgs(fmt.Appendf(nil, "[[[[[%s]]]]]", text), nil)
	return err == nil
}

// object is JSON itself where it is an object, or else one with it as "value": the
// page shows members.
func object(text json.RawMessage) json.RawMessage {
	switch {
	case string(text) == "null":
		return json.RawMessage("{}")
	case bytes.HasPrefix(text, []byte("{")):
		return text
	}
	return fmt.Appendf(nil, `{"value":%s}`, text)
}

func wrong(err error) json.RawMessage {
	view, _ := json.Marshal(map[string]string{"error": err.Error()})
	return view
}

// secretHeaders are masked in views.
var secretHeaders = []string{"authorization", "proxy-authorization", "cookie"}

// handshakeView is what a socket began with, but for what the client sent along.
func (a *admin) handshakeView(h *socketio.Handshake) json.RawMessage {
	if h == nil {
		return json.RawMessage(`{"headers":{},"query":{}}`)
	}
	text, err := json.Marshal(h)
	var members map[string]any
	if err != nil || json.Unmarshal(text, &members) != nil {
		return json.RawMessage(`{"headers":{},"query":{}}`)
	}
	delete(members, "auth")
	headers, _ := members["headers"].(map[string]any)
	if a.TrustForwarded {
		members["address"] = forwarded(headers, h.Address)
	}
	for _, name := range secretHeaders {
		if _, ok := headers[name]; ok && !a.ShowSecrets {
			headers[name] = "***"
		}
	}
	view, _ := json.Marshal(members)
	return view
}

// forwarded is the address that a proxy says the client has: the first, where
// there are several.
func forwarded(headers map[string]any, address string) string {
	for _, name := range []string{"cf-connecting-ip", "x-forwarded-for"} {
		if text, _ := headers[name].(string); text != "" {
			first, _, _ := strings.Cut(text, ",")
			return strings.TrimSpace(first)
		}
	}
	return address
}

// eventView is an event as JSON: an array of its name and its arguments. Binary is
// described, and of more than most bytes the size is said.
func eventView(name string, args socketio.Args, most int) json.RawMessage {
	data, attachments := args.Data()
	size := len(data)
	for _, b := range attachments {
		size += len(b)
	}
	switch {
	case len(data) > most:
		return event(name, fmt.Appendf(nil, `["%d bytes, of which %d at most are shown (MaxArgs)"]`, size, most))
	case len(attachments) > 0:
		data = described(args)
	}
	if !fits(data) {
		data, _ = json.Marshal([]string{errDeep.Error()})
	}
	return event(name, data)
}

// event puts an event's name before its arguments, which are an array.
func event(name string, args []byte) json.RawMessage {
	text, _ := json.Marshal(name)
	view := append([]byte{'['}, text...)
	if len(args) > len("[]") {
		view = append(view, ',')
	}
	return append(view, args[1:]...)
}

// described are arguments with a description of what is binary.
func described(args socketio.Args) []byte {
	values, err := args.Values()
	if err != nil {
		return []byte(`["binary"]`)
	}
	text, err := json.Marshal(describe(values))
	if err != nil {
		return []byte(`["binary"]`)
	}
	return text
}

func describe(v any) any {
	switch v := v.(type) {
	case []byte:
		return fmt.Sprintf("binary, %d bytes: %s", len(v), beginning(v))
	case []any:
		for i := range v {
			v[i] = describe(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = describe(v[name])
		}
	}
	return v
}

const shownBytes = 16 // of binary, in hex

func beginning(b []byte) string {
	if len(b) <= shownBytes {
		return fmt.Sprintf("%x", b)
	}
	return fmt.Sprintf("%x…", b[:shownBytes])
}
