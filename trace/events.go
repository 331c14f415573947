package trace

import (
	"encoding/json"
	"time"
)

// The sides of a connection, in Open.Side and TLS.Side.
const (
	Client = "client" // this process dialled
	Server = "server" // this process accepted
)

// Listening says that a socket is bound and accepts.
type Listening struct {
	Address string `json:"address"` // as the user would dial it: tcp://127.0.0.1:9000
	Public  bool   `json:"public,omitempty"`
}

// Resolve is a finished name look-up.
type Resolve struct {
	Host      string        `json:"host"`
	Addresses []string      `json:"addresses,omitempty"`
	Duration  time.Duration `json:"duration_ns"`
	Error     string        `json:"error,omitempty"`
}

// Attempt is the beginning of one attempt to connect to one address.
type Attempt struct {
	Network string `json:"network"`
	Address string `json:"address"`
}

// AttemptFailed is the end of an attempt that came to nothing, also of one
// that was given up because another was faster.
type AttemptFailed struct {
	Network  string        `json:"network"`
	Address  string        `json:"address"`
	Duration time.Duration `json:"duration_ns"`
	Error    string        `json:"error"`
}

// Open says that a connection is established, before TLS or any other layer.
type Open struct {
	Side     string        `json:"side"`    // Client or Server
	Network  string        `json:"network"` // tcp, udp, unix, unixgram, exec, stdio, http2
	Local    string        `json:"local"`
	Remote   string        `json:"remote"`
	Duration time.Duration `json:"duration_ns,omitempty"` // the winning attempt's
}

// Proxy says that a proxy agreed to pass a connection on.
type Proxy struct {
	Kind   string `json:"kind"` // socks5, http, https
	Via    string `json:"via"`
	Target string `json:"target"`
}

// TLS is a finished TLS handshake.
type TLS struct {
	Side         string        `json:"side"`
	Version      string        `json:"version"`
	Cipher       string        `json:"cipher"`
	ALPN         string        `json:"alpn,omitempty"`
	ServerName   string        `json:"server_name,omitempty"`
	Resumed      bool          `json:"resumed,omitempty"`
	Unverified   bool          `json:"unverified,omitempty"` // the certificate was not checked
	Certificates []Certificate `json:"certificates,omitempty"`
	Duration     time.Duration `json:"duration_ns"`
}

// Certificate describes one certificate that the peer sent.
type Certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names,omitempty"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	SHA256    string    `json:"sha256"` // of the certificate, in hex
}

// TLSStart says that a TLS handshake begins on a connection that is open.
// From here on its bytes are ciphertext.
type TLSStart struct {
	Side       string `json:"side"`
	ServerName string `json:"server_name,omitempty"`
}

// TLSFailed is a TLS handshake that came to nothing.
type TLSFailed struct {
	Side  string `json:"side"`
	Error string `json:"error"`
}

// Secret is one line of a TLS key log (the NSS format that SSLKEYLOGFILE
// names), so that a capture can be decrypted. Only files receive it.
type Secret struct {
	Line string `json:"line"`
}

// TLSRecord is the head of one TLS record as it passed (RFC 8446 section 5.1).
type TLSRecord struct {
	Dir     Dir    `json:"dir"`
	Type    string `json:"type"` // handshake, application_data, alert, ...
	Version string `json:"version"`
	Size    int    `json:"size"` // bytes behind the head
}

// TurnedAway is a peer that was not let in, and the limit or rule that did it.
type TurnedAway struct {
	Remote string `json:"remote"`
	Rule   string `json:"rule"` // the flag: max-conns, deny, ...
	Reason string `json:"reason"`
}

// Limit says that a connection reached a limit and what was done about it.
type Limit struct {
	Rule   string `json:"rule"` // the flag: max-rate, idle-timeout, ...
	Reason string `json:"reason"`
}

// Data is a piece of a stream as the application sent or received it. Its level
// is Byte where it is Framed.
type Data struct {
	Dir     Dir    `json:"dir"`
	Size    int    `json:"size"`
	Framed  bool   `json:"framed,omitempty"` // a protocol with records of its own is spoken
	Payload []byte `json:"base64"`
}

// Datagram is one datagram, whole unless Truncated.
type Datagram struct {
	Dir       Dir    `json:"dir"`
	Network   string `json:"network"` // udp or unixgram
	Local     string `json:"local"`
	Remote    string `json:"remote"`
	Size      int    `json:"size"` // its bytes on the wire where known, else those received
	Truncated bool   `json:"truncated,omitempty"`
	TTL       int    `json:"ttl,omitempty"`
	Interface string `json:"interface,omitempty"`
	Payload   []byte `json:"base64"`
}

// Bytes is what passed on the wire of a stream: ciphertext under TLS.
type Bytes struct {
	Dir     Dir    `json:"dir"`
	Size    int    `json:"size"`
	Payload []byte `json:"base64"`
}

