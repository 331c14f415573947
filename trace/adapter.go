package trace

import (
	"bytes"
	"time"
)

// AdapterMessage is what one server of a Socket.IO cluster has told others
// through Redis, as an onlooker sees it.
type AdapterMessage struct {
	Adapter      string        `json:"adapter"`                // pubsub, sharded or streams
	Channel      string        `json:"channel"`                // that it went over, or the stream
	Entry        string        `json:"entry,omitempty"`        // its id in the stream
	Server       string        `json:"server,omitempty"`       // the id of who sent it; some answers do not say
	To           string        `json:"to,omitempty"`           // of who is answered
	Namespace    string        `json:"namespace"`              // / is the main one
	Type         string        `json:"type"`                   // BROADCAST, FETCH_SOCKETS, ...
	EventName    string        `json:"name,omitempty"`         // of an event
	Rooms        []string      `json:"rooms,omitempty"`        // whose sockets are meant; none: all
	Except       []string      `json:"except,omitempty"`       // whose sockets are not
	Change       []string      `json:"change,omitempty"`       // that are joined or left
	Close        bool          `json:"close,omitempty"`        // disconnecting ends the connection, too
	Volatile     bool          `json:"volatile,omitempty"`     // may be dropped
	Uncompressed bool          `json:"uncompressed,omitempty"` // not to be compressed
	Timeout      time.Duration `json:"timeout_ns,omitempty"`   // of acknowledgements
	Request      string        `json:"request,omitempty"`      // what an answer is asked for, or given, under
	Count        int           `json:"count,omitempty"`        // in an answer: sockets, rooms, or clients that were asked
	Attachments  int           `json:"attachments,omitempty"`
	After        time.Duration `json:"after_ns,omitempty"` // since the request that it answers
	Late         bool          `json:"late,omitempty"`     // nobody waits for it any more
	Size         int           `json:"size"`               // bytes in Redis
	Payload      []byte        `json:"base64"`             // its data, JSON
}

// AdapterRequest is the end of a request of one server to the others: all have
// answered, or its time is over.
type AdapterRequest struct {
	Adapter   string        `json:"adapter"`
	Server    string        `json:"server,omitempty"` // the id of who asked
	Namespace string        `json:"namespace"`
	Type      string        `json:"type"`
	EventName string        `json:"name,omitempty"`
	Request   string        `json:"request"`
	Expected  int           `json:"expected"` // servers that were to answer; -1 where Redis did not tell
	Came      int           `json:"came"`     // servers that have
	Answered  []string      `json:"answered,omitempty"`
	Silent    []string      `json:"silent,omitempty"`
	Among     bool          `json:"among,omitempty"`   // some of Silent may have answered: answers came that do not say whose they are
	Clients   int           `json:"clients,omitempty"` // that were asked for an acknowledgement
	Acks      int           `json:"acks,omitempty"`    // that have given it
	TimedOut  bool          `json:"timed_out,omitempty"`
	Duration  time.Duration `json:"duration_ns"`
}

// Name implements [Event].
func (AdapterMessage) Name() string { return "adapter_message" }

// Level implements [Event].
func (AdapterMessage) Level() Level { return Message }

// Clone implements [Cloner].
func (e AdapterMessage) Clone() Event { e.Payload = bytes.Clone(e.Payload); return e }

// Name implements [Event].
func (AdapterRequest) Name() string { return "adapter_request" }

// Level implements [Event].
func (AdapterRequest) Level() Level { return Message }

// SilentAmong is what stands before the names of servers that were silent, in lines and
// errors: "" where all of them were; among them are some that may have answered without
// saying who they are: "some of " where fewer answers lack than there are names, else
// "perhaps ", as a subscriber that is no server has no name.
func SilentAmong(among bool, names, lacking int) string {
	switch {
	case !among:
		return ""
	case names > lacking:
		return "some of "
	}
	return "perhaps "
}
