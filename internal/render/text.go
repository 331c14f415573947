// Package render turns trace records into text for people.
package render

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Text is a sink that writes lines: > for what goes out, < for what comes in,
// * for notes.
type Text struct {
	W           io.Writer
	Color       bool
	Tags        bool // name the connection on each line
	ShowSecrets bool
	Captured    bool // neither end is ours: they are the client and the server
	Times       bool // begin each line with the time of its record

	mu  sync.Mutex
	buf []byte
}

// Record implements [trace.Sink]. Each record is one call of Write.
func (t *Text) Record(r trace.Record) {
	if !t.ShowSecrets {
		r.Event = maskEvent(r.Event)
	}
	dir, lines := describe(r.Event)
	if t.Captured {
		lines = captured(r.Event, lines)
	}
	if len(lines) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = t.buf[:0]
	for _, line := range lines {
		t.line(r, dir, line)
	}
	_, _ = t.W.Write(t.buf)
}

// captured words what an end does as an onlooker does, for whom out is from the
// client.
func captured(e trace.Event, lines []string) []string {
	switch e := e.(type) {
	case trace.HalfClose:
		return one("the " + endOf(e.Dir) + " has ended its half")
	case trace.WSClose:
		_, rest, _ := strings.Cut(closing(e), "close")
		return one("the " + endOf(e.Dir) + " closes" + strings.TrimPrefix(rest, "s"))
	}
	return lines
}

func endOf(d trace.Dir) string {
	if d == trace.In {
		return "server"
	}
	return "client"
}

// The colors of the directions; the mark says the same without them.
var colors = map[trace.Dir]string{trace.Out: "\x1b[36m", trace.In: "\x1b[32m", trace.None: "\x1b[90m"}

var marks = map[trace.Dir]string{trace.Out: ">", trace.In: "<", trace.None: "*"}

func (t *Text) line(r trace.Record, dir trace.Dir, text string) {
	if t.Color {
		t.buf = append(t.buf, colors[dir]...)
	}
	t.buf = append(t.buf, marks[dir]...)
	t.buf = append(t.buf, ' ')
	if t.Times {
		t.buf = r.Time.Local().AppendFormat(t.buf, "15:04:05.000 ")
	}
	if t.Tags && r.Conn != 0 {
		t.buf = fmt.Appendf(t.buf, "[%d] ", r.Conn)
	}
	t.buf = append(t.buf, text...)
	if t.Color {
		t.buf = append(t.buf, "\x1b[0m"...)
	}
	t.buf = append(t.buf, '\n')
}

// describe words an event, in one line or more.
func describe(e trace.Event) (trace.Dir, []string) {
	switch e := e.(type) {
	case trace.Data:
		return e.Dir, payload(bytesOf(e.Size), e.Payload)
	case trace.Datagram:
		return e.Dir, payload(datagram(e), e.Payload)
	case trace.Bytes:
		return e.Dir, Hex(e.Payload)
	case trace.TLSRecord:
		return e.Dir, []string{fmt.Sprintf("TLS record %s, %s, %s", e.Type, e.Version, bytesOf(e.Size))}
	case trace.HalfClose:
		return trace.None, []string{halfClose(e)}
	case trace.Secret, trace.Listening:
		return trace.None, nil
	}
	if dir, lines, ok := webSocket(e); ok {
		return dir, lines
	}
	if dir, lines, ok := socketIO(e); ok {
		return dir, lines
	}
	return trace.None, note(e)
}

func halfClose(e trace.HalfClose) string {
	if e.Dir == trace.In {
		return "the peer has ended its half"
	}
	return "our half is ended"
}

// note words the events of a connection's life.
func note(e trace.Event) []string {
	switch e := e.(type) {
	case trace.Resolve:
		return one(resolved(e))
	case trace.Attempt:
		return one("trying " + printable(e.Address))
	case trace.AttemptFailed:
		return one(fmt.Sprintf("failed %s: %s (%s)", printable(e.Address), printable(e.Error), Duration(e.Duration)))
	case trace.Open:
		return one(opened(e))
	case trace.Proxy:
		return one(fmt.Sprintf("the %s proxy %s passes on to %s", e.Kind, e.Via, printable(e.Target)))
	case trace.TLSStart:
		return one("TLS begins" + named(e.ServerName))
	case trace.TLS:
		return secured(e)
	case trace.TLSFailed:
		return one("TLS failed: " + printable(e.Error))
	case trace.TurnedAway:
		return one(fmt.Sprintf("turned away %s: %s (--%s)", e.Remote, printable(e.Reason), e.Rule))
	case trace.Limit:
		return one(fmt.Sprintf("%s (--%s)", printable(e.Reason), e.Rule))
	case trace.Close:
		return one(closed(e))
	case trace.Child:
		return one(child(e))
	case trace.Fault:
		return one(fault(e))
	case trace.Note:
		return one(printable(e.Text))
	}
	return one(e.Name())
}

