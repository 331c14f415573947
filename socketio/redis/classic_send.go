package redis

import (
	"encoding/json"
	"fmt"

	"github.com/sockkit/sockkit/socketio"
)

// The numbers of requests and answers of @socket.io/redis-adapter.
const (
	classicSockets = iota
	classicRooms
	classicJoin
	classicLeave
	classicDisconnect
	classicFetch
	classicServerEvent
	classicBroadcast
	classicCount
	classicAnswer
)

// classicRequest is a request on the wire. Where it is read, members may be
// missing.
type classicRequest struct {
	UID       string          `json:"uid,omitempty"`
	RequestID json.RawMessage `json:"requestId,omitempty"`
	Type      *int            `json:"type"`
	Packet    *wirePacket     `json:"packet,omitempty"`
	Opts      *wireOptions    `json:"opts,omitempty"`
	Rooms     roomNames       `json:"rooms,omitempty"`
	Close     *bool           `json:"close,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`

	// Of older versions.
	SID  string          `json:"sid,omitempty"`
	Room json.RawMessage `json:"room,omitempty"`
}

// classicSelection is where no flags go along.
type classicSelection struct {
	Rooms  roomNames `json:"rooms"`
	Except roomNames `json:"except"`
}

// classicOut is a request that is sent.
type classicOut struct {
	UID       string          `json:"uid,omitempty"`
	RequestID json.RawMessage `json:"requestId,omitempty"`
	Type      int             `json:"type"`
	Packet    *wirePacket     `json:"packet,omitempty"`
	Opts      any             `json:"opts,omitempty"`
	Rooms     roomNames       `json:"rooms,omitempty"`
	Close     *bool           `json:"close,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
}

// classicResponse is an answer on the wire. Who sends it says so, which the
// official servers do not.
type classicResponse struct {
	Type        *int            `json:"type,omitempty"`
	RequestID   json.RawMessage `json:"requestId"`
	Sockets     any             `json:"sockets,omitempty"`
	Rooms       any             `json:"rooms,omitempty"`
	ClientCount *int            `json:"clientCount,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	Packet      json.RawMessage `json:"packet,omitempty"`
	UID         string          `json:"uid,omitempty"`
}

// send implements wire.
func (a *classic) send(m *message) error {
	channel, body, err := a.encode(m)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return a.conn.publish(channel, body, a.Namespace().AdapterError)
}

// encode returns what goes over which channel.
func (a *classic) encode(m *message) (channel string, body []byte, err error) {
	switch m.kind {
	case kindFetched, kindServerAnswer, kindCount, kindAnswer, kindListSockets, kindListRooms:
		body, err = encodeClassicAnswer(m)
		return a.answerChannel(m), body, err
	case kindBroadcast:
		if m.request == "" {
			body, err = encodeClassicBroadcast(m, a.Namespace().Name())
			return roomChannel(a.channel, m.selection), body, err
		}
	}
	body, err = encodeClassicRequest(m, a.Namespace().Name())
	return a.request, body, err
}

// roomChannel is where a broadcast goes: one for exactly one room has a channel
// of its own.
func roomChannel(channel string, s socketio.Selection) string {
	if rooms := list(s.Rooms); len(rooms) == 1 {
		return channel + rooms[0] + "#"
	}
	return channel
}

func (a *classic) answerChannel(m *message) string {
	if a.options.PublishOnSpecificResponseChannel && m.to != "" {
		return a.response + m.to + "#"
	}
	return a.response
}

// encodeClassicBroadcast is MessagePack always.
func encodeClassicBroadcast(m *message, namespace string) ([]byte, error) {
	document, err := marshal([]any{m.uid, packetOf(m, namespace), optionsOf(m.selection, m.flags)})
	if err != nil {
		return nil, err
	}
	return socketio.EncodeMsgpack(document, m.attachments)
}

func encodeClassicRequest(m *message, namespace string) ([]byte, error) {
	out := classicOut{UID: m.uid, RequestID: rawID(m.request)}
	selected := &classicSelection{list(m.selection.Rooms), list(m.selection.Except)}
	switch m.kind {
	case kindBroadcast:
		out.Type, out.Packet, out.Opts = classicBroadcast, packetOf(m, namespace), optionsOf(m.selection, m.flags)
		document, err := marshal(out)
		if err != nil {
			return nil, err
		}
		return socketio.EncodeMsgpack(document, m.attachments)
	case kindJoin:
		out.Type, out.Opts, out.Rooms = classicJoin, selected, list(m.rooms)
	case kindLeave:
		out.Type, out.Opts, out.Rooms = classicLeave, selected, list(m.rooms)
	case kindDisconnect:
		out.Type, out.Opts, out.Close = classicDisconnect, selected, &m.close
	case kindFetch:
		out.Type, out.Opts = classicFetch, selected
	case kindServerEvent:
		out.Type, out.Data = classicServerEvent, m.data
	}
	return encode(out, m.attachments)
}

func encodeClassicAnswer(m *message) ([]byte, error) {
	r := classicResponse{RequestID: rawID(m.request), UID: m.uid}
	kind := 0
	switch m.kind {
	case kindFetched:
		r.Sockets = sockets(m.sockets)
	case kindListSockets:
		r.Sockets = list(m.rooms)
	case kindListRooms:
		r.Rooms = list(m.rooms)
	case kindServerAnswer:
		kind, r.Data = classicServerEvent, m.data
	case kindCount:
		kind, r.ClientCount = classicCount, &m.count
	case kindAnswer:
		kind, r.Packet = classicAnswer, m.data
		r.Type = &kind
		document, err := marshal(r)
		if err != nil {
			return nil, err
		}
		return socketio.EncodeMsgpack(document, m.attachments)
	}
	if kind != 0 {
		r.Type = &kind
	}
	return encode(r, m.attachments)
}

// sockets is never nil: null is no list.
func sockets(all []socketio.RemoteSocket) []socketio.RemoteSocket {
	if all == nil {
		return []socketio.RemoteSocket{}
	}
	return all
}
