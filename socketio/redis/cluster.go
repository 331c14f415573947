package redis

import (
	"encoding/json"

	"github.com/sockkit/sockkit/socketio"
)

// clusterMessage is a message as the adapters on socket.io-adapter's
// ClusterAdapter have it, the sharded one and that of streams.
type clusterMessage struct {
	UID  string       `json:"uid"`
	NSP  string       `json:"nsp"`
	Type int          `json:"type"`
	Data *clusterData `json:"data,omitempty"`
}

// clusterData is what it carries: some of it, by its type.
type clusterData struct {
	Packet      json.RawMessage `json:"packet,omitempty"` // a packet, a list or a value
	RequestID   json.RawMessage `json:"requestId,omitempty"`
	Opts        *wireOptions    `json:"opts,omitempty"`
	Rooms       roomNames       `json:"rooms,omitempty"`
	Close       *bool           `json:"close,omitempty"`
	Sockets     any             `json:"sockets,omitempty"`
	ClientCount *int            `json:"clientCount,omitempty"`
}

// clusterDataIn is clusterData as it is read.
type clusterDataIn struct {
	Packet      json.RawMessage   `json:"packet"`
	RequestID   json.RawMessage   `json:"requestId"`
	Opts        *wireOptions      `json:"opts"`
	Rooms       roomNames         `json:"rooms"`
	Close       bool              `json:"close"`
	Sockets     []json.RawMessage `json:"sockets"`
	ClientCount int               `json:"clientCount"`
}

// clusterOf makes the wire's form of a message.
func clusterOf(m *message, namespace string) (*clusterMessage, error) {
	d := &clusterData{RequestID: rawID(m.request)}
	var err error
	switch m.kind {
	case kindBroadcast:
		d.Opts = optionsOf(m.selection, m.flags)
		d.Packet, err = marshal(packetOf(m, namespace))
	case kindJoin, kindLeave:
		d.Opts, d.Rooms = optionsOf(m.selection, m.flags), list(m.rooms)
	case kindDisconnect:
		d.Opts, d.Close = optionsOf(m.selection, m.flags), &m.close
	case kindFetch:
		d.Opts = optionsOf(m.selection, m.flags)
	case kindFetched:
		d.Sockets = sockets(m.sockets)
	case kindServerEvent, kindServerAnswer, kindAnswer:
		d.Packet = m.data
	case kindCount:
		d.ClientCount = &m.count
	}
	return &clusterMessage{UID: m.uid, NSP: namespace, Type: int(m.kind), Data: d}, err
}

// clusterHead is what is read of a message first.
type clusterHead struct {
	UID  string          `json:"uid"`
	NSP  string          `json:"nsp"`
	Type int             `json:"type"`
	Data json.RawMessage `json:"data"`
}

// decodeCluster reads a message that went over a channel, and the namespace that
// it is for.
func decodeCluster(raw []byte) (m *message, namespace string, err error) {
	m = &message{}
	var head clusterHead
	if err := decode(raw, &m.attachments, &head); err != nil {
		return nil, "", err
	}
	m.uid, m.kind = head.UID, messageKind(head.Type)
	return m, head.NSP, m.readCluster(head.Data)
}

// readCluster reads the data of a message whose kind is known.
func (m *message) readCluster(data json.RawMessage) error {
	switch m.kind {
	case kindInitialHeartbeat, kindHeartbeat, kindClose:
		return nil // of adapters that count by them
	}
	var d *clusterDataIn
	if err := json.Unmarshal(data, &d); err != nil || d == nil {
		return errMessage("a message of type %d has no data", m.kind)
	}
	m.request, m.rooms, m.close, m.count = requestID(d.RequestID), d.Rooms.named(), d.Close, d.ClientCount
	if d.Opts != nil {
		d.Opts.read(m)
	}
	return m.fillCluster(d)
}

func (m *message) fillCluster(d *clusterDataIn) error {
	var err error
	switch m.kind {
	case kindBroadcast:
		var packet *wirePacket
		if err := json.Unmarshal(d.Packet, &packet); err != nil {
			return errMessage("a broadcast has no packet")
		}
		_, _, err = fillBroadcast(m, packet, d.Opts)
	case kindJoin, kindLeave, kindDisconnect, kindFetch:
		if d.Opts == nil {
			return errMessage("a message of type %d has no opts", m.kind)
		}
	case kindFetched:
		return m.readSockets(d.Sockets)
	case kindServerEvent:
		m.data = d.Packet
		_, err = event(m.data, m.attachments)
	case kindServerAnswer, kindAnswer:
		m.data = d.Packet
		_, err = single(m.data, m.attachments)
	case kindCount:
		if m.count < 0 {
			return errMessage("%d clients", m.count)
		}
	default:
		return errMessage("a message of type %d", m.kind)
	}
	return err
}

// take decodes what came over a channel, and does what it says.
func (a *adapter) take(channel string, raw []byte) {
	m, namespace, err := decodeCluster(raw)
	switch {
	case err != nil:
		a.conn.garbage(channel, err)
	case namespace == a.Namespace().Name():
		a.took(m)
	}
}

var _ socketio.FlushingAdapter = (*adapter)(nil)
