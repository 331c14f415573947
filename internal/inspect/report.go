package inspect

import (
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// Version is the version of the report's form. Fields are added, never changed.
const Version = 1

// The kinds of JSON objects that are made.
const (
	KindReport = "inspect"
	KindSample = "inspect_sample"
)

// Report is what was found out about an address. It is the JSON object of
// inspect --json; [Report.Text] is the same for people.
type Report struct {
	Version  int           `json:"version"`
	Kind     string        `json:"kind"`
	Address  string        `json:"address"` // as it can be typed again
	Time     time.Time     `json:"time"`
	Duration time.Duration `json:"duration_ns"`
	Reached  string        `json:"reached"` // the last layer that was reached: ReachedNothing and so on

	Name       *Name       `json:"name,omitempty"` // absent where an address was typed
	File       *File       `json:"file,omitempty"` // of a Unix socket with a path
	Attempts   []Attempt   `json:"attempts"`
	Connection *Connection `json:"connection,omitempty"`
	TCP        *TCP        `json:"tcp,omitempty"`
	TLS        *TLS        `json:"tls,omitempty"`
	Peer       *Peer       `json:"peer,omitempty"`
	Handshake  *Handshake  `json:"handshake,omitempty"` // of a WebSocket
	WebSocket  *WebSocket  `json:"websocket,omitempty"`
	HTTP2      *HTTP2      `json:"http2,omitempty"`  // of wss
	Engine     *Engine     `json:"engine,omitempty"` // of Socket.IO
	SocketIO   *SocketIO   `json:"socketio,omitempty"`
	Cluster    *Cluster    `json:"cluster,omitempty"` // of Socket.IO servers, at a Redis

	Findings []Finding `json:"findings"`         // errors first
	Doctor   *Doctor   `json:"doctor,omitempty"` // absent where none was called
	Error    string    `json:"error,omitempty"`  // what stopped the inspection
}

// The values of [Report.Reached].
const (
	ReachedNothing    = "nothing"
	ReachedName       = "name" // resolved, but not connected
	ReachedConnection = "connection"
	ReachedTLS        = "tls"
	ReachedHandshake  = "handshake" // a response came, and did not open a WebSocket
	ReachedWebSocket  = "websocket"
	ReachedHTTP       = "http"      // something answered where Engine.IO was to be
	ReachedEngine     = "engine"    // a session of Engine.IO
	ReachedNamespace  = "namespace" // of Socket.IO
)

// Name is a name and the addresses that it has.
type Name struct {
	Host      string        `json:"host"`
	Source    string        `json:"source"` // SourceResolver or SourceFlag
	Addresses []string      `json:"addresses,omitempty"`
	Duration  time.Duration `json:"duration_ns"`
	Error     string        `json:"error,omitempty"`
}

// The values of [Name.Source].
const (
	SourceResolver = "resolver"
	SourceFlag     = "--resolve"
)

// Attempt is one address that was tried.
type Attempt struct {
	Network  string        `json:"network"` // tcp, udp, unix, unixgram
	Address  string        `json:"address"`
	Result   string        `json:"result"` // Connected and so on
	Duration time.Duration `json:"duration_ns,omitempty"`
	Error    string        `json:"error,omitempty"`
	Used     bool          `json:"used,omitempty"` // the rest of the report is about this one

	err error
}

// The values of [Attempt.Result]. Datagram sockets are not connected: a peer
// answered, refused, or was silent.
const (
	Connected   = "connected"
	Refused     = "refused"
	TimedOut    = "timed_out"
	Unreachable = "unreachable"
	Reset       = "reset"
	Failed      = "failed"
	NotTried    = "not_tried"
	GivenUp     = "given_up" // another was faster, or a signal came
	Answered    = "answered"
	Silent      = "silent"
)

// Connection is the socket that the report is about.
type Connection struct {
	Network     string          `json:"network"`
	Local       string          `json:"local,omitempty"`
	Remote      string          `json:"remote"`
	Duration    time.Duration   `json:"duration_ns"`      // what connecting took
	Socket      *tcp.SocketInfo `json:"socket,omitempty"` // TCP's is in TCP.Socket
	Credentials *Credentials    `json:"credentials,omitempty"`
	NotTold     string          `json:"not_told,omitempty"` // why the system tells no more
}

// TCP is what the kernel knows of the connection.
type TCP = tcp.ConnInfo

// Credentials are those of the process at the other end of a Unix socket, as
// they were when it began to listen (SO_PEERCRED, Linux only).
type Credentials struct {
	PID     int    `json:"pid"`
	Process string `json:"process,omitempty"` // its name, where it still runs
	UID     int    `json:"uid"`
	User    string `json:"user,omitempty"`
	GID     int    `json:"gid"`
	Group   string `json:"group,omitempty"`
}

// File is the file of a Unix socket.
type File struct {
	Path   string `json:"path"`
	Target string `json:"target,omitempty"` // where the path is a symbolic link
	Kind   string `json:"kind"`             // socket, directory, file, missing, unknown
	Mode   string `json:"mode,omitempty"`   // srwxr-xr-x
	Octal  string `json:"octal,omitempty"`  // 0755
	UID    *int   `json:"uid,omitempty"`
	User   string `json:"user,omitempty"`
	GID    *int   `json:"gid,omitempty"`
	Group  string `json:"group,omitempty"`
	State  string `json:"state"` // FileAlive and so on
	Error  string `json:"error,omitempty"`
}

// The values of [File.State].
const (
	FileAlive   = "alive"
	FileStale   = "stale" // a socket that nobody is bound to any more
	FileUnknown = "unknown"
)

// The values of [File.Kind].
const (
	KindSocket    = "socket"
	KindDirectory = "directory"
	KindFile      = "file"
	KindMissing   = "missing"
	KindUnknown   = "unknown"
)

// TLS is the TLS layer.
type TLS struct {
	Version     string        `json:"version,omitempty"` // "TLS 1.3"; empty where the handshake failed
	Cipher      string        `json:"cipher,omitempty"`
	KeyExchange string        `json:"key_exchange,omitempty"` // X25519, ...; or RSA
	ALPN        string        `json:"alpn,omitempty"`         // what was agreed on
	Offered     []string      `json:"alpn_offered,omitempty"`
	ServerName  string        `json:"server_name,omitempty"` // asked for and checked
	Duration    time.Duration `json:"duration_ns"`

	Trusted    bool   `json:"trusted"`              // the certificates pass every check
	TrustedBy  string `json:"trusted_by,omitempty"` // ByCA, BySystem or ByPin
	Anchor     string `json:"anchor,omitempty"`     // the subject of the authority that is trusted
	OCSP       bool   `json:"ocsp_stapled"`
	SCTs       int    `json:"scts"` // signed certificate timestamps in the handshake
	HelloRetry bool   `json:"hello_retry,omitempty"`

	ClientCertificate *ClientCertificate `json:"client_certificate,omitempty"` // where the server asked for one
	Certificates      []Certificate      `json:"certificates"`                 // as sent, the server's own first
}

// The values of [TLS.TrustedBy].
const (
	BySystem = "system"
	ByCA     = "--ca"
	ByPin    = "--pin"
)

// ClientCertificate says that the server asked for one.
type ClientCertificate struct {
	Sent        bool     `json:"sent"`
	Authorities []string `json:"authorities,omitempty"` // the subjects that it would take
}

// Certificate is one certificate of the chain.
type Certificate struct {
	Subject    string    `json:"subject"`
	Issuer     string    `json:"issuer"`
	Serial     string    `json:"serial"` // in hex
	Names      []string  `json:"names,omitempty"`
	Key        string    `json:"key"`       // "ECDSA P-256", "RSA 2048"
	Signature  string    `json:"signature"` // "SHA256-RSA"
	NotBefore  time.Time `json:"not_before"`
	NotAfter   time.Time `json:"not_after"`
	DaysLeft   int       `json:"days_left"` // whole days; below 0 once it has expired
	SHA256     string    `json:"sha256"`    // "sha256:" and hex, as --pin takes it
	Authority  bool      `json:"authority"` // it may sign others
	SelfSigned bool      `json:"self_signed"`
	Findings   []string  `json:"findings,omitempty"` // the identifiers of what is wrong with it
}

// Peer is what the peer did within a short time after the connection was open.
type Peer struct {
	Waited   time.Duration `json:"waited_ns"`
	Sent     int           `json:"sent,omitempty"`     // bytes that we sent to make it speak
	After    time.Duration `json:"after_ns,omitempty"` // until its first bytes
	Size     int           `json:"size"`               // bytes of the banner, or of the datagram
	More     bool          `json:"more,omitempty"`     // it said more than is kept
	Banner   []byte        `json:"base64,omitempty"`
	Text     string        `json:"text,omitempty"` // the banner where it is valid UTF-8
	TTL      int           `json:"ttl,omitempty"`  // of a datagram that came
	From     string        `json:"from,omitempty"` // its sender, where it is not the address that was asked
	End      string        `json:"end"`            // EndOpen and so on
	EndAfter time.Duration `json:"end_after_ns,omitempty"`
	Error    string        `json:"error,omitempty"`

	err error
}

// The values of [Peer.End].
const (
	EndOpen   = "open" // it has not ended the connection
	EndClosed = "closed"
	EndReset  = "reset"
	EndFailed = "failed"
)