// HalfClose is the end of one direction of a stream.
type HalfClose struct {
	Dir Dir `json:"dir"` // Out: we have sent our end; In: the peer has
}

// Close is the end of a connection, with what passed over it.
type Close struct {
	In       int64         `json:"in"`  // bytes received by the application
	Out      int64         `json:"out"` // bytes sent by the application
	Duration time.Duration `json:"duration_ns"`
	Reset    bool          `json:"reset,omitempty"` // by a reset instead of an end
	Error    string        `json:"error,omitempty"`
}

// Child is a process that stands at one end of a connection. It started where
// Exit is empty, and else it ended.
type Child struct {
	Command string `json:"command"`
	PID     int    `json:"pid"`
	Exit    string `json:"exit,omitempty"` // exit status 0, signal: killed, ...
}

// Fault is something done to traffic on purpose.
type Fault struct {
	Dir   Dir           `json:"dir"`
	Kind  string        `json:"kind"` // the flag: delay, loss, cut-after, ...
	Size  int           `json:"size,omitempty"`
	Delay time.Duration `json:"delay_ns,omitempty"`
}

// Note is anything else worth saying.
type Note struct {
	Text string `json:"text"`
}

// Unknown is an event read from a file that this version has no type for.
type Unknown struct {
	EventName  string
	EventLevel Level
	Raw        json.RawMessage // an object of the event's own fields
}

// Name implements [Event].
func (e Unknown) Name() string { return e.EventName }

// Level implements [Event].
func (e Unknown) Level() Level { return e.EventLevel }

// MarshalJSON implements [json.Marshaler]: it is written again as it was read.
func (e Unknown) MarshalJSON() ([]byte, error) {
	if len(e.Raw) == 0 {
		return []byte("{}"), nil
	}
	return e.Raw, nil
}

// AllEvents returns a zero value of every event type of this package, but for
// [Unknown].
func AllEvents() []Event {
	return []Event{
		Listening{}, Resolve{}, Attempt{}, AttemptFailed{}, Open{}, Proxy{},
		TLSStart{}, TLS{}, TLSFailed{}, Secret{}, TLSRecord{},
		TurnedAway{}, Limit{}, Data{}, Datagram{}, Bytes{},
		HalfClose{}, Close{}, Child{}, Fault{}, Note{},
		HTTPHead{}, Upgrade{}, UpgradeFailed{}, Finding{}, WSFrame{}, WSMessage{}, WSPing{}, WSClose{},
		HTTP2Frame{},
		EIOPacket{},
		SIOPacket{},
		AdapterMessage{}, AdapterRequest{},
	}
}

// Name implements [Event]; so do those that follow.
func (Listening) Name() string     { return "listening" }
func (Resolve) Name() string       { return "resolve" }
func (Attempt) Name() string       { return "attempt" }
func (AttemptFailed) Name() string { return "attempt_failed" }
func (Open) Name() string          { return "open" }
func (Proxy) Name() string         { return "proxy" }
func (TLSStart) Name() string      { return "tls_start" }
func (TLS) Name() string           { return "tls" }
func (TLSFailed) Name() string     { return "tls_failed" }
func (Secret) Name() string        { return "secret" }
func (TLSRecord) Name() string     { return "tls_record" }
func (TurnedAway) Name() string    { return "turned_away" }
func (Limit) Name() string         { return "limit" }
func (Data) Name() string          { return "data" }
func (Datagram) Name() string      { return "datagram" }
func (Bytes) Name() string         { return "bytes" }
func (HalfClose) Name() string     { return "half_close" }
func (Close) Name() string         { return "close" }
func (Child) Name() string         { return "child" }
func (Fault) Name() string         { return "fault" }
func (Note) Name() string          { return "note" }

// Level implements [Event]; so do those that follow.
func (Listening) Level() Level     { return Connection }
func (Resolve) Level() Level       { return Connection }
func (Attempt) Level() Level       { return Connection }
func (AttemptFailed) Level() Level { return Connection }
func (Open) Level() Level          { return Connection }
func (Proxy) Level() Level         { return Connection }
func (TLSStart) Level() Level      { return Connection }
func (TLS) Level() Level           { return Connection }
func (TLSFailed) Level() Level     { return Connection }
func (Secret) Level() Level        { return Frame }
func (TLSRecord) Level() Level     { return Frame }
func (TurnedAway) Level() Level    { return Connection }
func (Limit) Level() Level         { return Connection }
func (Datagram) Level() Level      { return Message }
func (Bytes) Level() Level         { return Byte }
func (HalfClose) Level() Level     { return Connection }
func (Close) Level() Level         { return Connection }
func (Child) Level() Level         { return Connection }
func (Fault) Level() Level         { return Connection }
func (Note) Level() Level          { return Connection }

// Level implements [Event].
func (e Data) Level() Level {
	if e.Framed {
		return Byte
	}
	return Message
}
