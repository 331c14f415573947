package redis

import (
	"encoding/json"
	"strings"

	"github.com/sockkit/sockkit/socketio"
)

// onBroadcast takes what comes over the channels of broadcasts.
func (a *classic) onBroadcast(channel string, raw []byte) {
	room := strings.TrimPrefix(channel, a.channel)
	if room != "" && !a.HasRoom(strings.TrimSuffix(room, "#")) {
		return
	}
	m, namespace, err := decodeClassicBroadcast(raw)
	switch {
	case err != nil:
		a.conn.garbage(channel, err)
	case namespace == a.Namespace().Name():
		a.took(m)
	}
}

// decodeClassicBroadcast reads a broadcast, and the namespace that it is for.
func decodeClassicBroadcast(raw []byte) (*message, string, error) {
	document, attachments, err := socketio.DecodeMsgpack(raw)
	if err != nil {
		return nil, "", err
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(document, &parts); err != nil {
		return nil, "", errMessage("a broadcast is no list")
	}
	if len(parts) < 3 {
		return nil, "", errMessage("a broadcast has %d parts; 3 are due", len(parts))
	}
	m := &message{kind: kindBroadcast, attachments: attachments}
	var packet *wirePacket
	var options *wireOptions
	if err := json.Unmarshal(parts[0], &m.uid); err != nil {
		return nil, "", errMessage("its sender is %.40s", parts[0])
	}
	if err := json.Unmarshal(parts[1], &packet); err != nil {
		return nil, "", err
	}
	if err := json.Unmarshal(parts[2], &options); err != nil {
		return nil, "", err
	}
	return fillBroadcast(m, packet, options)
}

// fillBroadcast puts the parts of a broadcast into a message.
func fillBroadcast(m *message, packet *wirePacket, options *wireOptions) (*message, string, error) {
	if packet == nil || options == nil {
		return nil, "", errMessage("a broadcast lacks its packet or its options")
	}
	if packet.Type != int(socketio.PacketEvent) {
		return nil, "", errMessage("a packet of type %d; an event is due", packet.Type)
	}
	if _, err := event(packet.Data, m.attachments); err != nil {
		return nil, "", err
	}
	namespace := "/"
	if packet.NSP != nil {
		namespace = *packet.NSP
	}
	m.data = packet.Data
	options.read(m)
	return m, namespace, nil
}

// onRequest takes what other servers ask for.
func (a *classic) onRequest(channel string, raw []byte) {
	m, namespace, err := decodeClassicRequest(raw)
	switch {
	case err != nil:
		a.conn.garbage(channel, err)
	case namespace != "" && namespace != a.Namespace().Name(), m.uid == a.uid:
	case m.kind == kindListSockets:
		m.rooms = a.Sockets(m.selection)
		a.list(m)
	case m.kind == kindListRooms:
		m.rooms = a.Rooms()
		a.list(m)
	default:
		a.changed(m)
		a.took(m)
	}
}

// changed tells who has asked in the older form that its socket is here.
func (a *classic) changed(m *message) {
	if m.single && m.request != "" && a.HasRoom(m.selection.Rooms[0]) {
		a.reply(&message{kind: kindServerAnswer, uid: a.uid, to: m.uid, request: m.request})
	}
}

// list answers who asks for nothing but names.
func (a *classic) list(m *message) {
	answer := a.answering(m, m.kind)
	answer.rooms = m.rooms
	a.reply(answer)
}

// decodeClassicRequest reads a request. The namespace is "" where the request does
// not name it: that of its channel is meant.
func decodeClassicRequest(raw []byte) (m *message, namespace string, err error) {
	m = &message{}
	var r classicRequest
	if err := decode(raw, &m.attachments, &r); err != nil {
		return nil, "", err
	}
	if r.Type == nil {
		return nil, "", errMessage("a request has no type")
	}
	m.uid, m.request, m.rooms = r.UID, requestID(r.RequestID), r.Rooms.named()
	if r.Opts != nil {
		r.Opts.read(m)
	}
	if *r.Type != classicBroadcast {
		return m, "", m.fillRequest(&r)
	}
	m.kind = kindBroadcast
	if m.request == "" {
		return nil, "", errMessage("a broadcast with acknowledgements has no requestId")
	}
	return fillBroadcast(m, r.Packet, r.Opts)
}

// fillRequest reads what is no broadcast.
func (m *message) fillRequest(r *classicRequest) error {
	switch *r.Type {
	case classicSockets:
		m.kind, m.selection.Rooms = kindListSockets, r.Rooms
		return nil
	case classicRooms:
		m.kind = kindListRooms
		return nil
	case classicJoin, classicLeave, classicDisconnect:
		return m.fillChange(r)
	case classicFetch:
		m.kind = kindFetch
	case classicServerEvent:
		m.kind, m.data = kindServerEvent, r.Data
		_, err := event(m.data, m.attachments)
		return err
	default:
		return errMessage("a request of type %d", *r.Type)
	}
	if r.Opts == nil {
		return errMessage("a request of type %d has no opts", *r.Type)
	}
	return nil
}

// fillChange reads what changes the rooms of sockets: in the newer form, for a
// selection of sockets, or in the older, for one.
func (m *message) fillChange(r *classicRequest) error {
	m.kind = kindJoin + messageKind(*r.Type-classicJoin)
	m.close = r.Close != nil && *r.Close
	if r.Opts != nil {
		return nil
	}
	if r.SID == "" {
		return errMessage("a request of type %d has no opts", *r.Type)
	}
	m.single, m.selection.Rooms = true, []string{r.SID} // its own room
	if len(r.Room) > 0 {
		return m.readRoom(r.Room)
	}
	return nil
}

func (m *message) readRoom(raw json.RawMessage) error {
	var rooms roomNames
	err := json.Unmarshal(append(append([]byte{'['}, raw...), ']'), &rooms)
	m.rooms = rooms.named()
	return err
}

// onResponse takes answers, those for other servers too.
func (a *classic) onResponse(channel string, raw []byte) {
	m, err := decodeClassicAnswer(raw)
	if err != nil {
		a.conn.garbage(channel, err)
		return
	}
	a.answered(m)
}

// classicAnswerIn is an answer as it is read.
type classicAnswerIn struct {
	Type        *int              `json:"type"`
	UID         string            `json:"uid"`
	RequestID   json.RawMessage   `json:"requestId"`
	Sockets     []json.RawMessage `json:"sockets"`
	Rooms       []json.RawMessage `json:"rooms"`
	ClientCount int               `json:"clientCount"`
	Data        json.RawMessage   `json:"data"`
	Packet      json.RawMessage   `json:"packet"`
}

func decodeClassicAnswer(raw []byte) (*message, error) {
	m := &message{}
	var r classicAnswerIn
	if err := decode(raw, &m.attachments, &r); err != nil {
		return nil, err
	}
	m.uid, m.request = r.UID, requestID(r.RequestID)
	kind := -1
	if r.Type != nil {
		kind = *r.Type
	}
	switch kind {
	case classicServerEvent:
		m.kind, m.data = kindServerAnswer, r.Data
	case classicCount:
		m.kind, m.count = kindCount, r.ClientCount
	case classicAnswer:
		m.kind, m.data = kindAnswer, r.Packet
	default:
		m.kind = kindFetched
		m.readNames(r.Rooms)
		return m, m.readSockets(r.Sockets)
	}
	if m.count < 0 {
		return nil, errMessage("%d clients", m.count)
	}
	_, err := single(m.data, m.attachments)
	return m, err
}

// readNames reads a list of nothing but names, of rooms or of sockets: the answer
// to a request of another server, and of use to an onlooker alone.
func (m *message) readNames(raw []json.RawMessage) {
	for _, one := range raw {
		var name string
		if json.Unmarshal(one, &name) == nil {
			m.rooms = append(m.rooms, name)
		}
	}
}

// wireSocket is a socket as it is read.
type wireSocket struct {
	ID        string              `json:"id"`
	Handshake *socketio.Handshake `json:"handshake"`
	Rooms     roomNames           `json:"rooms"`
	Data      json.RawMessage     `json:"data"`
}

// readSockets reads those that a server has found.
func (m *message) readSockets(raw []json.RawMessage) error {
	for _, one := range raw {
		var s wireSocket
		if len(one) > 0 && one[0] != '{' {
			m.readNames([]json.RawMessage{one})
			continue
		}
		if err := json.Unmarshal(one, &s); err != nil {
			return err
		}
		if s.Handshake == nil {
			s.Handshake = &socketio.Handshake{Auth: map[string]any{}}
		}
		m.sockets = append(m.sockets, socketio.RemoteSocket{ID: s.ID, Handshake: s.Handshake, Rooms: s.Rooms.named(), Data: m.plain(s.Data)})
	}
	return nil
}

// plain is a value with what is binary in it as text in base64: as JSON of Go has it,
// and as a []byte takes it.
func (m *message) plain(value json.RawMessage) json.RawMessage {
	if len(m.attachments) == 0 || len(value) == 0 {
		return value
	}
	decoded, err := valueOf(value, m.attachments)
	if err != nil {
		return value
	}
	if text, err := marshal(decoded); err == nil {
		return text
	}
	return value
}
