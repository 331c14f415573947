package capture

import (
	"time"

	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/trace"
)

// Version is the version of the report's form. Fields are added, never changed.
const Version = 1

// Kind is what the report calls itself.
const Kind = "inspect_file"

// Report is what was found in a file: the JSON object of inspect FILE --json.
// [Report.Lines] is the same for people.
type Report struct {
	Version int       `json:"version"`
	Kind    string    `json:"kind"`
	File    string    `json:"file"`
	Format  string    `json:"format"` // pcap, pcapng, har, curl, heads, hex, bytes, sockkit
	Size    int64     `json:"size"`   // bytes read
	First   time.Time `json:"first,omitzero"`
	Last    time.Time `json:"last,omitzero"`

	Packets int64          `json:"packets,omitempty"`
	Left    map[string]int `json:"left,omitempty"` // packets that are not decoded, by reason

	Connections []*Connection `json:"connections"`
	More        int           `json:"more_connections,omitempty"` // that are not listed
	Findings    int           `json:"findings"`                   // of all connections
	Musts       int           `json:"musts"`                      // of these, what breaks a MUST
	Notes       []string      `json:"notes,omitempty"`
	Error       string        `json:"error,omitempty"` // what ended the reading before the file did

	secrets bool // credentials are not masked

	byID map[trace.ID]*Connection
	last *trace.Finding // that breaks a MUST: the first
}

// Bounds of a report.
const (
	mostListed   = 10_000 // connections
	mostFindings = 100    // of one connection
	mostNotes    = 100
)

// Connection is what passed over one connection, or between two addresses of
// datagrams.
type Connection struct {
	ID       trace.ID      `json:"id"`
	Network  string        `json:"network"`
	On       trace.ID      `json:"on,omitempty"`     // the connection of HTTP/2 that it is a stream of
	Stream   uint32        `json:"stream,omitempty"` // its number there
	Client   string        `json:"client"`
	Server   string        `json:"server"`
	Opened   time.Time     `json:"opened,omitzero"`
	Duration time.Duration `json:"duration_ns"`
	End      string        `json:"end"` // EndOpen and so on
	Out      int64         `json:"out"` // bytes that the client sent
	In       int64         `json:"in"`  // bytes that the server sent

	Whole     bool  `json:"whole"` // its beginning is in the capture
	Gaps      int   `json:"gaps,omitempty"`
	Missing   int64 `json:"missing,omitempty"`  // bytes in gaps
	Repeated  int64 `json:"repeated,omitempty"` // bytes that came again
	Conflicts int   `json:"conflicts,omitempty"`

	TLS      *TLS      `json:"tls,omitempty"`
	Requests int       `json:"requests,omitempty"` // of HTTP
	Upgrades []Upgrade `json:"upgrades,omitempty"`
	Messages Count     `json:"messages,omitzero"`  // of a WebSocket
	Packets  Count     `json:"packets,omitzero"`   // of Socket.IO
	Data     Count     `json:"datagrams,omitzero"` // datagrams
	Closed   *Closed   `json:"closed,omitempty"`   // the first close frame

	Findings []trace.Finding `json:"findings"`
	More     int             `json:"more_findings,omitempty"`
	Notes    []string        `json:"notes,omitempty"`

	served bool // of a trace whose own side is the server's: what goes out is the server's
}

// dir is a direction as the client sees it.
func (c *Connection) dir(d trace.Dir) trace.Dir {
	switch {
	case c.served && d == trace.Out:
		return trace.In
	case c.served && d == trace.In:
		return trace.Out
	}
	return d
}

// The values of [Connection.End].
const (
	EndOpen   = "open" // it goes on when the capture ends
	EndClosed = "closed"
	EndReset  = "reset"

	EndRefused    = "refused"    // it was never open
	EndUnanswered = "unanswered" // likewise
)

