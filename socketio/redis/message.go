package redis

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// messageKind says what servers tell each other, with the numbers of
// socket.io-adapter's ClusterMessage.
type messageKind int

const (
	kindInitialHeartbeat messageKind = iota + 1
	kindHeartbeat
	kindBroadcast
	kindJoin
	kindLeave
	kindDisconnect
	kindFetch
	kindFetched
	kindServerEvent
	kindServerAnswer
	kindCount
	kindAnswer
	kindClose

	// Of the first adapter alone, from servers of older versions.
	kindListSockets messageKind = 100 + iota
	kindListRooms
)

// message is what one server tells others, whichever way it goes.
type message struct {
	kind    messageKind
	uid     string // of the server that sends it
	to      string // of the one that it answers; "" is all
	request string // an identifier as JSON, or "" where no answer is asked for

	// data is JSON: the list of an event, or the single value of an answer; nil is
	// none. Attachments stand in it as {"_placeholder":true,"num":i}.
	data        []byte
	attachments [][]byte

	selection socketio.Selection
	flags     socketio.Flags
	rooms     []string
	close     bool
	single    bool // a change in the older form, for one socket, which is answered
	count     int
	sockets   []socketio.RemoteSocket
}

// errMessage is what is wrong with a message.
func errMessage(format string, args ...any) error { return fmt.Errorf("no message: "+format, args...) }

// roomNames are names of rooms. To JavaScript they may be numbers.
type roomNames []string

// noRoom begins what stands for a room that is neither a text nor a number, as
// undefined is: no room is called so, for it is no UTF-8. It stays among the names,
// because no names at all would mean everybody.
const noRoom = "\xff"

// UnmarshalJSON implements [json.Unmarshaler].
func (r *roomNames) UnmarshalJSON(data []byte) error {
	var all []any
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	*r = make(roomNames, 0, len(all))
	for _, v := range all {
		switch v := v.(type) {
		case string:
			*r = append(*r, v)
		case float64:
			*r = append(*r, strconv.FormatFloat(v, 'f', -1, 64))
		default:
			text, err := json.Marshal(v)
			if err != nil {
				return err
			}
			*r = append(*r, noRoom+string(text))
		}
	}
	return nil
}

// named are those that can be joined and left.
func (r roomNames) named() []string {
	return slices.DeleteFunc(slices.Clone(r), func(name string) bool { return strings.HasPrefix(name, noRoom) })
}

// wireOptions are the options of a broadcast.
type wireOptions struct {
	Rooms  roomNames `json:"rooms"`
	Except roomNames `json:"except"`
	Flags  wireFlags `json:"flags"`
}

type wireFlags struct {
	Volatile bool    `json:"volatile,omitempty"`
	Compress any     `json:"compress,omitempty"` // false, or what counts as true
	Timeout  float64 `json:"timeout,omitempty"`  // milliseconds
}

// UnmarshalJSON implements [json.Unmarshaler]. A flag of another type than is due
// is as if it were not there.
func (f *wireFlags) UnmarshalJSON(data []byte) error {
	type plain wireFlags
	return fitting(json.Unmarshal(data, (*plain)(f)))
}

// fitting is no error where a value alone is of another type than is due: all others
// have been read then.
func fitting(err error) error {
	var other *json.UnmarshalTypeError
	if errors.As(err, &other) && other.Field != "" {
		return nil
	}
	return err
}

func optionsOf(s socketio.Selection, f socketio.Flags) *wireOptions {
	o := &wireOptions{Rooms: list(s.Rooms), Except: list(s.Except)}
	o.Flags.Volatile = f.Volatile
	if f.NoCompress {
		o.Flags.Compress = false
	}
	o.Flags.Timeout = float64(f.Timeout) / float64(time.Millisecond)
	return o
}

// list is never nil: where JavaScript reads it, null is no list. Each name is in
// it once.
func list(names []string) roomNames {
	all := make(roomNames, 0, len(names))
	seen := map[string]bool{}
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	return all
}

// read puts options into a message.
func (o *wireOptions) read(m *message) {
	m.selection = socketio.Selection{Rooms: o.Rooms, Except: o.Except}
	m.flags.Volatile = o.Flags.Volatile
	m.flags.NoCompress = o.Flags.Compress == false
	if t := o.Flags.Timeout; t > 0 && t < 1e9 {
		m.flags.Timeout = time.Duration(t * float64(time.Millisecond))
	}
}

// wirePacket is a packet of Socket.IO.
type wirePacket struct {
	Type int             `json:"type"`
	Data json.RawMessage `json:"data"`
	NSP  *string         `json:"nsp,omitempty"`
}

// packetOf is an event for a namespace.
func packetOf(m *message, namespace string) *wirePacket {
	return &wirePacket{Type: int(socketio.PacketEvent), Data: m.data, NSP: &namespace}
}

// event holds data against what an event is: a list whose first is its name.
func event(data []byte, attachments [][]byte) (socketio.Args, error) {
	args, err := socketio.ParseArgs(data, attachments)
	if err != nil {
		return args, err
	}
	if args.Len() == 0 || !isName(args.JSON(0)[0]) {
		return args, errMessage("an event has no name")
	}
	return args, nil
}

// isName reports whether a value that begins so names an event: a text, or a number,
// which official servers and clients allow.
func isName(first byte) bool { return first == '"' || first == '-' || first >= '0' && first <= '9' }

// single makes arguments of the one value that an answer carries.
func single(value []byte, attachments [][]byte) (socketio.Args, error) {
	if value == nil {
		return socketio.Args{}, nil
	}
	return socketio.ParseArgs(append(append([]byte{'['}, value...), ']'), attachments)
}

// valueOf is that value, as [socketio.Args.Values] has it; nil where there is none.
func valueOf(value []byte, attachments [][]byte) (any, error) {
	args, err := single(value, attachments)
	if err != nil || args.Len() == 0 {
		return nil, err
	}
	all, err := args.Values()
	return all[0], err
}

// answerOf is the reverse of single: other servers get the first argument alone, as the
// official format has it.
func answerOf(args socketio.Args) (value []byte, attachments [][]byte) {
	if args.Len() == 0 {
		return nil, nil
	}
	_, attachments = args.Data()
	return args.JSON(0), attachments
}

// decode takes a message off the wire: JSON, or MessagePack.
func decode(raw []byte, attachments *[][]byte, into any) error {
	if len(raw) == 0 {
		return errors.New("it is empty")
	}
	if raw[0] != '{' {
		document, binary, err := socketio.DecodeMsgpack(raw)
		if err != nil {
			return err
		}
		*attachments, raw = binary, document
	}
	return json.Unmarshal(raw, into)
}

// encode puts a message on the wire: as JSON, where binary values do not need
// more.
func encode(v any, attachments [][]byte) ([]byte, error) {
	document, err := marshal(v)
	if err != nil || len(attachments) == 0 {
		return document, err
	}
	return socketio.EncodeMsgpack(document, attachments)
}

// requestID reads what a server asks to be answered under.
func requestID(raw json.RawMessage) string {
	if string(raw) == "null" {
		return ""
	}
	return string(raw)
}

func rawID(id string) json.RawMessage {
	if id == "" {
		return nil
	}
	return json.RawMessage(id)
}