func one(s string) []string { return []string{s} }

func named(serverName string) string {
	if serverName == "" {
		return ""
	}
	return " for " + printable(serverName)
}

func resolved(e trace.Resolve) string {
	if e.Error != "" {
		return fmt.Sprintf("not resolved: %s (%s)", printable(e.Error), Duration(e.Duration))
	}
	return fmt.Sprintf("resolved %s: %s (%s)", printable(e.Host), strings.Join(e.Addresses, ", "), Duration(e.Duration))
}

func opened(e trace.Open) string {
	if e.Network == "http2" {
		return fmt.Sprintf("a stream is open on the HTTP/2 connection of %s and %s", printable(e.Local), printable(e.Remote))
	}
	if e.Side == trace.Server {
		return fmt.Sprintf("accepted %s from %s on %s", e.Network, printable(e.Remote), printable(e.Local))
	}
	if e.Local == e.Remote || e.Local == "" {
		return fmt.Sprintf("opened %s", printable(e.Remote))
	}
	return fmt.Sprintf("connected to %s from %s by %s (%s)", printable(e.Remote), printable(e.Local), e.Network, Duration(e.Duration))
}

func secured(e trace.TLS) []string {
	s := fmt.Sprintf("%s, %s", e.Version, e.Cipher)
	if e.ALPN != "" {
		s += ", ALPN " + printable(e.ALPN)
	}
	if e.Resumed {
		s += ", resumed"
	}
	lines := one(s + fmt.Sprintf(" (%s)", Duration(e.Duration)))
	for i, c := range e.Certificates {
		if i == 0 {
			lines = append(lines, fmt.Sprintf("certificate %s, by %s, until %s, sha256:%s",
				printable(c.Subject), printable(c.Issuer), c.NotAfter.UTC().Format(time.DateOnly), strings.TrimPrefix(c.SHA256, "sha256:")))
		}
	}
	if e.Unverified {
		lines = append(lines, "the certificate was not checked")
	}
	return lines
}

func closed(e trace.Close) string {
	how := "closed"
	if e.Reset {
		how = "reset"
	}
	s := fmt.Sprintf("%s after %s: %s out, %s in", how, Duration(e.Duration), Size(e.Out), Size(e.In))
	if e.Error != "" && !e.Reset {
		s += "; " + printable(e.Error)
	}
	return s
}

func child(e trace.Child) string {
	if e.Exit == "" {
		return fmt.Sprintf("started %s as process %d", printable(e.Command), e.PID)
	}
	return fmt.Sprintf("process %d ended: %s", e.PID, e.Exit)
}

func fault(e trace.Fault) string {
	s := "fault " + e.Kind
	if e.Dir != trace.None {
		s += " " + e.Dir.String()
	}
	if e.Size > 0 {
		s += ", " + bytesOf(e.Size)
	}
	if e.Delay > 0 {
		s += ", " + Duration(e.Delay)
	}
	return s
}

func datagram(e trace.Datagram) string {
	peer := "to"
	if e.Dir == trace.In {
		peer = "from"
	}
	s := fmt.Sprintf("datagram %s %s, %s", peer, printable(e.Remote), bytesOf(e.Size))
	if e.TTL > 0 {
		s += ", TTL " + strconv.Itoa(e.TTL)
	}
	if e.Interface != "" {
		s += ", " + e.Interface
	}
	if e.Truncated {
		s += fmt.Sprintf(", truncated to %d", len(e.Payload))
	}
	return s
}

// Duration is d in the unit that reads best.
func Duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// Size is n bytes in the unit that reads best, in powers of 1024.
func Size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), ""
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		value, unit = value/1024, u
		if value < 1024 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