// TLS is what could be read of TLS.
type TLS struct {
	Version      string              `json:"version,omitempty"`
	Cipher       string              `json:"cipher,omitempty"`
	ALPN         string              `json:"alpn,omitempty"`
	Offered      []string            `json:"alpn_offered,omitempty"`
	ServerName   string              `json:"server_name,omitempty"`
	Decrypted    bool                `json:"decrypted"`
	Why          string              `json:"not_decrypted,omitempty"` // why not
	Certificates []trace.Certificate `json:"certificates,omitempty"`
}

// Upgrade is an opening handshake.
type Upgrade struct {
	Target      string `json:"target,omitempty"`
	Subprotocol string `json:"subprotocol,omitempty"`
	Extensions  string `json:"extensions,omitempty"`
	Status      int    `json:"status,omitempty"` // of one that failed
	Error       string `json:"error,omitempty"`
}

// Count counts by direction.
type Count struct {
	Out int64 `json:"out"`
	In  int64 `json:"in"`
}

func (c *Count) add(d trace.Dir) {
	if d == trace.Out {
		c.Out++
	} else {
		c.In++
	}
}

// Closed is a close frame.
type Closed struct {
	By     string `json:"by"` // client or server
	Code   int    `json:"code"`
	Name   string `json:"name,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Record implements [trace.Sink]: the report is a view of the records, as all
// others are.
func (r *Report) Record(rec trace.Record) {
	if e, ok := rec.Event.(trace.Finding); ok {
		if !r.secrets {
			e.Came = render.MaskText(e.Came)
			rec.Event = e
		}
		r.finding(e)
	}
	if c := r.byID[rec.Conn]; c != nil {
		c.record(rec.Event)
	} else if e, ok := rec.Event.(trace.Note); ok {
		r.note(e.Text)
	}
}

func (r *Report) finding(e trace.Finding) {
	r.Findings++
	if e.Binding == "MUST" {
		if r.Musts++; r.last == nil {
			r.last = &e
		}
	}
}

func (r *Report) note(text string) {
	if len(r.Notes) < mostNotes {
		r.Notes = append(r.Notes, text)
	}
}

// Must is the first finding that breaks a MUST; nil where there is none.
func (r *Report) Must() *trace.Finding { return r.last }

// add begins a connection, which is listed where there is room.
func (r *Report) add(c *Connection) {
	c.Findings = []trace.Finding{}
	if len(r.Connections) >= mostListed {
		r.More++
		return
	}
	r.Connections = append(r.Connections, c)
	r.byID[c.ID] = c
}

func (c *Connection) record(e trace.Event) {
	switch e := e.(type) {
	case trace.Finding:
		if len(c.Findings) >= mostFindings {
			c.More++
			return
		}
		c.Findings = append(c.Findings, e)
	case trace.Note:
		if len(c.Notes) < mostNotes {
			c.Notes = append(c.Notes, e.Text)
		}
	case trace.TLS:
		if c.TLS == nil { // of a trace
			c.TLS = &TLS{Version: e.Version, Cipher: e.Cipher, ALPN: e.ALPN, ServerName: e.ServerName, Certificates: e.Certificates, Decrypted: true}
		}
	case trace.HTTPHead:
		if c.dir(e.Dir) == trace.Out {
			c.Requests++
		}
	case trace.Upgrade:
		c.upgrade(Upgrade{Target: e.Target, Subprotocol: e.Subprotocol, Extensions: e.Extensions})
	case trace.UpgradeFailed:
		c.upgrade(Upgrade{Status: e.Status, Error: e.Error})
	case trace.WSMessage:
		c.Messages.add(c.dir(e.Dir))
	case trace.SIOPacket:
		c.Packets.add(c.dir(e.Dir))
	case trace.Datagram:
		c.Data.add(c.dir(e.Dir))
	case trace.WSClose:
		if c.Closed == nil {
			c.Closed = &Closed{By: by(c.dir(e.Dir)), Code: e.Code, Name: e.Title, Reason: e.Reason}
		}
	}
}

func (c *Connection) upgrade(u Upgrade) {
	if len(c.Upgrades) < mostNotes {
		c.Upgrades = append(c.Upgrades, u)
	}
}

func by(d trace.Dir) string {
	if d == trace.Out {
		return trace.Client
	}
	return trace.Server
}
