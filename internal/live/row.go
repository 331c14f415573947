package live

import (
	"strings"
	"unicode/utf8"

	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/trace"
)

// Row is a record as a line of the page.
type Row struct {
	Number int      `json:"n"`
	At     int64    `json:"at"` // nanoseconds since 1970
	Who    string   `json:"who,omitempty"`
	Side   string   `json:"side,omitempty"` // the lane: client or server
	Dir    string   `json:"dir,omitempty"`  // in or out, as in the trace
	Way    string   `json:"way,omitempty"`  // right, to the server, or left
	Event  string   `json:"event"`
	Level  int      `json:"level"` // 1 to 4
	Conn   trace.ID `json:"conn,omitempty"`
	Lines  []string `json:"lines"`
}

// mostLines bounds the lines of a row; its bytes are in its details.
const mostLines = 12

// row words a record. It has no lines where the record is not shown.
func (k *kept) row(between bool) Row {
	dir, lines := worded(k.Event)
	if len(lines) > mostLines {
		lines = append(lines[:mostLines:mostLines], "…")
	}
	return Row{
		Number: k.Number, At: k.Time.UnixNano(), Who: k.Who, Side: lane(k.ends.side, dir, between), Dir: dir.String(), Way: way(k.ends.side, dir),
		Event: k.Event.Name(), Level: int(k.level()), Conn: k.Conn, Lines: clip(lines),
	}
}

// worded words an event. JSON stands on a line of its own, as it is: quoted, it is
// hard to read.
func worded(e trace.Event) (trace.Dir, []string) {
	json := payload(e)
	switch event := e.(type) {
	case trace.SIOPacket:
		event.Payload = nil
		e = event
	case trace.EIOPacket:
		event.Payload = nil
		e = event
	default:
		return render.Lines(e)
	}
	dir, lines := render.Lines(e)
	if len(json) > 0 && utf8.Valid(json) {
		lines = append(lines, render.Printable(string(json)))
	}
	return dir, lines
}

// level is the record's. What a WebSocket of Engine.IO carries is shown by its
// packets, so its messages are what frames are elsewhere.
func (k *kept) level() trace.Level {
	if _, ok := k.Event.(trace.WSMessage); ok && strings.Contains(k.ends.target, "EIO=") {
		return trace.Frame
	}
	return k.Event.Level()
}

// lane is where a record stands. Between the ends what passes is at neither, and
// what becomes of the connection to a client is the client's.
func lane(side string, dir trace.Dir, between bool) string {
	switch {
	case !between:
		return side
	case dir != trace.None:
		return ""
	case side == trace.Server:
		return trace.Client
	case side == trace.Client:
		return trace.Server
	}
	return ""
}

// mostColumns bounds a line in bytes.
const mostColumns = 400

func clip(lines []string) []string {
	for i, line := range lines {
		if len(line) > mostColumns {
			cut := mostColumns
			for cut > 0 && line[cut]&0xC0 == 0x80 {
				cut--
			}
			lines[i] = line[:cut] + "…"
		}
	}
	return lines
}

// batch is what a browser is sent at once.
type batch struct {
	Rows    []Row `json:"rows"`
	Next    int   `json:"next"`              // the number to ask from after it
	Skipped int   `json:"skipped,omitempty"` // records that were forgotten before they could be sent
}

// mostRows bounds a batch.
const mostRows = 200

// batch returns what there is from number n on, and what is closed once there
// is more.
func (t *Timeline) batch(n int) (batch, <-chan struct{}) {
	t.mu.Lock()
	b := batch{Rows: []Row{}}
	if n < t.first {
		b.Skipped = t.first - n
		n = t.first
	}
	from := t.kept[min(n-t.first, len(t.kept)):]
	from = append([]kept(nil), from[:min(len(from), mostRows)]...)
	b.Next = n + len(from)
	more := t.more()
	t.mu.Unlock()
	for i := range from {
		if r := from[i].row(t.Between); len(r.Lines) > 0 {
			b.Rows = append(b.Rows, r)
		}
	}
	return b, more
}
