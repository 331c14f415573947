package capture

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sockkit/sockkit/internal/render"
)

// shownConnections bounds those that the text lists; the JSON has them all.
const shownConnections = 100

// Lines is the summary for people.
func (r *Report) Lines() []string {
	lines := []string{r.headline()}
	shown := r.Connections[:min(len(r.Connections), shownConnections)]
	for _, c := range shown {
		lines = append(lines, c.lines()...)
	}
	if more := len(r.Connections) - len(shown) + r.More; more > 0 {
		lines = append(lines, fmt.Sprintf("… and %s more (--json lists up to %d)", counted(more, "connection"), mostListed))
	}
	for _, why := range slices.Sorted(maps.Keys(r.Left)) {
		lines = append(lines, fmt.Sprintf("left out  %s: %s", counted(r.Left[why], "packet"), why))
	}
	for _, note := range r.Notes {
		lines = append(lines, "note      "+render.Printable(note))
	}
	if r.Error != "" {
		lines = append(lines, "stopped   "+render.Printable(r.Error))
	}
	return append(lines, r.foundLine())
}

func (r *Report) headline() string {
	s := fmt.Sprintf("%s: %s", render.Printable(cmp.Or(r.File, "standard input")), r.Format)
	if r.Packets > 0 {
		s += ", " + counted(r.Packets, "packet")
	}
	s += ", " + counted(len(r.Connections)+r.More, "connection")
	if !r.First.IsZero() {
		s += fmt.Sprintf(", from %s on for %s", r.First.UTC().Format("2006-01-02 15:04:05 MST"), render.Duration(r.Last.Sub(r.First)))
	}
	return s
}

func (r *Report) foundLine() string {
	if r.Findings == 0 {
		return "findings  none"
	}
	return fmt.Sprintf("findings  %d, of which %d break a MUST", r.Findings, r.Musts)
}

// lines word one connection.
func (c *Connection) lines() []string {
	head := fmt.Sprintf("[%d] %s %s to %s", c.ID, c.Network, render.Printable(c.Client), render.Printable(c.Server))
	if c.Network == "udp" {
		return []string{fmt.Sprintf("%s: %s out, %s in", head, counted(c.Data.Out, "datagram"), counted(c.Data.In, "datagram"))}
	}
	if c.On != 0 {
		head += fmt.Sprintf(", stream %d of [%d]", c.Stream, c.On)
	}
	if c.Out+c.In > 0 {
		head += fmt.Sprintf(", %s out, %s in", render.Size(c.Out), render.Size(c.In))
	}
	if c.End != "" {
		head += fmt.Sprintf(", %s after %s", c.ended(), render.Duration(c.Duration))
	}
	lines := []string{head}
	for _, part := range []string{c.tlsLine(), c.upgradeLine(), c.countLine(), c.gapLine()} {
		if part != "" {
			lines = append(lines, "    "+part)
		}
	}
	for _, f := range c.Findings {
		lines = append(lines, fmt.Sprintf("    finding %s: %s (%s, %s, by the %s)", render.Printable(f.Rule),
			render.Printable(strings.TrimSuffix(f.Summary, ".")), render.Printable(f.Binding), render.Printable(f.Clause), render.Printable(f.Fault)))
	}
	if c.More > 0 {
		lines = append(lines, fmt.Sprintf("    … and %s more", counted(c.More, "finding")))
	}
	return lines
}

func (c *Connection) ended() string {
	if c.End == EndOpen {
		return "still open"
	}
	return c.End
}

func (c *Connection) tlsLine() string {
	t := c.TLS
	if t == nil {
		return ""
	}
	parts := []string{cmp.Or(t.Version, "TLS")}
	for _, p := range []string{t.Cipher, labelled("ALPN ", t.ALPN), labelled("for ", t.ServerName)} {
		if p != "" {
			parts = append(parts, render.Printable(p))
		}
	}
	if len(t.Certificates) > 0 {
		first := t.Certificates[0]
		parts = append(parts, fmt.Sprintf("certificate %s until %s", render.Printable(first.Subject), first.NotAfter.UTC().Format(time.DateOnly)))
	}
	if t.Decrypted {
		parts = append(parts, "decrypted")
	} else {
		parts = append(parts, labelled("not decrypted: ", cmp.Or(t.Why, "the handshake is not complete")))
	}
	return strings.Join(parts, ", ")
}

func labelled(label, text string) string {
	if text == "" {
		return ""
	}
	return label + text
}

func (c *Connection) upgradeLine() string {
	if len(c.Upgrades) == 0 {
		return ""
	}
	u := c.Upgrades[0]
	s := "WebSocket " + render.Printable(u.Target)
	if u.Error != "" || u.Status != 0 {
		s = "the opening handshake failed"
		if u.Status != 0 {
			s += fmt.Sprintf(" with status %d", u.Status)
		}
	}
	for _, p := range []string{labelled("subprotocol ", u.Subprotocol), u.Extensions} {
		if p != "" {
			s += ", " + render.Printable(p)
		}
	}
	if n := len(c.Upgrades) - 1; n > 0 {
		s += fmt.Sprintf(", and %d more", n)
	}
	return s
}

func (c *Connection) countLine() string {
	var parts []string
	if c.Requests > 0 {
		parts = append(parts, counted(c.Requests, "request"))
	}
	for _, count := range []struct {
		n    Count
		what string
	}{{c.Messages, "message"}, {c.Packets, "packet of Socket.IO"}} {
		if count.n.Out+count.n.In > 0 {
			what := strings.Replace(count.what, "packet of", "packets of", 1)
			if count.what == "message" {
				what = "messages"
			}
			parts = append(parts, fmt.Sprintf("%s: %d out, %d in", what, count.n.Out, count.n.In))
		}
	}
	if c.Closed != nil {
		parts = append(parts, fmt.Sprintf("the %s closes with %d", c.Closed.By, c.Closed.Code))
	}
	return strings.Join(parts, "; ")
}

func (c *Connection) gapLine() string {
	var parts []string
	if !c.Whole && c.Network == "tcp" {
		parts = append(parts, "the beginning is not in the capture")
	}
	if c.Gaps > 0 {
		parts = append(parts, fmt.Sprintf("%s with %s missing", counted(c.Gaps, "gap"), counted(c.Missing, "byte")))
	}
	if c.Repeated > 0 {
		parts = append(parts, counted(c.Repeated, "byte")+" came again")
	}
	if c.Conflicts > 0 {
		parts = append(parts, fmt.Sprintf("%d times with other bytes than before", c.Conflicts))
	}
	return strings.Join(parts, ", ")
}

// counted is a number of things: 1 byte, 2 bytes.
func counted[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
